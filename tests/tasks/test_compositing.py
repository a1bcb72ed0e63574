from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from tasks.casting import cast_actor
from tasks.compositing import composite_chunk
from tasks.crops import chunk_frames
from tasks.refs import ActorLayerRef, ChangesRef, PlanRef
from tests.tasks.conftest import HEIGHT, NUM_FRAMES, WIDTH, write_frames

FRAMES = FrameRange(1001, 1000 + NUM_FRAMES)
CONSTANT = 0.1


@pytest.fixture
def layer(two_faces, tiny_prior, compact_alignment, workspace, tmp_path):
    """A constant change of the astronaut's face over the whole shot."""

    def make(
        frames=FRAMES, *, matte=None, change=CONSTANT, defocus=(0.0,) * NUM_FRAMES, **settings
    ):
        actor = ActorInShot.model_validate(
            {"actor": "astronaut", "target_age": 60, "track": 0, **settings}
        )
        cast = cast_actor.fn(
            two_faces.frame_set, two_faces.tracks, tiny_prior, actor, [], workspace=workspace
        )
        path, plan = tmp_path / f"changes_{frames}_{defocus[-1]}.npy", tmp_path / "plan.npz"
        np.savez(plan, first_frame=FRAMES.first, defocus=np.array(defocus))
        size = compact_alignment.size
        np.save(path, np.broadcast_to(np.float32(change), (len(frames), size, size, 3)))
        return ActorLayerRef(
            actor=actor,
            cast=cast,
            plan=PlanRef(path=str(plan), digest="", source_age=40.0),
            change=ChangesRef(path=str(path), digest=path.name, frames=frames),
            matte=None if matte is None else str(matte),
        )

    return make


@pytest.fixture
def composited(two_faces, tiny_prior, workspace):
    def run(layers, frames=FRAMES, **settings):
        return composite_chunk.fn(
            two_faces.frame_set, layers, tiny_prior, frames, workspace=workspace, **settings
        )

    return run


def mattes_of(two_faces, chunk):
    return {frame: matte for frame, _, _, matte in chunk_frames(two_faces.frame_set, chunk)}


def curtain(first_open=0):
    """A matte that opens from the left by 8 pixels a frame: each frame tells its index."""
    for index in range(NUM_FRAMES):
        codes = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
        codes[:, : 108 + 8 * (index - first_open)] = 65535
        yield codes


