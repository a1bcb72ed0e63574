import numpy as np
import pytest

from reage.framerange import FrameRange
from reage.grain.model import Grain
from tasks.grain import measure_grain
from tests.tasks.conftest import frame_set_of, write_frames

TAKES = [FrameRange(1001, 1003), FrameRange(1004, 1006)]


@pytest.fixture
def two_takes(tmp_path):
    """Grey under grain of 1 % of full scale, then of 3 %."""
    rng = np.random.default_rng(3)
    frames = [
        np.clip(rng.normal(30000, deviation * 65535, (240, 320, 3)), 0, 65535).astype(np.uint16)
        for deviation in (0.01, 0.03)
        for _ in range(3)
    ]
    return frame_set_of(write_frames(tmp_path / "plate.mov", frames))


def test_each_take_has_its_own_grain(two_takes, workspace):
    ref = measure_grain.fn(two_takes, TAKES, workspace=workspace)
    shade = np.float32([30000 / 65535])
    for frame, deviation in [(1001, 0.01), (1003, 0.01), (1004, 0.03), (1006, 0.03)]:
        found = Grain.load(ref.path_at(frame)).variance(shade)[0]
        np.testing.assert_allclose(np.sqrt(found), deviation, rtol=0.05)


def test_grain_is_measured_once(two_takes, workspace):
    first = measure_grain.fn(two_takes, TAKES, workspace=workspace)
    assert measure_grain.fn(two_takes, TAKES, workspace=workspace) == first
