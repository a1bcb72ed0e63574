"""Training a prior end to end on a handful of portraits: stages, resume, refusals."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut
from typer.testing import CliRunner

from flows.train_prior import run_stages, train_prior
from models.ageing.compact_prior import tiny_config
from models.ageing.loading import load_prior
from models.ageing.recipe import (
    AdversarySettings,
    FinishSettings,
    PriorRecipe,
    RecognitionSettings,
    SizedStage,
    Stage,
    load_recipe,
)
from models.efficientnet_lite import EfficientNetLite
from models.published_file import CheckpointError
from models.training import run_loop
from reage.errors import FaceError, RegistryError
from reage.face_set import FaceSet
from reage.labelled_faces import find_photos
from reage.registry.priors import register_prior
from reage.training_curve import Report, read_curve
from studio import cli
from tasks.prior_onlookers import Onlookers
from tests import mobile_face_file
from tests.dlib_file import seeded, written

TINY = Stage(steps=2, batch_size=4, learning_rate=1e-3)
RECIPE = PriorRecipe(
    prior=tiny_config(),
    min_faces=8,
    regressor=TINY,
    embedder=TINY,
    autoencoder=(
        SizedStage(steps=1, batch_size=4, learning_rate=1e-3, size=16),
        SizedStage(steps=1, batch_size=4, learning_rate=1e-3),
    ),
    adversary=(
        AdversarySettings(steps=2, batch_size=4, learning_rate=1e-3, warm_up=1, size=16),
        AdversarySettings(steps=1, batch_size=4, learning_rate=1e-4, warm_up=0),
    ),
    windows=TINY,
    finish=(FinishSettings(steps=2, batch_size=4, learning_rate=1e-3, warm_up=1, seen_size=16),),
    witness=TINY,
)


def silent(*told: object) -> None:
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
    card = weights.with_name("MODEL_CARD.md")
    before, described, steps = weights.read_bytes(), card.read_bytes(), []
    run_stages(folder, RECIPE, name="tiny", work=trained, report=lambda *told: steps.append(told))
    assert steps == []
    assert weights.read_bytes() == before
    assert card.read_bytes() == described


@pytest.mark.parametrize("stage", ["path", "windows", "finish", "witness"])
def test_a_run_killed_when_a_stage_begins_ends_with_the_same_bytes(
    folder: Path, trained: Path, tmp_path: Path, stage: str
) -> None:
    class Killed(Exception):
        pass

    def kill(at: str, *told: object) -> None:
        if at == stage:
            raise Killed

    with pytest.raises(Killed):
        run_stages(folder, RECIPE, name="tiny", work=tmp_path, report=kill)
    run_stages(folder, RECIPE, name="tiny", work=tmp_path, report=silent)
    first, second = (
        work / "priors" / "tiny" / "prior" / "weights.safetensors" for work in (trained, tmp_path)
    )
    assert first.read_bytes() == second.read_bytes()


def test_what_a_run_leaves_tells_how_it_went(trained: Path) -> None:
    place = trained / "priors" / "tiny"
    last = {line.stage: line for line in read_curve(place / "curve.jsonl")}
    assert {stage: line.step for stage, line in last.items()} == {
        "regressor": 2, "embedder": 2, "autoencoder": 2, "adversary": 3, "windows": 2,
        "finish": 2, "witness": 2,
    }  # fmt: skip
    assert {stage: line.phase for stage, line in last.items()} == {
        "regressor": 1, "embedder": 1, "autoencoder": 2, "adversary": 2, "windows": 1,
        "finish": 1, "witness": 1,
    }  # fmt: skip
    assert set(last["autoencoder"].terms) == {"pixels", "features"}
    judged = {"whole real", "whole fake", "adversarial", "identity"}
    assert judged <= set(last["adversary"].terms)
    assert judged | {"fine real", "fine fake", "fine"} <= set(last["finish"].terms)
    sheets = sorted(path.name for path in (place / "previews").iterdir())
    assert sheets == ["adversary-00003.png", "autoencoder-00002.png", "finish-00002.png"]
    card = (place / "prior" / "MODEL_CARD.md").read_text()
    assert "![Terms of each stage's loss over its steps](curve.png)" in card
    assert (place / "prior" / "curve.png").is_file()


def test_a_trained_prior_is_listed_with_licence_and_digest_and_keeps_its_curve(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAGE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    record = register_prior(trained / "priors" / "tiny" / "prior", "ours")
    assert {"curve.png", "recipe.json"} <= {path.name for path in record.folder.iterdir()}
    listed = CliRunner().invoke(cli.app, ["weights", "list"]).output
    (row,) = [line for line in listed.splitlines() if line.startswith("ours ")]
    assert "prior, trained" in row
    assert record.digest[:12] in row
    assert row.rstrip().endswith(RECIPE.prior.licence)


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


FARTHER = replace(RECIPE.finish[0], steps=4, learning_rate=2e-3, rejuvenation_gain=1.5)
LONGER = replace(RECIPE, finish=(*RECIPE.finish, FARTHER))


def test_a_prior_is_trained_on_and_killed_and_ends_with_the_same_bytes(
    folder: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(at: str, step: int, *told: object) -> None:
        if (at, step) == ("finish", 5):
            raise Killed

    def run(work: Path, report: Report = silent) -> Path:
        return run_stages(folder, LONGER, name="on", work=work, report=report, start=start)

    monkeypatch.setitem(run_loop.__kwdefaults__, "save_every", 4)
    start, whole, cut = trained / "priors/tiny/prior", tmp_path / "whole", tmp_path / "cut"
    published = run(whole)
    before, after = load_prior(start).state_dict(), load_prior(published).state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"finish", "rejuvenation_gain"}
    assert after["rejuvenation_gain"] == FARTHER.rejuvenation_gain
    lines = read_curve(whole / "priors/on/curve.jsonl")
    assert {(line.stage, line.step, line.phase) for line in lines} == {
        ("windows", 2, 1), ("finish", 6, 2),
    }  # fmt: skip
    assert load_prior(start).digest in (published / "MODEL_CARD.md").read_text()
    assert load_recipe(published / "recipe.json") == LONGER
    with pytest.raises(Killed):
        run(cut, kill)
    weights = "weights.safetensors"
    assert (run(cut) / weights).read_bytes() == (published / weights).read_bytes()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (RECIPE, r"finish: got 1 phases, expected the 1 of .*recipe\.json as they are and then"),
        (replace(LONGER, finish=LONGER.finish[::-1]), "finish: got 2 phases, expected the 1 of"),
        (replace(LONGER, seed=1), r"got other stages before the finish than those of .*\.json"),
    ],
)
def test_a_recipe_that_does_not_go_on_from_a_prior_is_refused(
    folder: Path, trained: Path, tmp_path: Path, recipe: PriorRecipe, message: str
) -> None:
    start = trained / "priors/tiny/prior"
    with pytest.raises(RegistryError, match=message):
        run_stages(folder, recipe, name="on", work=tmp_path, report=silent, start=start)
    assert not list(tmp_path.iterdir())


def test_a_prior_without_a_recipe_is_not_trained_on(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    start = shutil.copytree(trained / "priors/tiny/prior", tmp_path / "bare")
    (start / "recipe.json").unlink()
    with pytest.raises(RegistryError, match=r"recipe\.json: got none, expected that of a prior"):
        run_stages(folder, LONGER, name="on", work=tmp_path, report=silent, start=start)


RECOGNISED = replace(
    RECIPE,
    recognition=RecognitionSettings(num_real=8, num_remembered=8, num_fewest=4),
    finish=(
        replace(
            RECIPE.finish[0],
            steps=4,
            recognised=1.0,
            recognised_features=1.0,
            known_again=0.5,
            photographic=0.5,
            second_recognised=0.5,
        ),
    ),
)


def test_a_run_with_a_recogniser_is_killed_and_ends_with_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(at: str, step: int, *told: object) -> None:
        if (at, step) == ("finish", 3):
            raise Killed

    def run(work: Path, report: Report = silent) -> Path:
        place = run_stages(
            folder,
            RECOGNISED,
            name="tiny",
            work=work,
            report=report,
            onlookers=Onlookers(recogniser, viewer, second),
        )
        return place / "weights.safetensors"

    monkeypatch.setitem(run_loop.__kwdefaults__, "save_every", 2)
    recogniser, viewer = written(seeded(), tmp_path / "resnet.dat"), tmp_path / "viewer.pth"
    torch.save(EfficientNetLite().state_dict(), viewer)
    second = mobile_face_file.written(mobile_face_file.seeded(), tmp_path / "face.json")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = run(whole).read_bytes()
    terms = {line.stage: line.terms for line in read_curve(whole / "priors/tiny/curve.jsonl")}
    assert terms["finish"]["recognised"] != 0
    assert terms["finish"]["recognised features"] != 0
    assert terms["finish"]["known again"] > 0
    assert terms["finish"]["photographic"] != 0
    assert terms["finish"]["second recognised"] != 0
    with pytest.raises(Killed):
        run(cut, kill)
    assert run(cut).read_bytes() == expected
    viewer.rename(tmp_path / "moved.pth")
    with pytest.raises(RegistryError, match=r"photographic: got no file at .*viewer\.pth, expec"):
        run(tmp_path / "refused")
    torch.save({"stem": torch.zeros(1)}, viewer)
    with pytest.raises(CheckpointError, match=r"viewer\.pth: "):
        run(tmp_path / "refused")
    (tmp_path / "moved.pth").rename(viewer)
    second.rename(tmp_path / "moved.json")
    with pytest.raises(RegistryError, match=r"second_recognised: got no file at .*face\.json, exp"):
        run(tmp_path / "refused")
    second.write_text("{}")
    with pytest.raises(CheckpointError, match=r"face\.json: got KeyError\('weightsManifest'\)"):
        run(tmp_path / "refused")
    (tmp_path / "moved.json").rename(second)
    recogniser.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"resnet\.dat: tensors: got 0 with"):
        run(tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    written(seeded(seed=1), recogniser)
    with pytest.raises(RegistryError, match="recipe: got another than this work was begun with"):
        run(cut)


def test_a_recipe_that_asks_for_a_recogniser_is_refused_without_one(
    folder: Path, tmp_path: Path
) -> None:
    for recogniser, got in ((None, "none"), (tmp_path / "no.dat", "no file at .*no.dat")):
        with pytest.raises(RegistryError, match=f"recognised: got {got}, expected a face recog"):
            run_stages(folder, RECOGNISED, name="tiny", work=tmp_path, report=silent,
                       onlookers=Onlookers(recogniser))  # fmt: skip
    assert not list(tmp_path.iterdir())
