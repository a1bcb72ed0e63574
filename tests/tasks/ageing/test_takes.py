import numpy as np
import pytest

from reage.errors import FaceError
from reage.framerange import FrameRange
from reage.takes import ActorTake
from tasks.ageing import age_chunk, encode_chunk
from tasks.casting import cast_actor
from tests.tasks.ageing.entries import FRAMES, entry

EARLY, LATE = FrameRange(1001, 1008), FrameRange(1009, 1016)
CUT = tuple(ActorTake(frames=take, track_id=0, decided_by="likeness") for take in (EARLY, LATE))
AWAY = (CUT[0], ActorTake(frames=LATE, track_id=None, decided_by="no face"))


def test_latents_of_a_take_do_not_reach_across_a_cut(plan, cast_fading, still_w_plus):
    cast = cast_fading(np.ones(len(FRAMES)), CUT)
    w_plus = still_w_plus.copy()
    w_plus[8:] += 3.0
    saved = np.load(plan(entry(), w_plus=w_plus, cast=cast).path)
    np.testing.assert_allclose(saved["w_plus"], w_plus, atol=1e-5)  # as sharp a cut as it was
    smeared = np.load(plan(entry(), w_plus=w_plus).path)["w_plus"]
    assert np.abs(smeared - w_plus)[6:10].max() > 0.5, "one take would have been steadied over it"


def test_steadying_of_a_take_is_what_it_is_by_itself(plan, cast_fading, still_w_plus):
    rng = np.random.default_rng(5)
    cast = cast_fading(np.ones(len(FRAMES)), CUT)
    w_plus = still_w_plus + rng.normal(0, 1, still_w_plus.shape).astype(np.float32)
    other = w_plus.copy()
    other[8:] = rng.normal(0, 9, other[8:].shape)
    ours, theirs = (np.load(plan(entry(), w_plus=w, cast=cast).path) for w in (w_plus, other))
    assert np.array_equal(ours["w_plus"][:8], theirs["w_plus"][:8])
    assert not np.array_equal(ours["w_plus"][:8], w_plus[:8])


def test_take_without_the_actor_is_neither_planned_on_nor_decoded(
    plan, cast_fading, still_w_plus, network, tiny_prior, workspace
):
    fade = np.repeat([1.0, 0.0], 8)
    wild = still_w_plus.copy()
    wild[8:] = np.nan
    apparent = np.repeat([44.0, 99.0], 8)
    away = plan(
        entry(source_age="auto"), w_plus=wild, apparent=apparent, cast=cast_fading(fade, AWAY)
    )
    assert away.source_age == 44.0
    with np.load(away.path) as saved:
        assert saved["is_cast"].tolist() == [True] * 8 + [False] * 8
        assert not saved["w_plus"][8:].any()
        assert np.isfinite(saved["offsets"]).all()
    change = np.load(age_chunk.fn(away, tiny_prior, FRAMES, workspace=workspace).path)
    assert change[:8].any(axis=(1, 2, 3)).all()
    assert not change[8:].any()


def test_frame_is_decoded_the_same_however_chunks_lie_about_a_cut(
    plan, cast_fading, still_w_plus, tiny_prior, workspace
):
    rng = np.random.default_rng(6)
    w_plus = still_w_plus + rng.normal(0, 1, still_w_plus.shape).astype(np.float32)
    away = plan(entry(), w_plus=w_plus, cast=cast_fading(np.repeat([1.0, 0.0], 8), AWAY))

    def decoded(size):
        chunks = [
            age_chunk.fn(away, tiny_prior, frames, workspace=workspace)
            for frames in FRAMES.chunks(size)
        ]
        return np.concatenate([np.load(chunk.path) for chunk in chunks])

    whole = decoded(16)
    for size in (5, 7, 8):
        assert np.array_equal(decoded(size), whole)


def test_encoding_leaves_out_a_take_without_the_actor(three_takes, tiny_prior, workspace):
    cast = cast_actor.fn(
        three_takes.frame_set,
        three_takes.tracks,
        tiny_prior,
        entry(tracks=list(three_takes.astronaut)),
        [],
        workspace=workspace,
    )

    def encoded(*chunks):
        refs = [
            encode_chunk.fn(three_takes.frame_set, cast, tiny_prior, part, workspace=workspace)
            for part in chunks
        ]
        found = [np.load(ref.path) for ref in refs]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    whole = encoded(FrameRange(1001, 1015))
    for name, rows in whole.items():
        assert rows[:10].reshape(10, -1).any(axis=1).all(), name
        assert not rows[10:].any(), name
    parts = encoded(FrameRange(1001, 1007), FrameRange(1008, 1010), FrameRange(1011, 1015))
    for name, rows in whole.items():
        assert np.array_equal(rows, parts[name]), name


@pytest.mark.parametrize(("asked", "kept"), [(0, 0), (3, 3), (None, 5)])
def test_key_frame_is_the_one_asked_for_also_at_0(plan, cast_fading, asked, kept):
    frames = FrameRange(0, 15)
    best_seen_in_5 = np.where(np.arange(16) == 5, 1.0, 0.5)
    take = ActorTake(frames=frames, track_id=0, decided_by="track id")
    cast = cast_fading(best_seen_in_5, (take,), frames)
    keyed = entry(temporal={"mode": "keyframe", "key_frame": asked})
    assert plan(keyed, cast=cast, frames=frames).key_frame == kept


def test_key_frame_without_the_face_is_refused(plan, cast_fading):
    cast = cast_fading(np.repeat([1.0, 0.0], 8), AWAY)
    keyed = entry(temporal={"mode": "keyframe", "key_frame": 1012})
    with pytest.raises(
        FaceError, match=r"temporal\.key_frame: got 1012, expected a frame that shows the face"
    ):
        plan(keyed, cast=cast)
