"""Features of points in space: three planes looked up and averaged.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.1.
The planes lie along (x, y), (x, z) and (z, x): the third is a second, transposed look at the second
axes' pair, not (z, y). All published weights were trained so.

Shapes: B batch, P points, F features, H pixels along a plane's side.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from models.eg3d.config import NUM_PLANES
from models.ops.implementation import Implementation
from models.shapes import check_shape

PLANE_AXES = ((0, 1), (0, 2), (2, 0))  # of every plane: along its width, along its height


@dataclass(frozen=True, eq=False)
class TriPlane:
    """Planes (B, 3, F, H, H) that span a cube of a side, `box_size`, around the origin."""

    planes: Tensor
    box_size: float
    implementation: Implementation = "fast"

    def __post_init__(self) -> None:
        check_shape("planes", self.planes, "B P F H H", P=NUM_PLANES)

    def features(self, points: Tensor) -> Tensor:
        """Looks up points (B, P, 3), world units; features are 0 outside the cube.

        Between pixels features are bilinear; the cube's faces are the planes' outer pixel edges.

        Returns:
            (B, P, F), the mean of the three planes.

        Raises:
            ShapeError: `points` has another shape.
            ValueError: A number of `points` is none or infinite.
        """
        check_shape("points", points, "B P C", B=len(self.planes), C=3)
        if not points.isfinite().all():
            raise ValueError(
                "points: got a number that is none or infinite, expected finite ones; check the "
                "camera label and the latents"
            )
        scaled = points * (2 / self.box_size)
        is_learning = torch.is_grad_enabled() and (
            self.planes.requires_grad or points.requires_grad
        )
        if self.implementation == "reference" or is_learning or points.device.type != "cpu":
            return _sampled(self.planes, scaled)
        return _weighted_rows(self._rows, scaled, self.planes.shape[-1])

    @cached_property
    def _rows(self) -> Tensor:
        """The features of every pixel side by side, (B, 3 (H + 2)^2, F), bordered by 0."""
        bordered = F.pad(self.planes, (1, 1, 1, 1)).permute(0, 1, 3, 4, 2)
        return bordered.reshape(len(self.planes), -1, self.planes.shape[2])


def _sampled(planes: Tensor, scaled: Tensor) -> Tensor:
    total: Tensor | int = 0
    for plane, axes in zip(planes.unbind(dim=1), PLANE_AXES, strict=True):
        grid = scaled[:, None, :, list(axes)]
        total = total + F.grid_sample(plane, grid, align_corners=False)[:, :, 0]
    assert isinstance(total, Tensor)
    return (total / NUM_PLANES).transpose(1, 2)


def _weighted_rows(rows: Tensor, scaled: Tensor, side: int) -> Tensor:
    """Sums the four rows around a point in every plane: reads along memory, not across it."""
    out = []
    for own, points in zip(rows, scaled, strict=True):
        indices, weights = _four_rows(points, side)
        out.append(F.embedding_bag(indices, own, per_sample_weights=weights, mode="sum"))
    return torch.stack(out)


def _four_rows(points: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Returns which rows of a bordered table a point reads, (P, 12), and their weights."""
    position = (((points.t().contiguous() + 1) * side - 1) / 2).clamp_(-1, side)
    before = position.floor().clamp_(max=side - 1)
    after_share = position - before
    before_share = 1 - after_share
    pixel = before.to(torch.int32) + 1
    width = side + 2
    indices = torch.empty(len(points), 4 * NUM_PLANES, dtype=torch.int32)
    weights = torch.empty(len(points), 4 * NUM_PLANES, dtype=points.dtype)
    for plane, (a, b) in enumerate(PLANE_AXES):
        corner = pixel[b] * width + pixel[a] + plane * width * width
        rows = (before_share[b] / NUM_PLANES, after_share[b] / NUM_PLANES)
        columns = (before_share[a], after_share[a])
        for tap in range(4):
            column, row = tap % 2, tap // 2
            torch.add(corner, row * width + column, out=indices[:, 4 * plane + tap])
            torch.mul(columns[column], rows[row], out=weights[:, 4 * plane + tap])
    return indices, weights
