"""Which of the tracked faces is the actor."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from models.ageing.prior import Prior
from reage.framerange import FrameRange
from reage.manifest.shot import ActorInShot
from reage.storage import file_digest
from reage.tracks import Track, choose_track, load_track, save_track
from reage.workspace import Workspace
from tasks.crops import Cropper, plate_frames
from tasks.fetching import local_path
from tasks.gpu import loaded_prior
from tasks.portraits import mean_embedding, reference_embedding
from tasks.refs import CastRef, FrameSetRef, PriorRef, TracksRef

FRAMES_PER_TRACK = 6


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
    """Chooses the actor's track: the manifest's, else by identity, else the largest face.

    Args:
        references: Places of photographs of the actor alone; may be empty.

    Raises:
        FaceError: The track asked for does not exist, or no reference photograph shows a face.
        PhotographError: A reference photograph cannot be read.
    """
    photographs = [local_path(place, workspace) for place in references]

    def produce(folder: Path) -> dict[str, Any]:
        found = [load_track(Path(tracks.folder) / f"track_{i}.npz") for i in tracks.track_ids]
        reference, embeddings = None, None
        if photographs and actor.track is None:
            network = loaded_prior(prior)
            reference = reference_embedding(photographs, network)
            embeddings = {t.track_id: _track_embedding(frame_set, t, network) for t in found}
        chosen = choose_track(
            found, embeddings=embeddings, reference=reference, track_id=actor.track
        )
        save_track(_over(chosen, frame_set.frames), folder / "track.npz")
        return _facts(actor, chosen, embeddings, reference)

    step = workspace.step(
        "cast",
        produce,
        tracks=tracks.digest,
        prior=prior.content,
        actor=actor.actor,
        track=actor.track,
        references=[file_digest(Path(path)) for path in photographs],
    )
    return CastRef(
        actor=actor.actor,
        track_path=str(step.folder / "track.npz"),
        digest=step.digest,
        decided_by=step.facts["decided_by"],
        similarity=step.facts["similarity"],
    )


def _over(track: Track, frames: FrameRange) -> Track:
    """Returns the track stretched over all frames of the shot, faded out where it was not seen."""
    before, after = track.frames.first - frames.first, frames.last - track.frames.last

    def held(values: NDArray[Any]) -> NDArray[Any]:
        return np.pad(values, [(before, after)] + [(0, 0)] * (values.ndim - 1), mode="edge")

    def unseen(values: NDArray[Any]) -> NDArray[Any]:
        return np.pad(values, (before, after))

    return replace(
        track,
        frames=frames,
        landmarks=held(track.landmarks),
        raw_landmarks=held(track.raw_landmarks),
        depths=held(track.depths),
        presence=unseen(track.presence),
        bridged=unseen(track.bridged),
        yaw_deg=held(track.yaw_deg),
        pitch_deg=held(track.pitch_deg),
        fade=unseen(track.fade),
    )


def _facts(
    actor: ActorInShot,
    chosen: Track,
    embeddings: Mapping[int, NDArray[np.float32]] | None,
    reference: NDArray[np.float32] | None,
) -> dict[str, Any]:
    if actor.track is not None:
        return {"decided_by": "track id", "similarity": None}
    if embeddings is None or reference is None:
        return {"decided_by": "largest face", "similarity": None}
    return {"decided_by": "identity", "similarity": float(embeddings[chosen.track_id] @ reference)}


def _track_embedding(frame_set: FrameSetRef, track: Track, prior: Prior) -> NDArray[np.float32]:
    cropper = Cropper(track, prior)
    seen = [f for f in track.frames if track.fade[track.frames.index_of(f)] > 0.5]
    seen = seen or list(track.frames)
    chosen = sorted({seen[i] for i in np.linspace(0, len(seen) - 1, FRAMES_PER_TRACK).astype(int)})
    crops = []
    for frame in chosen:
        [(_, image)] = plate_frames(frame_set, FrameRange(frame, frame))
        crops.append(cropper.crop(frame, image))
    return mean_embedding(prior, crops)
