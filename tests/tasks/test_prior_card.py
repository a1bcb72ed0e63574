"""A prior's card and figures: only what the run says, and what it does not say is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.ageing.compact_prior import CompactPrior, save_prior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.recipe import AdversarySettings, FinishSettings, PriorRecipe, SizedStage
from reage.face_set import FaceSet
from reage.training_curve import CurveLine
from tasks.prior_card import JUDGED, JUDGED_END, NOT_JUDGED, compose_card, write_card
from tasks.prior_figures import PriorFigures, kept_figures, measure_prior
from tasks.prior_start import Start

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)
RECIPE = PriorRecipe(
    prior=tiny_config(),
    autoencoder=(
        SizedStage(steps=50, batch_size=4, learning_rate=3e-3, size=16),
        SizedStage(steps=25, batch_size=2, learning_rate=1e-3),
    ),
    adversary=(AdversarySettings(steps=75, batch_size=4, learning_rate=4e-4, chroma=8.0),),
    finish=(FinishSettings(steps=50, batch_size=4, learning_rate=2e-4, seen_size=16),),
)
FIGURES = PriorFigures(
    digest="d" * 64, date="2026-01-02", num_faces=12, age_mae=6.5, age_r=0.875, rank1=0.95,
    num_embedded=12, psnr_db=24.25, witness_mae=5.75, witnessed_at={"30": 31.2, "70": 66.6},
)  # fmt: skip


def face_set() -> FaceSet:
    """Sixty faces: 40 trained, 12 of validation, 8 held out; one gender unlabelled."""
    rng = np.random.default_rng(0)
    return FaceSet(
        crops=rng.integers(0, 256, (60, 32, 32, 3), np.uint8),
        ages=np.arange(60) + 20,
        genders=np.array([-1, *[0, 1] * 29, 1]),
        groups=np.arange(60) % 5,
        folds=np.array([0, 1, 1, 2, 3, 4, 5, 6, 7, 8] * 4 + [0] * 4 + [1] * 4 + [9] * 12),
        names=np.array([f"{age}.png" for age in range(20, 80)]),
        template=np.array(ALIGNMENT.template),
        indices=np.array(ALIGNMENT.landmark_indices),
    )


def line(stage: str, step: int, *, seconds: float = 0.0) -> CurveLine:
    return CurveLine(stage=stage, step=step, phase=1, terms={"loss": 1 / step}, seconds=seconds)


@pytest.fixture(scope="module")
def prior() -> CompactPrior:
    torch.manual_seed(0)
    return CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False)


def row_of(card: str, *starts: str) -> str:
    (found,) = [ln for ln in card.splitlines() if ln.startswith("| " + " | ".join(starts) + " |")]
    return found


def test_data_are_counted_by_decade_fold_gender_and_group(prior: CompactPrior) -> None:
    faces = face_set()
    card = compose_card(prior, faces, RECIPE, FIGURES, [])
    assert "60 aligned adult faces, labelled 20 to 79 years" in card
    heads = row_of(card, "age")
    assert "gender unknown | gender 0 | gender 1 | group 0" in heads
    counts = [int(cell) for cell in row_of(card, "all", "60").split("|")[3:-1]]
    held, chosen = (int((faces.folds == fold).sum()) for fold in (0, 1))
    assert counts[:3] == [60 - held - chosen, chosen, held]
    assert counts[3] == 1
    assert sum(counts[3:6]) == sum(counts[6:]) == 60
    assert row_of(card, "30-39", "10")


def test_recipe_is_told_phase_by_phase_with_what_is_not_at_its_default(
    prior: CompactPrior,
) -> None:
    card = compose_card(prior, face_set(), RECIPE, FIGURES, [])
    assert row_of(card, "autoencoder", "1", "50", "4", "16 px", "0.003")
    assert row_of(card, "autoencoder", "2", "25", "2", "32 px", "0.001")
    assert row_of(card, "adversary", "1", "75", "4", "32 px", "0.0004").endswith("| chroma 8 |")
    assert row_of(card, "finish", "1", "50", "4", "32 px", "0.0002").endswith("| seen_size 16 |")
    assert "no adversarial stage" not in card
    without = compose_card(prior, face_set(), replace(RECIPE, adversary=()), FIGURES, [])
    assert "There was no adversarial stage." in without
    assert "recogniser" not in without
    held = replace(RECIPE, finish=(replace(RECIPE.finish[0], recognised=2.0),))
    assert "dlib's face recogniser says" in compose_card(prior, face_set(), held, FIGURES, [])
    seen = replace(RECIPE, finish=(replace(RECIPE.finish[0], photographic=2.0),))
    assert "what EfficientNet-Lite0 sees" in compose_card(prior, face_set(), seen, FIGURES, [])
    assert "EfficientNet" not in compose_card(prior, face_set(), held, FIGURES, [])
    again = replace(RECIPE, finish=(replace(RECIPE.finish[0], second_recognised=2.0),))
    told = compose_card(prior, face_set(), again, FIGURES, [])
    assert "held to what MobileFace says" in told
    assert told.replace("\n", " ").count("second_recognised 2") == 1


def test_a_gain_that_was_calibrated_and_a_prior_that_was_gone_on_from_are_said(
    prior: CompactPrior,
) -> None:
    card = compose_card(prior, face_set(), RECIPE, FIGURES, [])
    assert "went on from" not in card
    assert "rejuvenation gain" not in card
    path = replace(RECIPE.path, rejuvenation_gain=1.25)
    begun = Start(prior, steps=4321)
    told = compose_card(prior, face_set(), replace(RECIPE, path=path), FIGURES, [], begun=begun)
    assert "younger age to 1.000, to an older age to 1.000" in told
    finish = (replace(RECIPE.finish[0], rejuvenation_gain=1.0),)
    learnt = compose_card(prior, face_set(), replace(RECIPE, path=path, finish=finish), FIGURES, [])
    assert "rejuvenation gain is 1.000, as in the last phase" in learnt
    assert "the witness set" not in learnt
    assert f"went on from the prior\n`{prior.digest}`" in told
    assert "first 4,321 steps of the finish" in told


def test_readers_are_told_at_the_size_that_they_read(prior: CompactPrior) -> None:
    config = replace(RECIPE.prior, regressor=replace(RECIPE.prior.regressor, size=16))
    card = compose_card(prior, face_set(), replace(RECIPE, prior=config), FIGURES, [])
    assert row_of(card, "regressor", "1", "1600", "96", "16 px")
    assert row_of(card, "embedder", "1", "600", "96", "32 px")


def test_networks_are_counted(prior: CompactPrior) -> None:
    card = compose_card(prior, face_set(), RECIPE, FIGURES, [])
    encoder = sum(tensor.numel() for tensor in prior.encoder.state_dict().values())
    assert row_of(card, "encoder").endswith(f"| {encoder:,} |")


def test_figures_are_shown_and_lacking_ones_are_said_to_lack(prior: CompactPrior) -> None:
    card = compose_card(prior, face_set(), RECIPE, FIGURES, [])
    assert row_of(card, "apparent age: mean error, years", "6.50")
    assert row_of(card, "gender read as labelled", "not told")
    assert row_of(card, "reconstruction: PSNR, dB", "24.25")
    assert row_of(card, "apparent age by the witness: mean error, years", "5.75")
    asked = "faces re-aged: what the witness reads of what was asked, years"
    assert row_of(card, asked, "31 of 30, 67 of 70")
    none = compose_card(
        prior, face_set(), RECIPE, PriorFigures(digest="d", date="", num_faces=0), []
    )
    assert "There were none: nothing was measured." in none


def test_a_missing_curve_and_a_partial_one_are_said(prior: CompactPrior) -> None:
    none = compose_card(prior, face_set(), RECIPE, FIGURES, [])
    assert "No curve was recorded: neither losses nor times are known." in none
    assert "curve.png" not in none
    lines = [line("autoencoder", step, seconds=step * 60) for step in (25, 50, 75)]
    lines += [line("adversary", 50, seconds=9)]
    partial = compose_card(prior, face_set(), RECIPE, FIGURES, lines)
    assert row_of(partial, "autoencoder", "75", "all", "1 h 15 min")
    assert row_of(partial, "adversary", "75", "steps 26 to 50 only", "0 min 09 s")
    assert row_of(partial, "regressor", "1600", "nothing", "not recorded")
    assert "curve.png" in partial


def test_a_judgement_is_kept_with_its_weights_and_dropped_with_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    prior, faces = CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False), face_set()
    published = tmp_path / "prior"
    save_prior(prior, published)
    card = published / "MODEL_CARD.md"
    write_card(prior, faces, RECIPE, tmp_path, published)
    between = f"{JUDGED}\n{NOT_JUDGED}\n{JUDGED_END}"
    assert between in card.read_text()
    card.write_text(card.read_text().replace(NOT_JUDGED, "Good.\n\n| a |"))
    write_card(prior, faces, RECIPE, tmp_path, published)
    assert f"{JUDGED}\nGood.\n\n| a |\n{JUDGED_END}" in card.read_text()
    torch.manual_seed(2)
    other = CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False)
    write_card(other, faces, RECIPE, tmp_path, published)
    assert between in card.read_text()
    assert other.digest in card.read_text()


def test_figures_are_of_validation_faces_and_of_these_networks(prior: CompactPrior) -> None:
    faces = face_set()
    figures = measure_prior(prior, faces)
    rows = faces.validation
    assert (figures.num_faces, figures.num_embedded) == (len(rows), len(rows))
    crops = torch.from_numpy(faces.crops[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
    read = prior.estimate_age(crops).numpy()
    assert figures.age_mae == pytest.approx(np.abs(read - faces.ages[rows]).mean(), abs=1e-3)
    assert prior.witness is not None
    witnessed = ((prior.witness(crops).age + prior.witness(crops.flip(3)).age) / 2).numpy()
    expected = np.abs(witnessed - faces.ages[rows]).mean()
    assert figures.witness_mae == pytest.approx(expected, abs=1e-3)
    assert figures.witnessed_at.keys() == {"30", "50", "70"}
    made = prior.decode(prior.encode(crops)).clamp(-1, 1)
    errors = ((made - crops) / 2).square().flatten(1).mean(dim=1)
    assert figures.psnr_db == pytest.approx(float((-10 * errors.log10()).mean()), abs=1e-3)
    assert figures.rank1 is not None and 0 <= figures.rank1 <= 1
    assert figures.gender_accuracy is not None and 0 <= figures.gender_accuracy <= 1


def test_figures_are_taken_once_for_the_same_weights(prior: CompactPrior, tmp_path: Path) -> None:
    first = kept_figures(prior, face_set(), tmp_path)
    kept = replace(first, age_mae=1.25)
    text = (tmp_path / "figures.json").read_text()
    (tmp_path / "figures.json").write_text(text.replace(str(first.age_mae), "1.25"))
    assert kept_figures(prior, face_set(), tmp_path) == kept
    torch.manual_seed(3)
    other = CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False)
    assert kept_figures(other, face_set(), tmp_path).digest == other.digest != first.digest
