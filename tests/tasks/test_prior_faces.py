"""Finding the faces to train on: the same for any number of processes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from reage.errors import FaceError
from reage.labelled_faces import LabelledPhoto, find_photos
from tasks.labelled_reading import read_photos
from tasks.prior_faces import align_chunk


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledPhoto]:
    """Four variations of one portrait, and one picture without a face."""
    folder = tmp_path_factory.mktemp("faces")
    face = cv2.resize(astronaut()[0:270, 90:360], (200, 200))[..., ::-1]
    rng = np.random.default_rng(0)
    for age in (20, 30, 50, 60):
        moved = np.roll(face, int(rng.integers(-8, 8)), axis=1)
        noisy = np.clip(moved + rng.normal(0, 3, face.shape), 0, 255)
        cv2.imwrite(str(folder / f"{age}_0_0_.png"), noisy)
    cv2.imwrite(str(folder / "40_0_0_.png"), np.full((200, 200, 3), 90, np.uint8))
    return find_photos(folder)[0]


def test_two_processes_find_what_one_finds_and_say_so(photos: list[LabelledPhoto]) -> None:
    told: list[list[int]] = [[], []]
    alone, shared = (
        read_photos(
            photos,
            align_chunk,
            32,
            report=lambda _stage, done, _total, _terms, said=said: said.append(done),
            workers=workers,
            chunk=2,
        )
        for workers, said in zip((1, 2), told, strict=True)
    )
    assert [crop is None for crop in alone] == [False, False, True, False, False]
    assert [crop is None for crop in shared] == [False, False, True, False, False]
    for one, other in zip(alone, shared, strict=True):
        assert one is other is None or np.array_equal(one, other)
    assert told[0] == [2, 4, 5]
    assert told[1][-1] == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_picture_is_named(workers: int, tmp_path: Path) -> None:
    for age in (30, 40):
        (tmp_path / f"{age}_0_0_.jpg").write_bytes(b"no picture")
    broken = find_photos(tmp_path)[0]
    with pytest.raises(FaceError, match=r"_0_0_\.jpg: got no readable picture"):
        read_photos(broken, align_chunk, 32, report=lambda *told: None, workers=workers, chunk=1)
