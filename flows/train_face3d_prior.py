"""Trains a 3D prior on a folder of age-labelled faces, stage by stage, and registers it.

Stages: faces -> views -> dual -> path -> publish. The first three leave files in
`<work>/priors3d/<name>/` and are skipped when they are found finished; a killed run goes on where
it stopped.
"""

from pathlib import Path

from prefect import flow, get_run_logger

from flows.progress import stage_progress
from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.triplane_priors import register_triplane_prior, triplane_priors
from tasks.face3d_directions import fit_directions, write_directions
from tasks.face3d_dual import train_dual
from tasks.face3d_prior import (
    CompactPrior,
    Face3DPriorRecipe,
    Report,
    fit_age_path,
    new_face3d_prior,
    previews,
    publish_face3d_prior,
    read_critics,
    read_face3d_recipe,
    recipe_dict,
)
from tasks.face3d_prior_training import train_views
from tasks.posed_faces import prepare_posed_faces
from tasks.prior_training import claim


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
    recipe, critics = read_face3d_recipe(config), read_critics()
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

    prior = new_face3d_prior(recipe, critics)
    for stage, train in {"views": train_views, "dual": train_dual}.items():
        drawn = previews(faces, place, stage)
        prior = train(prior, critics, faces, recipe, place, report, saved=drawn)
    fit_age_path(prior, faces)
    published = publish_face3d_prior(prior, faces, recipe, place)
    write_directions(fit_directions(prior, faces), published)
    return published
