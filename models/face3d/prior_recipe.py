"""The recipe of a 3D prior: every number that a training run depends on; JSON in configs/face3d."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from models.ageing.recipe import Phases, Stage
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
class Face3DPriorRecipe:
    """All of it."""

    prior: Face3DConfig
    seed: int = 0
    min_faces: int = 2000
    views: tuple[ViewsPhase, ...]

    @property
    def phases(self) -> Phases[ViewsPhase]:
        """The phases of the views stage."""
        return Phases(self.views)


def load_prior_recipe(path: Path) -> Face3DPriorRecipe:
    """Reads a recipe from JSON; keys that it leaves out have their defaults.

    Raises:
        ValueError: The file is no JSON object, or has a key or value that no recipe has.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        recipe: Face3DPriorRecipe = build(Face3DPriorRecipe, plain)
        return recipe
    except (TypeError, KeyError, ValueError) as error:
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
