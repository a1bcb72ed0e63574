import json
from dataclasses import replace

import numpy as np
import pytest

from reage.landscape_page import landscape_dict, render_landscape, write_landscape
from reage.landscape_report import LandscapeReport, Slider, Stand, Way
from reage.landscape_verdict import judge_landscape

FALLING = np.linspace(3, 1, 11).tolist()
RISING = np.linspace(0.5, 0.8, 11).tolist()


def way(**changes):
    fields = {
        "begins": "the start", "ends": "v002", "losses": {"total": FALLING, "identity": FALLING},
        "likeness": RISING, "age_error": FALLING, "plateau": 0.1, "barrier": 0.0,
        "still_falling": -0.05, "wavering": {},
    }  # fmt: skip
    return Way(**(fields | changes))


def report(**changes):
    fields = {
        "actor": "ada", "version": "v002", "prior": "compact", "num_photographs": 20,
        "is_own_collection": True, "steps": 400, "from_start": way(), "from_previous": None,
        "without_biases": Stand(total=1.1, likeness=0.79, age_error=1.0),
        "slider": Slider(course=(0.0, 0.4, 1.0), departure=0.01, plain_departure=0.05),
        "strip": np.zeros((8, 16, 3), np.uint8), "digests": {"weights": "ab" * 32},
    }  # fmt: skip
    return LandscapeReport(**(fields | changes))


def test_sound_version_has_no_reasons_and_nothing_to_note():
    verdict = judge_landscape(report())
    assert (verdict.is_sound, verdict.headline, verdict.reasons, verdict.notes) == (
        True, "sound", (), ()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"from_start": way(still_falling=0.04)}, "under-trained", "by another 4.0%"),
        (
            {"from_start": way(losses={"total": [1.1, 1.07]})},
            "under-trained",
            "falls by 3% only",
        ),
        ({"from_start": way(likeness=RISING[::-1])}, "learnt from another face", "0.80 to 0.50"),
        ({"from_start": way(losses={"total": FALLING[::-1]})}, "learnt from another face", "to 3"),
        (
            {"without_biases": Stand(total=0.7, likeness=0.8, age_error=1.0)},
            "biases out of step",
            "would be 30% lower",
        ),
        (
            {"from_previous": way(begins="v001", barrier=0.4)},
            "behind a barrier",
            "between v001 and v002 the loss rises 40% above the worse of both",
        ),
        (
            {"from_previous": way(begins="v001", likeness=RISING[::-1])},
            "worse than the version before",
            "0.80 in v001",
        ),
    ],
)
def test_fault_is_named_with_its_figures(changes, kind, words):
    verdict = judge_landscape(report(**changes))
    assert verdict.kinds == (kind,)
    assert words in verdict.reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_start": way(plateau=0.6)}, "over the first 60% of the way"),
        ({"from_start": way(wavering={"latent_norm": 0.5})}, "latent norm (50%)"),
        ({"slider": Slider(course=(), departure=None, plain_departure=None)}, "was not measured"),
        ({"slider": Slider(course=(), departure=0.12, plain_departure=0.2)}, "up to 12% away"),
        ({"is_own_collection": False}, "other photographs"),
        ({"from_previous": way(begins="v001")}, "connected to v001"),
    ],
)
def test_note_speaks_against_nothing(changes, words):
    verdict = judge_landscape(report(**changes))
    assert verdict.is_sound
    assert words in " ".join(verdict.notes)


def test_page_escapes_names_and_shows_both_ways():
    page = render_landscape(report(actor="<b>&", from_previous=way(begins="v001")))
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&<" not in page
    assert page.count("<h2>From ") == 2


def test_numbers_that_are_none_become_null(tmp_path):
    endless = way(begins="v001", barrier=float("inf"), losses={"total": [1.0, float("nan"), 1.0]})
    found = replace(report(), from_previous=endless)
    paths = tmp_path / "landscape.json", tmp_path / "landscape.html"
    write_landscape(found, json_path=paths[0], html_path=paths[1])
    document = json.loads(paths[0].read_text())
    assert document == landscape_dict(found)
    assert document["from_previous"]["barrier"] is None
    assert document["verdict"]["kinds"] == ["behind a barrier"]
