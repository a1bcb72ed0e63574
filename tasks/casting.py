"""Which of the tracked faces is the actor."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from models.ageing.prior import Prior
from reage.casting import (
    Embeddings,
    followed_takes,
    named_takes,
    refuse_rivals,
    refuse_stranger,
)
from reage.collection.portrait_measures import PortraitLimits
from reage.framerange import FrameRange
from reage.joined_track import joined
from reage.light import in_light, light_of
from reage.manifest.shot import ActorInShot
from reage.storage import file_digest
from reage.takes import BY_REFERENCES, BY_SIZE, BY_TRACK, ActorTake
from reage.tracks import Track, choose_track, load_track, save_track
from reage.workspace import Workspace
from tasks.crops import Crop, Cropper, plate_frames
from tasks.fetching import local_path
from tasks.gpu import loaded_prior
from tasks.portraits import mean_embedding, reference_embedding
from tasks.refs import CastRef, FrameSetRef, PriorRef, TracksRef

log = logging.getLogger(__name__)

FRAMES_PER_TRACK = 6
# Measured for compact on nine clips, each one's beginning against its end in another exposure,
# grade or size, the light evened: one person 0.74 or more in 90 % of pairs, at least 0.69; two
# people at most 0.68 in 95 %, but 0.87 among men of one age on one set. For irse50 it is the limit
# of collections.
_LEAST_LIKENESS = {"compact": 0.7, "irse50": PortraitLimits().min_similarity}


@task(name="cast actor")
def cast_actor(
    frame_set: FrameSetRef,
    tracks: TracksRef,
    prior: PriorRef,
    actor: ActorInShot,
    references: Sequence[str],
    *,
    workspace: Workspace,
) -> CastRef:
    """Chooses the actor's track in every take: the manifest's, else by identity.

    One take leads: that of the manifest's track, else of the face most like the references, else of
    the largest face. In the others the actor is who looks like the actor of that one.

    Args:
        references: Places of photographs of the actor alone; may be empty.

    Raises:
        FaceError: The track asked for does not exist, no reference photograph shows a face, nobody
            is like them, or two faces at once are.
        PhotographError: A reference photograph cannot be read.
    """
    photographs = [local_path(place, workspace) for place in references]

    def produce(folder: Path) -> dict[str, Any]:
        found = [load_track(Path(tracks.folder) / f"track_{i}.npz") for i in tracks.track_ids]
        takes = _over(tracks.takes, frame_set.frames)
        if actor.tracks is not None:
            chosen = named_takes(found, takes, actor.tracks, actor=actor.actor)
        else:
            faces = _Faces(frame_set, found, takes, prior, actor)
            chosen = faces.cast(photographs)
        save_track(joined(found, chosen), folder / "track.npz")
        return {"takes": [asdict(take) for take in chosen]}

    step = workspace.step(
        "cast",
        produce,
        tracks=tracks.digest,
        frames=frame_set.frames,
        prior=prior.content,
        actor=actor.actor,
        track=actor.track,
        listed=actor.tracks,
        references=[file_digest(Path(path)) for path in photographs],
    )
    takes = tuple(_recalled(fields) for fields in step.facts["takes"])
    for take in takes:
        if not take.has_actor:
            log.warning(
                "take left as it is actor=%s frames=%s reason=%r",
                actor.actor,
                take.frames,
                take.in_words(),
            )
    return CastRef(
        actor=actor.actor,
        track_path=str(step.folder / "track.npz"),
        digest=step.digest,
        takes=takes,
    )


class _Faces:
    """The faces of a shot, among which one actor is looked for."""

    def __init__(
        self,
        frame_set: FrameSetRef,
        tracks: Sequence[Track],
        takes: Sequence[FrameRange],
        prior: PriorRef,
        actor: ActorInShot,
    ) -> None:
        self._frame_set, self._tracks, self._takes = frame_set, tracks, takes
        self._prior, self._actor = prior, actor

    def cast(self, photographs: Sequence[str]) -> tuple[ActorTake, ...]:
        """Casts the actor of whom these are photographs in every take."""
        asked = self._actor.track
        if photographs and asked is None:
            lead = self._like(photographs)
        else:
            track = choose_track(self._tracks, track_id=asked)
            lead = self._led_by(track, BY_SIZE if asked is None else BY_TRACK)
        if len(self._takes) == 1:
            return (lead,)
        [track] = [track for track in self._tracks if track.track_id == lead.track_id]
        return followed_takes(
            self._tracks,
            self._takes,
            lead,
            actor=self._actor.actor,
            embeddings=self._embeddings(light_of(self._crops[track.track_id])),
            least=_least_likeness(self._prior),
        )

    def _like(self, photographs: Sequence[str]) -> ActorTake:
        reference = reference_embedding(photographs, self._network)
        embeddings = self._embeddings()
        track = choose_track(self._tracks, embeddings=embeddings, reference=reference)
        likeness = {number: float(own @ reference) for number, own in embeddings.items()}
        actor, least = self._actor.actor, PortraitLimits().min_similarity
        refuse_stranger(track, likeness[track.track_id], least=least, actor=actor)
        refuse_rivals(track, self._tracks, likeness, least=least, actor=actor)
        return self._led_by(track, BY_REFERENCES, likeness[track.track_id])

    def _led_by(self, track: Track, reason: str, similarity: float | None = None) -> ActorTake:
        [take] = [take for take in self._takes if track.frames.first in take]
        return ActorTake(
            frames=take, track_id=track.track_id, decided_by=reason, similarity=similarity
        )

    def _embeddings(self, light: NDArray[np.float64] | None = None) -> Embeddings:
        """Unit identity embedding of every track by its number, seen in a light, else as it is."""

        def seen(crops: list[Crop]) -> list[Crop]:
            return crops if light is None else in_light(crops, light)

        return {i: mean_embedding(self._network, seen(crops)) for i, crops in self._crops.items()}

    @cached_property
    def _network(self) -> Prior:
        return loaded_prior(self._prior)

    @cached_property
    def _crops(self) -> dict[int, list[Crop]]:
        """Some crops of every track by its number."""
        return {t.track_id: _crops(self._frame_set, t, self._network) for t in self._tracks}


def _over(takes: Sequence[FrameRange], frames: FrameRange) -> list[FrameRange]:
    """The takes, the first and the last reaching to the ends of `frames`."""
    firsts = [frames.first, *(take.first for take in takes[1:])]
    lasts = [*(take.last for take in takes[:-1]), frames.last]
    return [FrameRange(first, last) for first, last in zip(firsts, lasts, strict=True)]


def _least_likeness(prior: PriorRef) -> float:
    """Cosine from which two takes show the same person, by the network that tells likeness."""
    kinds = [judge.kind for judge in prior.judges if judge.role == "likeness"]
    return _LEAST_LIKENESS[kinds[0] if kinds else "compact"]


def _recalled(fields: dict[str, Any]) -> ActorTake:
    return ActorTake(**{**fields, "frames": FrameRange(**fields["frames"])})


def _crops(frame_set: FrameSetRef, track: Track, prior: Prior) -> list[Crop]:
    cropper = Cropper(track, prior)
    seen = [f for f in track.frames if track.fade[track.frames.index_of(f)] > 0.5]
    seen = seen or list(track.frames)
    chosen = sorted({seen[i] for i in np.linspace(0, len(seen) - 1, FRAMES_PER_TRACK).astype(int)})
    crops = []
    for frame in chosen:
        [(_, image)] = plate_frames(frame_set, FrameRange(frame, frame))
        crops.append(cropper.crop(frame, image))
    return crops
