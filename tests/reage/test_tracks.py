from itertools import islice

import cv2
import numpy as np
import pytest
import skimage.data

from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.framerange import FrameRange
from reage.geometry import Similarity
from reage.tracks import (
    choose_track,
    load_track,
    save_track,
    steady,
    track_faces,
)

NUM_FRAMES = 48
COVERED = range(40, 44)
SIZE = (480, 360)


def motion(frame):
    """Where the photograph lies in a frame: drift, a sway of 1.5 Hz at 24 fps, turn and growth."""
    seconds = frame / 24
    return Similarity.from_parts(
        scale=0.9 + 0.01 * seconds,
        angle_deg=2.0 * seconds,
        shift=np.array([-40 + 9.0 * seconds + 2.0 * np.sin(3 * np.pi * seconds), 6.0 * seconds]),
    )


def shot():
    """A moving photograph with grain, a second, smaller face, and a few frames of cover."""
    photograph = np.ascontiguousarray(skimage.data.astronaut())
    large = cv2.resize(photograph, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    half = Similarity(np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]))
    rng = np.random.default_rng(8)
    for frame in range(NUM_FRAMES):
        fine = half.inverse() @ motion(frame) @ half
        picture = cv2.warpAffine(large, fine.matrix, (SIZE[0] * 2, SIZE[1] * 2), borderMode=1)
        picture = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)
        picture[200:360, 330:470] = cv2.resize(photograph[0:256, 110:334], (140, 160))
        if frame in COVERED:
            picture[40:230, 60:270] = 110
        noisy = picture + rng.normal(0, 3, picture.shape)
        yield 1001 + frame, np.clip(np.round(noisy), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def found():
    with FaceFinder(num_readings=2) as finder:
        return track_faces(shot(), finder)[0]


@pytest.fixture(scope="module")
def moving(found):
    return min(found, key=lambda track: track.landmarks[0, :, 0].mean())


def wander(landmarks):
    """Each landmark's way from its mean place on the photograph that carries it, (T, K, 2)."""
    uncovered = slice(0, COVERED.start)
    on_photograph = np.stack(
        [motion(i).inverse().apply(points) for i, points in enumerate(landmarks[uncovered])]
    )
    return on_photograph - on_photograph.mean(axis=0)


def rms(offsets):
    return np.sqrt((offsets**2).sum(axis=-1).mean())


def test_track_faces_follows_each_face_through_the_shot(found):
    assert [track.track_id for track in found] == [0, 1]
    assert all(track.frames == FrameRange(1001, 1048) for track in found)
    assert all(track.picture_size == SIZE for track in found)
    assert all(not track.appears and not track.vanishes for track in found)


def frames_where(track, flags):
    return (track.frames.first + np.flatnonzero(flags)).tolist()


def test_covered_frames_are_bridged_and_reported(moving):
    assert frames_where(moving, moving.bridged) == [1041, 1042, 1043, 1044]
    assert moving.presence[~moving.bridged].all()
    expected = motion(41).apply(motion(39).inverse().apply(moving.raw_landmarks[39]))
    apart = np.linalg.norm(moving.landmarks[41] - expected, axis=1).mean()
    assert apart < 3.0  # a straight line across a sway of 2 px


def test_fade_goes_to_nothing_under_cover_without_a_jump(moving):
    shown = steady(moving).fade
    assert (shown[COVERED.start : COVERED.stop] == 0.0).all()
    assert (shown[:24] == 1.0).all()
    assert np.abs(np.diff(shown)).max() <= 1 / 7 + 1e-9


def test_steadied_jitter_is_less_than_half_of_the_raw(moving):
    # From frame to frame, which is what is seen as trembling; on a face 85 px wide.
    raw, steadied = (wander(points) for points in (moving.raw_landmarks, steady(moving).landmarks))
    assert rms(np.diff(steadied, axis=0)) < 0.4 * rms(np.diff(raw, axis=0))
    assert rms(steadied) < 0.65 * rms(raw)  # a slow bias of the mesh network remains


def test_steadying_does_not_lag_behind_the_motion(moving):
    steadied = steady(moving).landmarks[: COVERED.start].mean(axis=1)
    raw = moving.raw_landmarks[: COVERED.start].mean(axis=1)
    truth = np.stack([motion(i).apply(np.array([222.0, 122.0])) for i in range(COVERED.start)])
    sway = np.exp(-2j * np.pi * 1.5 * np.arange(COVERED.start) / 24)
    drift = np.linspace(0, 1, COVERED.start)

    def phase_and_size(points):
        x = points[:, 0] - np.polyval(np.polyfit(drift, points[:, 0], 2), drift)
        return sway @ x

    gain = phase_and_size(steadied) / phase_and_size(truth)
    assert abs(gain) == pytest.approx(1.0, abs=0.03)
    assert abs(np.degrees(np.angle(gain))) < 1.5  # a frame would be 22 degrees
    assert np.abs(steadied - raw).max() < 0.3


def test_tracking_again_gives_the_same_bytes(found, tmp_path):
    with FaceFinder(num_readings=2) as finder:
        again, _ = track_faces(islice(shot(), 4), finder)
    np.testing.assert_array_equal(again[0].raw_landmarks, found[0].raw_landmarks[:4])
    save_track(steady(found[0]), tmp_path / "a.npz")
    save_track(steady(found[0]), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_saved_track_comes_back_exactly(moving, tmp_path):
    path = tmp_path / "track_0.npz"
    track = steady(moving)
    save_track(track, path)
    loaded = load_track(path)
    assert loaded.frames == track.frames
    assert (loaded.track_id, loaded.picture_size) == (track.track_id, track.picture_size)
    for name in ("landmarks", "raw_landmarks", "presence", "bridged", "yaw_deg", "fade"):
        assert np.array_equal(getattr(loaded, name), getattr(track, name)), name


def test_load_refuses_a_file_that_is_no_track(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, landmarks=np.zeros(3))
    with pytest.raises(FaceError, match=r"other.npz: track: got .*, expected a file of save_track"):
        load_track(path)
    path.write_bytes(b"PK but no")
    with pytest.raises(FaceError, match="expected a file of save_track"):
        load_track(path)


def test_choose_track_takes_the_most_prominent_face(found):
    areas = [np.prod(track.mean_size) for track in found]
    assert choose_track(found).track_id == int(np.argmax(areas))


def test_choose_track_prefers_identity_and_the_manifest_overrides_it(found):
    embeddings = {0: np.array([1.0, 0.0], "f4"), 1: np.array([0.6, 0.8], "f4")}
    for actor, reference in ((0, [0.9, 0.1]), (1, [0.0, 1.0])):
        chosen = choose_track(found, embeddings=embeddings, reference=np.array(reference, "f4"))
        assert chosen.track_id == actor
        other = choose_track(
            found, embeddings=embeddings, reference=np.array(reference, "f4"), track_id=1 - actor
        )
        assert other.track_id == 1 - actor


def test_choose_track_names_the_tracks_there_are(found):
    with pytest.raises(FaceError, match=r"track: got 3, expected one of 0 \(\d+x\d+ px, .*\), 1 "):
        choose_track(found, track_id=3)
    with pytest.raises(FaceError, match="tracks: got no face, expected at least one; check"):
        choose_track([])
    with pytest.raises(ValueError, match="got only one of embeddings and reference"):
        choose_track(found, embeddings={})


def still_pictures(*pictures):
    return [(1001 + i, np.ascontiguousarray(picture)) for i, picture in enumerate(pictures)]


def test_shot_without_a_face_has_no_tracks():
    with FaceFinder(num_readings=1) as finder:
        tracks, takes = track_faces(still_pictures(*[skimage.data.coffee()] * 3), finder)
    assert (tracks, takes) == ([], [FrameRange(1001, 1003)])


def test_cut_ends_a_track_without_a_fade():
    astronaut = skimage.data.astronaut()
    after = np.full_like(astronaut, (20, 60, 30))
    after[100:356, 150:406] = astronaut[0:256, 90:346]
    with FaceFinder(num_readings=1) as finder:
        tracks, takes = track_faces(still_pictures(*[astronaut] * 4, *[after] * 4), finder)
    assert takes == [FrameRange(1001, 1004), FrameRange(1005, 1008)]
    assert [str(track.frames) for track in tracks] == ["1001-1004", "1005-1008"]
    assert all((track.fade == 1.0).all() for track in tracks)


def test_face_that_is_away_for_long_comes_back_as_the_same_track():
    astronaut = np.ascontiguousarray(skimage.data.astronaut()[0:300, 60:400])
    covered = astronaut.copy()
    covered[30:220, 80:240] = 110
    pictures = [*[astronaut] * 3, *[covered] * 14, *[astronaut] * 3]
    with FaceFinder(num_readings=1) as finder:
        [track], _ = track_faces(still_pictures(*pictures), finder)
    assert frames_where(track, track.presence == 0) == list(range(1004, 1018))
    assert not track.bridged.any()
    assert (track.fade[3:17] == 0.0).all()


def test_track_faces_refuses_frames_out_of_order():
    picture = np.zeros((40, 60, 3), np.uint8)
    with (
        FaceFinder(num_readings=1) as finder,
        pytest.raises(ValueError, match="frames: got 1004 after 1001, expected 1002"),
    ):
        track_faces([(1001, picture), (1004, picture)], finder)
