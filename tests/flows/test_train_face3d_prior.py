"""Training a 3D prior end to end on a handful of portraits: stages, resume, files, refusals."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flows.train_face3d_prior import run_face3d_stages, train_face3d_prior
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.face3d.dual_discriminator import DualDiscriminatorConfig
from models.face3d.loading import load_face3d
from models.face3d.prior_files import load_face3d_prior
from models.face3d.prior_recipe import DualPhase, Face3DPriorRecipe, ViewsPhase
from reage.errors import FaceError, RegistryError
from reage.posed_faces import PosedFaceSet
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import find_triplane_prior, register_triplane_prior
from reage.training_curve import of_stage, read_curve


def silent(*told: object) -> None:
    """Reports to nobody."""


@pytest.fixture(scope="module")
def critics() -> CompactPrior:
    prior = load_prior(find_prior("compact").folder)
    assert isinstance(prior, CompactPrior)
    return prior


@pytest.fixture(scope="module")
def recipe(tiny_face3d_config) -> Face3DPriorRecipe:
    shared = {"batch_size": 4, "learning_rate": 2e-3, "render_size": 16}
    return Face3DPriorRecipe(
        prior=tiny_face3d_config,
        min_faces=6,
        views=(
            ViewsPhase(steps=2, **shared),
            ViewsPhase(steps=2, refine=True, likeness=0.3, **shared),
        ),
        discriminator=DualDiscriminatorConfig(channels=(8, 8, 8, 4), condition_size=8),
        dual=(DualPhase(steps=4, warm_up=1, sampled_share=0.5, r1_every=2, **shared),),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight variations of one portrait with made-up ages, one minor, and one without a face."""
    place = tmp_path_factory.mktemp("faces")
    face = cv2.resize(astronaut()[0:270, 90:360], (200, 200))[..., ::-1]
    rng = np.random.default_rng(0)
    for number, age in enumerate([12, *range(20, 60, 5)]):
        varied = np.clip(face * rng.uniform(0.7, 1.1) + rng.normal(0, 4, face.shape), 0, 255)
        cv2.imwrite(str(place / f"{age}_{number % 2}_{number % 5}_{number}.png"), varied)
    cv2.imwrite(str(place / "50_0_0_none.png"), np.full((200, 200, 3), 90, np.uint8))
    return place


@pytest.fixture(scope="module")
def trained(folder, recipe, critics, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    run_face3d_stages(folder, recipe, critics, name="tiny", work=work, report=silent)
    return work / "priors3d" / "tiny"


def test_the_faces_are_posed_adults(trained: Path) -> None:
    faces = PosedFaceSet.load(trained / "faces.npz")
    assert len(faces) == 8
    assert faces.ages.min() >= 18
    assert np.abs(faces.angles).max() < 30
    row = faces.face(0)
    places, _ = row.camera.project(row.skin)
    assert 0.4 < places[:, 0].mean() < 0.6
    assert faces.is_photographed(0, places).mean() > 0.9


def test_what_is_published_loads_and_says_what_it_is(trained: Path, recipe) -> None:
    prior = load_face3d_prior(trained / "prior")
    assert prior.encode(torch.zeros(1, 3, 16, 16)).isfinite().all()
    card = (trained / "prior" / "MODEL_CARD.md").read_text()
    assert recipe.prior.licence in card
    assert "faces from noise" in " ".join(card.split())
    assert {"recipe.json", "curve.png"} <= {p.name for p in (trained / "prior").iterdir()}
    assert sorted(p.name for p in (trained / "previews").iterdir()) == [
        "dual-00004.png",
        "views-00004.png",
    ]


def test_the_curve_has_every_term(trained: Path) -> None:
    curve = read_curve(trained / "curve.jsonl")
    views, dual = (of_stage(curve, stage)[-1] for stage in ("views", "dual"))
    assert (views.step, views.phase, dual.step, dual.phase) == (4, 2, 4, 1)
    held = {"pixels", "depth", "opacity", "picture", "likeness"}
    assert held <= set(views.terms)
    assert {"score real", "score made", "adversarial", "density", *held} <= set(dual.terms)


@pytest.mark.parametrize("where", ["views", "dual"])
def test_a_run_killed_in_training_ends_with_the_same_bytes(
    where, folder: Path, trained: Path, recipe, critics, tmp_path: Path, monkeypatch
) -> None:
    class Killed(Exception):
        pass

    def kill(stage: str, step: int, *told: object) -> None:
        if stage == where and step == 3:
            raise Killed

    monkeypatch.setattr("tasks.face3d_loop.SAVE_EVERY", 2)
    with pytest.raises(Killed):
        run_face3d_stages(folder, recipe, critics, name="tiny", work=tmp_path, report=kill)
    run_face3d_stages(folder, recipe, critics, name="tiny", work=tmp_path, report=silent)
    again = tmp_path / "priors3d" / "tiny" / "prior" / "weights.safetensors"
    assert again.read_bytes() == (trained / "prior" / "weights.safetensors").read_bytes()


def test_a_registered_prior_is_found_and_never_changes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAGE_HOME", str(tmp_path))
    record = register_triplane_prior(trained / "prior", "ours")
    assert find_triplane_prior("ours") == record
    loaded = load_face3d(record.folder, record.kind, record.directions)
    assert loaded.aged is not None and loaded.encode is not None
    codes = loaded.encode(torch.zeros(1, 3, 32, 32))
    assert torch.equal(loaded.aged(codes, 40.0, 40.0), codes)
    assert loaded.directions["smile"].shape == codes.shape[1:]
    assert loaded.directions["smile"].abs().max() > 0
    with pytest.raises(RegistryError, match="ours: name: got one that is registered"):
        train_face3d_prior.fn(str(tmp_path), name="ours", work=str(tmp_path / "work"))
    with pytest.raises(RegistryError, match=r"3D prior theirs: .*expected one of: .*ours"):
        find_triplane_prior("theirs")


def test_another_recipe_and_too_few_faces_are_refused(
    folder: Path, trained: Path, recipe, critics, tmp_path: Path
) -> None:
    run = {"name": "tiny", "report": silent}
    with pytest.raises(RegistryError, match="recipe: got another"):
        run_face3d_stages(folder, replace(recipe, seed=1), critics, work=trained.parents[1], **run)
    with pytest.raises(FaceError, match="got 8 adult faces with an age, expected at least 9"):
        run_face3d_stages(
            folder, replace(recipe, min_faces=9), critics, work=tmp_path / "few", **run
        )
