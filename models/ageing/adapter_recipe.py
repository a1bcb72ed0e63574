"""The recipe of a personal adapter: every number that its training depends on.

`default` takes the clean choices (an adapter that starts as the identity, a mode for every sample,
the paper's equations where the code departs from them) and adds a lesson of its own: the adapter
first learns in latent space what the person's anchors say; `paper` follows the released code of
MyTimeMachine, quirks of its losses, draws and optimiser included. In both the encoders stay frozen
and in evaluation mode, where the released code lets their normalisation drift, and nobody is shown
younger than 18.
Source: Qu et al. 2025, "MyTimeMachine", sec. 4, and its released code.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from models.ageing.objectives import ObjectiveConfig
from models.face.region import Region

PRESETS = ("default", "paper")

DEFAULT_STEPS = 400
PERSONAL_WEIGHT = 3.0
ANCHORS_WEIGHT = 4.0
# Of crops that show the face alone: there the region's weights, added up, hold the face back.
_PIXELS, _FEATURES = 0.5, 0.2
_FFHQ_CROP = 256  # px; smaller crops show the face alone and have no region of it


@dataclass(frozen=True, kw_only=True)
class AdapterRecipe:
    """All of it.

    Attributes:
        preset: Which preset it was made from.
        latent_steps: Optimiser steps on latents alone, before the others: towards the person's own
            path, without a picture decoded; hundreds cost seconds.
        latent_rate: Learning rate of those at its highest.
        steps: Optimiser steps on pictures.
        batch_size: Photographs a step; each is decoded twice.
        learning_rate: Of these at its highest.
        optimiser: `ranger` has a constant rate, `adam` rises, stays and falls.
        extrapolates: Whether a third of the samples lies beyond the photographs' ages, held to the
            general prior there.
        cycle: Weight of the second pass, which brings the aged face back to its photograph.
        cycle_keeps_mode: Whether that pass is judged by the mode of the first, or as no ageing.
        one_mode_a_batch: Whether all samples of a batch share a mode.
        is_zero_at_start: Whether the untrained adapter changes nothing.
        objective: Weights of the losses.
        seed: Of everything that is drawn.
    """

    preset: str = "default"
    latent_steps: int = 600
    latent_rate: float = 3e-3
    steps: int = DEFAULT_STEPS
    batch_size: int = 4
    learning_rate: float = 1e-3
    optimiser: Literal["adam", "ranger"] = "adam"
    extrapolates: bool = True
    cycle: float = 1.0
    cycle_keeps_mode: bool = False
    one_mode_a_batch: bool = False
    is_zero_at_start: bool = True
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "latent_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"AdapterRecipe.{name}: got {getattr(self, name)}, expected above 0"
                )
        for name in ("cycle", "latent_steps"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"AdapterRecipe.{name}: got {getattr(self, name)}, expected at least 0"
                )

    @property
    def follows_anchors(self) -> bool:
        """Whether the person's own path has a say."""
        return self.latent_steps > 0 or self.objective.anchors > 0

    def plain(self) -> dict[str, Any]:
        """Returns the recipe as JSON values; `recalled` reads them."""
        return asdict(self)

    @classmethod
    def recalled(cls, fields: Mapping[str, Any]) -> "AdapterRecipe":
        """Rebuilds a recipe from its JSON values.

        Raises:
            ValueError: A field is missing, unknown or out of range.
        """
        try:
            objective = dict(fields["objective"])
            region = objective["region"]
            objective["region"] = None if region is None else Region(*region)
            return cls(**{**fields, "objective": ObjectiveConfig(**objective)})
        except (KeyError, TypeError) as error:
            raise ValueError(f"AdapterRecipe: got {error}, expected a recipe's fields") from error


def preset_recipe(
    preset: str = "default", *, crop_size: int, steps: int | None = None, seed: int = 0
) -> AdapterRecipe:
    """Returns a preset for a prior's crops.

    Args:
        preset: `default` or `paper`.
        crop_size: R of the prior, pixels; what is smaller than FFHQ's 256 has no region of the face
            to be looked at apart.
        steps: Instead of the preset's own number.
        seed: Of everything that is drawn.

    Raises:
        ValueError: There is no such preset.
    """
    if preset == "paper":
        recipe = AdapterRecipe(
            preset=preset,
            latent_steps=0,
            steps=10_000 if steps is None else steps,
            batch_size=4,
            learning_rate=1e-4,
            optimiser="ranger",
            cycle_keeps_mode=True,
            one_mode_a_batch=True,
            is_zero_at_start=False,
            objective=_whole(ObjectiveConfig.paper(), crop_size),
            seed=seed,
        )
    elif preset == "default":
        objective = ObjectiveConfig(personal=PERSONAL_WEIGHT, anchors=ANCHORS_WEIGHT)
        if crop_size != _FFHQ_CROP:
            objective = replace(objective, region=None, pixels=_PIXELS, features=_FEATURES)
        recipe = AdapterRecipe(
            objective=objective, steps=DEFAULT_STEPS if steps is None else steps, seed=seed
        )
    else:
        raise ValueError(f"preset: got {preset}, expected one of: {', '.join(PRESETS)}")
    return recipe


def _whole(objective: ObjectiveConfig, crop_size: int) -> ObjectiveConfig:
    """Lets the whole crop take over the region's weights where crops have no region."""
    if crop_size == _FFHQ_CROP:
        return objective
    return replace(
        objective,
        region=None,
        pixels=objective.pixels + objective.region_pixels,
        features=objective.features + objective.region_features,
    )
