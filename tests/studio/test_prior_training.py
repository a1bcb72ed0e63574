"""`reage train-prior` from the command line; the trainings themselves are tests/flows'."""

import sys
from types import SimpleNamespace

import pytest

FLOWS = {"ageing": "train_prior", "face3d": "train_face3d_prior"}
PLACES = {"ageing": "priors", "face3d": "priors3d"}


@pytest.fixture
def call(reage, tmp_path):
    """Runs `reage train-prior ...` in a work folder; returns exit code, stdout and stderr."""
    return lambda *arguments: reage("train-prior", *arguments, "--work", tmp_path / "work")


@pytest.fixture
def asked(monkeypatch):
    """Flows that train nothing; holds what they were asked."""
    calls = []

    def flow(*arguments, **named):
        calls.append((arguments, named))
        return "registered/mine"

    for name in FLOWS.values():
        monkeypatch.setitem(sys.modules, f"flows.{name}", SimpleNamespace(**{name: flow}))
    return calls


@pytest.mark.parametrize("kind", FLOWS)
def test_missing_photographs_are_told_before_prefect_is_started(call, asked, kind):
    code, out, err = call("nope", "--kind", kind)
    assert (code, out, asked) == (1, "", [])
    assert err == "error nope: got no such folder, expected one of labelled photographs\n"


@pytest.mark.parametrize("kind", FLOWS)
def test_run_whose_faces_were_read_goes_on_without_its_photographs(call, asked, tmp_path, kind):
    place = tmp_path / "work" / PLACES[kind] / "mine"
    place.mkdir(parents=True)
    (place / "faces.npz").touch()
    code, _, err = call("gone", "--kind", kind, "--name", "mine")
    assert (code, err) == (0, "")
    [(arguments, _)] = asked
    assert arguments == ("gone", None, "mine", str(tmp_path / "work"))


@pytest.mark.parametrize("kind,option", [("ageing", ""), ("face3d", " --face3d")])
def test_training_ends_by_saying_how_to_read_the_card(call, asked, tmp_path, kind, option):
    (tmp_path / "34_1_0_a.jpg").touch()
    code, out, _ = call(tmp_path, "--kind", kind, "--name", "mine")
    assert code == 0
    assert out.startswith("registered/mine\n")
    assert out.endswith(f"  read its card: reage weights inspect mine{option}\n")


def test_networks_of_others_reach_the_training_of_an_ageing_prior_alone(call, asked, tmp_path):
    (tmp_path / "34_1_0_a.jpg").touch()
    assert call(tmp_path, "--viewer", "v.pth", "--start", "compact")[0] == 0
    assert asked[0][1] == {
        "recogniser": None,
        "viewer": "v.pth",
        "second_recogniser": None,
        "start": "compact",
    }
    code, _, err = call(tmp_path, "--kind", "face3d", "--viewer", "v.pth")
    assert (code, "expected none for a 3D prior" in err, len(asked)) == (2, True, 1)
