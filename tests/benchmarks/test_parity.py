import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmarks.golden_recipe import normal, picture, weights
from benchmarks.parity import GoldenError, compare, main, relative_error, report, take_samples
from benchmarks.published_alignment import aligned
from benchmarks.published_stack import PublishedStack
from benchmarks.published_training import optimised

GOLDEN = Path(__file__).parents[1] / "assets" / "golden" / "sam.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return dict(archive)


def _stack(seed=0, **settings):
    return PublishedStack(seed=seed, device=torch.device("cpu"), **settings)


@pytest.fixture(scope="module")
def stack():
    return _stack()


@pytest.mark.parametrize(
    "only",
    [
        "probe.", "a.map.", "a.gen256.", "d.", "e.", "f.blender.", "g.", "align.", "ranger.",
        "loss.ref_ages", "loss.interp.",  # the other modes take a minute: make parity
    ],
)  # fmt: skip
def test_networks_and_losses_agree_with_the_published_ones(golden, stack, only):
    found = list(compare(golden, stack, only=only))
    assert found
    assert [c for c in found if c.verdict != "pass"] == []


def test_parity_misses_where_the_seed_is_another(golden):
    found = list(compare(golden, _stack(seed=1), only="probe.blender"))
    assert [c.verdict for c in found] == ["miss"]


def test_parity_of_another_seed_passes_on_a_file_made_with_it(golden):
    other = _stack(seed=5)
    made = {"c.sam.latent": golden["c.sam.latent"][::-1].copy()}
    made |= other.personalised(made["c.sam.latent"])
    made |= other.distances() | optimised("vec", (8, 3), other)
    made |= aligned("corner", golden["align.corner.landmarks"] + 3, seed=5)
    made["probe.blender.fc_3.0.bias"] = other.probe("blender.fc_3.0.bias")
    made["probe.dexvgg.fc8_101.bias"] = other.probe("dexvgg.fc8_101.bias")
    keys = (
        "f.blender.out", "probe.blender", "probe.dexvgg", "g.lpips.b1", "ranger.",
        "align.corner.out",
    )  # fmt: skip
    for key in keys:
        assert [c.verdict for c in compare(made, _stack(seed=5), only=key)] == ["pass"]
        assert [c.verdict for c in compare(made, _stack(seed=6), only=key)] == ["miss"]


def test_parity_says_what_it_does_not_implement():
    made = {name: np.zeros(3, np.float32) for name in ("h.unknown", "ranger.tensor", "loss.other")}
    found = list(compare(made, _stack()))
    assert {c.verdict for c in found} == {"not implemented"}
    assert all(c.error is None for c in found)


def test_parity_misses_on_a_key_that_our_network_lacks():
    made = {"probe.blender.fc_99.0.weight": np.zeros(6, np.float32)}
    assert [c.verdict for c in compare(made, _stack())] == ["miss"]


def test_parity_names_a_missing_input_and_an_empty_choice(golden):
    with pytest.raises(GoldenError, match=r"c\.sam\.latent: got nothing, expected the input of"):
        list(compare({"f.blender.out": golden["f.blender.out"]}, _stack()))
    with pytest.raises(GoldenError, match="none that begin with 'nothing'"):
        list(compare(golden, _stack(), only="nothing"))


def test_parity_exit_status_tells_pass_miss_and_error(tmp_path, golden):
    np.savez(tmp_path / "good.npz", **{k: v for k, v in golden.items() if k.startswith("probe.d")})
    assert main([str(tmp_path / "good.npz")]) == 0
    assert main([str(tmp_path / "good.npz"), "--seed", "1"]) == 1
    assert main([str(tmp_path / "absent.npz")]) == 2


def test_report_prints_one_line_per_key(golden):
    text = io.StringIO()
    found = compare(golden, _stack(), only="probe.")
    assert report(found, Console(file=text, width=40))
    lines = text.getvalue().splitlines()
    assert len(lines) == 9 + 2
    assert lines[-1] == "9 pass, 0 miss, 0 not implemented"


def test_relative_error_is_infinite_for_other_shapes_and_for_nan():
    assert relative_error(np.zeros(3), np.ones(4)) == float("inf")
    assert relative_error(np.array([np.nan]), np.ones(1)) == float("inf")
    assert relative_error(np.array([1.1]), np.ones(1)) == pytest.approx(0.1)


def test_take_samples_strides_the_axes_of_pictures_and_the_last_of_latents():
    full = np.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    bytes_hwc = np.arange(8 * 8 * 3).reshape(8, 8, 3).astype(np.uint8)
    latents = np.arange(2 * 3 * 8).reshape(2, 3, 8)
    arrays = {"img": full, "uint8": bytes_hwc, "latents": latents}
    assert np.array_equal(take_samples("img.stride4", arrays), full[:, :, ::4, ::4])
    assert np.array_equal(take_samples("uint8.stride2", arrays), bytes_hwc[::2, ::2])
    assert np.array_equal(take_samples("latents.stride4", arrays), latents[:, :, ::4])
    assert take_samples("other.stride2", arrays) is None


def test_recipe_draws_by_name_and_seed():
    assert np.array_equal(normal("a", (3,)), normal("a", (3,), seed=0))
    assert not np.array_equal(normal("a", (3,)), normal("a", (3,), seed=1))
    image = picture("input.img0", 32)
    assert image.shape == (3, 32, 32)
    assert np.abs(image).max() <= 1


def test_recipe_tells_normalisations_by_their_neighbours():
    shapes = {"n.weight": (500,), "n.running_mean": (500,), "p.weight": (500,), "k.kernel": (4, 4)}
    drawn = weights("encoder", shapes)
    assert drawn["n.weight"].mean() == pytest.approx(1.0, abs=0.03)
    assert drawn["p.weight"].mean() == pytest.approx(0.25, abs=0.02)
    assert "k.kernel" not in drawn
