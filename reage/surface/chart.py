"""A chart of a face's skin: every place on it has one position, however the head is turned.

The mesh of dense landmarks is unrolled from a cylinder round the head, so that cheeks seen from the
front keep their share; two rings of points around the outline carry what lies beside the mesh:
forehead, jaw, hair line. Triangles join the points; a texel is a fixed mixture of three of them.
Worked out from the landmarks of the shot itself. Knows nothing of pictures.

T frames, K landmarks, P points of the mesh (K without the irises, and the rings), M triangles,
N side of the chart in texels. Coordinates are (x, y), with centres at whole numbers.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from reage.matte import FACE_OVAL, face_outline

Points = NDArray[np.float64]

NUM_SKIN = 468  # landmarks on the skin; those beyond are the irises, which glide under the lids
_RINGS = (1.3, 1.9)  # times the outline's distance from the face's middle
_RINGS_LAID = (1.15, 1.3)  # the same on the chart, where the skin is to have the room
_SIDES = (234, 454)  # before the ears: where the cylinder's axis lies in depth
_MARGIN = 0.01  # of the chart's side that is left free around the outermost points
_VIEWED = 0.35  # the cosine of a view at which skin counts half
_LEAST_SEEN = 1e-3  # so that skin no frame shows has at least a guess


@dataclass(frozen=True, eq=False)
class Chart:
    """Where the points of the mesh lie on a chart, and which triangles join them.

    Attributes:
        positions: (P, 2) texels.
        triangles: (M, 3) indices of points, wound alike on the chart.
        side: N, texels.
    """

    positions: Points
    triangles: NDArray[np.int32]
    side: int

    def __post_init__(self) -> None:
        texels = np.stack(np.meshgrid(*[np.arange(self.side)] * 2), axis=-1).reshape(-1, 2)
        found = Delaunay(self.positions)
        owner = found.find_simplex(texels, tol=1e-9)
        corner, rest = found.transform[owner, :2], texels - found.transform[owner, 2]
        two = np.einsum("nij,nj->ni", corner, rest)
        shares = np.column_stack([two, 1 - two.sum(axis=1)])
        shares[owner < 0] = 0.0
        object.__setattr__(self, "_corners", found.simplices[owner])
        object.__setattr__(self, "_shares", shares)

    @classmethod
    def of_shot(cls, landmarks: Points, depths: Points, seen: Points, *, side: int) -> Self:
        """Draws the chart of a face from a whole shot.

        Args:
            landmarks: (T, K, 2) pixels of the crops, in which the face stands upright.
            depths: (T, K) pixels of the crops, growing away from the camera.
            seen: (T,) how well each frame shows the face, 0-1.
            side: N.
        """
        weights = np.maximum(seen, 1e-6) / np.maximum(seen, 1e-6).sum()
        shape = np.concatenate([landmarks, depths[..., None]], axis=2)[:, :NUM_SKIN]
        turned = np.stack([_to_front(points) for points in shape])
        front = np.einsum("t,tkc->kc", weights, turned)
        unrolled = with_rings(_unrolled(front), reaches=_RINGS_LAID)
        low, high = unrolled.min(axis=0), unrolled.max(axis=0)
        scale = (1 - 2 * _MARGIN) * (side - 1) / (high - low)
        positions = (unrolled - low) * scale + _MARGIN * (side - 1)
        return cls(positions, _wound_alike(positions), side)

    def mixed(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Spreads values of the points, (P, C), over the chart: (N, N, C)."""
        corners, shares = self._corners, self._shares  # type: ignore[attr-defined]
        spread = np.einsum("nk,nkc->nc", shares, values[corners])
        return np.asarray(spread.reshape(self.side, self.side, -1), np.float32)


def with_rings(landmarks: Points, *, reaches: tuple[float, ...] = _RINGS) -> Points:
    """Returns the skin's landmarks and the rings around them, (P, 2).

    Args:
        landmarks: (K, 2), of any picture.
        reaches: Of the rings, times the outline's distance from the face's middle.
    """
    outline = face_outline(landmarks)
    middle = outline.mean(axis=0)
    rings = [middle + reach * (outline - middle) for reach in reaches]
    return np.concatenate([landmarks[:NUM_SKIN], *rings])


def visibility(landmarks: Points, depths: Points, triangles: NDArray[np.int32]) -> Points:
    """Returns how squarely a frame sees the skin at each point, (P,), over 0 up to 1.

    Args:
        landmarks: (K, 2) pixels.
        depths: (K,) pixels, growing away from the camera.
        triangles: (M, 3) of a chart; those of the rings are as their outline.
    """
    points = np.column_stack([landmarks, depths])[:NUM_SKIN]
    skin = triangles[(triangles < NUM_SKIN).all(axis=1)]
    a, b, c = (points[skin[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)  # as long as twice the area, so that they average by area
    summed = np.zeros_like(points)
    for corner in range(3):
        np.add.at(summed, skin[:, corner], normals)
    cosine = summed[:, 2] / np.maximum(np.linalg.norm(summed, axis=1), 1e-9)
    turned_away = cosine <= 0
    seen = np.where(turned_away, 0.0, cosine**2 / (cosine**2 + _VIEWED**2) * (1 + _VIEWED**2))
    rings = [seen[list(FACE_OVAL)]] * len(_RINGS)
    return np.maximum(np.concatenate([seen, *rings]), _LEAST_SEEN)


def _to_front(points: Points) -> Points:
    """Turns a face (K, 3) to the front: its sides as deep as one another, its brow as its chin."""
    centred = points - points.mean(axis=0)
    across = centred[_SIDES[1]] - centred[_SIDES[0]]
    down = centred[152] - centred[10]
    x = across / np.linalg.norm(across)
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    axes = np.stack([x, y, np.cross(x, y)])
    return np.asarray(centred @ axes.T)


def _unrolled(front: Points) -> Points:
    """Unrolls a face (K, 3) that looks to the front from its upright cylinder, (K, 2)."""
    axis = front[list(_SIDES)].mean(axis=0)
    radius = float(np.abs(front[list(_SIDES), 0] - axis[0]).mean())
    depth = np.maximum(axis[2] - front[:, 2], 0.0) + 0.25 * radius
    angle = np.arctan2(front[:, 0] - axis[0], depth)
    return np.column_stack([radius * angle, front[:, 1]])


def _wound_alike(positions: Points) -> NDArray[np.int32]:
    triangles = Delaunay(positions).simplices
    a, b, c = (positions[triangles[:, i]] for i in range(3))
    backwards = signed_area(a, b, c) < 0
    triangles[backwards] = triangles[backwards][:, ::-1]
    return np.asarray(triangles, np.int32)


def signed_area(a: Points, b: Points, c: Points) -> Points:
    """Returns twice the area of triangles, positive when wound from x towards y, (M,)."""
    ab, ac = b - a, c - a
    return np.asarray(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])
