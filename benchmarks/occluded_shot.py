"""Runs the pipeline's own steps up to what is in front of a face, for benchmarks/occlusion.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.occluders import Codes, Matte
from reage.framerange import FrameRange
from reage.image import Image
from reage.manifest import ActorInShot
from reage.matte import face_matte
from reage.naming import ShotId
from reage.occlusion.holdout import Holdout
from reage.registry.priors import find_prior
from reage.tracks import load_track
from reage.video import open_writer
from reage.workspace import Workspace
from tasks.casting import cast_actor
from tasks.crops import plate_frames
from tasks.faces import track_shot
from tasks.occlusion import find_occlusion
from tasks.plates import locate_plate
from tasks.refs import PriorRef

FIRST = 1001


@dataclass(frozen=True, eq=False)
class Found:
    """What is in front in a shot.

    Attributes:
        frames: The face's matte and what is in front of it, (H, W) each, 0-1.
        seconds: A frame, to find it.
        seconds_tracking: A frame, to track faces.
    """

    frames: Sequence[tuple[Matte, Matte]]
    seconds: float
    seconds_tracking: float


def write_plate(frames: Sequence[Codes], path: Path) -> Path:
    """Writes frames without loss; returns the path."""
    rows, columns = frames[0].shape[:2]
    rate = Fraction(24)
    with open_writer(path, format="ffv1", width=columns, height=rows, frame_rate=rate) as writer:
        for number, codes in enumerate(frames, FIRST):
            writer.write(number, Image.from_integer(codes, bit_depth=8))
    return path


def found_fronts(path: Path, num_frames: int, work: Path) -> Found:
    """Finds what is in front of the largest face of a plate."""
    workspace = Workspace(work, ShotId("bench", "sq010", "sh0010"))
    frame_set = locate_plate.fn(
        str(path),
        frames=FrameRange(FIRST, FIRST - 1 + num_frames),
        first_frame=FIRST,
        colourspace="rec709",
        frame_rate=None,
        workspace=workspace,
    )
    tracks = track_shot.fn(frame_set, workspace=workspace)
    actor = ActorInShot(actor="face", target_age=75.0)
    prior = PriorRef.of(find_prior())
    cast = cast_actor.fn(frame_set, tracks, prior, actor, [], workspace=workspace)
    ref = find_occlusion.fn(frame_set, cast, tracks.takes, workspace=workspace)
    track = load_track(Path(cast.track_path))
    holdout, size = Holdout.open(Path(ref.folder), track), track.picture_size
    frames = []
    for frame, plate in plate_frames(frame_set):
        points = track.landmarks[track.frames.index_of(frame)]
        matte = face_matte(points, size, feather=actor.region.feather).full(size)
        front = holdout.on_plate(frame, plate)
        frames.append((matte, np.zeros_like(matte) if front is None else front.full(size)))
    spent = workspace.seconds
    return Found(frames, spent["occlusion"] / num_frames, spent["tracks"] / num_frames)
