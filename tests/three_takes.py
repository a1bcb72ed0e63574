"""A plate of three takes: both portraits, both again elsewhere and in other light, one alone."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.framerange import FrameRange
from reage.workspace import Workspace
from tasks.faces import track_shot
from tasks.refs import FrameSetRef, TracksRef
from tests.tasks.conftest import (
    HEIGHT,
    SHOT,
    WIDTH,
    admiral_photograph,
    astronaut_photograph,
    frame_set_of,
    write_frames,
)

TAKES = (FrameRange(1001, 1005), FrameRange(1006, 1010), FrameRange(1011, 1015))
# Of each take the backdrop, and of each portrait its left, top, width, height and light.
_SETS = (
    ((90, 90, 90), {"astronaut": (0, 0, 270, 270, 1.0), "admiral": (320, 70, 136, 160, 1.0)}),
    ((30, 50, 110), {"admiral": (0, 54, 184, 216, 0.9), "astronaut": (340, 136, 120, 120, 0.7)}),
    ((150, 120, 50), {"admiral": (125, 54, 184, 216, 1.0)}),
)


@dataclass(frozen=True)
class ThreeTakes:
    """The plate and its tracks, by first appearance and then by size."""

    frame_set: FrameSetRef
    tracks: TracksRef
    astronaut: tuple[int, int] = (0, 3)
    admiral: tuple[int, int, int] = (1, 2, 4)


def three_takes_frames():
    """15 frames, RGB uint16, (270, 480, 3), drifting by a pixel a frame, with grain."""
    rng = np.random.default_rng(7)
    portraits = {"astronaut": astronaut_photograph()[:320, 60:380], "admiral": admiral_photograph()}
    for take, (backdrop, places) in zip(TAKES, _SETS, strict=True):
        for index in range(len(take)):
            picture = np.tile(np.float64(backdrop), (HEIGHT, WIDTH, 1))
            for name, (left, top, width, height, light) in places.items():
                shown = cv2.resize(portraits[name], (width, height), interpolation=cv2.INTER_AREA)
                picture[top : top + height, left + index : left + index + width] = light * shown
            picture += rng.normal(0, 2, picture.shape)
            yield np.clip(picture * 257, 0, 65535).astype(np.uint16)


@pytest.fixture(scope="session")
def three_takes_plate(tmp_path_factory) -> Path:
    """The plate: the astronaut large on the left, then small on the right, then not there."""
    path = tmp_path_factory.mktemp("three_takes") / "plate.mov"
    return write_frames(path, three_takes_frames(), format="prores422hq")


@pytest.fixture(scope="session")
def three_takes(three_takes_plate, tmp_path_factory) -> ThreeTakes:
    """The plate with all its faces followed once."""
    frame_set = frame_set_of(three_takes_plate)
    work = Workspace(tmp_path_factory.mktemp("three_takes") / "work", SHOT)
    tracks = track_shot.fn(frame_set, workspace=work)
    assert tracks.takes == TAKES
    assert tracks.track_ids == (0, 1, 2, 3, 4)
    return ThreeTakes(frame_set, tracks)
