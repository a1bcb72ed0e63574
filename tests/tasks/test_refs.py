import json
from dataclasses import FrozenInstanceError, replace
from datetime import date
from fractions import Fraction

import pytest

from reage.framerange import FrameRange
from reage.ledger import content_key
from reage.manifest import ActorInShot
from reage.takes import ActorTake
from tasks.package_refs import JobRef, PackageRef
from tasks.refs import (
    ActorLayerRef,
    CastRef,
    ChangesRef,
    ChunkRef,
    FrameSetRef,
    LatentsRef,
    MeasuresRef,
    PlanRef,
    PriorRef,
    TracksRef,
)

FRAMES = FrameRange(1001, 1024)
FRAME_SET = FrameSetRef(
    path="/plates/a.mov",
    digest="d" * 64,
    first_frame=1001,
    frames=FRAMES,
    colourspace="rec709",
    frame_rate=Fraction(24000, 1001),
)
JOB = JobRef(holder="h" * 64, version="v003", date=date(2026, 1, 2))
PACKAGE = PackageRef(
    folder="/work/package",
    digest="p" * 64,
    files=(("master", "master/a.1001.png"), ("master", "master/a.1002.png"), ("wipe", "w.mp4")),
    manifest_digest="m" * 64,
    job=JOB,
    verdict="needs review",
)
TAKE = ActorTake(frames=FRAMES, track_id=0, decided_by="identity", similarity=0.81)
CAST = CastRef(actor="ada", track_path="t.npz", digest="c", takes=(TAKE,))
PLAN = PlanRef(path="p.npz", digest="p", source_age=44.5)
CHANGE = ChangesRef(path="c.npy", digest="c", frames=FRAMES)
ACTOR = ActorInShot.model_validate({"actor": "ada", "target_age": {"keyframes": {1001: 60}}})
ALL = (
    FRAME_SET,
    JOB,
    PACKAGE,
    CAST,
    PLAN,
    CHANGE,
    PriorRef(name="compact", folder="f", digest="d"),
    TracksRef(folder="f", digest="d", track_ids=(0, 1), takes=(FRAMES,)),
    LatentsRef(path="l", digest="d", frames=FRAMES),
    ChunkRef(folder="c", digest="d", frames=FRAMES),
    MeasuresRef(path="m", digest="d", frames=FRAMES),
)


def test_package_survives_its_json_form():
    text = json.dumps(PACKAGE.document())
    assert PackageRef.recalled(json.loads(text)) == PACKAGE


def test_package_recalled_from_nothing_is_none():
    assert PackageRef.recalled(None) is None


@pytest.mark.parametrize("ref", ALL, ids=lambda ref: type(ref).__name__)
def test_ref_is_hashable_and_frozen(ref):
    again = replace(ref)
    assert ref == again
    assert hash(ref) == hash(again)
    [name, *_] = ref.__dataclass_fields__
    with pytest.raises(FrozenInstanceError):
        setattr(ref, name, "other")


def test_layer_ref_compares_by_what_it_holds():
    layer = ActorLayerRef(actor=ACTOR, cast=CAST, plan=PLAN, change=CHANGE, matte=None)
    assert layer == replace(layer)
    assert layer != replace(layer, matte="matte.%04d.png")


def test_content_of_a_frame_set_ignores_where_the_plate_lies():
    moved = replace(FRAME_SET, path="/elsewhere/b.mov")
    assert moved != FRAME_SET
    assert moved.content == FRAME_SET.content
    assert content_key(plate=moved.content) == content_key(plate=FRAME_SET.content)


@pytest.mark.parametrize(
    "difference",
    [
        {"digest": "e" * 64},
        {"first_frame": 1},
        {"frames": FrameRange(1001, 1025)},
        {"colourspace": "srgb"},
        {"frame_rate": Fraction(24)},
        {"frame_rate": None},
    ],
    ids=lambda d: next(iter(d)),
)
def test_content_of_a_frame_set_tells_everything_else_apart(difference):
    other = replace(FRAME_SET, **difference)
    assert content_key(plate=other.content) != content_key(plate=FRAME_SET.content)
