"""A reference plate: a rendered head where the actor's face is, one EXR file a frame, with alpha.

Knows no network: the heads come as pictures. Scene-linear Rec.709, premultiplied (associated).

Shapes: R pixels of a rendered head, K landmarks, H W of the plate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.anamorphic import onto_plate_grid
from reage.colour import decode_display
from reage.exr import new_frame, timing_attributes, write_exr
from reage.geometry import Roi, WarpedPatch, warp_to_plate
from reage.head.camera import HeadCamera, PosedFace, pose_face
from reage.head.crop import crop_similarity
from reage.matte import face_outline, soft_polygon
from reage.steadying import smooth
from reage.tracks import Track
from reage.turntable import GENERATED_SOURCE_TYPE
from reage.video import PlateInfo

PATTERN = "reference.{frame:04d}.exr"
_SOFTNESS = 0.1  # of edges, in shares of the face's height or of the picture
_SHORTEST = 5  # frames of a track whose depths can be steadied


@dataclass(frozen=True, eq=False)
class HeadTrack:
    """Where an actor's head is seen from, frame by frame.

    Attributes:
        track: Of the actor, over the shot.
        faces: Camera and crop of each frame.
    """

    track: Track
    faces: tuple[PosedFace, ...]

    @classmethod
    def of(cls, track: Track) -> "HeadTrack":
        """Finds the cameras from steadied landmarks; depths are steadied here."""
        depths = smooth(track.depths) if len(track.depths) >= _SHORTEST else track.depths
        pairs = zip(track.landmarks, depths, strict=True)
        return cls(track, tuple(pose_face(places, depth) for places, depth in pairs))

    def cameras(self) -> list[HeadCamera]:
        """Returns the camera of every frame."""
        return [face.camera for face in self.faces]

    def is_shown(self, index: int) -> bool:
        """Whether anything of the face shows in a frame, and from near enough to the front."""
        return bool(self.track.fade[index] > 0) and self.faces[index].is_near_front

    def layer(
        self, index: int, head: NDArray[np.uint8], coverage: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Lays a head where the face is, at square pixels.

        Args:
            index: Of the frame, from 0.
            head: Display-referred, uint8, (R, R, 3), as the frame's camera sees it.
            coverage: Of the head, float32, (R, R), 0-1.

        Returns:
            RGBA, scene-linear, premultiplied, float32, (H, W, 4): within the face's outline.
        """
        size, track = self.track.picture_size, self.track
        linear = decode_display(head.astype(np.float32) / 255)
        covered = coverage * _faded_edge(len(head))
        rgba = np.dstack([linear * covered[..., None], covered]).astype(np.float32)
        plate_from_crop = crop_similarity(self.faces[index], len(head)).inverse()
        laid = warp_to_plate(rgba, plate_from_crop, size).full(size)
        outline = _within_outline(track.landmarks[index], size)
        return np.asarray(laid * outline[..., None] * np.float32(track.fade[index]))


def _within_outline(landmarks: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """Returns 1 within the face's outline, softly 0 outside, (H, W); an open mouth is no hole."""
    outline = face_outline(landmarks)
    softness = _SOFTNESS * float(np.ptp(outline, axis=0).max())
    roi = Roi.around(outline, size, margin=softness)
    return WarpedPatch(roi, soft_polygon(outline, roi, softness)).full(size)


def _faded_edge(size: int) -> NDArray[np.float32]:
    """Returns what a head's picture, (R, R), fades by towards its edges, where it is cut off."""
    along = np.minimum(np.arange(size), np.arange(size)[::-1]) / (_SOFTNESS * size)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(along, 0, 1))
    return np.minimum(ramp[:, None], ramp[None]).astype(np.float32)


def write_reference(
    folder: Path,
    frame: int,
    layer: NDArray[np.float32],
    *,
    plate: PlateInfo,
    attributes: Mapping[str, str],
) -> Path:
    """Writes one frame on the plate's own grid, half floats R, G, B, A; returns its path.

    Args:
        folder: Of the frames.
        frame: Studio frame number.
        layer: RGBA at square pixels, (H, W, 4).
        plate: Whose size, pixel aspect and rate it has.
        attributes: Text, by name.

    Raises:
        StorageError: The file cannot be written.
    """
    own = onto_plate_grid(layer, (plate.width, plate.height))
    written = new_frame(
        own[..., :3], is_half=True, pixel_aspect=plate.pixel_aspect, alpha=own[..., 3]
    )
    path = folder / PATTERN.format(frame=frame)
    timing = timing_attributes(plate.frame_rate, None)
    write_exr(path, written.with_attributes({**timing, **attributes}))
    return path


def reference_record(facts: Mapping[str, Any], **of_shot: Any) -> dict[str, Any]:
    """Describes what a reference plate is and rests on, in JSON values; nothing in it is random."""
    return {
        "kind": "reage-reference-plate",
        "schema_version": 1,
        "digital_source_type": GENERATED_SOURCE_TYPE,
        "action": "a face rendered by a trained network at the plate's camera, as a reference for "
        "comp; not composited",
        "colour": "scene-linear Rec.709, premultiplied alpha",
        **of_shot,
        **facts,
    }
