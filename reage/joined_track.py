"""One track of an actor's tracks in the takes of a plate."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.framerange import FrameRange
from reage.takes import ActorTake
from reage.tracks import TRACK_ARRAYS, Track

_UNSEEN = ("presence", "bridged", "fade")  # of a track's arrays: nothing where it was not seen


def joined(tracks: Sequence[Track], takes: Sequence[ActorTake]) -> Track:
    """Joins the actor's tracks to one over all takes.

    Where the face was not seen its landmarks stand still, as nearest in the take, or in a take
    without the actor as before it (else after); presence and fade are 0 there.
    """
    own = [t for take in takes for t in tracks if t.track_id == take.track_id]
    blocks, standing = [], own[0]
    for take in takes:
        standing = next((t for t in own if t.track_id == take.track_id), standing)
        blocks.append(_over(standing, take.frames, is_there=take.has_actor))
    arrays = {name: np.concatenate([block[name] for block in blocks]) for name in TRACK_ARRAYS}
    frames = FrameRange(takes[0].frames.first, takes[-1].frames.last)
    return replace(
        own[0],
        frames=frames,
        appears=own[0].appears or own[0].frames.first not in takes[0].frames,
        vanishes=own[-1].vanishes or own[-1].frames.last not in takes[-1].frames,
        **arrays,
    )


def _over(track: Track, frames: FrameRange, *, is_there: bool) -> dict[str, NDArray[Any]]:
    """A track's arrays over other frames, its ends held beyond it."""
    numbers = np.arange(frames.first, frames.last + 1)
    held = np.clip(numbers, track.frames.first, track.frames.last)
    arrays = {name: getattr(track, name)[held - track.frames.first] for name in TRACK_ARRAYS}
    seen = is_there & (held == numbers)
    return {**arrays, **{name: arrays[name] * seen for name in _UNSEEN}}
