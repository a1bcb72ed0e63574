from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.occlusion.face_view import CROP, FaceView
from reage.tracks import load_track, save_track
from reage.workspace import Workspace
from tasks.casting import cast_actor
from tasks.compositing import composite_chunk
from tasks.crops import Cropper, chunk_frames
from tasks.face_surface import FaceSurface
from tasks.faces import track_shot
from tasks.holdouts import open_holdout, uncovered_track
from tasks.occlusion import find_occlusion
from tasks.refs import ActorLayerRef, ChangesRef, LatentsRef, PlanRef
from tests.tasks.conftest import HEIGHT, SHOT, WIDTH, frame_set_of, two_face_frames, write_frames

NUM_FRAMES = 9
FRAMES = FrameRange(1001, 1000 + NUM_FRAMES)
COVERED = (1004, 1005, 1006)
BAR = (slice(20, 140), slice(100, 122))  # over the left half of a face 60 px wide
INSIDE = (slice(55, 80), slice(104, 118))


def passing_bar():
    """The two faces, a grey bar over the large one in three frames."""
    for number, codes in zip(FRAMES, two_face_frames(NUM_FRAMES), strict=True):
        if number in COVERED:
            codes[BAR] = 26000
        yield codes


@pytest.fixture(scope="module")
def shot(tmp_path_factory, tiny_prior):
    """The plate, its tracks, the astronaut and what is in front of her."""
    folder = tmp_path_factory.mktemp("covered")
    frame_set = frame_set_of(write_frames(folder / "plate.mov", passing_bar()))
    workspace = Workspace(folder / "work", SHOT)
    tracks = track_shot.fn(frame_set, workspace=workspace)
    actor = ActorInShot.model_validate({"actor": "astronaut", "target_age": 60, "track": 0})
    cast = cast_actor.fn(frame_set, tracks, tiny_prior, actor, [], workspace=workspace)
    found = find_occlusion.fn(frame_set, cast, tracks.takes, workspace=workspace)
    return frame_set, tracks, actor, cast, found


@pytest.fixture(scope="module")
def layer(shot, compact_alignment, tmp_path_factory):
    _, _, actor, cast, found = shot
    folder, size = tmp_path_factory.mktemp("changes"), compact_alignment.size
    path, plan = folder / "changes.npy", folder / "plan.npz"
    np.savez(plan, first_frame=FRAMES.first, defocus=np.zeros(NUM_FRAMES))
    np.save(path, np.full((NUM_FRAMES, size, size, 3), 0.1, np.float32))
    return ActorLayerRef(
        actor=actor,
        cast=cast,
        plan=PlanRef(path=str(plan), digest="", source_age=40.0, occlusion=found),
        change=ChangesRef(path=str(path), digest="c", frames=FRAMES),
        matte=None,
    )


@pytest.fixture(scope="module")
def composited(shot, tiny_prior, tmp_path_factory):
    """Composites a layer; returns plate, result and matte by frame."""
    workspace = Workspace(tmp_path_factory.mktemp("work"), SHOT)

    def run(layer, frames=FRAMES):
        chunk = composite_chunk.fn(shot[0], [layer], tiny_prior, frames, workspace=workspace)
        return {frame: rest for frame, *rest in chunk_frames(shot[0], chunk)}

    return run


def behind(layer, occlusion):
    return replace(layer, plan=replace(layer.plan, occlusion=occlusion))


def test_bar_that_passes_stays_in_front_bit_for_bit(layer, composited):
    found, free = composited(layer), composited(behind(layer, None))
    for frame in COVERED:
        plate, result, matte = found[frame]
        assert not matte[INSIDE].any()
        assert free[frame][2][INSIDE].mean() > 0.3
        assert np.array_equal(result.pixels[INSIDE], plate.pixels[INSIDE])


def test_nothing_is_held_back_beside_the_bar_or_without_it(layer, composited):
    found, free = composited(layer), composited(behind(layer, None))
    for frame in (1001, 1002, 1008, 1009):
        assert np.array_equal(found[frame][2], free[frame][2])
    beside = (slice(50, 95), slice(128, 150))
    for frame in COVERED:
        assert np.array_equal(found[frame][2][beside], free[frame][2][beside])


def test_chunk_has_the_holdout_that_the_whole_shot_has(layer, composited):
    whole = composited(layer)
    for frame, (_, result, matte) in composited(layer, FrameRange(1005, 1007)).items():
        assert np.array_equal(matte, whole[frame][2])
        assert np.array_equal(result.pixels, whole[frame][1].pixels)


def test_share_held_back_is_told_and_such_frames_count_less(shot):
    *_, cast, found = shot
    shares = open_holdout(found, cast).held_back
    covered = [FRAMES.index_of(frame) for frame in COVERED]
    assert shares[covered].min() > 0.15
    assert not np.delete(shares, covered).any()
    seen, bare = uncovered_track(cast, found).fade, uncovered_track(cast, None).fade
    np.testing.assert_allclose(seen, bare * (1 - shares))