def test_change_shows_inside_the_matte_and_the_plate_outside(two_faces, layer, composited):
    chunk = composited([layer()])
    for _, before, after, matte in chunk_frames(two_faces.frame_set, chunk):
        difference = after.pixels - before.pixels
        assert not difference[matte == 0].any()
        # Near its border, well inside the matte, the crop's change falls to 0.
        shown = difference[matte == 1]
        assert shown.min() > -1e-3
        assert shown.max() < CONSTANT + 1e-3
        assert np.median(shown) == pytest.approx(CONSTANT, abs=1e-3)
        assert (matte == 1).sum() > 1000
        assert not matte[:, WIDTH // 2 :].any(), "the other face is left alone"


def test_strength_of_the_manifest_scales_the_matte(two_faces, layer, composited):
    whole = mattes_of(two_faces, composited([layer()]))
    half = mattes_of(two_faces, composited([layer(strength=0.5)]))
    np.testing.assert_allclose(half[1003], 0.5 * whole[1003], atol=1e-4)


def test_regions_of_the_manifest_hold_parts_of_the_face_back(two_faces, layer, composited):
    whole = mattes_of(two_faces, composited([layer()]))[1003]
    held = mattes_of(two_faces, composited([layer(regions={"lips": 0.0})]))[1003]
    kept = held == whole
    assert (held <= whole).all()
    assert 0.02 < (~kept & (whole > 0)).sum() / (whole > 0).sum() < 0.2


def test_open_shutter_blurs_the_change_along_the_drift_of_the_face(two_faces, layer, composited):
    stripes = 0.1 * np.sign(np.sin(np.arange(128) / 1.6))[None, :, None]
    rough = []
    for angle in (0.0, 360.0):
        chunk = composited([layer(change=stripes, detail=0.0)], shutter_angle=angle)
        [*_, (_, before, after, matte)] = chunk_frames(two_faces.frame_set, chunk)
        rough.append(np.abs(after.pixels - before.pixels)[matte == 1].mean())
    assert rough[1] < 0.97 * rough[0]  # by one pixel a frame


def test_change_is_blurred_in_the_frames_where_the_face_is_out_of_focus(
    two_faces, layer, composited
):
    stripes = 0.1 * np.sign(np.sin(np.arange(128) / 1.6))[None, :, None]
    out_at_the_end = np.linspace(0, 4, NUM_FRAMES) / 128
    settings = {"change": stripes, "detail": 0.0}

    def roughness(chunk):
        frames = chunk_frames(two_faces.frame_set, chunk)
        return [np.abs(b.pixels - a.pixels)[m == 1].mean() for _, a, b, m in frames]

    sharp = roughness(composited([layer(**settings)], shutter_angle=0.0))
    racked = layer(defocus=tuple(out_at_the_end), **settings)
    soft = roughness(composited([racked], shutter_angle=0.0))
    assert soft[0] == sharp[0]
    assert soft[-1] < 0.2 * sharp[-1]
    assert all(later < 1.01 * earlier for earlier, later in pairwise(soft))
    asked_for_none = roughness(composited([racked], shutter_angle=0.0, defocus=0.0))
    assert asked_for_none == sharp


def test_detail_of_the_manifest_steepens_the_change_and_is_composited_anew(
    two_faces, layer, composited, compact_alignment
):
    soft = 0.1 * np.sin(np.arange(compact_alignment.size) / 2.5)[:, None, None]
    plain = composited([layer(change=soft, detail=0.0)])
    raised = composited([layer(change=soft)])
    assert raised.digest != plain.digest
    assert composited([layer(change=soft, detail=1.0)]) == raised

    def largest(chunk):
        return max(
            np.abs(after.pixels - before.pixels).max()
            for _, before, after, _ in chunk_frames(two_faces.frame_set, chunk)
        )

    assert largest(raised) > 1.05 * largest(plain)


def test_detail_of_the_manifest_is_no_part_of_casting_and_so_not_of_encoding(layer):
    assert layer(detail=0.0).cast == layer(detail=1.0).cast


def test_chunk_of_the_shot_composites_as_the_whole_does(two_faces, layer, composited):
    whole = composited([layer()])
    part = FrameRange(1003, 1005)
    chunk = composited([layer(part)], part)
    expected = chunk_frames(two_faces.frame_set, whole, part)
    for (_, _, a, _), (_, _, b, _) in zip(
        expected, chunk_frames(two_faces.frame_set, chunk), strict=True
    ):
        assert np.array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("kind", ["movie", "image sequence"])
def test_artists_matte_meets_its_own_frame_in_every_chunk(
    two_faces, layer, composited, tmp_path, kind
):
    name, format = {"movie": ("m.mkv", "ffv1"), "image sequence": ("m.%04d.png", "png16")}[kind]
    matte = write_frames(tmp_path / name, curtain(), format=format)
    free = mattes_of(two_faces, composited([layer()]))
    for part in (FrameRange(1001, 1002), FrameRange(1003, 1005)):
        found = mattes_of(two_faces, composited([layer(part, matte=matte)], part))
        for frame in part:
            opened = 108 + 8 * (frame - 1001)
            assert not found[frame][:, opened:].any()
            np.testing.assert_array_equal(found[frame][:, :opened], free[frame][:, :opened])
            assert found[frame][:, opened - 8 : opened].any()


def test_artists_matte_that_changed_is_composited_anew(two_faces, layer, composited, tmp_path):
    path = tmp_path / "m.mkv"
    first = composited([layer(matte=write_frames(path, curtain()))])
    assert composited([layer(matte=path)]) == first
    write_frames(path, curtain(first_open=2))
    second = composited([layer(matte=path)])
    assert second.digest != first.digest
    assert not mattes_of(two_faces, second)[1001][:, 92:].any()


def test_artists_matte_without_the_shots_frames_is_refused(layer, composited, tmp_path):
    matte = write_frames(tmp_path / "m.%04d.png", curtain(), first=1, format="png16")
    with pytest.raises(PlateError, match=r"m\.%04d\.png: frames: got 1-5, expected 1001-1005"):
        composited([layer(matte=matte)])


def test_artists_matte_of_another_size_is_refused(layer, composited, tmp_path):
    half = (codes[::2, ::2] for codes in curtain())
    matte = write_frames(tmp_path / "m.mkv", half)
    with pytest.raises(PlateError, match="size: got 240x135, expected 480x270 as the plate"):
        composited([layer(matte=matte)])


def test_faces_of_two_actors_both_change(two_faces, layer, composited, tmp_path):
    astronaut = layer()
    both = [astronaut, _admiral(astronaut, two_faces)]
    matte = mattes_of(two_faces, composited(both))[1001]
    assert matte[:, : WIDTH // 2].max() == 1
    assert matte[:, WIDTH // 2 :].max() == 1


def test_effect_is_full_up_to_a_cut_unblurred_by_it_and_none_without_the_actor(
    three_takes, tiny_prior, compact_alignment, workspace, tmp_path
):
    frames = three_takes.frame_set.frames
    actor = ActorInShot.model_validate(
        {"actor": "ada", "target_age": 60, "tracks": list(three_takes.astronaut), "detail": 0.0}
    )
    cast = cast_actor.fn(
        three_takes.frame_set, three_takes.tracks, tiny_prior, actor, [], workspace=workspace
    )
    size = compact_alignment.size
    stripes = 0.1 * np.sign(np.sin(np.arange(size) / 1.6))[None, :, None]
    path = tmp_path / "changes.npy"
    np.save(path, np.broadcast_to(np.float32(stripes), (len(frames), size, size, 3)))
    plan = tmp_path / "plan.npz"
    np.savez(plan, first_frame=frames.first, defocus=np.zeros(len(frames)))
    ref = ActorLayerRef(
        actor=actor,
        cast=cast,
        plan=PlanRef(path=str(plan), digest="", source_age=40.0),
        change=ChangesRef(path=str(path), digest="stripes", frames=frames),
        matte=None,
    )
    shown = {}
    for angle in (0.0, 180.0):
        chunk = composite_chunk.fn(
            three_takes.frame_set,
            [ref],
            tiny_prior,
            frames,
            shutter_angle=angle,
            workspace=workspace,
        )
        for frame, before, after, matte in chunk_frames(three_takes.frame_set, chunk):
            if frame > 1010:
                assert np.array_equal(before.pixels, after.pixels)
                assert not matte.any()
            else:
                assert matte.max() == 1
                change = np.abs(after.pixels - before.pixels)
                shown[angle, frame] = change[matte == 1].mean()
    kept = [shown[180.0, frame] / shown[0.0, frame] for frame in range(1001, 1011)]
    for take in (kept[:5], kept[5:]):  # blurred by half a pixel's motion, up to the cut and from it
        assert take == pytest.approx([take[2]] * 5, rel=0.05)


def _admiral(layer, two_faces):
    from dataclasses import replace

    track = Path(two_faces.tracks.folder) / f"track_{two_faces.admiral}.npz"
    cast = replace(layer.cast, actor="admiral", track_path=str(track), digest="admiral")
    actor = layer.actor.model_copy(update={"actor": "admiral", "track": two_faces.admiral})
    return replace(layer, actor=actor, cast=cast)
