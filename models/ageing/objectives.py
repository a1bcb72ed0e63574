"""What an adapter is schooled by: SAM's terms, the personalised ageing loss, and what holds it to
the general prior beyond the ages of the photographs.

Every term is a function of what networks made; the networks themselves come in as callables, so
that IR-SE50, DEX and LPIPS serve as well as a compact prior's own embedder, age regressor and
features. Knows no network, no optimiser and no loop. Works for any latent shape and picture size.
Sources: Alaluf et al. 2021, "Only a Matter of Style", sec. 3 (the terms); Qu et al. 2025,
"MyTimeMachine", sec. 4.2-4.3, eq. 5-7, and its released code, which differs: see ObjectiveConfig.

Shapes: B batch, C channels, H W pixels, L style layers, D latent size, E embedding size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.ageing.reference_set import ReferenceRule, ReferenceSet, least_distance
from models.ageing.targets import AgeMode, AgeRange
from models.face.region import FFHQ_FACE, Region
from models.shapes import check_shape

PriorPicture = Tensor | Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Weights of the terms, and which of two readings of the method is followed.

    The defaults are the clean reading, `paper()` is the released code.

    Attributes:
        identity, pixels, features, region_pixels, region_features, ageing, personal: Weights.
        anchors: Weight of the distance from the person's own path, in shares of the path's own
            distance from the mean latent; not of the paper.
        latent_norm: Weight of the distance from the mean latent, before what follows.
        region: What the region terms and a perceptual metric look at; None leaves those out.
        constant_norm: Whether the distance from the mean latent counts the same whatever the gap
            between source and target age, but in extrapolation; else it grows with the gap in all
            modes (eq. 7).
        norm_strength: Multiplies the part that grows with the gap.
        sums_norm: Whether that part is summed over the batch where all else is averaged.
        weighs_identity: Whether identity counts less the wider the gap, down to half.
        extrapolated_identity: Whose identity an extrapolated picture keeps: the "prior" picture's
            (eq. 6), of the same age and so unweighted, or the "source"'s, weighted by how far the
            target lies outside the photographs' ages.
        extrapolated_ageing: How often the ageing term counts in extrapolation.
        reference_rule: Which photographs are of about the target age, see reference_set.py.
        window_years: How far their ages may lie off.
    """

    identity: float = 0.1
    pixels: float = 0.25
    features: float = 0.1
    region_pixels: float = 1.0
    region_features: float = 0.6
    latent_norm: float = 0.005
    ageing: float = 5.0
    personal: float = 1.0
    anchors: float = 0.0
    region: Region | None = FFHQ_FACE
    constant_norm: bool = False
    norm_strength: float = 1.0
    sums_norm: bool = False
    weighs_identity: bool = True
    extrapolated_identity: Literal["prior", "source"] = "prior"
    extrapolated_ageing: float = 1.0
    reference_rule: ReferenceRule = "around target"
    window_years: float = 3.0

    def __post_init__(self) -> None:
        for name in (
            "identity", "pixels", "features", "region_pixels", "region_features", "latent_norm",
            "ageing", "personal", "anchors", "norm_strength", "extrapolated_ageing",
            "window_years",
        ):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"ObjectiveConfig.{name}: got {getattr(self, name)}, expected at least 0"
                )

    @classmethod
    def paper(cls, *, adaptive_norm: float = 7.0) -> "ObjectiveConfig":
        """Returns what the released code does.

        Args:
            adaptive_norm: Its `adaptive_w_norm_lambda`: 10 to 30 when the adapter follows the
                photographs too little, 5 when too much.
        """
        return cls(
            constant_norm=True,
            norm_strength=0.25 * adaptive_norm,
            sums_norm=True,
            extrapolated_identity="source",
            extrapolated_ageing=2.0,
            reference_rule="around closest key",
        )


