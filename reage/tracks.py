"""Faces through a shot: following them, telling them apart, keeping what was found.

Frames stream by; only landmarks are kept. The same frames give the same tracks. Knows nothing of
the face library, which comes in as a `Finder`, nor of networks, which come in as embeddings.

T frames of a track, K landmarks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.cuts import marked_takes
from reage.errors import FaceError
from reage.following import Finder, Following, Take
from reage.framerange import FrameRange
from reage.steadying import smooth, steady_landmarks
from reage.visibility import fade, head_pose, runs

_MIN_SEEN = 3  # frames: a shorter track is a detector's mistake
TRACK_ARRAYS = (
    "landmarks",
    "raw_landmarks",
    "depths",
    "presence",
    "bridged",
    "yaw_deg",
    "pitch_deg",
    "fade",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """One face through consecutive frames.

    Attributes:
        track_id: Number within the shot, from 0, by first appearance.
        frames: Studio frame numbers.
        picture_size: (w, h) pixels of the frames.
        landmarks: (T, K, 2) pixels, float64; steadied once `steady` has run.
        raw_landmarks: (T, K, 2) as read; interpolated where the face was not seen.
        depths: (T, K) pixels, growing away from the camera; rough.
        presence: (T,) belief that the face is there, 0-1; 0 where it was not seen.
        bridged: (T,) not seen, but in a gap short enough to be interpolated.
        yaw_deg: (T,) positive when the face looks to the picture's right.
        pitch_deg: (T,) positive when it looks up.
        fade: (T,) how far an effect may show, 0-1.
        appears: The face enters after the first frame of its take.
        vanishes: The face leaves before the last frame of its take.
    """

    track_id: int
    frames: FrameRange
    picture_size: tuple[int, int]
    landmarks: NDArray[np.float64]
    raw_landmarks: NDArray[np.float64]
    depths: NDArray[np.float64]
    presence: NDArray[np.float64]
    bridged: NDArray[np.bool_]
    yaw_deg: NDArray[np.float64]
    pitch_deg: NDArray[np.float64]
    fade: NDArray[np.float64]
    appears: bool
    vanishes: bool

    @property
    def prominence(self) -> float:
        """Mean area of the face's box in square pixels, times the frames in which it is seen."""
        sides = self.landmarks.max(axis=1) - self.landmarks.min(axis=1)
        return float((sides.prod(axis=1) * (self.presence > 0)).sum())

    @property
    def mean_size(self) -> tuple[float, float]:
        """Mean width and height of the face's box, pixels."""
        width, height = (self.landmarks.max(axis=1) - self.landmarks.min(axis=1)).mean(axis=0)
        return float(width), float(height)


def track_faces(
    frames: Iterable[tuple[int, NDArray[np.uint8]]],
    finder: Finder,
    *,
    redetect_every: int = 12,
    longest_bridge: int = 12,
    longest_loss: int = 48,
) -> tuple[list[Track], list[FrameRange]]:
    """Follows every face through the frames, take by take.

    Args:
        frames: Frame numbers, rising by one, with RGB uint8 (H, W, 3) pictures of one size.
        finder: The face library.
        redetect_every: The detector looks at every so many frames, at cuts, and while a face is
            missing.
        longest_bridge: Frames a face may be missing and still be interpolated.
        longest_loss: Frames after which a face found again near its place starts a new track.

    Returns:
        Unsteadied tracks by number, possibly none, and the takes, between which a cut ends every
        track; see cuts.py.

    Raises:
        ValueError: Frame numbers do not rise by one, or a count is below 1.
    """
    if min(redetect_every, longest_bridge, longest_loss) < 1:
        raise ValueError(
            "track_faces: redetect_every, longest_bridge, longest_loss: got "
            f"{redetect_every}, {longest_bridge}, {longest_loss}, expected at least 1 each"
        )
    tracks: list[Track] = []
    takes: list[FrameRange] = []
    take: Take | None = None
    previous: int | None = None
    size = (0, 0)
    for frame, display, begins in marked_takes(frames):
        if previous is not None and frame != previous + 1:
            raise ValueError(
                f"track_faces: frames: got {frame} after {previous}, expected {previous + 1}"
            )
        if take is None or begins:
            if take is not None:
                tracks += _finished(take, frame - 1, size, longest_bridge)
                takes.append(FrameRange(take.first, frame - 1))
            take = Take(frame, take.next_id if take is not None else 0)
        size = (display.shape[1], display.shape[0])
        take.follow(display, finder)
        lately_lost = any(0 < face.missing <= longest_bridge for face in take.following)
        if lately_lost or (frame - take.first) % redetect_every == 0:
            take.admit(finder.detect(display), frame)
        take.drop(longest_loss)
        previous = frame
    if take is not None and previous is not None:
        tracks += _finished(take, previous, size, longest_bridge)
        takes.append(FrameRange(take.first, previous))
    return _renumbered(tracks), takes


def steady(track: Track) -> Track:
    """Returns the track with its landmarks steadied, and pose and fade from what is steadied.

    Nothing is smoothed across frames in which the face was lost.
    """
    lost = (track.presence == 0) & ~track.bridged
    landmarks, yaw, pitch = track.raw_landmarks.copy(), track.yaw_deg.copy(), track.pitch_deg.copy()
    for first, last in runs(~lost):
        stretch = slice(first, last + 1)
        landmarks[stretch] = steady_landmarks(
            track.raw_landmarks[stretch], reliable=track.presence[stretch] > 0
        )
        if last - first + 1 >= 5:
            poses = smooth(np.column_stack([yaw[stretch], pitch[stretch]]))
            yaw[stretch], pitch[stretch] = poses.T
    shown = fade(
        landmarks,
        yaw,
        track.presence,
        picture_size=track.picture_size,
        appears=track.appears,
        vanishes=track.vanishes,
    )
    return replace(track, landmarks=landmarks, yaw_deg=yaw, pitch_deg=pitch, fade=shown)


