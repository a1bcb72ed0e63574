"""Trains an ageing prior on a folder of age-labelled faces, stage by stage, and registers it.

Stages: faces -> regressor -> embedder -> autoencoder -> path -> adversary -> publish. Each leaves a
checkpoint in `<work>/priors/<name>/` and is skipped when it is found finished; a killed run goes on
where it stopped. Another recipe or another folder under the same name is refused, not mixed in.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from prefect import flow, get_run_logger
from rich.console import Console
from rich.progress import Progress

from models.ageing.prior import Prior, save_prior
from models.ageing.recipe import PriorRecipe, load_recipe, recipe_dict
from reage.errors import RegistryError
from reage.labelled_faces import FaceSet
from reage.naming import check_name
from tasks.prior_faces import prepare_faces
from tasks.prior_training import (
    Report,
    alignment_of,
    fit_ageing_path,
    train_adversary,
    train_autoencoder,
    train_embedder,
    train_regressor,
)

DEFAULT_RECIPE = Path(__file__).parent.parent / "configs" / "prior" / "compact.json"
STAGES = (train_regressor, train_embedder, train_autoencoder, fit_ageing_path, train_adversary)


@flow(name="train-prior", flow_run_name="train prior {name}", validate_parameters=False)
def train_prior(
    folder: str, config: str | None = None, name: str = "studio", work: str = "work"
) -> str:
    """Trains a prior and registers it under `name`.

    Args:
        folder: Photographs named `{age}_...`, zip archives of such, or photographs and labels.csv.
        config: Recipe (JSON); the compact prior's by default.
        name: To register it under.
        work: Root of the work folders.

    Returns:
        The folder that holds the prior.

    Raises:
        FaceError: Too few adult faces.
        RegistryError: Work under this name was begun with another recipe or folder.
    """
    recipe = load_recipe(Path(config) if config else DEFAULT_RECIPE)
    with _progress() as report:
        published = run_stages(Path(folder), recipe, name=name, work=Path(work), report=report)
    get_run_logger().info("trained prior name=%s folder=%s", name, published)
    return str(published)


def run_stages(folder: Path, recipe: PriorRecipe, *, name: str, work: Path, report: Report) -> Path:
    """Runs all stages that are not finished, without Prefect; returns the prior's folder."""
    place = work / "priors" / check_name(name, what="prior")
    _claim(place, folder, recipe)
    faces = prepare_faces(
        folder,
        place / "faces.npz",
        size=recipe.prior.resolution,
        min_faces=recipe.min_faces,
        report=report,
    )
    torch.manual_seed(recipe.seed)
    prior = Prior(recipe.prior, alignment_of(faces)).to(
        memory_format=torch.channels_last  # type: ignore[call-overload]
    )
    for stage in STAGES:
        stage(prior, faces, recipe, place, report)
    return publish(prior, faces, recipe, place)


def publish(prior: Prior, faces: FaceSet, recipe: PriorRecipe, place: Path) -> Path:
    """Writes weights, config, recipe and a model card; returns their folder."""
    published = place / "prior"
    digest = save_prior(prior.eval().requires_grad_(False), published)
    (published / "recipe.json").write_text(json.dumps(recipe_dict(recipe), indent=2) + "\n")
    (published / "MODEL_CARD.md").write_text(_card(prior, faces, digest))
    return published


def _card(prior: Prior, faces: FaceSet, digest: str) -> str:
    ages = faces.ages[faces.training]
    return (
        f"# Prior {prior.config.name}\n\n"
        f"- weights: SHA-256 {digest}\n"
        f"- licence: {prior.config.licence}\n"
        f"- trained on {len(ages)} adult faces, ages {ages.min()} to {ages.max()}; "
        f"{int((faces.folds == 0).sum())} held out for the test, "
        f"{int((faces.folds == 1).sum())} for validation, by the CRC-32 of their names\n"
        "- recipe: recipe.json beside this file\n"
        "- not judged yet: run `make bench-prior`\n"
    )


def _claim(place: Path, folder: Path, recipe: PriorRecipe) -> None:
    """Ties a work folder to one recipe and one folder of faces."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / "claim.json"
    claim = {"faces": str(folder.resolve()), "recipe": recipe_dict(recipe)}
    claim = json.loads(json.dumps(claim))
    if not path.is_file():
        path.write_text(json.dumps(claim, indent=1))
        return
    held = json.loads(path.read_text())
    for key, value in claim.items():
        if held[key] != value:
            raise RegistryError(
                f"{place}: {key}: got another than this work was begun with, expected the same; "
                "choose another name or delete the folder"
            )


@contextmanager
def _progress() -> Iterator[Report]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        rows: dict[str, int] = {}

        def report(stage: str, step: int, steps: int) -> None:
            if stage not in rows:
                rows[stage] = int(bar.add_task(stage, total=steps))
            bar.update(rows[stage], completed=step)  # type: ignore[arg-type]

        yield report
