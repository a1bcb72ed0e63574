"""Batches of photographs and of what a camera should see of each: that which took it, or another.

Shapes: B faces, R crop size, N pixels of a view.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.eg3d.camera import mirror
from models.training import to_crops
from reage.head.camera import HeadCamera, PosedFace
from reage.head.surface import TurnedView, turn_head
from reage.posed_faces import PosedFaceSet


@dataclass(frozen=True, eq=False)
class Photographed:
    """Photographs with a camera each, and pictures beside them.

    Attributes:
        crops: The photographs, (B, 3, R, R), [-1, 1].
        label: The cameras, (B, 25).
    """

    crops: Tensor
    label: Tensor

    def to(self, device: torch.device) -> Self:
        """Returns the same on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def mirrored(self, flip: Tensor) -> Self:
        """Returns the same with those mirrored, cameras and all, of which `flip` (B,) is true."""
        chosen = flip[:, None, None, None]
        turned = {
            f.name: torch.where(chosen, pictures.flip(3), pictures)
            for f in fields(self)
            if (pictures := getattr(self, f.name)).ndim == chosen.ndim
        }
        label = torch.where(flip[:, None], mirror(self.label), self.label)
        return replace(self, label=label, **turned)


@dataclass(frozen=True, eq=False)
class Photographs(Photographed):
    """Photographs, the cameras that took them, and how much of the crop they fill.

    Attributes:
        window: (B, 1, R, R), 1 where the crop is photograph, 0 beside it.
    """

    window: Tensor


@dataclass(frozen=True, eq=False)
class Views(Photographed):
    """Photographs, and what a camera should see of each.

    Attributes:
        picture: (B, 3, N, N), [-1, 1]; holds where `is_seen`.
        is_seen: (B, 1, N, N), 0 or 1.
        distance: Along the ray, (B, 1, N, N), world units.
        is_face: (B, 1, N, N), 0 or 1, whether the distance is that of the face's own mesh.
    """

    picture: Tensor
    is_seen: Tensor
    distance: Tensor
    is_face: Tensor

    def at(self, size: int) -> "Views":
        """Returns the same views at a smaller size that divides N."""
        step = self.picture.shape[-1] // size
        if step == 1:
            return self
        return Views(
            crops=self.crops,
            label=self.label,
            picture=F.avg_pool2d(self.picture, step),
            is_seen=1 - F.max_pool2d(1 - self.is_seen, step),
            distance=F.avg_pool2d(self.distance, step),
            is_face=(F.avg_pool2d(self.is_face, step) > 0.5).float(),
        )


def draw_views(
    faces: PosedFaceSet,
    rows: NDArray[np.int64],
    *,
    size: int,
    turn: float,
    turned_share: float,
    rng: np.random.Generator,
) -> Views:
    """Draws a view of every face; half of all are mirrored, cameras and all.

    Args:
        faces: To draw from.
        rows: (B,).
        size: N.
        turn: Largest yaw of another camera from straight ahead, degrees; pitch half of it.
        turned_share: Of the faces that another camera sees than the photograph's own, 0-1.
        rng: Draws cameras and mirrorings.
    """
    posed = [faces.face(row) for row in rows]
    is_turned = rng.random(len(rows)) < turned_share
    angles = rng.uniform(-1, 1, (len(rows), 2)) * [turn, turn / 2]
    cameras = [
        HeadCamera.towards(*angle) if turned else face.camera
        for face, turned, angle in zip(posed, is_turned, angles, strict=True)
    ]
    flip = torch.from_numpy(rng.random(len(rows)) < 0.5)
    return _views(faces, rows, posed, cameras, size).mirrored(flip)


def draw_photographs(
    faces: PosedFaceSet, rows: NDArray[np.int64], *, rng: np.random.Generator
) -> Photographs:
    """Takes the photographs of rows (B,); half of all are mirrored, cameras and all."""
    crops = to_crops(faces.crops[rows])
    size = crops.shape[-1]
    ticks = (np.arange(size) + 0.5) / size
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    inside = np.stack([faces.is_photographed(row, places) for row in rows])
    label = torch.from_numpy(np.stack([faces.face(row).camera.label for row in rows]))
    window = torch.from_numpy(inside)[:, None].float()
    taken = Photographs(crops=crops, label=label, window=window)
    return taken.mirrored(torch.from_numpy(rng.random(len(rows)) < 0.5))


def _views(
    faces: PosedFaceSet,
    rows: NDArray[np.int64],
    posed: list[PosedFace],
    cameras: list[HeadCamera],
    size: int,
) -> Views:
    drawn = [turn_head(f, camera, size=size) for f, camera in zip(posed, cameras, strict=True)]
    seen = [
        view.is_seen & faces.is_photographed(row, view.places)
        for row, view in zip(rows, drawn, strict=True)
    ]
    crops = to_crops(faces.crops[rows])
    source = F.adaptive_avg_pool2d(crops, size) if crops.shape[-1] > size else crops
    grid = 2 * torch.from_numpy(np.stack([view.places for view in drawn])) - 1
    return Views(
        crops=crops,
        label=torch.from_numpy(np.stack([camera.label for camera in cameras])),
        picture=F.grid_sample(source, grid, align_corners=False, padding_mode="reflection"),
        is_seen=torch.from_numpy(np.stack(seen))[:, None].float(),
        distance=_stacked(drawn, "distance"),
        is_face=_stacked(drawn, "is_face"),
    )


def _stacked(views: list[TurnedView], name: str) -> Tensor:
    return torch.from_numpy(np.stack([getattr(view, name) for view in views]))[:, None].float()
