"""Cameras as the 25 numbers that a tri-plane generator takes, and the rays they see along.

A camera label is a camera-to-world matrix, 4 x 4, and intrinsics, 3 x 3, both row by row. Cameras
look along +z, x to the right and y down in the picture; in the world y is up and the face at the
origin looks along +z. Intrinsics are in units of the picture's size.
Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", and the
labels of its public data: distance 2.7, focal length 2985.29 / 700.

Shapes: B batch, M rays, N pixels along a side.
"""

import math

import torch
from torch import Tensor

from models.shapes import check_shape

LABEL_SIZE = 25
FFHQ_FOCAL = 4.2647
FFHQ_RADIUS = 2.7
FFHQ_PIVOT = (0.0, 0.0, 0.2)
FRONTAL_ANGLE = math.pi / 2
_MIRRORED = (1, 2, 3, 4, 8)  # of the matrix, row by row: (0,1) (0,2) (0,3) (1,0) (2,0)


def camera_label(camera_to_world: Tensor, intrinsics: Tensor) -> Tensor:
    """Returns labels (B, 25) of matrices (B, 4, 4) and intrinsics (B, 3, 3).

    Raises:
        ShapeError: A matrix has another shape.
    """
    check_shape("camera_to_world", camera_to_world, "B I J", I=4, J=4)
    check_shape("intrinsics", intrinsics, "B I J", B=len(camera_to_world), I=3, J=3)
    return torch.cat([camera_to_world.flatten(1), intrinsics.flatten(1)], dim=1)


def split_label(label: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the matrices (B, 4, 4) and intrinsics (B, 3, 3) of labels (B, 25).

    Raises:
        ShapeError: `label` has another shape.
    """
    check_shape("camera label", label, "B C", C=LABEL_SIZE)
    return label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3)


def ffhq_intrinsics(batch: int = 1, *, focal: float = FFHQ_FOCAL) -> Tensor:
    """Returns intrinsics (B, 3, 3), float32, with the optical axis through the centre."""
    matrix = torch.tensor([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]])
    return matrix.expand(batch, 3, 3)


def look_at(
    azimuth: Tensor,
    polar: Tensor,
    *,
    radius: float = FFHQ_RADIUS,
    pivot: tuple[float, float, float] = FFHQ_PIVOT,
) -> Tensor:
    """Places cameras on a sphere around the world's origin, turned towards the pivot.

    Args:
        azimuth: (B,), radians; pi/2 is frontal, more of it turns the camera to the world's +x.
        polar: (B,), in the published samplers' measure: pi/2 is frontal, 0 straight above, and
            the angle from above is arccos(1 - 2 polar / pi).
        radius: Distance from the origin, world units.
        pivot: What the camera is turned towards, world units.

    Returns:
        Camera-to-world matrices, float32, (B, 4, 4); computed in float64.

    Raises:
        ShapeError: The angles are not of one batch.
    """
    check_shape("azimuth", azimuth, "B")
    check_shape("polar", polar, "B", B=len(azimuth))
    heading = math.pi - azimuth.double()
    height = 1 - 2 * polar.double().clamp(1e-5, math.pi - 1e-5) / math.pi
    across = (1 - height.square()).sqrt()
    origin = radius * torch.stack([across * heading.cos(), height, across * heading.sin()], dim=1)
    forward = _unit(torch.tensor(pivot, dtype=origin.dtype, device=origin.device) - origin)
    above = torch.tensor([0.0, 1.0, 0.0], dtype=origin.dtype, device=origin.device)
    right = -_unit(torch.linalg.cross(above.expand_as(forward), forward))
    down = _unit(torch.linalg.cross(forward, right))
    matrix = torch.eye(4, dtype=origin.dtype, device=origin.device).repeat(len(origin), 1, 1)
    matrix[:, :3] = torch.stack([right, down, forward, origin], dim=2)
    return matrix.float()


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def posed_label(yaw: Tensor, pitch: Tensor, *, focal: float = FFHQ_FOCAL) -> Tensor:
    """Returns labels (B, 25) of cameras turned from the frontal one by angles (B,), radians."""
    matrices = look_at(FRONTAL_ANGLE + yaw, FRONTAL_ANGLE + pitch)
    return camera_label(matrices, ffhq_intrinsics(len(matrices), focal=focal).to(matrices))


def frontal_label(batch: int = 1) -> Tensor:
    """Returns the frontal camera's label (B, 25): what latents are conditioned on by default."""
    return posed_label(torch.zeros(batch), torch.zeros(batch))


def orbit(num_views: int, *, yaw: float = 0.35, pitch: float = 0.25) -> Tensor:
    """Returns labels (num_views, 25) of one turn around the face, as published videos make.

    Args:
        num_views: At least 1; the view after the last would be the first.
        yaw: Amplitude, radians.
        pitch: Amplitude, radians, around a centre 0.05 above the face's height.
    """
    phase = torch.arange(num_views, dtype=torch.float64) * (2 * math.pi / num_views)
    return posed_label(yaw * phase.sin(), pitch * phase.cos() - 0.05)


def mirror(label: Tensor) -> Tensor:
    """Returns the labels (B, 25) that see a picture flipped left to right.

    Raises:
        ShapeError: `label` has another shape.
    """
    check_shape("camera label", label, "B C", C=LABEL_SIZE)
    signs = label.new_ones(LABEL_SIZE)
    signs[list(_MIRRORED)] = -1
    return label * signs


def cast_rays(label: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Casts one ray through the centre of every pixel.

    Args:
        label: Camera labels, floating, (B, 25).
        size: N, pixels.

    Returns:
        Origins and unit directions in the world, (B, M, 3) each, M = N * N, row by row. Distance
        along a ray is therefore measured from the camera, not along its optical axis.

    Raises:
        ShapeError: `label` has another shape.
    """
    matrix, intrinsics = split_label(label)
    ticks = (torch.arange(size, dtype=label.dtype, device=label.device) + 0.5) / size
    v, u = torch.meshgrid(ticks, ticks, indexing="ij")
    fx, skew, cx = intrinsics[:, 0, :, None].unbind(dim=1)
    fy, cy = intrinsics[:, 1, 1, None], intrinsics[:, 1, 2, None]
    y = (v.flatten() - cy) / fy
    x = (u.flatten() - cx - skew * y) / fx
    in_camera = torch.stack([x, y, torch.ones_like(x)], dim=2)
    directions = _unit(in_camera @ matrix[:, :3, :3].transpose(1, 2))
    return matrix[:, None, :3, 3].expand_as(directions), directions
