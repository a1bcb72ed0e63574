"""The renderer, tri-plane and rays -> features, depth and coverage.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.2:
two passes of samples, the second placed by the first; both are rendered together.

Shapes: B batch, M rays, N rays of a chunk, S samples, F features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.eg3d.config import RenderingConfig
from models.eg3d.decoder import Decoder
from models.eg3d.jitter import Jitter, Sampling, jitter_for
from models.eg3d.marching import coarse_depths, fine_depths, interval_weights, sample_weights
from models.eg3d.triplane import TriPlane
from models.shapes import check_shape


@dataclass(frozen=True, eq=False)
class RenderedRays:
    """What rays bring back.

    Attributes:
        features: (B, M, F), about [-1, 1]; -1 is the background.
        depth: Mean distance along the ray, (B, M, 1), world units; of a ray that meets nothing, the
            farthest sample of the batch.
        coverage: Sum of the weights, (B, M, 1), 0-1.
    """

    features: Tensor
    depth: Tensor
    coverage: Tensor


def render_rays(
    triplane: TriPlane,
    decoder: Decoder,
    rays: tuple[Tensor, Tensor],
    *,
    config: RenderingConfig,
    sampling: Sampling,
) -> RenderedRays:
    """Renders rays, config.chunk_rays of every picture at a time.

    Args:
        triplane: What there is to see.
        decoder: Of its features.
        rays: Origins and unit directions, (B, M, 3) each, world units.
        config: How rays are sampled.
        sampling: The jitter; see jitter_for. It is drawn for all rays before the first chunk.

    Returns:
        Features, depth and coverage of every ray.

    Raises:
        ShapeError: The tensors do not belong together.
        ValueError: `sampling` is another word.
    """
    origins, directions = rays
    batch = len(triplane.planes)
    check_shape("origins", origins, "B M C", B=batch, C=3)
    check_shape("directions", directions, "B M C", B=batch, M=origins.shape[1], C=3)
    jitter = jitter_for(sampling, config, rays=directions)
    chunks = []
    for start in range(0, origins.shape[1], config.chunk_rays):
        part = slice(start, start + config.chunk_rays)
        own = (origins[:, part], directions[:, part])
        chunks.append(_render_chunk(triplane, decoder, own, jitter.of(part), config))
    features, depth, coverage, nearest, farthest = zip(*chunks, strict=True)
    depths = torch.cat(depth, dim=1).nan_to_num(nan=float("inf"))
    return RenderedRays(
        features=torch.cat(features, dim=1),
        depth=depths.clamp(torch.stack(nearest).amin(), torch.stack(farthest).amax()),
        coverage=torch.cat(coverage, dim=1),
    )


def _render_chunk(
    triplane: TriPlane,
    decoder: Decoder,
    rays: tuple[Tensor, Tensor],
    jitter: Jitter,
    config: RenderingConfig,
) -> tuple[Tensor, ...]:
    """Returns features, depth, coverage (B, N, ...) and the extent of the samples' depths."""
    batch, count = rays[0].shape[:2]
    depths = coarse_depths(jitter.coarse.flatten(0, 1), config)
    colours, densities = _look(triplane, decoder, rays, depths)
    with torch.no_grad():
        weights = interval_weights(depths, densities)
        added = fine_depths(depths, weights, jitter.fine.flatten(0, -2))
    added_colours, added_densities = _look(triplane, decoder, rays, added)
    composite = _composite_in_order if triplane.implementation == "reference" else _composite
    depths, order = torch.sort(torch.cat([depths, added], dim=1), dim=1)
    densities = torch.cat([densities, added_densities], dim=1).gather(1, order)
    weights = interval_weights(depths, densities)
    features = composite((colours, added_colours), weights, order)
    coverage = weights.sum(dim=1, keepdim=True)
    middle = (depths[:, :-1] + depths[:, 1:]) / 2
    depth = (weights * middle).sum(dim=1, keepdim=True) / coverage
    shape = (batch, count, -1)
    rows = (features.reshape(shape), depth.reshape(shape), coverage.reshape(shape))
    return (*rows, depths.min(), depths.max())


def _look(
    triplane: TriPlane, decoder: Decoder, rays: tuple[Tensor, Tensor], depths: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns colours (B N, S, F) and raw densities (B N, S) at depths (B N, S)."""
    origins, directions = rays
    along = depths.reshape(*origins.shape[:2], -1, 1)
    points = origins[:, :, None] + along * directions[:, :, None]
    colours, densities = decoder(triplane.features(points.flatten(1, 2)))
    return colours.reshape(*depths.shape, -1), densities.reshape(depths.shape)


def _composite_in_order(colours: tuple[Tensor, Tensor], weights: Tensor, order: Tensor) -> Tensor:
    """Sums the colours of intervals (N, S - 1), each the mean of its two ends, over rays."""
    both = torch.cat(colours, dim=1)
    both = both.gather(1, order[..., None].expand_as(both))
    middle = (both[:, :-1] + both[:, 1:]) / 2
    return 2 * (weights[..., None] * middle).sum(dim=1) - 1


def _composite(colours: tuple[Tensor, Tensor], weights: Tensor, order: Tensor) -> Tensor:
    """The same sum by samples: instead of colours, weights are brought into order."""
    shares = torch.zeros_like(order, dtype=weights.dtype)
    shares = shares.scatter(1, order, sample_weights(weights))
    count = colours[0].shape[1]
    coarse, fine = shares[:, None, :count], shares[:, None, count:]
    total = torch.bmm(coarse, colours[0]) + torch.bmm(fine, colours[1])
    return 2 * total[:, 0] - 1
