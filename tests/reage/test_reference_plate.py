"""A rendered head lies where the plate's landmarks are, within the face's outline."""

from fractions import Fraction

import numpy as np
import pytest

from reage.colour import decode_display
from reage.exr import read_exr
from reage.framerange import FrameRange
from reage.geometry import Similarity
from reage.head.camera import FOCAL, HeadCamera, canonical_face
from reage.reference_plate import HeadTrack, write_reference
from reage.tracks import Track
from reage.video import PlateInfo
from reage.video.tags import ColourTags

SIZE, PX = (320, 240), 150.0
CAMERA = HeadCamera.towards(15.0, -5.0)


def track_of(frames=6, *, fade=1.0):
    """The mean face seen by CAMERA, tilted, somewhere in a plate."""
    places, depths = CAMERA.project(canonical_face())
    placed = Similarity.from_parts(scale=PX, angle_deg=12, shift=np.array([90.0, 60.0]))
    landmarks = np.repeat(placed.apply(places)[None], frames, axis=0)
    towards = (depths - depths.mean()) * FOCAL / depths.mean() * PX
    zeros = np.zeros(frames)
    return Track(
        track_id=0,
        frames=FrameRange(1001, 1000 + frames),
        picture_size=SIZE,
        landmarks=landmarks,
        raw_landmarks=landmarks,
        depths=np.repeat(towards[None], frames, axis=0),
        presence=zeros + 1,
        bridged=zeros > 0,
        yaw_deg=zeros,
        pitch_deg=zeros,
        fade=zeros + fade,
        appears=False,
        vanishes=False,
    )


def marked_head(size=128):
    """A grey head with a bright square where its camera sees the nose's tip."""
    head = np.full((size, size, 3), 100, np.uint8)
    nose = CAMERA.project(canonical_face()[4:5])[0][0] * size - 0.5
    x, y = np.round(nose).astype(int)
    head[y - 2 : y + 3, x - 2 : x + 3] = 250
    return head, np.ones((size, size), np.float32)


def test_head_lies_where_the_landmarks_are():
    track = track_of()
    layer = HeadTrack.of(track).layer(2, *marked_head())
    assert layer.shape == (240, 320, 4)
    bright = layer[..., 0] > decode_display(np.full((1, 1, 3), 0.7, np.float32)).max()
    middle = np.argwhere(bright).mean(axis=0)[::-1]
    assert np.linalg.norm(middle - track.landmarks[2, 4]) < 1.0


def test_layer_is_premultiplied_and_stays_within_the_face():
    track = track_of(fade=0.5)
    head = HeadTrack.of(track)
    picture, coverage = marked_head()
    layer = head.layer(0, picture, 0.8 * coverage)
    assert layer[..., 3].max() == pytest.approx(0.4, abs=1e-3)
    grey = float(decode_display(np.full((1, 1, 3), 100 / 255, np.float32)).max())
    inside = layer[..., 3] > 0.05
    colours = layer[inside][:, 0] / layer[inside][:, 3]
    assert np.median(colours) == pytest.approx(grey, rel=1e-3)
    low, high = track.landmarks[0].min(axis=0), track.landmarks[0].max(axis=0)
    rows, columns = np.nonzero(layer[..., 3])
    assert low[0] - 20 < columns.min() < columns.max() < high[0] + 20
    assert low[1] - 40 < rows.min() < rows.max() < high[1] + 20


def test_frame_in_which_the_face_is_not_seen_shows_nothing():
    assert HeadTrack.of(track_of()).is_shown(0)
    assert not HeadTrack.of(track_of(fade=0.0)).is_shown(0)


def test_camera_of_a_frame_is_the_heads():
    for camera in HeadTrack.of(track_of()).cameras():
        assert camera.angles == pytest.approx((15.0, -5.0), abs=1.0)


@pytest.mark.parametrize("pixel_aspect", [Fraction(1), Fraction(2)])
def test_file_is_of_the_plates_size_with_alpha_and_attributes(tmp_path, pixel_aspect):
    plate = PlateInfo(
        path="plate.mov",
        kind="movie",
        width=int(320 / pixel_aspect),
        height=240,
        frame_rate=Fraction(24),
        frames=FrameRange(1001, 1006),
        codec="prores",
        pixel_format="yuv422p10le",
        bit_depth=10,
        is_float=False,
        tags=ColourTags("bt709", "limited", "bt709", "bt709"),
        pixel_aspect=pixel_aspect,
    )
    layer = HeadTrack.of(track_of()).layer(0, *marked_head())
    path = write_reference(tmp_path, 1001, layer, plate=plate, attributes={"reage:actor": "ada"})
    assert path.name == "reference.1001.exr"
    frame = read_exr(path)
    assert set(frame.picture.channels) == {"R", "G", "B", "A"}
    assert frame.picture.channels["A"].shape == (240, plate.width)
    assert frame.pixel_aspect == pixel_aspect
    assert frame.picture.header["reage:actor"] == "ada"
    if pixel_aspect == 1:
        np.testing.assert_allclose(frame.picture.channels["A"], layer[..., 3], atol=1e-3)