def test_skin_learns_nothing_from_what_is_covered(shot, layer, tiny_prior, tmp_path):
    *_, cast, found = shot
    path = tmp_path / "plan.npz"
    np.savez(path, target_age=np.full(NUM_FRAMES, 60.0), sharpness=np.ones(NUM_FRAMES))
    plan = PlanRef(path=str(path), digest="p", source_age=40.0)
    flows = np.zeros((NUM_FRAMES, 2, 8, 8, 2), np.float16)

    def confidences(occlusion):
        surface = FaceSurface.of(cast, tiny_prior, replace(plan, occlusion=occlusion))
        return [sample.confidence for sample in surface.samples([layer.change], FRAMES, flows)]

    free, held = confidences(None), confidences(found)
    row = FRAMES.index_of(1005)
    ignored = held[row] < 0.01 * free[row]
    assert 0.1 < ignored.mean() < 0.6
    assert np.array_equal(held[0], free[0])


def test_no_neighbour_takes_its_change_from_what_is_covered(shot, layer, tiny_prior, tmp_path):
    *_, cast, found = shot
    path, latents = tmp_path / "plan.npz", tmp_path / "latents.npz"
    np.savez(path, target_age=np.full(NUM_FRAMES, 60.0), sharpness=np.ones(NUM_FRAMES))
    np.savez(latents, plate=np.zeros((NUM_FRAMES, 256, 256), np.uint8))
    plan = PlanRef(path=str(path), digest="p", source_age=40.0, occlusion=found)
    surface = FaceSurface.of(cast, tiny_prior, plan)
    encoded = [LatentsRef(path=str(latents), digest="l", frames=FRAMES)]
    moments = {m.frame: m for m in surface.moments(encoded, [layer.change], FRAMES)}
    assert list(moments) == list(FRAMES)
    assert np.ptp(moments[1001].credit) == 0.0
    cut = Cropper.of(cast, surface.prior).plate_from_synthesis(1005).inverse()
    rows, columns = ((part.start + part.stop) / 2 for part in INSIDE)
    x, y = np.rint(cut.apply(np.array([[columns, rows]]))[0]).astype(int)
    assert moments[1005].credit[y, x] < 0.01
    assert moments[1005].credit.max() == moments[1005].credit[surface.size // 2, -8] > 0.5


def test_matte_of_the_artist_wins(shot, layer, composited, workspace, tmp_path):
    frame_set, tracks, _, cast, _ = shot
    left = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    left[:, :115] = 65535
    path = write_frames(tmp_path / "front.mov", [left] * NUM_FRAMES)
    given = find_occlusion.fn(frame_set, cast, tracks.takes, own=str(path), workspace=workspace)
    own = composited(behind(layer, given))
    free = composited(behind(layer, None))
    for frame in FRAMES:
        assert not own[frame][2][:, :115].any()
        assert np.array_equal(own[frame][2][:, 115:], free[frame][2][:, 115:])
    assert open_holdout(given, cast).held_back.min() > 0.1


def test_matte_of_another_size_is_refused(shot, workspace, tmp_path):
    frame_set, tracks, _, cast, _ = shot
    small = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint16)
    path = write_frames(tmp_path / "front.mov", [small] * NUM_FRAMES)
    with pytest.raises(PlateError, match=f"size: got 240x135, expected {WIDTH}x{HEIGHT}"):
        find_occlusion.fn(frame_set, cast, tracks.takes, own=str(path), workspace=workspace)


def test_take_that_does_not_show_the_face_has_nothing_in_front(shot, workspace, tmp_path):
    frame_set, tracks, _, cast, _ = shot
    path = tmp_path / "unseen.npz"
    save_track(replace(load_track(Path(cast.track_path)), fade=np.zeros(NUM_FRAMES)), path)
    unseen = replace(cast, track_path=str(path), digest="unseen")
    found = find_occlusion.fn(frame_set, unseen, tracks.takes, workspace=workspace)
    assert not open_holdout(found, unseen).held_back.any()


def test_more_blur_leaves_less_of_the_skin_clear_of_its_surroundings(shot):
    *_, cast, _ = shot
    view = FaceView.of_frames(load_track(Path(cast.track_path)), FRAMES)
    left = [view.clear_of_edge(blur) for blur in (0.0, 1.0, 2.0, 4.0)]
    for wider, narrower in pairwise(left):
        assert not np.any(narrower & ~wider)
        assert narrower.sum() < 0.95 * wider.sum()
    assert not np.any(view.skin.inner & ~left[0])
    assert not view.clear_of_edge(CROP).any()
