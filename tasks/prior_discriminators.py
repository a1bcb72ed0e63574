"""The discriminators that a prior is trained against: what each is shown, and how they learn.

The first sees whole crops, as a rule shrunk: a face's age is in how its parts stand to each other.
The second sees windows at full size, and where each was cut: wrinkles and pores are its business,
which the first never sees.

Shapes: B batch, H W R pixels, N windows.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.ageing.age_discriminator import AgeDiscriminator
from models.ageing.compact_prior import CompactPrior
from models.ageing.window_reader import WindowReader
from models.face.trunk import Trunk
from models.losses import hinge_discriminator_loss
from models.ops.shrink import shrunk
from models.training import Augmentation, augment
from tasks.gpu import device, mixed_precision

SEEN = Augmentation(shift=0.05, turn=0.08, zoom=0.06, colour=0.06, soften=0.4, erase=0.3, noise=0)
SEEN_FINE = replace(SEEN, soften=0.0, erase=0.0)
PLACES = 3  # across and down, that the fine discriminator tells apart


@dataclass(frozen=True)
class RealFaces:
    """Photographs for the discriminators to compare with.

    Attributes:
        crops: (B, 3, R, R), [-1, 1].
        ages: (B,), years.
        wrong_ages: (B,), years, far from `ages`.
    """

    crops: Tensor
    ages: Tensor
    wrong_ages: Tensor


class Discriminators(nn.Module):
    """One discriminator or both, with trunks that have learnt to read ages already.

    Args of the constructor:
        prior: Whose regressor reads whole crops.
        reader: Reads windows; without one there is no fine discriminator.
        mismatched: Weight of photographs with a wrong age among the negatives.
    """

    def __init__(
        self, prior: CompactPrior, reader: WindowReader | None = None, *, mismatched: float = 0.5
    ) -> None:
        super().__init__()
        self.mismatched = mismatched
        self.whole = _discriminator(prior, prior.regressor.trunk)
        self.fine = None if reader is None else _discriminator(prior, reader.trunk, places=PLACES)
        self.train()

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Returns the parameters of the trunks and those of the heads, which learn faster."""
        both = [network for network in (self.whole, self.fine) if network is not None]
        trunks = [p for network in both for p in network.trunk.parameters()]
        return trunks, [p for network in both for p in network.heads.parameters()]

    def loss(
        self,
        real: RealFaces,
        made: Tensor,
        made_ages: Tensor,
        *,
        seen_size: int | None,
        generator: torch.Generator,
    ) -> tuple[Tensor, dict[str, float]]:
        """Returns the hinge loss of all, and the mean scores it is made of.

        Args:
            real: Photographs.
            made: Re-aged ones, (B, 3, R, R).
            made_ages: What they were re-aged to, (B,), years.
            seen_size: That whole crops are shrunk to, pixels; None leaves them as they are.
            generator: Of the augmentation.
        """
        total = made.new_zeros(())
        told: dict[str, float] = {}
        with mixed_precision(made):
            of_real = self._scores(real.crops, (real.ages, real.wrong_ages), seen_size, generator)
            of_made = self._scores(made, (made_ages,), seen_size, generator)
        for name, (right, wrong) in of_real.items():
            (fake,) = of_made[name]
            loss = hinge_discriminator_loss(right, fake, wrong, mismatched_weight=self.mismatched)
            total = total + loss
            told |= {f"{name} real": right.mean().item(), f"{name} fake": fake.mean().item()}
        return total, told

    def judge(
        self, made: Tensor, ages: Tensor, *, seen_size: int | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Returns the mean score that each gives to crops; arguments as of `loss`."""
        with mixed_precision(made):
            scores = self._scores(made, (ages,), seen_size, generator)
        return {name: score.mean() for name, (score,) in scores.items()}

    def _scores(
        self,
        crops: Tensor,
        ages: tuple[Tensor, ...],
        seen_size: int | None,
        generator: torch.Generator,
    ) -> dict[str, list[Tensor]]:
        shown = crops if seen_size is None else shrunk(crops, seen_size)
        scores = {"whole": self.whole(augment(shown, SEEN, generator=generator), *ages)}
        if self.fine is not None:
            seen, middles = windows(augment(crops, SEEN_FINE, generator=generator), generator)
            twice = (torch.cat([a, a]) for a in ages)
            scores["fine"] = self.fine(seen, *twice, middles=middles)
        return scores


def _discriminator(prior: CompactPrior, trunk: Trunk, *, places: int = 0) -> AgeDiscriminator:
    config = prior.config
    channels = config.regressor.channels
    network = AgeDiscriminator(
        channels,
        blocks=config.regressor.blocks,
        min_age=config.min_age,
        max_age=config.max_age,
        scales=min(3, len(channels)),
        places=places,
    )
    network.trunk.load_state_dict(trunk.state_dict())
    return network


def new_reader(prior: CompactPrior) -> WindowReader:
    """Returns a reader of windows of a prior's crops; its trunk is the regressor's."""
    config = prior.config.regressor
    reader = WindowReader(
        config.channels,
        blocks=config.blocks,
        min_age=config.min_age,
        max_age=config.max_age,
        places=PLACES,
    )
    reader.trunk.load_state_dict(prior.regressor.trunk.state_dict())
    return reader.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]


def windows(crops: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cuts two windows of half the size out of every crop, one above the other.

    Args:
        crops: (B, 3, R, R).
        generator: On the CPU; says where.

    Returns:
        (N, 3, R / 2, R / 2), N = 2 B, the upper ones first; and their middles (N, 2), x and y as
        shares of R.
    """
    batch, size = len(crops), crops.shape[-1]
    side = size // 2
    drawn = torch.rand(2 * batch, 2, generator=generator)
    drawn[:, 1] = (drawn[:, 1] + torch.arange(2).repeat_interleave(batch)) / 2
    corners = (drawn * (size - side + 1)).long()
    cut = [
        crops[row % batch, :, y : y + side, x : x + side]
        for row, (x, y) in enumerate(corners.tolist())
    ]
    middles = (corners + side / 2) / size
    return torch.stack(cut).contiguous(memory_format=torch.channels_last), middles.to(crops)
