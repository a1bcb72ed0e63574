from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.parity import GoldenError, compare_triplane, largest_difference
from benchmarks.triplane_stack import TriPlaneStack, is_of_triplanes

GOLDEN = Path(__file__).parents[1] / "assets" / "golden" / "eg3d.npz"
# Super-resolution of two pictures takes seconds: once here, all of it in make parity.
KEYS = (
    "z", "c", "c_cond", "psi", "poses_yaw_pitch", "points", "ws", "ws_cutoff7", "planes_", "ray_",
    "points_", "feat_64", "depth_64", "wsum_64", "jit64_feat", "jit64_depth", "image_64",
)  # fmt: skip


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return dict(archive)


def _stack(seed=0):
    return TriPlaneStack(seed=seed, device=torch.device("cpu"))


def test_generator_agrees_with_the_published_one(golden):
    stack = _stack()
    for only in KEYS:
        found = list(compare_triplane(golden, stack, only=only))
        assert found
        assert [c for c in found if c.verdict != "pass"] == []


@pytest.mark.parametrize("key", ["z", "points"])
def test_inputs_of_another_seed_miss(golden, key):
    found = next(compare_triplane(golden, _stack(seed=1), only=key))
    assert (found.key, found.verdict) == (key, "miss")


def test_key_that_is_not_known_and_input_that_is_missing_are_said():
    stack = _stack()
    unknown = {"ws": np.zeros(1), "feat": np.zeros(1), "other": np.zeros(1)}
    for only in ("feat", "other"):
        [found] = compare_triplane(unknown, stack, only=only)
        assert (found.verdict, found.error) == ("not implemented", None)
    with pytest.raises(GoldenError, match="'c': got nothing, expected the input of ray_d_64"):
        list(compare_triplane({"ray_d_64": np.zeros((1, 64, 3))}, stack))
    assert is_of_triplanes(unknown)
    assert not is_of_triplanes({"a.map.w": np.zeros(1)})


def test_largest_difference_is_infinite_for_other_shapes_and_for_nan():
    assert largest_difference(np.zeros(3), np.ones(4)) == float("inf")
    assert largest_difference(np.array([np.nan]), np.ones(1)) == float("inf")
    assert largest_difference(np.array([1.5, 0]), np.array([1, 0.2])) == pytest.approx(0.5)
