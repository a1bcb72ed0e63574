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
from tasks.prior_recognition import (
    FaceMemory,
    Recognition,
    comparison_weights,
    kernel,
    recogniser_for,
)
from tests.dlib_file import seeded, written

NUM_FACES, SIZE = 60, 16
SETTINGS = RecognitionSettings(num_real=200, num_remembered=64, num_fewest=16)


class Brightness(nn.Module):
    """Meets a face as how bright its upper and its lower half are."""

    def forward(self, crops: Tensor) -> Tensor:
        upper, lower = crops.mean(dim=1).chunk(2, dim=1)
        told = torch.stack([upper.mean(dim=(1, 2)), lower.mean(dim=(1, 2))], dim=1)
        return nn.functional.pad(told, (0, 126))


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
    return Recognition(Brightness(), faces, cells, SETTINGS, seed=0, report=lambda *_: None)


def test_nothing_is_compared_before_enough_is_remembered(faces: FaceSet) -> None:
    asked, generator = recognition(faces), torch.Generator().manual_seed(0)
    made, old = torch.zeros(16, 3, SIZE, SIZE), torch.full((16,), 75.0)
    cells = torch.full((16, 2), 0.5)
    assert asked.distance(made, old, cells, generator) == 0
    assert asked.distance(made, old, cells, generator) != 0


@pytest.mark.parametrize(("target", "brighter"), [(75.0, "below"), (25.0, "above")])
def test_faces_are_driven_to_real_ones_of_the_age_asked_for(
    faces: FaceSet, target: float, brighter: str
) -> None:
    asked, generator = recognition(faces), torch.Generator().manual_seed(0)
    made = (0.1 * torch.randn(16, 3, SIZE, SIZE, generator=generator)).requires_grad_()
    ages, cells = torch.full((16,), target), torch.full((16, 2), 0.5)
    optimiser = torch.optim.Adam([made], lr=0.05)
    for _ in range(40):
        distance = asked.distance(made.clamp(-1, 1), ages, cells, generator)
        optimiser.zero_grad()
        if distance.requires_grad:
            distance.backward()
            optimiser.step()
    upper, lower = made.detach().chunk(2, dim=2)
    rise = float(lower.mean() - upper.mean())
    assert (rise > 0.3) if brighter == "below" else (rise < -0.3)


def test_those_near_in_age_and_alike_in_gender_and_group_count_most() -> None:
    cells = torch.eye(2)
    weights = comparison_weights(
        torch.tensor([30.0, 70.0]),
        cells,
        torch.tensor([30.0, 30.0, 70.0, 70.0]),
        torch.cat([cells, cells]),
        years=3.0,
    )
    assert torch.allclose(weights.sum(dim=1), torch.ones(2))
    assert weights.argmax(dim=1).tolist() == [0, 3]
    assert weights.max(dim=1).values.min() > 0.99


def test_the_kernel_is_that_of_unit_embeddings() -> None:
    x = nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(kernel(x, x).diagonal(), torch.full((4,), 8.0))


def test_the_oldest_memory_is_overwritten_first() -> None:
    memory = FaceMemory(5, embedding_size=1, num_cells=1)
    for first in (0, 3):
        ages = torch.arange(first, first + 3.0)
        memory.add(ages[:, None], ages, torch.ones(3, 1))
        assert len(memory) == min(first + 3, 5)
    assert sorted(memory.filled().ages.tolist()) == [1, 2, 3, 4, 5]


def test_a_memory_smaller_than_the_fewest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RecognitionSettings: sizes: got .* expected at least 1"):
        RecognitionSettings(num_remembered=10, num_fewest=11)


def test_a_recogniser_sees_crops_where_their_landmarks_say(faces: FaceSet, tmp_path: Path) -> None:
    network = seeded()
    crops = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    seen = recogniser_for(faces, written(network, tmp_path / "resnet.dat"))(crops)
    larger = Similarity.fit(np.array(CHIP) / 10, np.array(CHIP)).matrix
    chips = [
        cv2.warpAffine(
            crop.permute(1, 2, 0).numpy(), larger, (150, 150), borderMode=cv2.BORDER_REPLICATE
        )
        for crop in crops
    ]
    wanted = network(torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2))
    assert torch.allclose(seen, wanted, atol=0.02 * float(wanted.abs().max()))
