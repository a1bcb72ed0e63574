"""What a recogniser says of re-aged faces: whom it compares with, and where it drives them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.ageing.recipe import RecognitionSettings
from models.face.dlib_resnet import CHIP, LANDMARKS
from reage.face_set import FaceSet
from reage.geometry import Similarity
from tasks.prior_onlookers import RECOGNISER, recogniser_for
from tasks.prior_recognition import (
    Asked,
    FaceMemory,
    Met,
    Recognition,
    Spread,
    agreement,
    kernel,
    nearness,
    shares,
)
from tests.dlib_file import seeded, written

NUM_FACES, SIZE = 60, 16
SETTINGS = RecognitionSettings(num_real=200, num_remembered=64, num_fewest=16)


class Brightness(nn.Module):
    """Meets a face as its upper and lower brightness, and as their difference and sum."""

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        upper, lower = crops.mean(dim=1).chunk(2, dim=1)
        told = torch.stack([upper.mean(dim=(1, 2)), lower.mean(dim=(1, 2))], dim=1)
        return told, told @ torch.tensor([[1.0, 1.0], [-1.0, 1.0]])


NETWORKS = {RECOGNISER: Brightness()}


@pytest.fixture
def faces() -> FaceSet:
    """Young faces are bright above, old ones below."""
    ages = np.repeat([25, 75], NUM_FACES // 2)
    crops = np.zeros((NUM_FACES, SIZE, SIZE, 3), np.uint8)
    crops[ages == 25, : SIZE // 2] = 230
    crops[ages == 75, SIZE // 2 :] = 230
    crops += np.random.default_rng(0).integers(0, 20, crops.shape, dtype=np.uint8)
    return FaceSet(
        crops=crops,
        ages=ages,
        genders=ages * 0,
        groups=ages * 0,
        folds=ages * 0 + 2,
        names=np.array([f"{age}.png" for age in ages]),
        template=np.array(CHIP) / 10,
        indices=np.array(LANDMARKS),
    )


def recognition(faces: FaceSet) -> Recognition:
    cells = torch.full((NUM_FACES, 2), 0.5)
    return Recognition(NETWORKS, faces, cells, SETTINGS, seed=0, report=lambda *_: None)


def asked(source: float, target: float, *, count: int = 16) -> Asked:
    return Asked(
        *torch.tensor([source, target]).float()[:, None].expand(2, count),
        torch.full((count, 2), 0.5),
    )


def test_nothing_is_compared_before_enough_is_remembered(faces: FaceSet) -> None:
    met, generator = recognition(faces), torch.Generator().manual_seed(0)
    made = torch.zeros(16, 3, SIZE, SIZE)
    assert met.distances(made, asked(25, 75), generator) == {RECOGNISER: [0, 0]}
    told = met.distances(made, asked(25, 75), generator)[RECOGNISER]
    assert all(apart != 0 for apart in told)


@pytest.mark.parametrize("space", [0, 1])
@pytest.mark.parametrize(("target", "brighter"), [(75.0, "below"), (25.0, "above")])
def test_faces_are_driven_to_real_ones_of_the_age_asked_for(
    faces: FaceSet, target: float, brighter: str, space: int
) -> None:
    met, generator = recognition(faces), torch.Generator().manual_seed(0)
    made = (0.1 * torch.randn(16, 3, SIZE, SIZE, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([made], lr=0.05)
    for _ in range(40):
        distance = met.distances(made.clamp(-1, 1), asked(50, target), generator)[RECOGNISER][space]
        optimiser.zero_grad()
        if distance.requires_grad:
            distance.backward()
            optimiser.step()
    upper, lower = made.detach().chunk(2, dim=2)
    rise = float(lower.mean() - upper.mean())
    assert (rise > 0.3) if brighter == "below" else (rise < -0.3)


class Lower(nn.Module):
    """Sees of a face how bright it is below."""

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        lower = crops[:, :, SIZE // 2 :].mean(dim=(1, 2, 3))
        return (torch.stack([lower, lower**2], dim=1),)


def test_onlookers_add_spaces_in_which_faces_are_driven_as_well(faces: FaceSet) -> None:
    cells, generator = torch.full((NUM_FACES, 2), 0.5), torch.Generator().manual_seed(0)
    networks = {**NETWORKS, "both": Brightness(), "lower": Lower()}
    met = Recognition(networks, faces, cells, SETTINGS, seed=0, report=lambda *_: None)
    made = (0.1 * torch.randn(16, 3, SIZE, SIZE, generator=generator)).requires_grad_()
    for _ in range(2):
        told = met.distances(made, asked(25, 75), generator)
    assert [len(spaces) for spaces in told.values()] == [2, 2, 1]
    [lower] = told["lower"]
    lower.backward()
    assert made.grad is not None
    above, below = made.grad.mean(dim=(0, 1)).chunk(2)
    assert below.mean() < -1e-5, "brighter below, as the old faces are"
    assert below.abs().mean() > 5 * above.abs().mean()


def test_a_face_that_is_of_the_age_already_is_left_as_it_is(faces: FaceSet) -> None:
    met, generator = recognition(faces), torch.Generator().manual_seed(0)
    made = torch.zeros(16, 3, SIZE, SIZE)
    met.distances(made, asked(75, 75), generator)
    assert met.distances(made, asked(75, 75), generator) == {RECOGNISER: [0, 0]}
    half, full = (
        met.distances(made, asked(75 - years, 75), generator)[RECOGNISER][0] for years in (5, 40)
    )
    assert 0 < abs(float(half)) < abs(float(full))


def test_a_face_is_unknown_the_nearer_it_comes_to_others(faces: FaceSet) -> None:
    """What is dark below among faces that are bright above or below, and then as bright above."""
    met = recognition(faces)
    crops = torch.full((4, 3, SIZE, SIZE), -0.9)
    told = []
    for brightness in (-0.9, 0.0, 0.9):
        made = crops.clone()
        made[:, :, : SIZE // 2] = brightness
        made.requires_grad_()
        told.append(met.unknown(made, crops, torch.Generator().manual_seed(0)))
        told[-1].backward()
        assert made.grad is not None
        assert made.grad.abs().sum() > 0
    assert told[0] < told[1] < told[2]


def test_a_photograph_among_the_real_faces_is_no_stranger_to_itself(faces: FaceSet) -> None:
    met = recognition(faces)
    crops = torch.from_numpy(faces.crops[:4]).permute(0, 3, 1, 2).float() / 127.5 - 1
    strangers = recognition(faces).unknown(-crops, crops, torch.Generator().manual_seed(0))
    assert met.unknown(crops, crops, torch.Generator().manual_seed(0)) < 0.01 * strangers


def test_faces_re_aged_from_elsewhere_do_not_make_up_for_these(faces: FaceSet) -> None:
    """Those from 75 are spread as those from 25 are not: only their own kind is compared with."""
    told = []
    for others in (25.0, 75.0):
        met, generator = recognition(faces), torch.Generator().manual_seed(0)
        bright, dark = torch.full((16, 3, SIZE, SIZE), 0.8), torch.zeros(16, 3, SIZE, SIZE)
        bright[:, :, SIZE // 2 :] = -0.8
        met.distances(dark, asked(25, 50), generator)
        met.distances(bright, asked(others, 50), generator)
        told.append(float(met.distances(dark, asked(25, 50), generator)[RECOGNISER][0]))
    alone = recognition(faces)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        alone.distances(torch.zeros(16, 3, SIZE, SIZE), asked(25, 50), generator)
    wanted = float(
        alone.distances(torch.zeros(16, 3, SIZE, SIZE), asked(25, 50), generator)[RECOGNISER][0]
    )
    assert abs(told[1] - wanted) < 0.1 * abs(told[0] - wanted)


def test_those_near_in_age_and_alike_in_gender_and_group_count_most() -> None:
    cells, ages = torch.eye(2), torch.tensor([30.0, 30.0, 70.0, 70.0])
    near = nearness(torch.tensor([30.0, 70.0]), ages, years=3.0)
    weights = shares(near * agreement(cells, torch.cat([cells, cells])))
    assert torch.allclose(weights.sum(dim=1), torch.ones(2))
    assert weights.argmax(dim=1).tolist() == [0, 3]
    assert weights.max(dim=1).values.min() > 0.99


def test_the_kernel_is_that_of_unit_vectors() -> None:
    x = nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(kernel(x, x).diagonal(), torch.full((4,), 8.0))


def test_a_space_is_told_in_terms_of_how_real_faces_are_spread() -> None:
    told = torch.tensor([[3.0, 10.0], [1.0, 30.0]])
    units = Spread(torch.tensor([2.0, 20.0]), torch.tensor([1.0, 10.0])).units(told)
    assert torch.allclose(units, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) / 2**0.5, atol=1e-3)


def test_the_oldest_memory_is_overwritten_first() -> None:
    memory = FaceMemory(5, sizes=(1, 2), num_cells=1)
    for first in (0, 3):
        ages = torch.arange(first, first + 3.0)
        spaces = (ages[:, None], torch.stack([ages, -ages], dim=1))
        memory.add(Met(spaces, ages, torch.ones(3, 1)), ages + 10)
        assert len(memory) == min(first + 3, 5)
    met, sources = memory.filled()
    assert sorted(met.ages.tolist()) == [1, 2, 3, 4, 5]
    assert torch.equal(sources, met.ages + 10)
    assert torch.equal(met.spaces[1], torch.stack([met.ages, -met.ages], dim=1))


def test_a_memory_smaller_than_the_fewest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RecognitionSettings: sizes: got .* expected at least 1"):
        RecognitionSettings(num_remembered=10, num_fewest=11)


def test_a_recogniser_sees_crops_where_their_landmarks_say(faces: FaceSet, tmp_path: Path) -> None:
    network = seeded()
    crops = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    seen = recogniser_for(faces, written(network, tmp_path / "resnet.dat"))(crops)[0]
    larger = Similarity.fit(np.array(CHIP) / 10, np.array(CHIP)).matrix
    chips = [
        cv2.warpAffine(
            crop.permute(1, 2, 0).numpy(), larger, (150, 150), borderMode=cv2.BORDER_REPLICATE
        )
        for crop in crops
    ]
    wanted = network(torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2))
    assert torch.allclose(seen, wanted, atol=0.02 * float(wanted.abs().max()))
