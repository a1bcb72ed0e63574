"""Around the training of a 3D prior: its recipe, its beginning, its ageing path, publishing."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.ageing.path import fit_path, remove_colour
from models.eg3d.camera import frontal_label
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import save_face3d_prior
from models.face3d.prior_recipe import Face3DPriorRecipe, load_prior_recipe, recipe_dict
from models.training import Report, batches
from reage.errors import RegistryError
from reage.posed_faces import PosedFaceSet
from reage.registry.priors import find_prior
from tasks.face3d_prior_card import write_face3d_card
from tasks.prior_preview import shown_rows
from tasks.recipe_files import read_recipe_file
from tasks.turning_sheet import turning_sheet

__all__ = ["CompactPrior", "Face3DPriorRecipe", "Report", "recipe_dict"]

COLOUR_FACES = 16  # where the directions of colour are taken
DEFAULT_RECIPE = Path(__file__).parent.parent / "configs" / "face3d" / "compact.json"


def read_face3d_recipe(config: str | None) -> Face3DPriorRecipe:
    """Reads a recipe from a JSON file; the compact 3D prior's when none is named.

    Raises:
        StorageError: The file cannot be read.
        ManifestError: It is no JSON object, or has a key or value that no recipe has.
    """
    return read_recipe_file(Path(config) if config else DEFAULT_RECIPE, load_prior_recipe)


def read_critics() -> CompactPrior:
    """Loads the ageing prior whose readers a 3D prior's losses see through.

    Raises:
        RegistryError: The default ageing prior has none.
    """
    record = find_prior()
    critics = load_prior(record.folder)
    if not isinstance(critics, CompactPrior):
        raise RegistryError(
            f"prior {record.name}: got a {type(critics).__name__}, expected one with readers of "
            "its own, as the compact prior has"
        )
    return critics


def new_face3d_prior(recipe: Face3DPriorRecipe, critics: CompactPrior) -> Face3DPrior:
    """Returns a prior whose encoder begins as the critics' regressor if both have one shape."""
    torch.manual_seed(recipe.seed)
    prior = Face3DPrior(recipe.prior)
    learnt, own = critics.regressor.trunk.state_dict(), prior.encoder.trunk.state_dict()
    if {n: t.shape for n, t in learnt.items()} == {n: t.shape for n, t in own.items()}:
        prior.encoder.trunk.load_state_dict(learnt)
    return prior


def previews(faces: PosedFaceSet, place: Path, stage: str) -> Callable[[Face3DPrior, int], None]:
    """Returns what draws `<place>/previews/<stage>-<step>.png` of a prior after so many steps."""

    def draw(prior: Face3DPrior, done: int) -> None:
        path = place / "previews" / f"{stage}-{done:05d}.png"
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        sheet = turning_sheet(prior, faces, shown_rows(faces))
        Image.fromarray(sheet).save(temporary, format="PNG")
        os.replace(temporary, path)

    return draw


@torch.no_grad()
def fit_age_path(prior: Face3DPrior, faces: PosedFaceSet) -> None:
    """Fits the path of a prior's codes over age, and its mean latent, on the training faces.

    What would tint or lighten whole faces is taken out of the path.
    """
    rows = faces.training
    codes = torch.cat([prior.encode(crops) for crops in batches(faces.crops, rows)])
    prior.generator.backbone.mapping.w_avg.copy_(codes.mean(dim=(0, 1)))
    ages, everyone = torch.from_numpy(faces.ages[rows]), codes.new_ones(len(codes), 1)
    fit_path(prior.path, codes, ages, everyone)
    some = codes[:: max(1, len(codes) // COLOUR_FACES)][:COLOUR_FACES]
    remove_colour(prior.path, some, partial(_front_views, prior.generator))


def _front_views(generator: TriPlaneGenerator, codes: Tensor) -> Tensor:
    camera = frontal_label(len(codes)).to(codes)
    return generator.view(generator.identity(codes), camera, sampling="even")


def publish_face3d_prior(
    prior: Face3DPrior, faces: PosedFaceSet, recipe: Face3DPriorRecipe, place: Path
) -> Path:
    """Writes weights, recipe and card into `<place>/prior`; returns that folder."""
    published = place / "prior"
    digest = save_face3d_prior(prior, published)
    (published / "recipe.json").write_text(json.dumps(recipe_dict(recipe), indent=2) + "\n")
    write_face3d_card(prior, digest, faces, recipe, place, published)
    return published
