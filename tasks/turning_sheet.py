"""A sheet of photographed faces turned: what a 3D prior makes of them, from side to side.

Shapes: N faces, R crop size.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.eg3d.generator import Identity
from models.face3d.prior import Face3DPrior
from models.training import pictures, to_crops
from reage.age_strip import StripRow, compose_strip
from reage.head.camera import HeadCamera
from reage.posed_faces import PosedFaceSet

YAWS = (-35.0, -20.0, 0.0, 20.0, 35.0)  # degrees
_NEAR, _FAR = 2.3, 2.95  # world units: white and black of a depth picture


@torch.no_grad()
def turning_sheet(
    prior: Face3DPrior,
    faces: PosedFaceSet,
    rows: NDArray[np.int64],
    *,
    yaws: Sequence[float] = YAWS,
    codes: Tensor | None = None,
) -> NDArray[np.uint8]:
    """Draws faces as photographed, as drawn from the same camera, its depth, and turned.

    Args:
        prior: In evaluation mode.
        faces: Of which `rows` are shown.
        rows: (N,).
        yaws: Degrees.
        codes: w+ (N, L, D) of the faces; the encoder's if not given.

    Returns:
        RGB, uint8.
    """
    size = prior.config.crop_size
    codes = prior.encode(to_crops(faces.crops[rows])) if codes is None else codes
    strips = []
    for number, row in enumerate(rows):
        identity = prior.generator.identity(codes[number : number + 1])
        own, depth = _seen(prior, identity, faces.face(row).camera)
        turned = [_seen(prior, identity, HeadCamera.towards(yaw, 0.0))[0] for yaw in yaws]
        made = pictures(torch.cat([own, depth, *turned]))
        source = pictures(F.adaptive_avg_pool2d(to_crops(faces.crops[row : row + 1]), size))[0]
        strips.append(StripRow(label=f"age {faces.ages[row]}", source=source, faces=made))
    headings = ["as taken", "depth", *(f"{yaw:+g}°" if yaw else "0°" for yaw in yaws)]
    return compose_strip(strips, headings=headings)


def _seen(prior: Face3DPrior, identity: Identity, camera: HeadCamera) -> tuple[Tensor, Tensor]:
    label = torch.from_numpy(camera.label)[None]
    rendering = prior.generator.render(identity, label, sampling="even")
    depth = 1 - 2 * (rendering.depth - _NEAR) / (_FAR - _NEAR)
    picture = prior.generator.picture(identity, rendering)
    return picture, F.interpolate(depth, size=picture.shape[-1]).expand(-1, 3, -1, -1)
