import numpy as np
import pytest

from reage.visibility import fade, head_pose, runs, short_gaps

SIZE = (640, 480)


def still_face(count, centre=(320.0, 240.0)):
    points = np.random.default_rng(0).uniform(-50, 50, (478, 2)) + centre
    return np.repeat(points[None], count, axis=0)


def faded(count=60, **changes):
    given = {
        "landmarks": still_face(count),
        "yaw_deg": np.zeros(count),
        "presence": np.ones(count),
        "picture_size": SIZE,
        "appears": False,
        "vanishes": False,
    }
    given.update(changes)
    landmarks, yaw, presence = (given.pop(name) for name in ("landmarks", "yaw_deg", "presence"))
    return fade(landmarks, yaw, presence, **given)


def head(yaw_deg, pitch_deg, roll_deg):
    """A head-like ellipsoid of landmarks, turned; x right, y down, z away from the camera."""
    angles = np.random.default_rng(1).uniform(-1, 1, (478, 2))
    points = np.column_stack([60 * angles[:, 0], 80 * angles[:, 1], np.zeros(478)])
    for right, left, y in ((234, 454, 0), (127, 356, -20), (33, 263, -15), (61, 291, 40)):
        points[right], points[left] = [-55, y, 20], [55, y, 20]
    points[10], points[152] = [0, -80, 0], [0, 80, 0]
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    # A face at rest looks along -z; positive yaw takes it towards +x, positive pitch towards -y.
    about_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    about_z = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    turned = points @ (about_z @ about_y @ about_x).T
    return turned[None, :, :2], turned[None, :, 2]


@pytest.mark.parametrize("pose", [(0, 0, 0), (30, 0, 0), (-50, 0, 25), (0, 20, -40), (0, -15, 0)])
def test_head_pose_recovers_the_turn_whatever_the_roll(pose):
    yaw, pitch = head_pose(*head(*pose))
    assert yaw[0] == pytest.approx(pose[0], abs=0.5)
    assert pitch[0] == pytest.approx(pose[1], abs=0.5)


def test_fade_is_full_for_a_face_in_plain_view():
    assert (faded() == 1.0).all()


def test_fade_is_zero_where_the_face_is_lost_and_begins_beforehand():
    presence = np.ones(60)
    presence[25:35] = 0.0
    shown = faded(presence=presence)
    assert (shown[25:35] == 0.0).all()
    assert (np.diff(shown[10:26]) <= 0).all()
    assert 0.0 < shown[18] < 1.0
    assert shown[0] == shown[-1] == 1.0


def test_fade_ignores_gaps_nobody_can_see():
    presence = np.ones(60)
    presence[30:33] = 0.0
    assert (faded(presence=presence) == 1.0).all()


def test_fade_is_zero_in_profile():
    yaw = np.concatenate([np.linspace(0, 85, 40), np.full(10, 85.0), np.linspace(85, 0, 40)])
    for side in (1.0, -1.0):
        shown = faded(count=90, yaw_deg=side * yaw)
        assert (shown[np.abs(yaw) >= 75] == 0.0).all()
        assert shown[0] == shown[-1] == 1.0


def test_fade_is_zero_once_the_face_has_left_the_frame():
    landmarks = still_face(60)
    landmarks[..., 0] += np.linspace(0, 400, 60)[:, None]
    shown = faded(landmarks=landmarks)
    gone = (landmarks[..., 0] > SIZE[0]).mean(axis=1) > 0.35
    assert gone.any()
    assert (shown[gone] == 0.0).all()
    assert shown[0] == 1.0


def test_fade_starts_from_nothing_where_the_face_appears_in_a_take():
    shown = faded(appears=True, vanishes=True)
    assert shown[0] < 0.01
    assert shown[-1] < 0.01
    assert shown[30] == 1.0


@pytest.mark.parametrize("ramp_frames", [3, 6, 12])
@pytest.mark.parametrize("seed", range(5))
def test_fade_never_jumps_nor_exceeds_what_a_frame_allows(ramp_frames, seed):
    rng = np.random.default_rng(seed)
    presence = np.where(rng.random(80) < 0.1, 0.0, rng.uniform(0.4, 1.0, 80))
    yaw = np.cumsum(rng.normal(0, 12, 80))
    shown = faded(count=80, presence=presence, yaw_deg=yaw, ramp_frames=ramp_frames, appears=True)
    assert np.abs(np.diff(shown)).max() <= 1 / (ramp_frames + 1) + 1e-12
    assert (shown[np.abs(yaw) >= 75] == 0.0).all()
    lost = (presence == 0.0) & ~short_gaps(presence > 0)
    assert (shown[lost] == 0.0).all()


def test_runs_are_inclusive():
    assert runs(np.array([1, 1, 0, 1], bool)) == [(0, 1), (3, 3)]
    assert runs(np.zeros(3, bool)) == []
