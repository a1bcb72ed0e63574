"""The takes of a plate as one actor is in them, and work that must not reach across a cut.

A cut is no loss: what follows it is another camera, another place and size of the face. So nothing
is smoothed, differentiated or compared across one. Knows nothing of how the actor was found.

T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.framerange import FrameRange

BY_TRACK, BY_REFERENCES, BY_SIZE = "track id", "identity", "largest face"
BY_LIKENESS, UNLIKE = "likeness", "no likeness"
UNNAMED, NO_FACE = "not named", "no face"
LEADING = (BY_TRACK, BY_REFERENCES, BY_SIZE)


@dataclass(frozen=True, kw_only=True)
class ActorTake:
    """One take of the plate, and which of its faces is the actor's.

    Attributes:
        frames: Of the take.
        track_id: The actor's track; None in a take without the actor.
        decided_by: `track id`, `identity` (reference photographs), `largest face`, or `likeness` to
            the actor's other takes; without a track, `no likeness`, `not named` or `no face`.
        similarity: Cosine by which it was decided, of the most similar face; None without any.
        nearest_id: In a take in which nobody is like enough, the track of the most similar face.
    """

    frames: FrameRange
    track_id: int | None
    decided_by: str
    similarity: float | None = None
    nearest_id: int | None = None

    @property
    def has_actor(self) -> bool:
        """The actor was found in this take."""
        return self.track_id is not None

    @property
    def is_doubtful(self) -> bool:
        """There are faces, and only their looks say that none is the actor's."""
        return self.decided_by == UNLIKE

    def in_words(self) -> str:
        """Says which track it is, or why none, as `track 2, chosen by likeness 0.87`."""
        likeness = "" if self.similarity is None else f" {self.similarity:.2f}"
        if self.has_actor:
            return f"track {self.track_id}, chosen by {self.decided_by}{likeness}"
        reasons = {
            UNLIKE: f"not recognised, most like is track {self.nearest_id} with{likeness}",
            UNNAMED: "left as it is, as the manifest names none of its tracks",
            NO_FACE: "no face",
        }
        return reasons[self.decided_by]


def takes_in_words(takes: Sequence[ActorTake]) -> str:
    """Says of every take which track is the actor, as `1001-1024 track 0, chosen by ...; ...`."""
    if len(takes) == 1:
        return takes[0].in_words()
    return "; ".join(f"{take.frames} {take.in_words()}" for take in takes)


def parts(takes: Sequence[ActorTake], frames: FrameRange) -> list[FrameRange]:
    """Returns which of `frames` the actor's takes hold, one range for each take."""
    return [
        take.frames.intersection(frames)
        for take in takes
        if take.has_actor and take.frames.overlaps(frames)
    ]


def rows_of(part: FrameRange, frames: FrameRange) -> slice:
    """Returns where the rows of some frames lie in an array over all of `frames`."""
    return slice(frames.index_of(part.first), frames.index_of(part.last) + 1)


def velocities(
    places: NDArray[np.float64], takes: Sequence[ActorTake], frames: FrameRange
) -> NDArray[np.float64]:
    """Returns the motion per frame of a place (T, 2), pixels; 0 in takes without the actor.

    Args:
        places: Pixels, a row for each of `frames`.
        takes: Between which nothing moves.
        frames: Studio frame numbers.
    """
    motion = np.zeros_like(places)
    for part in parts(takes, frames):
        rows = rows_of(part, frames)
        if len(part) > 1:
            motion[rows] = np.gradient(places[rows], axis=0)
    return motion


def best_rows(seen: NDArray[np.float64], takes: Sequence[slice], *, count: int) -> NDArray[np.intp]:
    """Returns the rows of the frames that show the face best, rising; of equals the takes' in turn.

    Args:
        seen: (T,) how well each shows it; where that is 0 it is not shown.
        takes: The actor's, as rows.
        count: Rows at most; at least one is returned.
    """
    turns = np.full(len(seen), len(seen))
    for rows in takes:
        ranks = np.empty(len(seen[rows]), int)
        ranks[np.argsort(-seen[rows], kind="stable")] = np.arange(len(ranks))
        turns[rows] = ranks
    best = np.lexsort((turns, -seen))[:count]
    shown = best[seen[best] > 0.0]
    return np.sort(shown if len(shown) else best[:1])
