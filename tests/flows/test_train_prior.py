"""Training a prior end to end on a handful of portraits: stages, resume, refusals."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flows.train_prior import run_stages, train_prior
from models.ageing.compact_prior import tiny_config
from models.ageing.loading import load_prior
from models.ageing.recipe import AdversarySettings, PriorRecipe, Stage
from reage.errors import FaceError, RegistryError
from reage.labelled_faces import FaceSet, find_photos

TINY = Stage(steps=2, batch_size=4, learning_rate=1e-3)
RECIPE = PriorRecipe(
    prior=tiny_config(),
    min_faces=8,
    regressor=TINY,
    embedder=TINY,
    autoencoder=TINY,
    adversary=(
        AdversarySettings(steps=2, batch_size=4, learning_rate=1e-3, warm_up=1),
        AdversarySettings(steps=1, batch_size=4, learning_rate=1e-4, warm_up=0),
    ),
)


def silent(stage: str, step: int, steps: int) -> None:
    """Reports to nobody."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve variations of one portrait with made-up ages, and one labelled as a minor."""
    place = tmp_path_factory.mktemp("faces")
    face = cv2.resize(astronaut()[0:270, 90:360], (200, 200))[..., ::-1]
    rng = np.random.default_rng(0)
    for number, age in enumerate([12, *range(20, 80, 5)]):
        varied = np.clip(face * rng.uniform(0.7, 1.1) + rng.normal(0, 4, face.shape), 0, 255)
        cv2.imwrite(str(place / f"{age}_{number % 2}_{number % 5}_{number}.png"), varied)
    return place


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    run_stages(folder, RECIPE, name="tiny", work=work, report=silent)
    return work


def test_a_prior_is_published_that_loads_and_says_what_it_is(trained: Path) -> None:
    published = trained / "priors" / "tiny" / "prior"
    prior = load_prior(published)
    crops = torch.zeros(1, 3, 32, 32)
    change = prior.change(crops, torch.tensor([30.0]), torch.tensor([70.0]))
    assert change.isfinite().all()
    assert change.any()
    assert prior.digest in (published / "MODEL_CARD.md").read_text()


def test_minors_are_left_out(folder: Path, trained: Path) -> None:
    photos, num_minors = find_photos(folder)
    assert num_minors == 1
    assert min(photo.age for photo in photos) == 20
    faces = FaceSet.load(trained / "priors" / "tiny" / "faces.npz")
    assert faces.ages.min() >= 18


def test_a_second_run_trains_nothing_and_publishes_the_same_bytes(
    folder: Path, trained: Path
) -> None:
    weights = trained / "priors" / "tiny" / "prior" / "weights.safetensors"
    before, steps = weights.read_bytes(), []
    run_stages(folder, RECIPE, name="tiny", work=trained, report=lambda *told: steps.append(told))
    assert steps == []
    assert weights.read_bytes() == before


def test_a_run_killed_after_the_autoencoder_ends_with_the_same_bytes(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(stage: str, step: int, steps: int) -> None:
        if stage == "path":
            raise Killed

    with pytest.raises(Killed):
        run_stages(folder, RECIPE, name="tiny", work=tmp_path, report=kill)
    run_stages(folder, RECIPE, name="tiny", work=tmp_path, report=silent)
    first, second = (
        work / "priors" / "tiny" / "prior" / "weights.safetensors" for work in (trained, tmp_path)
    )
    assert first.read_bytes() == second.read_bytes()


def test_another_recipe_under_the_same_name_is_refused(folder: Path, trained: Path) -> None:
    with pytest.raises(RegistryError, match="recipe: got another"):
        run_stages(folder, replace(RECIPE, seed=1), name="tiny", work=trained, report=silent)


def test_a_taken_name_is_refused_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="prior compact: name: got one that is registered"):
        train_prior.fn(str(folder), name="compact", work=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_too_few_faces_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceError, match=r"got 12 adult faces with an age, expected at least 500"):
        run_stages(folder, replace(RECIPE, min_faces=500), name="few", work=tmp_path, report=silent)


def test_a_folder_without_ages_is_refused(tmp_path: Path) -> None:
    (tmp_path / "portrait.jpg").write_bytes(b"")
    with pytest.raises(FaceError, match=r"expected names such as 34_1_0_x\.jpg"):
        run_stages(tmp_path, RECIPE, name="none", work=tmp_path / "work", report=silent)
