"""Trains an ageing prior on a folder of age-labelled faces, stage by stage, and registers it.

Stages: faces -> regressor -> embedder -> autoencoder -> path -> adversary -> windows -> finish ->
witness -> calibration -> publish.
A run that goes on from a trained prior has all behind it but windows, finish and calibration.
Each leaves a checkpoint in `<work>/priors/<name>/` and is skipped when it is found finished; a
killed run goes on where it stopped. Another recipe or another folder under the same name is
refused, not mixed in.
Beside the checkpoints: curve.jsonl (terms of the losses), previews/ (contact sheets of validation
faces), figures.json (what the readers are worth) and prior/, which is registered.
"""

from pathlib import Path

import numpy as np
from prefect import flow, get_run_logger

from flows.progress import stage_progress
from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.priors import find_prior, list_priors, register_prior
from tasks.prior_adversary import train_adversary
from tasks.prior_calibration import calibrate
from tasks.prior_faces import prepare_faces
from tasks.prior_finish import train_finish
from tasks.prior_onlookers import NOBODY, Onlookers
from tasks.prior_start import read_start
from tasks.prior_training import (
    PriorRecipe,
    Report,
    claim,
    fit_ageing_path,
    new_prior,
    publish,
    read_faces,
    read_recipe,
    recipe_dict,
    train_autoencoder,
    train_embedder,
    train_regressor,
    train_witness,
)


@flow(name="train-prior", flow_run_name="train prior {name}", validate_parameters=False)
def train_prior(
    folder: str,
    config: str | None = None,
    name: str = "studio",
    work: str = "work",
    recogniser: str | None = None,
    viewer: str | None = None,
    second_recogniser: str | None = None,
    start: str | None = None,
) -> str:
    """Trains a prior and registers it under `name`.

    Args:
        folder: Photographs named `{age}_...`, zip archives of such, or photographs and labels.csv.
        config: Recipe (JSON); the compact prior's by default.
        name: To register it under.
        work: Root of the work folders.
        recogniser: dlib's face recogniser, for a recipe that asks for one.
        viewer: EfficientNet-Lite0, likewise.
        second_recogniser: MobileFace, likewise.
        start: Registered prior to go on from; the recipe is its own with more phases of the finish.

    Returns:
        The folder of the registered prior.

    Raises:
        FaceError: Too few adult faces.
        RegistryError: The name is taken, or work under it was begun with another recipe, folder,
            networks by others or start, or the recipe asks for such a network and there is none,
            or does not go on from the start.
        CheckpointError: The file of a network by others is another.
    """
    if name in list_priors() and not (Path(work) / "priors" / name / "prior").is_dir():
        raise RegistryError(
            f"prior {name}: name: got one that is registered already, expected a new one; priors "
            "never change once registered"
        )
    recipe = read_recipe(config)
    with stage_progress() as report:
        published = run_stages(
            Path(folder),
            recipe,
            name=name,
            work=Path(work),
            report=report,
            onlookers=Onlookers.at(recogniser, viewer, second_recogniser),
            start=None if start is None else find_prior(start).folder,
        )
    registered = register_prior(published, name)
    get_run_logger().info("registered prior name=%s folder=%s", name, registered.folder)
    return str(registered.folder)


def run_stages(
    folder: Path,
    recipe: PriorRecipe,
    *,
    name: str,
    work: Path,
    report: Report,
    onlookers: Onlookers = NOBODY,
    start: Path | None = None,
) -> Path:
    """Runs all stages that are not finished, without Prefect; returns the prior's folder."""
    place = work / "priors" / check_name(name, what="prior")
    begun = None if start is None else read_start(start, recipe)
    begun_from = {} if begun is None else {"start": begun.prior.digest}
    claim(place, folder, recipe_dict(recipe) | onlookers.digests(recipe) | begun_from)
    faces = prepare_faces(
        folder,
        place / "faces.npz",
        size=recipe.prior.resolution,
        min_faces=recipe.min_faces,
        report=report,
    )
    prior = new_prior(faces, recipe)
    if begun is not None:
        begun.into(prior, rejuvenation_gain=recipe.path.rejuvenation_gain)
        readings = read_faces(prior, faces, np.arange(len(faces)))
    else:
        for stage in (train_regressor, train_embedder, train_autoencoder, fit_ageing_path):
            stage(prior, faces, recipe, place, report)
        readings = read_faces(prior, faces, np.arange(len(faces)))
        train_adversary(prior, faces, recipe, place, report, readings=readings)
    train_finish(
        prior,
        faces,
        recipe,
        place,
        report,
        readings=readings,
        onlookers=onlookers,
        first=0 if begun is None else begun.steps,
    )
    if begun is None:
        train_witness(prior, faces, recipe, place, report)
    calibrate(prior, faces, recipe, place, report)
    return publish(prior, faces, recipe, place, begun)
