"""A surface to turn a photographed head on: the mesh of the face, the head around it, the backdrop.

The mesh is the face's own. Around its outline, rings lead outwards and back as a head does, and
far behind stands a plane. A photograph laid onto this surface shows how the head looks from a
little to the side, but for what the photograph does not show.

Shapes: V skin landmarks, P points of the surface (V and the rings), M triangles, N pixels along a
side.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from reage.head.camera import FACE_WIDTH, HeadCamera, Points, PosedFace, canonical_face
from reage.head.rasterising import rasterise
from reage.matte import FACE_OVAL

# Of every ring: times the outline's distance from the face's middle, and how far behind it.
_RINGS = ((1.1, 0.05), (1.25, 0.22), (1.45, 0.6))  # the latter in face widths
BACKDROP = -0.25  # depth of the plane in the world, z


@dataclass(frozen=True, eq=False)
class TurnedView:
    """What a camera sees of a photographed head.

    Attributes:
        places: (N, N, 2), where in the photograph's crop each pixel is to be found, 0-1.
        distance: (N, N), along the ray from the camera, world units.
        is_seen: (N, N), whether the photograph shows it at all.
        is_face: (N, N), whether it is the face's own mesh.
    """

    places: NDArray[np.float32]
    distance: NDArray[np.float32]
    is_seen: NDArray[np.bool_]
    is_face: NDArray[np.bool_]


def head_points(skin: Points) -> Points:
    """Returns the skin's landmarks (V, 3) and the rings around them, (P, 3)."""
    outline = skin[list(FACE_OVAL)]
    middle = outline.mean(axis=0)
    rings = []
    for reach, drop in _RINGS:
        ring = middle + (outline - middle) * [reach, reach, 1.0]
        rings.append(ring - [0.0, 0.0, drop * FACE_WIDTH])
    return np.concatenate([skin, *rings])


@lru_cache(maxsize=1)
def head_triangles() -> NDArray[np.int64]:
    """Returns the triangles of every head, (M, 3), wound clockwise as seen from the front."""
    points = head_points(canonical_face())
    depth = points[:, 2] - points[:, 2].min() + 0.3 * FACE_WIDTH
    around = np.hypot(points[:, 0], depth) * np.arctan2(points[:, 0], depth)
    flat = np.column_stack([around, points[:, 1]])
    count = len(canonical_face())
    outline = flat[list(FACE_OVAL)]
    middle = outline.mean(axis=0)
    for number, (reach, _) in enumerate(_RINGS):
        first = count + number * len(FACE_OVAL)
        flat[first : first + len(FACE_OVAL)] = middle + reach * (outline - middle)
    triangles = Delaunay(flat).simplices
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    backwards = np.cross(b - a, c - a) > 0
    triangles[backwards] = triangles[backwards][:, ::-1]
    return np.asarray(triangles, np.int64)


def turn_head(face: PosedFace, camera: HeadCamera, *, size: int) -> TurnedView:
    """Draws a photographed head from another camera, N = `size`."""
    points, triangles = head_points(face.skin), head_triangles()
    own_places, own_depths = face.camera.project(points)
    places, depths = camera.project(points)
    is_shown = _faces_camera(own_places[triangles])
    drawn = rasterise(places[:, :2], depths, triangles, size=size)
    world = _backdrop(camera, size)
    is_head = drawn.triangle >= 0
    corners = triangles[drawn.triangle[is_head]]
    shares = drawn.shares[is_head]
    world[is_head] = np.einsum("nk,nkc->nc", shares, points[corners])
    found, _ = face.camera.project(world)
    found[is_head] = np.einsum("nk,nkc->nc", shares, own_places[corners])
    is_seen = ((found > 0) & (found < 1)).all(axis=2)
    is_seen[is_head] &= is_shown[drawn.triangle[is_head]]
    hidden = drawn.triangle >= 0
    if camera is not face.camera:
        hidden = rasterise(own_places, own_depths, triangles, size=size).triangle >= 0
    row, column = (np.clip(found[..., i] * size, 0, size - 1).astype(int) for i in (1, 0))
    is_seen &= is_head | ~hidden[row, column]
    is_face = is_head.copy()
    is_face[is_head] = (corners < len(face.skin)).all(axis=1)
    distance = np.linalg.norm(world - camera.camera_to_world[:3, 3], axis=2)
    return TurnedView(found.astype(np.float32), distance.astype(np.float32), is_seen, is_face)


def _faces_camera(corners: Points) -> NDArray[np.bool_]:
    """Whether triangles (M, 3, 2), in a picture whose y points down, show their outer side."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] > 0)


def _backdrop(camera: HeadCamera, size: int) -> Points:
    """Returns where the rays of a camera's pixels meet the plane behind the head, (N, N, 3)."""
    ticks = (np.arange(size) + 0.5) / size
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    origin = camera.camera_to_world[:3, 3]
    rays = camera.unproject(places, np.ones((size, size))) - origin
    along = (BACKDROP - origin[2]) / np.minimum(rays[..., 2], -1e-6)
    return np.asarray(origin + along[..., None] * rays)
