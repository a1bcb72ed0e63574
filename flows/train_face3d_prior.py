"""Trains a 3D prior on a folder of age-labelled faces, stage by stage, and registers it.

Stages: faces -> views -> path -> publish. The first two leave files in `<work>/priors3d/<name>/`
and are skipped when they are found finished; a killed run goes on where it stopped.
"""

import json
from pathlib import Path

import torch
from PIL import Image
from prefect import flow, get_run_logger

from flows.progress import stage_progress
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.ageing.path import fit_path
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import save_face3d_prior
from models.face3d.prior_recipe import Face3DPriorRecipe, load_prior_recipe, recipe_dict
from models.training import Report, batches
from reage.errors import RegistryError
from reage.naming import check_name
from reage.posed_faces import PosedFaceSet
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import register_triplane_prior, triplane_priors
from tasks.face3d_prior_card import write_face3d_card
from tasks.face3d_prior_training import train_views
from tasks.posed_faces import prepare_posed_faces
from tasks.prior_preview import shown_rows
from tasks.prior_training import claim
from tasks.turning_sheet import turning_sheet

DEFAULT_RECIPE = Path(__file__).parent.parent / "configs" / "face3d" / "compact.json"


@flow(name="train-face3d-prior", flow_run_name="train 3D prior {name}", validate_parameters=False)
def train_face3d_prior(
    folder: str, config: str | None = None, name: str = "studio", work: str = "work"
) -> str:
    """Trains a 3D prior and registers it under `name`.

    Args:
        folder: Photographs named `{age}_...`, zip archives of such, or photographs and labels.csv.
        config: Recipe (JSON); the compact 3D prior's by default.
        name: To register it under.
        work: Root of the work folders.

    Returns:
        The folder of the registered prior.

    Raises:
        FaceError: Too few adult faces.
        RegistryError: The name is taken, or work under it was begun with another recipe or folder.
    """
    if name in triplane_priors() and not (Path(work) / "priors3d" / name / "prior").is_dir():
        raise RegistryError(
            f"3D prior {name}: name: got one that is registered already, expected a new one; "
            "priors never change once registered"
        )
    recipe = load_prior_recipe(Path(config) if config else DEFAULT_RECIPE)
    critics = load_prior(find_prior().folder)
    assert isinstance(critics, CompactPrior)
    with stage_progress() as report:
        published = run_face3d_stages(
            Path(folder), recipe, critics, name=name, work=Path(work), report=report
        )
    registered = register_triplane_prior(published, name)
    get_run_logger().info("registered 3D prior name=%s folder=%s", name, registered.folder)
    return str(registered.folder)


def run_face3d_stages(
    folder: Path,
    recipe: Face3DPriorRecipe,
    critics: CompactPrior,
    *,
    name: str,
    work: Path,
    report: Report,
) -> Path:
    """Runs all stages that are not finished, without Prefect; returns the prior's folder."""
    place = work / "priors3d" / check_name(name, what="3D prior")
    claim(place, folder, recipe_dict(recipe))
    faces = prepare_posed_faces(
        folder,
        place / "faces.npz",
        size=recipe.prior.crop_size,
        min_faces=recipe.min_faces,
        report=report,
    )

    def preview(mean: Face3DPrior, done: int) -> None:
        sheet = turning_sheet(mean, faces, shown_rows(faces))
        path = place / "previews" / f"views-{done:05d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(sheet).save(path)

    prior = train_views(
        _untrained(recipe, critics), critics, faces, recipe, place, report, saved=preview
    )
    fit_age_path(prior, faces)
    published = place / "prior"
    digest = save_face3d_prior(prior, published)
    (published / "recipe.json").write_text(json.dumps(recipe_dict(recipe), indent=2) + "\n")
    write_face3d_card(prior, digest, faces, recipe, place, published)
    return published


def _untrained(recipe: Face3DPriorRecipe, critics: CompactPrior) -> Face3DPrior:
    """Returns a prior whose encoder begins as the critics' regressor if both have one shape."""
    torch.manual_seed(recipe.seed)
    prior = Face3DPrior(recipe.prior)
    learnt = critics.regressor.trunk.state_dict()
    own = prior.encoder.trunk.state_dict()
    if {n: t.shape for n, t in learnt.items()} == {n: t.shape for n, t in own.items()}:
        prior.encoder.trunk.load_state_dict(learnt)
    return prior


@torch.no_grad()
def fit_age_path(prior: Face3DPrior, faces: PosedFaceSet) -> None:
    """Fits the path of a prior's codes over age, and its mean latent, on the training faces."""
    rows = faces.training
    codes = torch.cat([prior.encode(crops) for crops in batches(faces.crops, rows)])
    prior.generator.backbone.mapping.w_avg.copy_(codes.mean(dim=(0, 1)))
    fit_path(prior.path, codes, torch.from_numpy(faces.ages[rows]), codes.new_ones(len(codes), 1))
