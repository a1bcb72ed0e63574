"""What every training loop here needs: augmentation, averaged weights, schedules, checkpoints.

Knows no network and no loss.

Shapes: B batch, C channels, H W pixels.
"""

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly crops are varied; zeros leave all but the mirroring alone.

    Attributes:
        shift: In shares of the crop's size.
        turn: Radians.
        zoom: Logarithm of the scale.
        colour: Contrast, brightness and tint, in units of the [-1, 1] range.
        soften: Share of crops that lose their finest octave, in half of the batches.
        erase: Share of crops in which a rectangle is hidden.
        noise: Standard deviation at most.
    """

    shift: float = 0.06
    turn: float = 0.12
    zoom: float = 0.10
    colour: float = 0.25
    soften: float = 0.4
    erase: float = 0.3
    noise: float = 0.05


def augment(crops: Tensor, setting: Augmentation, *, generator: torch.Generator) -> Tensor:
    """Varies crops (B, C, H, W), each in its own way; differentiable.

    The generator must live on the CPU: what is drawn is then the same on every device.
    """
    batch, device = len(crops), crops.device

    def signed(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1).to(device)

    crops = _moved(crops, setting, signed)
    crops = crops * (1 + signed(batch, 1, 1, 1) * setting.colour)
    tint = signed(batch, crops.shape[1], 1, 1) + signed(batch, 1, 1, 1)
    crops = crops + tint * 0.4 * setting.colour
    if setting.soften and float(torch.rand((), generator=generator)) < 0.5:
        chosen = signed(batch, 1, 1, 1) * 0.5 + 0.5 < setting.soften
        small = F.avg_pool2d(crops, 2)
        softened = F.interpolate(small, size=crops.shape[2:], mode="bilinear", align_corners=False)
        crops = torch.where(chosen, softened, crops)
    if setting.noise:
        grain = torch.randn(crops.shape, generator=generator).to(device)
        strength = signed(batch, 1, 1, 1) * 0.5 + 0.5
        crops = crops + grain * setting.noise * strength
    if setting.erase:
        crops = _erased(crops, setting.erase, generator)
    return crops.contiguous(memory_format=torch.channels_last)


def _moved(crops: Tensor, setting: Augmentation, signed: Any) -> Tensor:
    batch = len(crops)
    angle, zoom = signed(batch) * setting.turn, torch.exp(signed(batch) * setting.zoom)
    mirrored = torch.sign(signed(batch) + 1e-9)
    across, down = signed(batch) * setting.shift * 2, signed(batch) * setting.shift * 2
    first = torch.stack([zoom * mirrored * angle.cos(), -zoom * angle.sin(), across], dim=1)
    second = torch.stack([zoom * mirrored * angle.sin(), zoom * angle.cos(), down], dim=1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(crops.shape), align_corners=False)
    return F.grid_sample(crops, grid, padding_mode="reflection", align_corners=False)


def _erased(crops: Tensor, share: float, generator: torch.Generator) -> Tensor:
    batch, channels, height, width = crops.shape
    rows = torch.arange(height)[None, :, None]
    columns = torch.arange(width)[None, None, :]
    extent = torch.rand(batch, 2, generator=generator) * 0.3 + 0.1
    corner = torch.rand(batch, 2, generator=generator) * (1 - extent)
    top, left = (corner * torch.tensor([height, width])).unbind(1)
    tall, wide = (extent * torch.tensor([height, width])).unbind(1)
    inside = (rows >= top[:, None, None]) & (rows < (top + tall)[:, None, None])
    inside = inside & (columns >= left[:, None, None]) & (columns < (left + wide)[:, None, None])
    chosen = torch.rand(batch, generator=generator) < share
    mask = (inside & chosen[:, None, None])[:, None].to(crops.device)
    paint = (torch.rand(batch, channels, 1, 1, generator=generator) * 2 - 1).to(crops)
    return torch.where(mask, paint, crops)


class AveragedWeights:
    """An exponential moving average of a network's weights, quick to follow at the start."""

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, *, step: int) -> None:
        """Moves the average towards `network`; `step` counts from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        own: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(own, list(network.parameters()), share)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)


def scheduled_rate(step: int, total: int, *, warm_up: int = 50, decay_share: float = 0.4) -> float:
    """Returns the learning rate's factor: a linear rise, a plateau, a linear fall at the end."""
    rise = min(1.0, (step + 1) / warm_up)
    fall = min(1.0, (1.02 - step / total) / decay_share)
    return rise * max(fall, 0.02)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a training state whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote; tensors and plain containers only."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
