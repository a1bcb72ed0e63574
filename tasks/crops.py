"""From plate frames to what networks see: display-referred crops in the prior's own alignment.

Holds no task: it is the translation that tasks share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.ageing.prior import Alignment, FFHQAlignment, Prior
from reage import ffhq_alignment
from reage.anamorphic import change_on_plate, to_square_pixels
from reage.colour import to_display
from reage.ffhq_alignment import FacePoints, ffhq_quad
from reage.framerange import FrameRange
from reage.geometry import Similarity, warp_to_crop
from reage.image import Image
from reage.matte import face_matte
from reage.patches import read_patches
from reage.tracks import Track, load_track
from reage.video import PlateInfo, probe, read_frames
from tasks.gpu import device
from tasks.refs import CastRef, ChunkRef, FrameSetRef

Crop = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ShotFrame:
    """One frame of the plate and what became of it.

    Attributes:
        number: Studio frame number.
        plate: As read, on the plate's own grid.
        result: Likewise; where `matte` is 0 the plate, bit for bit.
        matte: (H, W), float32, 0-1.
        seen_plate: The plate at square pixels, as faces are found and judged.
        seen_result: The result likewise.
        seen_matte: The matte likewise.
    """

    number: int
    plate: Image
    result: Image
    matte: NDArray[np.float32]
    seen_plate: Image
    seen_result: Image
    seen_matte: NDArray[np.float32]


def plate_info(frame_set: FrameSetRef) -> PlateInfo:
    """Probes the plate that a ref points to."""
    info = probe(
        frame_set.path,
        first_frame=frame_set.first_frame,
        frame_rate=frame_set.frame_rate,
        frames=frame_set.frames,
    )
    return replace(info, pixel_aspect=frame_set.pixel_aspect or info.pixel_aspect)


def plate_frames(
    frame_set: FrameSetRef, frames: FrameRange | None = None
) -> Iterator[tuple[int, Image]]:
    """Reads frames of the plate at square pixels, all of the set's when none are named."""
    for frame, _, seen in _seen_frames(frame_set, frames or frame_set.frames):
        yield frame, seen


def chunk_frames(
    frame_set: FrameSetRef, chunk: ChunkRef, frames: FrameRange | None = None
) -> Iterator[tuple[int, Image, Image, NDArray[np.float32]]]:
    """Reads the frames of a chunk at square pixels, all of them when none are named.

    Yields:
        Frame number, plate, result and matte (H, W), 0-1; where the matte is 0 the result is the
        plate, bit for bit.
    """
    wanted = frames or chunk.frames
    patches = read_patches(Path(chunk.folder), wanted)
    for (frame, plate), patch in zip(plate_frames(frame_set, wanted), patches, strict=True):
        yield frame, plate, *patch.over(plate)


def shot_frames(frame_set: FrameSetRef, chunk: ChunkRef) -> Iterator[ShotFrame]:
    """Reads the frames of a chunk on the plate's own grid and at square pixels."""
    patches = read_patches(Path(chunk.folder), chunk.frames)
    frames = _seen_frames(frame_set, chunk.frames)
    for (number, plate, seen), patch in zip(frames, patches, strict=True):
        seen_result, seen_matte = patch.over(seen)
        result, matte = change_on_plate(plate, seen=seen, result=seen_result, matte=seen_matte)
        yield ShotFrame(number, plate, result, matte, seen, seen_result, seen_matte)


def _seen_frames(frame_set: FrameSetRef, frames: FrameRange) -> Iterator[tuple[int, Image, Image]]:
    """Yields frame number, the plate as read, and the same at square pixels."""
    info = plate_info(frame_set)
    for frame, image in read_frames(
        info, frames, colourspace=frame_set.colourspace, exposure=frame_set.exposure
    ):
        yield frame, image, to_square_pixels(image, info.pixel_aspect)


