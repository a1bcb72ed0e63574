from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.held_out import HeldOutFace, crc, real_faces_of_age
from benchmarks.judges import gender_names
from benchmarks.prior.changes import PixelMeans, PriorChanges
from benchmarks.prior.sheet import people_shown
from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from reage.labelled_faces import LabelledPhoto
from tasks.crops import face_in_crop

SIZE = 32


def _photo(age, number=0, *, gender=0, group=0):
    return LabelledPhoto(f"{age}_{gender}_{group}_{number}.jpg", Path("x"), age, gender, group)


def _face(photo):
    rng = np.random.default_rng(photo.age)
    picture = rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    angle = np.linspace(0, 2 * np.pi, 478)
    outline = np.stack([np.cos(angle), np.sin(angle)], 1) * 10 + SIZE / 2
    return HeldOutFace(photo, picture, outline)


@pytest.fixture(scope="module")
def prior():
    faces = _face(_photo(30)).landmarks
    indices = (0, 100, 200, 300)
    alignment = TemplateAlignment(
        landmark_indices=indices, template=tuple(map(tuple, faces[list(indices)])), size=SIZE
    )
    torch.manual_seed(3)
    prior = CompactPrior(tiny_config(resolution=SIZE), alignment)
    prior.path.table.normal_()
    prior.path.basis.normal_()
    return prior.eval().requires_grad_(False)


def test_changes_with_readings_kept_equal_the_priors_own(prior):
    faces = [_face(_photo(age)) for age in (30, 50)]
    changes = PriorChanges(prior, faces)
    crops = torch.from_numpy(changes.crops).permute(0, 3, 1, 2) * 2 - 1
    target = torch.tensor([70.0, 70.0])
    told = zip(faces, changes.crop_from_picture, strict=True)
    mattes = [face_in_crop(f.landmarks, place, crops.shape[-1]) for f, place in told]
    wanted = prior.change(
        crops,
        torch.from_numpy(changes.source_ages),
        target,
        torch.from_numpy(np.stack(mattes)[:, None]),
    )
    got = changes.at(70.0)
    assert np.abs(got).max() > 1e-3
    np.testing.assert_allclose(got, wanted.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    assert "cell_weights" not in vars(prior)


def test_no_change_leaves_photographs_bit_identical_under_either_matte(prior):
    face = _face(_photo(30))
    changes = PriorChanges(prior, [face])
    for matte in ("crop", "face"):
        shown = changes.pictures(np.zeros_like(changes.crops), matte=matte)
        np.testing.assert_array_equal(shown[0], face.picture)


def test_pixel_means_move_by_the_difference_of_mean_pictures():
    sums = np.zeros((2, PixelMeans.AGES, 4, 4, 3))
    counts = np.zeros((2, PixelMeans.AGES))
    sums[0, 30], sums[0, 70], counts[0, [30, 70]] = 0.2, 0.4, 1
    face = _face(_photo(30))
    got = PixelMeans(sums, counts, gain=0.5).pictures([face], 70.0)[0]
    wanted = np.clip(np.rint(face.picture + 0.5 * 0.2 * 255), 0, 255)
    np.testing.assert_allclose(got, wanted, atol=1)


def test_real_faces_leave_validation_out_and_widen_the_window_only_while_there_are_few():
    crowd = [_photo(age, n) for age in range(20, 40) for n in range(40)]
    near = real_faces_of_age(crowd, 30, at_least=50, at_most=1000)
    assert near.window_years == 3
    assert {p.age for p in near.photos} == set(range(27, 34))
    assert all(p.fold != 1 for p in near.photos)
    rare = [_photo(age, n) for age in range(74, 87) for n in range(4)]
    assert real_faces_of_age(rare, 80, at_least=200, widest_years=6).window_years == 6
    names = [crc(p.name) for p in near.photos]
    assert names == sorted(names)


def test_genders_are_named_by_the_labels_that_are_met():
    judged = np.array([1, 1, 0, 0, 1])
    names, met = gender_names(judged, np.array([0, 0, 1, 0, -1]))
    assert (names.tolist(), met) == ([1, 0], 0.75)


def test_people_shown_are_one_a_cell_and_do_not_depend_on_order():
    crowd = [
        _photo(age, n, gender=gender, group=group)
        for age in (25, 60) for n in range(3) for gender in (0, 1) for group in range(5)
    ]  # fmt: skip
    shown = people_shown(crowd)
    assert len(shown) == 16
    assert shown == people_shown(crowd[::-1])
    assert len({(p.group, p.gender, p.age) for p in shown}) == 16
