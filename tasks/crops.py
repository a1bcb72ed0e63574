"""From plate frames to what networks see: display-referred crops in the prior's own alignment.

Holds no task: it is the translation that tasks share.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.ageing.prior import Alignment, Prior
from reage.colour import to_display
from reage.framerange import FrameRange
from reage.geometry import Similarity, warp_to_crop
from reage.image import Image
from reage.patches import read_patches
from reage.tracks import Track, crop_from_plate, load_track
from reage.video import PlateInfo, probe, read_frames
from tasks.gpu import device
from tasks.refs import CastRef, ChunkRef, FrameSetRef

Crop = NDArray[np.float32]


def plate_info(frame_set: FrameSetRef) -> PlateInfo:
    """Probes the plate that a ref points to."""
    return probe(frame_set.path, first_frame=frame_set.first_frame, frame_rate=frame_set.frame_rate)


def plate_frames(
    frame_set: FrameSetRef, frames: FrameRange | None = None
) -> Iterator[tuple[int, Image]]:
    """Reads frames of the plate, all of the set's when none are named."""
    info = plate_info(frame_set)
    return read_frames(info, frames or frame_set.frames, colourspace=frame_set.colourspace)


def chunk_frames(
    frame_set: FrameSetRef, chunk: ChunkRef, frames: FrameRange | None = None
) -> Iterator[tuple[int, Image, Image, NDArray[np.float32]]]:
    """Reads the frames of a chunk, all of them when none are named.

    Yields:
        Frame number, plate, result and matte (H, W), 0-1; where the matte is 0 the result is the
        plate, bit for bit.
    """
    wanted = frames or chunk.frames
    patches = read_patches(Path(chunk.folder), wanted)
    for (frame, plate), patch in zip(plate_frames(frame_set, wanted), patches, strict=True):
        yield frame, plate, *patch.over(plate)


def crop_from_picture(landmarks: NDArray[np.float64], alignment: Alignment) -> Similarity:
    """Returns how a face is cut out of a picture as a prior wants it.

    Args:
        landmarks: Of the mediapipe mesh, (478, 2), pixel centres of the picture.
        alignment: Declared by the prior.

    Returns:
        Picture pixel centres to crop pixel centres, float64.
    """
    template = np.asarray(alignment.template, np.float64)
    return Similarity.fit(landmarks[list(alignment.landmark_indices)], template)


class Cropper:
    """Cuts one track's face out of frames, in the alignment of a prior."""

    def __init__(self, track: Track, prior: Prior) -> None:
        alignment = prior.alignment
        self.track, self.size = track, alignment.size
        self._crop_from_plate = crop_from_plate(
            track, alignment.template, alignment.landmark_indices
        )

    @classmethod
    def of(cls, cast: CastRef, prior: Prior) -> "Cropper":
        """Opens the cropper of a cast actor."""
        return cls(load_track(Path(cast.track_path)), prior)

    def crop_from_plate(self, frame: int) -> Similarity:
        """Returns the alignment of a frame: plate pixel centres to crop pixel centres, float64."""
        return self._crop_from_plate[self.track.frames.index_of(frame)]

    def crop(self, frame: int, image: Image) -> Crop:
        """Returns the crop, display-referred, (R, R, 3)."""
        size = (self.size, self.size)
        return warp_to_crop(to_display(image), self.crop_from_plate(frame), size)


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
