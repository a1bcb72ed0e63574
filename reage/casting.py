"""Which face is the actor's in every take of a plate.

One take leads: the manifest's, else the one most like the reference photographs, else the one with
the largest face. What the actor looks like there finds them in the other takes, and every take that
is found takes part in finding more. Where nobody is like enough the actor is not; where two faces
at once are, a person has to say. Knows nothing of networks: identity comes in as embeddings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reage.collection.consensus import choose_faces
from reage.errors import FaceError
from reage.framerange import FrameRange
from reage.takes import BY_LIKENESS, NO_FACE, UNLIKE, UNNAMED, ActorTake
from reage.tracks import Track, choose_track, described

Embeddings = Mapping[int, NDArray[np.float32]]

LEAST_LEAD = 0.05  # of the cosine, by which a face must be more like the actor than one beside it


def named_takes(
    tracks: Sequence[Track], takes: Sequence[FrameRange], track_ids: Sequence[int], *, actor: str
) -> tuple[ActorTake, ...]:
    """Casts the tracks that a manifest lists; takes without one are left alone.

    Raises:
        FaceError: There is no such track, or a take has two of them.
    """
    named = [choose_track(tracks, track_id=number) for number in track_ids]
    found = []
    for take in takes:
        own = [track for track in named if track.frames.first in take]
        if len(own) > 1:
            raise FaceError(
                f"actor {actor}: tracks: got {_listed(own)}, all in the take {take}, expected one "
                "at most; name the actor's face in each take"
            )
        track_id = own[0].track_id if own else None
        reason = "track id" if own else UNNAMED if _within(take, tracks) else NO_FACE
        found.append(ActorTake(frames=take, track_id=track_id, decided_by=reason))
    return tuple(found)


def followed_takes(
    tracks: Sequence[Track],
    takes: Sequence[FrameRange],
    lead: ActorTake,
    *,
    actor: str,
    embeddings: Embeddings,
    least: float,
) -> tuple[ActorTake, ...]:
    """Finds the actor of one take in all the others, by what they look like in it.

    Args:
        tracks: All faces of the shot.
        takes: All of its takes, in order.
        lead: The take in which the actor is known.
        actor: Name, for errors.
        embeddings: Unit identity embedding of each track, by number.
        least: Cosine from which a face counts as the actor's.

    Raises:
        FaceError: In some take two faces are as like the actor as one another.
    """
    others = [take for take in takes if take != lead.frames and _within(take, tracks)]
    faces = {take: _within(take, tracks) for take in others}
    assert lead.track_id is not None
    reference = embeddings[lead.track_id]
    stacked = [np.stack([embeddings[t.track_id] for t in faces[take]]) for take in others]
    choices = choose_faces(stacked, min_similarity=least, reference=reference)
    found = {lead.frames: lead}
    for take, rows, choice in zip(others, stacked, choices, strict=True):
        track = faces[take][choice.face]
        is_actor = choice.similarity >= least
        if is_actor:
            likeness = dict(zip((t.track_id for t in faces[take]), rows @ reference, strict=True))
            refuse_rivals(track, faces[take], likeness, least=least, actor=actor)
        found[take] = ActorTake(
            frames=take,
            track_id=track.track_id if is_actor else None,
            decided_by=BY_LIKENESS if is_actor else UNLIKE,
            similarity=choice.similarity,
            nearest_id=None if is_actor else track.track_id,
        )
    nobody = {
        take: ActorTake(frames=take, track_id=None, decided_by=NO_FACE)
        for take in takes
        if take not in found
    }
    return tuple({**found, **nobody}[take] for take in takes)


def refuse_stranger(track: Track, likeness: float, *, least: float, actor: str) -> None:
    """Raises FaceError when even the face most like the references is not like enough.

    Args:
        track: The face most like them.
        likeness: Its cosine to them.
        least: From which a face may be the actor's.
        actor: Name, for errors.
    """
    if likeness < least:
        raise FaceError(
            f"actor {actor}: references: got likeness {likeness:.2f} at most, of track "
            f"{described(track)}, expected at least {least:g}; check that the actor is in the "
            "plate, give photographs of about the same age, or name the track in the shot manifest"
        )


def refuse_rivals(
    track: Track,
    tracks: Sequence[Track],
    likeness: Mapping[int, float],
    *,
    least: float,
    actor: str,
) -> None:
    """Raises FaceError when a face seen at the same time is about as like the actor.

    Args:
        track: Chosen.
        tracks: All faces of its take.
        likeness: Cosine of each to the actor, by number.
        least: From which a face may be the actor's.
        actor: Name, for errors.
    """
    rivals = [
        other
        for other in tracks
        if other is not track
        and other.frames.overlaps(track.frames)
        and likeness[other.track_id] >= max(least, likeness[track.track_id] - LEAST_LEAD)
    ]
    if rivals:
        both = " and ".join(
            f"track {described(t)} at likeness {likeness[t.track_id]:.2f}" for t in (track, *rivals)
        )
        raise FaceError(
            f"actor {actor}: track: got {both}, expected one face clearly more like the actor; "
            "list the actor's tracks in all takes as tracks in the shot manifest"
        )


def refuse_shared_faces(casts: Mapping[str, Sequence[ActorTake]]) -> None:
    """Raises FaceError when one face is cast as two actors.

    Args:
        casts: Takes by the actors' names.
    """
    owners: dict[int, str] = {}
    for actor, takes in casts.items():
        for take in takes:
            if take.track_id is None:
                continue
            other = owners.setdefault(take.track_id, actor)
            if other != actor:
                raise FaceError(
                    f"actors {other} and {actor}: track: got {take.track_id} (frames "
                    f"{take.frames}) for both, expected a face for each; give both actors "
                    "reference photographs, or list each one's tracks in the shot manifest"
                )


def _within(take: FrameRange, tracks: Sequence[Track]) -> list[Track]:
    return [track for track in tracks if track.frames.first in take]


def _listed(tracks: Sequence[Track]) -> str:
    return " and ".join(str(track.track_id) for track in tracks)
