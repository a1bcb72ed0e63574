"""How much a face smiles, read from its mesh in the world: no network but the landmarks' own.

Shapes: V skin landmarks, N faces.
"""

import numpy as np
from numpy.typing import NDArray

from reage.head.camera import canonical_face

_CORNERS = (61, 291)  # of the mouth
_UPPER_LIP = 13  # the middle of its lower edge
_EYES = (33, 263)  # outer corners


def smiles(skins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns how far the mouth's corners are drawn out and up, (N,), in eye distances.

    Measured along the pull of the zygomaticus major, half out and half up, from the middle of the
    upper lip, against the mean face: 0 is the mean face's mouth, a broad smile is about 0.07.

    Args:
        skins: Landmarks in the world, (N, V, 3); see reage.head.camera.PosedFace.
    """
    own, mean = (_drawn(x) for x in (np.asarray(skins, np.float64), canonical_face()[None]))
    return np.asarray(own - mean)


def _drawn(skins: NDArray[np.float64]) -> NDArray[np.float64]:
    left, right = (skins[:, corner, :2] for corner in _CORNERS)
    out = np.linalg.norm(right - left, axis=1) / 2
    up = (left + right)[:, 1] / 2 - skins[:, _UPPER_LIP, 1]
    eyes = np.linalg.norm(skins[:, _EYES[0]] - skins[:, _EYES[1]], axis=1)
    return np.asarray((out + up) / np.sqrt(2) / eyes)