def crop_from_picture(landmarks: NDArray[np.float64], alignment: Alignment) -> Similarity:
    """Returns how a face is cut out of a picture as a prior wants it.

    Args:
        landmarks: Of the mediapipe mesh, (478, 2), pixel centres of the picture.
        alignment: Declared by the prior.

    Returns:
        Picture pixel centres to crop pixel centres, float64.
    """
    if isinstance(alignment, FFHQAlignment):
        return ffhq_alignment.crop_from_plate(
            ffhq_quad(FacePoints.from_mesh(landmarks)), alignment.size
        )
    template = np.asarray(alignment.template, np.float64)
    return Similarity.fit(landmarks[list(alignment.landmark_indices)], template)


def face_in_crop(
    landmarks: NDArray[np.float64], crop_from_picture: Similarity, size: int
) -> NDArray[np.float32]:
    """Returns the matte of a face whose landmarks are those of the picture, (size, size), 0-1."""
    return face_matte(crop_from_picture.apply(landmarks), (size, size)).full((size, size))


def crop_from_synthesis(prior: Prior) -> Similarity:
    """Returns what takes pixel centres of synthesised crops to those of encoded crops.

    Both show the same square, so their edges agree and their pixel centres do not.
    """
    return _resized(prior.config.synthesis_size, prior.config.crop_size)


def _resized(size: int, other: int) -> Similarity:
    """Takes pixel centres of a square of one size to those of the same square in another."""
    scale = other / size
    offset = (scale - 1.0) / 2.0
    return Similarity(np.array([[scale, 0.0, offset], [0.0, scale, offset]]))


class Cropper:
    """Cuts one track's face out of frames, in the alignment of a prior."""

    def __init__(self, track: Track, prior: Prior) -> None:
        self.track, self.size = track, prior.alignment.size
        self._crop_from_plate = [
            crop_from_picture(points, prior.alignment) for points in track.landmarks
        ]
        self._crop_from_synthesis = crop_from_synthesis(prior)

    @classmethod
    def of(cls, cast: CastRef, prior: Prior) -> "Cropper":
        """Opens the cropper of a cast actor."""
        return cls(load_track(Path(cast.track_path)), prior)

    def crop_from_plate(self, frame: int) -> Similarity:
        """Returns the alignment of a frame: plate pixel centres to crop pixel centres, float64."""
        return self._crop_from_plate[self.track.frames.index_of(frame)]

    def plate_from_synthesis(self, frame: int) -> Similarity:
        """Returns where a synthesised crop lies: its pixel centres to plate pixel centres."""
        return self.crop_from_plate(frame).inverse() @ self._crop_from_synthesis

    def crop(self, frame: int, image: Image) -> Crop:
        """Returns the crop, display-referred, (R, R, 3)."""
        return self.crops(frame, image, self.size)[0]

    def face(self, frame: int) -> NDArray[np.float32]:
        """Returns where the face lies in the crop, (R, R), 0-1."""
        landmarks = self.track.landmarks[self.track.frames.index_of(frame)]
        return face_in_crop(landmarks, self.crop_from_plate(frame), self.size)

    def crops(self, frame: int, image: Image, *sizes: int) -> list[Crop]:
        """Returns the crop in several sizes, display-referred, (S, S, 3) each."""
        display, cut = to_display(image), self.crop_from_plate(frame)
        return [warp_to_crop(display, _resized(self.size, s) @ cut, (s, s)) for s in sizes]


def to_tensor(crops: NDArray[np.floating]) -> torch.Tensor:
    """Turns display-referred (T, R, R, 3) in 0-1 into the networks' (T, 3, R, R) in [-1, 1]."""
    clipped = np.clip(crops.astype(np.float32), 0.0, 1.0) * 2.0 - 1.0
    return torch.from_numpy(np.ascontiguousarray(clipped.transpose(0, 3, 1, 2))).to(device())


def batches(crops: Iterator[Crop], size: int) -> Iterator[NDArray[np.float32]]:
    """Gathers crops into stacks of at most `size`."""
    batch: list[Crop] = []
    for crop in crops:
        batch.append(crop)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def filled(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Fills a batch (N, ...) up to (size, ...) by repeating its last row.

    Networks round differently in batches of different sizes, and a frame must come out the same
    however a shot is cut into chunks.
    """
    return rows[np.minimum(np.arange(size), len(rows) - 1)]
