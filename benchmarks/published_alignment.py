"""FFHQ alignment by our code of the pictures that the recipe draws: golden keys align.*.

Knows nothing of networks; see published_stack.py.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.golden_recipe import normal
from benchmarks.published_stack import Arrays
from reage.ffhq_alignment import FacePoints, align_picture, ffhq_quad, prepare_picture

SIZE = 256
_BLOCK = 20
_LARGE = "shrink"  # the case with a picture so large that it is shrunk


def recipe_picture(case: str, *, seed: int) -> NDArray[np.uint8]:
    """Returns the picture of a case: 600 x 720 with grain, the large one 1400 x 1640 without."""
    is_large = case == _LARGE
    name, rows, columns = ("alignbig", 70, 82) if is_large else ("alignimg", 30, 36)
    blocks = normal(f"input.{name}", (rows, columns, 3), seed=seed)
    pixels = np.kron(blocks, np.ones((_BLOCK, _BLOCK, 1), np.float32)) * 50 + 128
    if not is_large:
        shape = (rows * _BLOCK, columns * _BLOCK, 3)
        pixels = pixels + normal("input.alignfine", shape, seed=seed) * 6
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def aligned(case: str, landmarks: NDArray[np.int64], *, seed: int) -> Arrays:
    """Returns align.<case>.*; the landmarks are the file's own, an input."""
    picture, points = recipe_picture(case, seed=seed), FacePoints.from_68(landmarks)
    source, quad = prepare_picture(picture, ffhq_quad(points), size=SIZE)
    return {
        f"align.{case}.landmarks": landmarks,
        f"align.{case}.quad_in_last_image_plus_half": (quad + 0.5).flatten(),
        f"align.{case}.last_image_wh": np.array(source.size),
        f"align.{case}.out": align_picture(picture, points, size=SIZE),
    }
