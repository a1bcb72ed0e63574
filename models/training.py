"""What every training loop here needs: batches, augmentation, averages, schedules, checkpoints.

Knows no network and no loss.

Shapes: N faces, B batch, C channels, H W pixels, R crop size.
"""

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

SAVE_EVERY = 200  # steps between checkpoints
Terms = Mapping[str, float]
Report = Callable[[str, int, int, Terms], None]  # stage, step, steps, terms of the loss


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


class Draw:
    """Batches of a stage: what step s sees depends on seed, stage and s alone.

    Args of the constructor:
        crops: uint8, (N, R, R, 3).
        ages: Years, (N,).
        training: Rows that may be drawn.
        where: Device that crops are given on; the CPU by default.
    """

    def __init__(
        self,
        crops: NDArray[np.uint8],
        ages: NDArray[np.int64],
        training: NDArray[np.int64],
        *,
        seed: int,
        stage: str,
        where: torch.device | None = None,
    ) -> None:
        self.where = where or torch.device("cpu")
        self._crops, self._seed = crops, [seed, *stage.encode()]
        self.training = training
        bins = np.clip((ages[training] - 14) // 4, 0, 25)
        density = (np.bincount(bins, minlength=26) + 20.0)[bins]
        self._chances = {
            power: density**-power / (density**-power).sum() for power in (0.0, 0.5, 1.0)
        }
        self.rng = np.random.default_rng(self._seed)
        self.generator = torch.Generator()

    def at(self, step: int) -> None:
        """Turns to a step."""
        self.rng = np.random.default_rng([*self._seed, step])
        self.generator.manual_seed(int(self.rng.integers(2**62)))

    def rows(self, count: int, *, flatten: float = 0.0) -> NDArray[np.int64]:
        """Draws rows; `flatten` 0 takes ages as they come, 1 all ages alike, 0.5 between."""
        return self.rng.choice(self.training, count, p=self._chances[flatten])

    def crops(self, rows: NDArray[np.int64], *, mirrored: bool = True) -> Tensor:
        """Returns crops (B, 3, R, R), [-1, 1], half of them mirrored."""
        crops = to_crops(self._crops[rows]).to(self.where)
        flip = torch.from_numpy(self.rng.random(len(rows)) < 0.5 * mirrored).to(self.where)
        return torch.where(flip[:, None, None, None], crops.flip(3), crops)


def chance_on(where: torch.device, generator: torch.Generator) -> torch.Generator:
    """Returns a generator on a device: on the CPU the given one, elsewhere one of its seed."""
    if where.type == "cpu":
        return generator
    return torch.Generator(where).manual_seed(generator.initial_seed())


def to_crops(pixels: NDArray[np.uint8]) -> Tensor:
    """Takes uint8 (N, R, R, 3) to float32 (N, 3, R, R) in [-1, 1], channels last in memory."""
    crops = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return crops.contiguous(memory_format=torch.channels_last)


def pictures(crops: Tensor) -> NDArray[np.uint8]:
    """Takes crops (N, 3, R, R), about [-1, 1], to uint8 (N, R, R, 3)."""
    codes = ((crops.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return codes.permute(0, 2, 3, 1).cpu().numpy()


def batches(
    pixels: NDArray[np.uint8], rows: NDArray[np.int64], *, size: int = 128
) -> Iterator[Tensor]:
    """Yields the crops of some rows of (N, R, R, 3), in order, at most `size` at a time."""
    for first in range(0, len(rows), size):
        yield to_crops(pixels[rows[first : first + size]])


class Turning(Protocol):
    """What a loop draws from: turned to a step, it gives what that step sees and nothing else."""

    def at(self, step: int) -> None:
        """Turns to a step."""


def run_loop(
    path: Path,
    step: Callable[[int], Terms],
    *,
    steps: int,
    draw: Turning,
    parts: Mapping[str, nn.Module],
    optimisers: Sequence[torch.optim.Optimizer],
    report: Report,
    saved: Callable[[int], object] | None = None,
    save_every: int = SAVE_EVERY,
    first: int = 0,
) -> None:
    """Runs a stage's remaining steps, with a checkpoint at `path` now and then and at the end.

    Args:
        path: Of the checkpoint; its stem names the stage. A finished one makes this a no-op but
            for the weights, which are loaded.
        step: Does the step of a number and returns the terms of its loss; `draw` has been turned to
            it.
        parts: Networks whose weights are kept.
        optimisers: Whose states are kept.
        report: Told of every step.
        saved: Told after each checkpoint how many steps are done.
        save_every: Steps between checkpoints.
        first: Number of the step to begin with where there is no checkpoint.
    """
    if path.is_file():
        state = load_checkpoint(path)
        first = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
        for optimiser, held in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(held)
    for number in range(first, steps):
        draw.at(number)
        terms = step(number)
        report(path.stem, number + 1, steps, terms)
        if (number + 1) % save_every == 0 or number + 1 == steps:
            state = {name: part.state_dict() for name, part in parts.items()}
            state |= {"step": number + 1, "optimisers": [o.state_dict() for o in optimisers]}
            save_checkpoint(path, state)
            if saved is not None:
                saved(number + 1)


def descend(
    optimiser: torch.optim.Optimizer, loss: Tensor, *, learning_rate: float | None = None
) -> None:
    """One step down a loss, at `learning_rate` if given."""
    if learning_rate is not None:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def descend_all(
    optimiser: torch.optim.Optimizer, *, learning_rate: float, largest_norm: float | None = None
) -> None:
    """One step along the gradients that have been gathered, shortened to `largest_norm` if given.

    `largest_norm` is of all gradients together.
    """
    groups = optimiser.param_groups
    for group in groups:
        group["lr"] = learning_rate
    if largest_norm is not None:
        nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], largest_norm)
    optimiser.step()