@dataclass(frozen=True, kw_only=True)
class Critics:
    """The networks that look at pictures (B, 3, H, W), RGB in [-1, 1]; differentiable.

    Attributes:
        embed: To unit identity embeddings (B, E).
        apparent_age: To years (B,).
        perceptual: From two batches of pictures to their distances (B,); takes regions, too.
    """

    embed: Callable[[Tensor], Tensor]
    apparent_age: Callable[[Tensor], Tensor]
    perceptual: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class AgedBatch:
    """What one pass of the adapter made, and of what.

    Attributes:
        picture: (B, 3, H, W), about [-1, 1], decoded from `w_plus`.
        w_plus: The adapter's latents, (B, L, D).
        source: What `picture` re-ages, like it.
        source_age: Years, (B,).
        target_age: Years, (B,).
        mode: AgeMode of every sample, int64, (B,).
        prior_picture: What extrapolated samples are held to, like `picture`: what the general
            prior makes of the same target ages without the adapter; or a function that makes it for
            the rows given, int64 (R,), to be called only when some sample is extrapolated. Rows of
            other modes are not looked at.
        source_embedding: Of `source`, (B, E), where it is known already.
        wanted: Latents of the person's own path at the target ages, (B, L, D), no gradient.
    """

    picture: Tensor
    w_plus: Tensor
    source: Tensor
    source_age: Tensor
    target_age: Tensor
    mode: Tensor
    prior_picture: PriorPicture | None = None
    source_embedding: Tensor | None = None
    wanted: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Judgement:
    """What an objective says.

    Attributes:
        total: Scalar, to be descended; the mean of `per_sample`.
        per_sample: (B,).
        terms: Detached, (B,), by name, before weighting: identity, pixels, features, region_pixels,
            region_features, latent_norm, ageing, personal (0 where a sample is not interpolated),
            anchors, likeness (cosine with the source). Terms of weight 0 or without a region are
            absent.
    """

    total: Tensor
    per_sample: Tensor
    terms: dict[str, Tensor]