def choose_track(
    tracks: Sequence[Track],
    *,
    embeddings: Mapping[int, NDArray[np.float32]] | None = None,
    reference: NDArray[np.float32] | None = None,
    track_id: int | None = None,
) -> Track:
    """Chooses the actor's track: the one asked for, else by identity, else the most prominent.

    Args:
        tracks: All faces of the shot.
        embeddings: Unit identity embedding of each track, by number.
        reference: Unit identity embedding of the actor.
        track_id: The track asked for.

    Raises:
        FaceError: There are no tracks, or none of that number.
        ValueError: Only one of `embeddings` and `reference` is given, or a track lacks its own.
    """
    if not tracks:
        raise FaceError(
            "tracks: got no face, expected at least one; check the plate's colourspace and "
            "exposure, and that the actor is in the cut"
        )
    if track_id is not None:
        chosen = [track for track in tracks if track.track_id == track_id]
        if not chosen:
            raise FaceError(f"track: got {track_id}, expected one of {_listed(tracks)}")
        return chosen[0]
    if embeddings is None and reference is None:
        return max(tracks, key=lambda track: (track.prominence, -track.track_id))
    if embeddings is None or reference is None:
        raise ValueError("choose_track: got only one of embeddings and reference, expected both")
    unknown = [track.track_id for track in tracks if track.track_id not in embeddings]
    if unknown:
        raise ValueError(f"choose_track.embeddings: got none for {unknown}, expected every track")
    return max(tracks, key=lambda track: float(np.dot(embeddings[track.track_id], reference)))


def save_track(track: Track, path: Path) -> None:
    """Writes a track as .npz; the same track gives the same bytes."""
    whole = {name: getattr(track, name) for name in TRACK_ARRAYS}
    numbers = np.array(
        [track.track_id, track.frames.first, track.frames.last, *track.picture_size], np.int64
    )
    with path.open("wb") as file:
        np.savez(file, numbers=numbers, ends=np.array([track.appears, track.vanishes]), **whole)


def load_track(path: Path) -> Track:
    """Reads what `save_track` wrote.

    Raises:
        FaceError: The file is not a track.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in TRACK_ARRAYS}
            track_id, first, last, width, height = (int(n) for n in file["numbers"])
            appears, vanishes = (bool(end) for end in file["ends"])
    except (ValueError, KeyError, OSError) as error:
        raise FaceError(f"{path}: track: got {error}, expected a file of save_track") from error
    return Track(
        track_id=track_id,
        frames=FrameRange(first, last),
        picture_size=(width, height),
        appears=appears,
        vanishes=vanishes,
        **arrays,
    )


def _finished(take: Take, last: int, size: tuple[int, int], longest_bridge: int) -> list[Track]:
    """Turns what a take followed into tracks, leaving out what was seen too briefly."""
    wanted = min(_MIN_SEEN, last - take.first + 1)
    faces = [
        face
        for face in take.ended + take.following
        if sum(reading is not None for reading in face.readings) >= wanted
    ]
    return [_track(face, FrameRange(take.first, last), size, longest_bridge) for face in faces]


def _track(face: Following, take: FrameRange, size: tuple[int, int], longest_bridge: int) -> Track:
    readings = face.readings[: len(face.readings) - face.missing]
    frames = FrameRange(face.first, face.first + len(readings) - 1)
    seen = np.array([reading is not None for reading in readings])
    landmarks = _interpolated(seen, [r.landmarks for r in readings if r is not None])
    depths = _interpolated(seen, [r.depths for r in readings if r is not None])
    presence = np.zeros(len(readings))
    presence[seen] = [r.score for r in readings if r is not None]
    bridged = np.zeros(len(readings), bool)
    for first, last in runs(~seen):
        bridged[first : last + 1] = last - first + 1 <= longest_bridge
    yaw, pitch = head_pose(landmarks, depths)
    appears, vanishes = frames.first > take.first, frames.last < take.last
    shown = fade(landmarks, yaw, presence, picture_size=size, appears=appears, vanishes=vanishes)
    return Track(
        track_id=face.track_id,
        frames=frames,
        picture_size=size,
        landmarks=landmarks,
        raw_landmarks=landmarks,
        depths=depths,
        presence=presence,
        bridged=bridged,
        yaw_deg=yaw,
        pitch_deg=pitch,
        fade=shown,
        appears=appears,
        vanishes=vanishes,
    )


def _interpolated(
    seen: NDArray[np.bool_], values: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Puts values on the seen frames and straight lines between them, (T, ...)."""
    known = np.flatnonzero(seen)
    stacked = np.stack(values)
    frames = np.arange(len(seen))
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.clip(after - (known[after] > frames), 0, None)
    span = np.maximum(known[after] - known[before], 1)
    along = ((frames - known[before]) / span).reshape(-1, *(1,) * (stacked.ndim - 1))
    return stacked[before] + along * (stacked[after] - stacked[before])


def _renumbered(tracks: list[Track]) -> list[Track]:
    ordered = sorted(tracks, key=lambda track: (track.frames.first, track.track_id))
    return [replace(track, track_id=number) for number, track in enumerate(ordered)]


def described(track: Track) -> str:
    """Returns a track's number, size and frames in words."""
    width, height = track.mean_size
    return f"{track.track_id} ({width:.0f}x{height:.0f} px, frames {track.frames})"


def _listed(tracks: Sequence[Track]) -> str:
    return ", ".join(described(track) for track in tracks)
