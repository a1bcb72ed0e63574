"""What is written over pictures tells of every actor in the shot."""

from datetime import date
from fractions import Fraction
from types import SimpleNamespace

import pytest

from reage.manifest import load_shot
from tasks.outputs import ShotWork, slate_of
from tasks.package_refs import JobRef
from tests.flows.conftest import write_shot

SECOND = """\
  - actor: bob
    target_age: {keyframes: {1001: 30, 1012: 25}}
    consent: {document_id: BOB-2026-1}
"""


@pytest.fixture
def shot(tmp_path):
    manifest = write_shot(tmp_path, tmp_path / "plate.mov").manifest
    text = manifest.read_text()
    manifest.write_text(text.replace("delivery:", SECOND + "delivery:", 1))
    loaded = load_shot(manifest)
    plans = [SimpleNamespace(source_age=age) for age in (41.0, 33.0)]
    told = [(entry, None, plan) for entry, plan in zip(loaded.actors, plans, strict=True)]
    return ShotWork(
        manifest=loaded,
        job=JobRef(holder="", version="v003", date=date(2026, 11, 29)),
        frame_set=SimpleNamespace(colourspace="rec709"),
        info=SimpleNamespace(frame_rate=Fraction(24)),
        chunks=(),
        actors=told,
        tracks=(),
        prior=SimpleNamespace(name="compact"),
    )


def test_slate_names_ages_and_consents_of_all(shot):
    slate = slate_of(shot)
    assert slate.actor == "astronaut, bob"
    assert slate.target_ages == "astronaut 75 years, bob 30 to 25 years"
    assert slate.consent_document == "NASA-PUBLIC-DOMAIN, BOB-2026-1"


def test_ages_of_a_frame_are_of_all(shot):
    assert [(told.actor, told.source, told.target) for told in shot.ages_at(1012)] == [
        ("astronaut", 41.0, 75.0),
        ("bob", 33.0, 25.0),
    ]