class AgeingObjective:
    """Critics what an adapter makes of a person's photographs.

    Args of the constructor:
        latent_average: Mean latent of the generator, (L, D).
        references: The person's photographs.
        training_range: Their ages.
    """

    def __init__(
        self,
        config: ObjectiveConfig,
        critics: Critics,
        *,
        latent_average: Tensor,
        references: ReferenceSet,
        training_range: AgeRange,
    ) -> None:
        check_shape("latent_average", latent_average, "L D")
        self.config = config
        self.critics = critics
        self.latent_average = latent_average
        self.references = references
        self.training_range = training_range

    def __call__(self, batch: AgedBatch) -> Judgement:
        """Critics a batch, whose samples may be of different modes.

        Raises:
            ShapeError: Shapes do not belong together.
            ValueError: A sample is extrapolated and there is no prior's picture, or the person's
                own path counts and there is none.
        """
        self._check(batch)
        extrapolated = batch.mode == AgeMode.EXTRAPOLATION
        yardstick = _yardstick(batch, extrapolated)
        embedding = self.critics.embed(batch.picture)
        terms, weights = self._identity(batch, embedding, yardstick, extrapolated)
        self._add_appearance(terms, weights, batch.picture, yardstick)
        config = self.config
        terms["ageing"] = ageing_term(self.critics.apparent_age(batch.picture), batch.target_age)
        weights["ageing"] = config.ageing * torch.where(
            extrapolated, config.extrapolated_ageing, 1.0
        )
        terms["latent_norm"] = self._norm(batch, extrapolated)
        weights["latent_norm"] = config.latent_norm
        interpolated = batch.mode == AgeMode.INTERPOLATION
        if config.personal and bool(interpolated.any()):
            terms["personal"] = interpolated * self._personal(embedding, batch.target_age)
            weights["personal"] = config.personal
        if config.anchors:
            terms["anchors"] = self._anchors(batch)
            weights["anchors"] = config.anchors
        per_sample = torch.stack([weights[name] * term for name, term in terms.items()]).sum(dim=0)
        seen = {name: term.detach() for name, term in terms.items()}
        seen["likeness"] = (embedding * self._source_embedding(batch)).sum(dim=1).detach()
        return Judgement(per_sample.mean(), per_sample, seen)

    def _identity(
        self, batch: AgedBatch, embedding: Tensor, yardstick: Tensor, extrapolated: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        config = self.config
        gap = (batch.target_age - batch.source_age).abs()
        if config.extrapolated_identity == "source":
            other = self._source_embedding(batch)
            outside = self.training_range.distance(batch.target_age)
            gap = torch.where(extrapolated, outside, gap)
        else:
            other = self._embedding_of(batch, yardstick, extrapolated)
            gap = torch.where(extrapolated, 0.0, gap)
        term = identity_term(embedding, other)
        if config.weighs_identity:
            term = identity_weight(gap) * term
        return {"identity": term}, {"identity": config.identity}

    def _add_appearance(
        self,
        terms: dict[str, Tensor],
        weights: dict[str, Tensor | float],
        picture: Tensor,
        yardstick: Tensor,
    ) -> None:
        config = self.config
        views = {"": (picture, yardstick, config.pixels, config.features)}
        if config.region is not None:
            cut = (config.region.cut(picture), config.region.cut(yardstick))
            views["region_"] = (*cut, config.region_pixels, config.region_features)
        for prefix, (made, wanted, pixels, features) in views.items():
            if pixels:
                terms[f"{prefix}pixels"] = pixel_term(made, wanted)
                weights[f"{prefix}pixels"] = pixels
            if features:
                terms[f"{prefix}features"] = self.critics.perceptual(made, wanted)
                weights[f"{prefix}features"] = features

    def _norm(self, batch: AgedBatch, extrapolated: Tensor) -> Tensor:
        config = self.config
        norm = latent_norm_term(batch.w_plus, self.latent_average)
        growth = config.norm_strength * norm_weight((batch.target_age - batch.source_age).abs())
        if config.sums_norm:
            growth = growth * len(norm)
        return torch.where(extrapolated, growth, 1.0 if config.constant_norm else growth) * norm

    def _personal(self, embedding: Tensor, target_age: Tensor) -> Tensor:
        config = self.config
        chosen = self.references.near(
            target_age, rule=config.reference_rule, window_years=config.window_years
        )
        return least_distance(embedding, self.references, chosen)

    def _anchors(self, batch: AgedBatch) -> Tensor:
        if batch.wanted is None:
            raise ValueError("wanted: got None, expected latents of the person's own path")
        away = latent_norm_term(batch.w_plus, batch.wanted)
        return away / latent_norm_term(batch.wanted, self.latent_average)

    def _source_embedding(self, batch: AgedBatch) -> Tensor:
        if batch.source_embedding is not None:
            return batch.source_embedding
        with torch.no_grad():
            return self.critics.embed(batch.source)

    def _embedding_of(self, batch: AgedBatch, yardstick: Tensor, extrapolated: Tensor) -> Tensor:
        if not bool(extrapolated.any()):
            return self._source_embedding(batch)
        with torch.no_grad():
            return self.critics.embed(yardstick)

    def _check(self, batch: AgedBatch) -> None:
        count, _, height, width = batch.picture.shape
        layers, size = self.latent_average.shape
        check_shape("w_plus", batch.w_plus, "B L D", B=count, L=layers, D=size)
        check_shape("source", batch.source, "B C H W", B=count, H=height, W=width)
        for name in ("source_age", "target_age", "mode"):
            check_shape(name, getattr(batch, name), "B", B=count)


def _yardstick(batch: AgedBatch, extrapolated: Tensor) -> Tensor:
    """Returns what every picture is compared with: its source, or the prior's picture."""
    if not bool(extrapolated.any()):
        return batch.source
    given = batch.prior_picture
    if given is None:
        raise ValueError(
            "prior_picture: got None, expected a picture or a function for extrapolated samples"
        )
    rows = extrapolated.nonzero()[:, 0]
    with torch.no_grad():
        theirs = given[rows] if isinstance(given, Tensor) else given(rows)
    return batch.source.index_copy(0, rows, theirs.detach().to(batch.source.dtype))


def identity_term(embedding: Tensor, other: Tensor) -> Tensor:
    """Returns 1 minus the cosine (B,) of unit embeddings (B, E)."""
    return 1 - (embedding * other.detach()).sum(dim=1)


def identity_weight(gap_years: Tensor) -> Tensor:
    """Returns how much identity counts over a gap (B,): 1 at none, a half at a century."""
    return 0.25 * torch.cos(torch.pi * gap_years / 100) + 0.75


def pixel_term(picture: Tensor, wanted: Tensor) -> Tensor:
    """Returns mean squared differences (B,) of pictures (B, C, H, W)."""
    return (picture - wanted).square().mean(dim=(1, 2, 3))


def ageing_term(apparent_age: Tensor, target_age: Tensor) -> Tensor:
    """Returns squared errors of ages (B,), years, in squares of a century."""
    return ((apparent_age - target_age) / 100).square()


def latent_norm_term(w_plus: Tensor, latent_average: Tensor) -> Tensor:
    """Returns Frobenius distances (B,) of w_plus (B, L, D) from a latent (L, D) or (B, L, D)."""
    return (w_plus - latent_average).flatten(1).norm(dim=1)


def norm_weight(gap_years: Tensor) -> Tensor:
    """Returns how much the distance from the mean latent counts over a gap (B,): 0 to 2 (eq. 7)."""
    return 1 - torch.cos(torch.pi * gap_years / 100)
