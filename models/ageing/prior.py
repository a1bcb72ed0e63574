"""What the pipeline sees of an ageing network, whichever it is.

A prior declares its own alignment, age range, latent shape and licence. It encodes an aligned crop
as w+, says how w+ moves to an age, and synthesises crops from w+. What re-ages a plate is `change`:
the difference of two synthesised crops, drawn on the crop itself by a prior that can. Knows no
network: see compact_prior.py and sam.py.

Shapes: B batch, L style layers, D latent size, R crop size, S synthesis size in pixels, E embedding
size.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor, nn

from models.shapes import check_shape

YOUNGEST = 18.0  # years; Reage works with adults only


class PriorError(ValueError):
    """A folder does not hold a prior that this code can load."""


@dataclass(frozen=True, kw_only=True)
class TemplateAlignment:
    """Where landmarks of an upright face lie in the crop that a prior expects.

    Attributes:
        landmark_indices: Of the mediapipe mesh (478 points), one a template point.
        template: x, y in crop pixels; whole numbers are pixel centres.
        size: Width and height of the crop, pixels.
    """

    landmark_indices: tuple[int, ...]
    template: tuple[tuple[float, float], ...]
    size: int

    def __post_init__(self) -> None:
        if len(self.landmark_indices) != len(self.template):
            raise ValueError(
                f"TemplateAlignment.template: got {len(self.template)} points, expected one for "
                f"each of {len(self.landmark_indices)} landmark_indices"
            )


@dataclass(frozen=True, kw_only=True)
class FFHQAlignment:
    """The square that FFHQ is cut by: from the middles of the eyes and the corners of the mouth.

    Attributes:
        size: Width and height of the crop, pixels.
    """

    size: int


Alignment = TemplateAlignment | FFHQAlignment


class PriorFacts(Protocol):
    """What a prior declares about itself; `config` of every prior has these."""

    @property
    def name(self) -> str:
        """As its author calls it; manifests use the name it is registered under."""

    @property
    def licence(self) -> str:
        """On what terms the weights may be used."""

    @property
    def min_age(self) -> float:
        """Youngest target age, years, at least 18."""

    @property
    def max_age(self) -> float:
        """Oldest target age, years."""

    @property
    def num_layers(self) -> int:
        """L: rows of w+."""

    @property
    def latent_size(self) -> int:
        """D: columns of w+."""

    @property
    def crop_size(self) -> int:
        """R: of the crops that are encoded, pixels."""

    @property
    def synthesis_size(self) -> int:
        """S: of the crops that are synthesised, pixels; they show what the encoded crops show."""


class Prior(nn.Module, ABC):
    """An ageing network: encoder, synthesis and what moves between ages.

    Attributes:
        config: Its sizes and what it declares about itself.
        alignment: How a face lies in the crops it encodes.
    """

    config: PriorFacts
    alignment: Alignment

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256, hex, of the weights file that this prior was loaded from or would save."""

    @property
    @abstractmethod
    def judged_by(self) -> str:
        """Which networks tell age and likeness, in words for reports."""

    @property
    def judge_digests(self) -> Mapping[str, str]:
        """SHA-256, hex, of networks that judge and are not part of the weights, by role."""
        return {}

    @property
    @abstractmethod
    def decoder(self) -> nn.Module:
        """The network that `decode` runs: w_plus (B, L, D) to crops (B, 3, S, S)."""

    @abstractmethod
    def with_decoder(self, decoder: nn.Module, *, digest: str) -> "Prior":
        """Returns this prior with another decoder of the same sizes; it shares all else.

        Args:
            decoder: Like `decoder`, with a person's weights.
            digest: SHA-256, hex, of the file that these came from.
        """

    @abstractmethod
    def encode(self, crops: Tensor) -> Tensor:
        """Encodes aligned crops (B, 3, R, R), RGB in [-1, 1], as w_plus (B, L, D)."""

    @abstractmethod
    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages (B,), years, of crops (B, 3, R, R) in [-1, 1]."""

    def witnessed_age(self, crops: Tensor) -> Tensor:
        """Returns the same by a reader that no change was trained to please, where there is one.

        For judging results: a network that teaches a prior how old faces look is fooled by what it
        taught.
        """
        return self.estimate_age(crops)

    @abstractmethod
    def embed(self, crops: Tensor) -> Tensor:
        """Returns unit identity embeddings (B, E) of crops (B, 3, R, R) in [-1, 1]."""

    @abstractmethod
    def ageing_offset(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> Tensor:
        """Says how far from w+ the face lies at an age: w_plus + offset is its latent there.

        Args:
            crops: RGB in [-1, 1], (B, 3, R, R).
            w_plus: Their codes, (B, L, D).
            source_age: Years, (B,); what the faces look like now.
            target_age: Years, (B,), within the prior's age range.

        Returns:
            Float32, (B, L, D), to be added to `w_plus`. Where the ages agree it need not be 0: a
            prior's codes may lie off its latents at every age. See `source_offset`.

        Raises:
            ShapeError: The shapes do not belong together.
            ValueError: A target age lies outside the prior's range.
        """

    @abstractmethod
    def decode(self, w_plus: Tensor) -> Tensor:
        """Synthesises crops (B, 3, S, S), about [-1, 1], from w_plus (B, L, D)."""

    def source_offset(self, crops: Tensor, w_plus: Tensor, source_age: Tensor) -> Tensor:
        """Returns the ageing offset (B, L, D) from the source age to itself.

        w_plus + this is what the source picture is decoded from; ages beyond the prior's range
        count as its ends. Arguments and errors as of `ageing_offset`.
        """
        age = source_age.clamp(self.config.min_age, self.config.max_age)
        return self.ageing_offset(crops, w_plus, age, age)

    def change(
        self,
        crops: Tensor,
        source_age: Tensor,
        target_age: Tensor,
        faces: Tensor | None = None,
    ) -> Tensor:
        """Returns what re-ages crops: to be added to them, in display units (0-1 scale).

        Args:
            crops: RGB in [-1, 1], (B, 3, R, R).
            source_age: Years, (B,).
            target_age: Years, (B,).
            faces: Where the faces lie in the crops; see `difference`.

        Returns:
            Float32, (B, 3, S, S), in [-1, 1]; 0 everywhere where the ages agree.
        """
        w_plus = self.encode(crops)
        resting = self.source_offset(crops, w_plus, source_age)
        offset = self.ageing_offset(crops, w_plus, source_age, target_age)
        source, aged = self.decode(w_plus + resting), self.decode(w_plus + offset)
        return self.difference(source, aged, crops, faces)

    def difference(
        self, source: Tensor, aged: Tensor, crops: Tensor, faces: Tensor | None = None
    ) -> Tensor:
        """Returns what re-ages crops, as `change` does, from what was synthesised of them.

        Args:
            source: (B, 3, S, S), about [-1, 1], synthesised at the source age.
            aged: The same at the target age.
            crops: RGB in [-1, 1], (B, 3, R, R), to which the change is to be added; a prior that
                draws on them may need them.
            faces: Where the faces lie in the crops, (B, 1, R, R), 0-1, for a prior that treats a
                face as a whole; without them, where faces lie as a rule.

        Returns:
            Float32, (B, 3, S, S), display units.
        """
        return (aged.float() - source.float()) / 2

    def check_crops(self, crops: Tensor) -> None:
        """Raises ShapeError unless the crops are (B, 3, R, R)."""
        size = self.config.crop_size
        check_shape("crops", crops, "B C H W", C=3, H=size, W=size)

    def check_move(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> None:
        """Checks the arguments of `ageing_offset`; raises ShapeError and ValueError as it does."""
        self.check_crops(crops)
        config, batch = self.config, len(crops)
        check_shape("w_plus", w_plus, "B L D", B=batch, L=config.num_layers, D=config.latent_size)
        check_shape("source_age", source_age, "B", B=batch)
        check_shape("target_age", target_age, "B", B=batch)
        low, high = float(target_age.min()), float(target_age.max())
        if low < config.min_age or high > config.max_age:
            got = low if low < config.min_age else high
            raise ValueError(
                f"target_age: got {got:g}, expected {config.min_age:g} to {config.max_age:g}"
            )


Network = TypeVar("Network", bound=nn.Module)


def sharing(network: Network, **children: nn.Module) -> Network:
    """Returns a network that shares all of another but some children, which take theirs' names."""
    other = copy.copy(network)
    other._modules = {**network._modules, **children}
    return other


def check_age_range(place: str, min_age: float, max_age: float) -> None:
    """Raises ValueError unless a declared age range is one of adults."""
    if not YOUNGEST <= min_age < max_age:
        raise ValueError(
            f"{place}.min_age: got {min_age}, expected at least {YOUNGEST:g} and below "
            f"max_age ({max_age})"
        )
