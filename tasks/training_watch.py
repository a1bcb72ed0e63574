"""What a personal training keeps an eye on: which step it is at, and whether its loss is sound."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from reage.errors import TrainingError

_DIVERGENCE = 20.0  # times the best running mean
_MEMORY = 0.95  # of the running mean


class Turns:
    """A generator that is turned to a step."""

    def __init__(self, *seed: int) -> None:
        self._seed = seed
        self.generator = torch.Generator()

    def at(self, step: int) -> None:
        """Turns to a step."""
        words = np.random.SeedSequence([*self._seed, step]).generate_state(2, np.uint32)
        self.generator.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


@dataclass
class Watch:
    """Stops a training whose loss is no number or runs away."""

    mean: float = math.nan
    best: float = math.inf

    def see(self, step: int, loss: float) -> None:
        """Takes note of a step's loss.

        Raises:
            TrainingError: It is no number, or has run away.
        """
        if not math.isfinite(loss):
            raise TrainingError(
                f"step {step}: loss: got {loss}, expected a finite number; the state before is "
                "kept: lower the learning rate and run again"
            )
        self.mean = loss if math.isnan(self.mean) else _MEMORY * self.mean + (1 - _MEMORY) * loss
        self.best = min(self.best, self.mean)
        if self.mean > _DIVERGENCE * self.best:
            raise TrainingError(
                f"step {step}: loss: got a running mean of {self.mean:.3g}, expected at most "
                f"{_DIVERGENCE:g} times its best ({self.best:.3g}); the state before is kept: "
                "lower the learning rate and run again"
            )
