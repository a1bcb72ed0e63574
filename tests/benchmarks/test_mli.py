import json

import pytest
import torch
from PIL import Image

from benchmarks import mli
from benchmarks.mli_figure import draw
from benchmarks.mli_measures import (
    below_chance,
    lateness_and_bias,
    learning_order,
)
from benchmarks.mli_summary import show, summarise
from benchmarks.mli_training import (
    CLASSES,
    Setting,
    balanced_digits,
    last_bias,
    new_network,
    train,
)
from models.landscape.depth import bias_depths


def test_error_leaves_chance_once_it_stays_below():
    assert below_chance([0.9, 0.7, 0.85, 0.3, 0.0]) == 0.75
    assert below_chance([0.7, 0.3, 0.0]) == 0.0
    assert below_chance([0.9, 0.9, 0.9]) == 1.0


def test_learning_order_goes_by_the_last_relapse_then_by_errors():
    errors = [
        [0.9, 0.9, 0.9, 0.9],
        [0.1, 0.9, 0.2, 0.4],
        [0.1, 0.4, 0.6, 0.1],
        [0.0, 0.0, 0.0, 0.0],
    ]
    assert learning_order(errors) == [0, 3, 1, 2]


def test_lateness_goes_with_bias_where_late_classes_have_large_ones():
    errors = [[0.9, 0.9, 0.9], [0.1, 0.9, 0.9], [0.1, 0.1, 0.9]]
    assert lateness_and_bias(errors, [-1.0, 0.0, 1.0]) == pytest.approx(1)
    assert lateness_and_bias(errors, [1.0, 0.0, -1.0]) == pytest.approx(-1)


def test_digits_are_balanced_and_standardised():
    images, labels = balanced_digits()
    assert labels.bincount().unique().numel() == 1
    assert images.shape == (len(labels), 64)
    assert (float(images.mean()), float(images.std())) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize(("biases", "with_bias"), [("all", 3), ("last", 1), ("none", 0)])
def test_network_has_biases_where_asked(biases, with_bias):
    network = new_network(Setting(biases=biases, depth=3, width=8), torch.Generator())
    depths = bias_depths(network, torch.zeros(1, 64))
    assert len(depths) == with_bias
    assert not with_bias or max(depths.values()) == 3
    assert len(last_bias(network)) == (0 if biases == "none" else CLASSES)


TINY = {"depth": 3, "width": 16, "scale": 1.0, "learning_rate": 0.1}


def _digits():
    images, labels = balanced_digits()
    return images[::20], labels[::20]


def test_training_ends_where_it_says_and_depends_on_the_seed_alone():
    images, labels = _digits()
    told = []
    setting = Setting(**TINY)
    trained = train(setting, images, labels, report=lambda *state: told.append(state))
    assert trained.loss < 1e-3
    assert told[-1] == (trained.epochs, trained.loss)
    assert trained.class_errors[-1] == [0.0] * CLASSES
    assert not any(t.any() for name, t in trained.start.items() if name.endswith("bias"))
    again = train(setting, images, labels, report=lambda *state: None)
    assert all(torch.equal(t, again.end[name]) for name, t in trained.end.items())


@pytest.fixture(scope="module")
def runs():
    images, labels = _digits()

    def run(**fields):
        setting = Setting(**(TINY | fields))
        found = mli._run(setting, images, labels, lambda *state: None, is_full=True)
        return json.loads(json.dumps(found))

    groups = {f"{biases}, reference": biases for biases in ("all", "last", "none")}
    return {name: [run(biases=b, seed=s) for s in (0, 1)] for name, b in groups.items()}


def test_lines_end_at_what_was_trained(runs):
    for found in runs.values():
        for run in found:
            for name in set(run["lines"]) - {"no bias"}:
                assert len(run["lines"][name]["error"]) == mli.POINTS >= 51
                assert run["lines"][name]["error"][-1] == 0


def test_summary_gives_spreads_over_seeds_and_the_picture_is_drawn(runs, tmp_path):
    figures = summarise(runs)
    group = figures["groups"]["all, reference"]
    assert group["trainings"] == group["converged"] == 2
    assert len(group["lines"]["linear"]["error_a80"]["values"]) == 2
    assert set(group["last_bias"]["rank_of_last_learned"]) <= set(range(1, CLASSES + 1))
    assert "last_bias" not in figures["groups"]["none, reference"]
    show(figures)
    draw(runs, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 1000


def test_a_cut_run_goes_on_with_what_is_missing(runs, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(mli, "_run", lambda setting, *rest, **settings: ran.append(setting) or {})
    mli._path(tmp_path, "all, reference", 0).write_text("{}")
    mli._run_all([("all, reference", 0), ("last, reference", 0)], tmp_path)
    assert [setting.biases for setting in ran] == ["last"]
    assert mli._path(tmp_path, "last, reference", 0).is_file()


def test_what_is_varied_is_one_thing_at_a_time():
    reference = Setting(biases="last")
    for name, setting in mli.groups().items():
        if name.startswith("last, ") and "reference" not in name:
            changed = [
                f
                for f in Setting.__dataclass_fields__
                if getattr(setting, f) != getattr(reference, f)
            ]
            assert len(changed) == 1
