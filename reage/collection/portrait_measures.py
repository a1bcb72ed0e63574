"""What is measured of a face in a photograph, and when that makes it unfit to learn from.

Everything is measured at one size of the face, so that a large and a small print of one negative
score alike until the small one lacks detail. Knows nothing of networks or files.

K is 478 mesh landmarks.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.collection.ages import Refusal
from reage.colour import luma
from reage.detection import MESH_SIZE, Detection, region_around
from reage.geometry import warp_to_crop
from reage.visibility import head_pose

HASH_SIDE = 16  # the hash has 16 x 16 bits

_IRISES = (slice(468, 473), slice(473, 478))
_FACE = slice(MESH_SIZE // 5, MESH_SIZE - MESH_SIZE // 5)  # the face's share of its region
_FINE_PX, _COARSE_PX = 1.0, 4.0  # of a face 120 px high


@dataclass(frozen=True, kw_only=True)
class FaceMeasures:
    """How well a face is seen.

    Attributes:
        eye_distance: Between the irises, px of the photograph.
        sharpness: Fine detail against coarse, see `sharpness_of`.
        yaw_deg: Positive when the face looks to the right of the picture.
        pitch_deg: Positive when it looks up.
        outside: Share of the landmarks beyond the picture's edge, 0-1.
        score: The mesh network's belief that this is a face, 0-1.
        disagreement: Between readings of the landmarks, of the face's extent: high where something
            hides the face.
    """

    eye_distance: float
    sharpness: float
    yaw_deg: float
    pitch_deg: float
    outside: float
    score: float
    disagreement: float


@dataclass(frozen=True, kw_only=True)
class PortraitLimits:
    """What a photograph must reach to be learnt from.

    Measured on 79 official portraits, 65 research photographs and frames of two clips. Sharpness:
    0.33-0.63 and 0.17-0.56 as they are; 0.20-0.27 after a blur of 1 % of the face's height, at most
    0.19 after 2 %. Disagreement: at most 0.008 in the open, 0.007-0.022 where half the face is
    covered; dark glasses and covered mouths do not show in it. Hashes of different people: 42 bits
    apart or more. Likeness, with the compact prior: at least 0.72 to the mean of one person's
    frames; between people at most 0.43 in 95 % of pairs, but 0.69 among portraits of elderly men.

    Attributes:
        min_eye_distance: px between the irises.
        min_sharpness: See `sharpness_of`.
        max_yaw_deg: Turn of the head to either side.
        max_pitch_deg: Up or down.
        max_outside: Share of the face beyond the picture's edge, 0-1.
        max_disagreement: See `FaceMeasures`.
        min_similarity: Cosine to the actor's mean embedding.
        duplicate_similarity: Cosine from which two crops may be prints of one photograph.
        duplicate_bits: Bits of 256 in which their hashes may differ at most.
    """

    min_eye_distance: float = 24.0
    min_sharpness: float = 0.18
    max_yaw_deg: float = 45.0
    max_pitch_deg: float = 35.0
    max_outside: float = 0.05
    max_disagreement: float = 0.012
    min_similarity: float = 0.5
    duplicate_similarity: float = 0.95
    duplicate_bits: int = 36


def measure_face(pixels: NDArray[np.float32], face: Detection) -> FaceMeasures:
    """Measures a face.

    Args:
        pixels: The photograph, sRGB, float32, (H, W, 3), 0-1.
        face: As found in it.
    """
    height, width = pixels.shape[:2]
    yaw, pitch = head_pose(face.landmarks[None], face.depths[None])
    right, left = (face.landmarks[iris].mean(axis=0) for iris in _IRISES)
    last = np.array([width, height]) - 0.5
    outside = ((face.landmarks < -0.5) | (face.landmarks > last)).any(axis=1)
    return FaceMeasures(
        eye_distance=float(np.linalg.norm(left - right)),
        sharpness=sharpness_of(upright_luma(pixels, face.landmarks)),
        yaw_deg=float(yaw[0]),
        pitch_deg=float(pitch[0]),
        outside=float(outside.mean()),
        score=face.score,
        disagreement=face.disagreement,
    )


def upright_luma(
    pixels: NDArray[np.float32], landmarks: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns the luma of a face brought upright and to a height of 120 px, (115, 115), 0-1."""
    region = warp_to_crop(pixels, region_around(landmarks), (MESH_SIZE, MESH_SIZE))
    return luma(region[_FACE, _FACE])


def sharpness_of(luma: NDArray[np.float32]) -> float:
    """Returns how much fine detail a face has against its coarse detail, 0 when it has none.

    Args:
        luma: As `upright_luma` returns it.

    It is the deviation of what a Gaussian of 1 px takes away over that of what lies between
    Gaussians of 1 and 4 px, on a face 120 px high: independent of exposure and contrast.
    """
    fine, coarse = (cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in (_FINE_PX, _COARSE_PX))
    body = float((fine - coarse).std())
    return float((luma - fine).std()) / body if body > 1e-6 else 0.0


def hash_of(luma: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns where brightness rises to the right, (16, 16): alike for prints of one photograph.

    Source: Krawetz 2013, "Kind of Like That" (difference hash), here on the aligned face.
    """
    small = cv2.resize(luma, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1])


def hash_distance(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> int:
    """Returns in how many bits two hashes differ, one of them mirrored if that makes it fewer."""
    return int(min((a != b).sum(), (a != ~b[:, ::-1]).sum()))


def fault_of(name: str, face: FaceMeasures, limits: PortraitLimits) -> Refusal | None:
    """Returns the first reason not to learn from a face, None when it is fit."""
    checks = (
        ("tiny face", "px between the eyes", face.eye_distance, limits.min_eye_distance, True),
        ("cut off", "of the face outside the picture", face.outside, limits.max_outside, False),
        ("turned away", "degrees to the side", abs(face.yaw_deg), limits.max_yaw_deg, False),
        ("turned away", "degrees up or down", abs(face.pitch_deg), limits.max_pitch_deg, False),
        ("blurred", "sharpness", face.sharpness, limits.min_sharpness, True),
        ("hidden", "of doubt in the landmarks", face.disagreement, limits.max_disagreement, False),
    )
    for reason, what, got, limit, is_least in checks:
        if got < limit if is_least else got > limit:
            bound = "at least" if is_least else "at most"
            return Refusal(name, reason, f"got {got:.3g} {what}, expected {bound} {limit:.3g}")
    return None
