"""The recipe of a 3D prior: every number that a training run depends on; JSON in configs/face3d."""

import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from models.ageing.recipe import Stage
from models.face3d.dual_discriminator import DualDiscriminatorConfig
from models.face3d.prior import Face3DConfig


@dataclass(frozen=True, kw_only=True)
class ViewsPhase(Stage):
    """A phase of learning from photographs and from views of them turned.

    Attributes:
        render_size: Of the rendered features, pixels.
        refine: Whether super-resolution learns too.
        turn: Largest turn of another camera from straight ahead, yaw, degrees; pitch half of it.
        turned_share: Of the faces that another camera sees than the photograph's own, 0-1.
        pixels, features, depth, opacity, likeness: Weights of the terms.
        backdrop: What depth beside the face's own mesh weighs, of what it weighs on it.
    """

    render_size: int = 32
    refine: bool = False
    turn: float = 40.0
    turned_share: float = 0.5
    pixels: float = 1.0
    features: float = 0.15
    depth: float = 10.0
    backdrop: float = 0.3
    opacity: float = 0.2
    likeness: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DualPhase(ViewsPhase):
    """A phase against the dual discriminator, in which all of a views phase goes on as well.

    Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.

    Attributes:
        warm_up: Steps at its start in which the discriminator learns alone.
        adversarial: Weight of the discriminator's score.
        discriminator_rate: Its learning rate.
        r1: Of its gradient penalty, taken every `r1_every` steps.
        sampled_share: Of the faces judged that come from noise, 0-1; others from photographs.
        pose_swap: How often the mapping of noise is conditioned on another camera than the one that
            renders, 0-1, so that a face is not a different one from every side.
        density, density_step: Weight of how much density differs between neighbouring points, and
            their distance, world units.
    """

    refine: bool = True
    warm_up: int = 0
    adversarial: float = 0.1
    discriminator_rate: float = 2e-3
    r1: float = 1.0
    r1_every: int = 16
    sampled_share: float = 0.0
    pose_swap: float = 0.5
    density: float = 0.25
    density_step: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.refine:
            raise ValueError("DualPhase.refine: got false, expected true: pictures are judged")


@dataclass(frozen=True, kw_only=True)
class Face3DPriorRecipe:
    """All of it. Stages run in the order of the fields; without phases a stage is left out."""

    prior: Face3DConfig
    seed: int = 0
    min_faces: int = 2000
    views: tuple[ViewsPhase, ...]
    discriminator: DualDiscriminatorConfig = field(default_factory=DualDiscriminatorConfig)
    dual: tuple[DualPhase, ...] = ()

    def __post_init__(self) -> None:
        size = self.prior.crop_size
        if self.dual and self.discriminator.resolution != size:
            raise ValueError(
                f"discriminator.channels: got {len(self.discriminator.channels)} of them, for "
                f"{self.discriminator.resolution} px, expected as many as {size} px take"
            )


def load_prior_recipe(path: Path) -> Face3DPriorRecipe:
    """Reads a recipe from JSON; keys that it leaves out have their defaults.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no JSON object, or has a key or value that no recipe has.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        recipe: Face3DPriorRecipe = build(Face3DPriorRecipe, plain)
        return recipe
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        got = f"no JSON ({error})"
        raise ValueError(f"{path}: got {got}, expected the recipe of a 3D prior") from error
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: got {error}, expected the recipe of a 3D prior") from error


def build(kind: Any, plain: Any) -> Any:
    """Builds a dataclass, however nested, from what `dataclasses.asdict` and JSON made of it."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        strange = set(plain) - {f.name for f in fields(kind)}
        if strange:
            raise ValueError(
                f"unknown key {sorted(strange)[0]} of {getattr(kind, '__name__', kind)}"
            )
        return kind(**{key: build(hints[key], value) for key, value in plain.items()})  # type: ignore[operator]
    if isinstance(plain, list):
        items = get_args(kind)
        return tuple(build(items[0] if items else None, item) for item in plain)
    return plain


def recipe_dict(recipe: Face3DPriorRecipe) -> dict[str, Any]:
    """Returns the recipe as plain data; see build."""
    return asdict(recipe)
