"""Contact sheets of a prior in training: whom they show, and that they touch nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from reage.age_strip import CELL_PX
from reage.face_set import FaceSet
from tasks.prior_preview import AGES, PriorPreview, shown_rows

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)


def face_set(*, folds: np.ndarray, seed: int = 0) -> FaceSet:
    """Noise with ages from 20 on, in a shuffled order."""
    rng, count = np.random.default_rng(seed), len(folds)
    ages = rng.permutation(20 + np.arange(count))
    return FaceSet(
        crops=rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
        ages=ages,
        genders=np.arange(count) % 2,
        groups=np.arange(count) % 3,
        folds=folds,
        names=np.array([f"{age}_x.png" for age in ages]),
        template=np.array(ALIGNMENT.template),
        indices=np.array(ALIGNMENT.landmark_indices),
    )


@pytest.fixture
def prior() -> CompactPrior:
    torch.manual_seed(0)
    prior = CompactPrior(tiny_config(), ALIGNMENT)
    prior.path.table.normal_()
    prior.path.basis.normal_()
    return prior.train()


def test_faces_shown_are_of_validation_and_spread_over_age() -> None:
    faces = face_set(folds=np.array([1, 2] * 20))
    rows = shown_rows(faces)
    assert len(rows) == 8
    assert (faces.folds[rows] == 1).all()
    ages = faces.ages[rows]
    validation = faces.ages[faces.validation]
    assert (np.diff(ages) > 0).all()
    assert (ages[0], ages[-1]) == (validation.min(), validation.max())


def test_without_validation_faces_trained_ones_are_shown() -> None:
    faces = face_set(folds=np.array([0, 5, 6, 7]))
    assert sorted(shown_rows(faces)) == [1, 2, 3]


def test_a_sheet_draws_nothing_random_and_leaves_the_networks_alone(
    prior: CompactPrior, tmp_path: Path
) -> None:
    faces = face_set(folds=np.ones(9, int))
    parts = nn.ModuleDict({"encoder": prior.encoder, "synthesis": prior.synthesis})
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    chance = torch.get_rng_state()
    PriorPreview(prior, faces, tmp_path, ages=AGES).draw(parts, "adversary", 200)
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(before[name], value) for name, value in prior.state_dict().items())
    assert all(module.training for module in prior.modules())


def test_a_sheet_shows_the_weights_it_is_given(prior: CompactPrior, tmp_path: Path) -> None:
    faces = face_set(folds=np.ones(9, int))
    preview = PriorPreview(prior, faces, tmp_path)
    parts = nn.ModuleDict({"encoder": prior.encoder, "synthesis": prior.synthesis})
    first, again = (preview.draw(parts, "autoencoder", step) for step in (200, 400))
    assert first.name == "autoencoder-00200.png"
    assert first.parent == tmp_path / "previews"
    with torch.no_grad():
        for parameter in prior.synthesis.parameters():
            parameter.mul_(0.5)
    moved = preview.draw(parts, "autoencoder", 600)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != moved.read_bytes()


def test_a_sheet_has_a_column_for_every_age(prior: CompactPrior, tmp_path: Path) -> None:
    faces = face_set(folds=np.ones(9, int))
    parts = nn.ModuleDict({"encoder": prior.encoder, "synthesis": prior.synthesis})
    sheets = [
        np.asarray(Image.open(PriorPreview(prior, faces, tmp_path, ages=a).draw(parts, name, 1)))
        for name, a in (("autoencoder", ()), ("adversary", AGES))
    ]
    extra = (sheets[1].shape[1] - sheets[0].shape[1]) / len(AGES)
    assert CELL_PX <= extra <= CELL_PX + 8
    assert sheets[0].shape[0] >= 8 * CELL_PX
