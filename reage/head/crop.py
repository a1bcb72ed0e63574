"""The crop that goes with a camera: what a tri-plane generator's picture shows of a photograph.

It is not FFHQ's crop. It stands upright, is as wide as the camera sees at the head's distance, and
has the pivot where the camera has it; EG3D's public weights want the like (a crop in which the eyes
lie 0.27 of its width apart, FFHQ's being 0.25), and show nobody's face in another.

Shapes: R crop size, H W pixels.
"""

import numpy as np
from numpy.typing import NDArray

from reage.geometry import Similarity, warp_to_crop
from reage.head.camera import PosedFace


def crop_similarity(face: PosedFace, size: int) -> Similarity:
    """Returns what takes the photograph's pixel centres to those of a crop of `size` pixels."""
    turned = face.crop_from_picture.matrix[:, :2] * size
    middle = np.full(2, 0.5)  # from pixel centres to areas, and back
    shift = face.crop_from_picture.apply(middle) * size - middle
    return Similarity(np.column_stack([turned, shift]))


def cut_crop(pixels: NDArray[np.float32], face: PosedFace, size: int) -> NDArray[np.float32]:
    """Cuts a face out of a photograph, (H, W, 3), as its camera sees it: float32, (R, R, 3)."""
    return warp_to_crop(pixels, crop_similarity(face, size), (size, size))
