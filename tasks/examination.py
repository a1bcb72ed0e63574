"""Examining an update on held-out photographs of every increment, before it and after it.

Shapes: N held-out photographs, each in a row; the mirrored ones of a PhotoSet are not looked at.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.ageing.objectives import Critics
from models.ageing.personal_pass import general_latents, pooled_decode
from models.training import pictures
from reage.age_strip import StripRow, compose_age_strip
from reage.rehearsal.examination import ExaminedFace
from reage.rehearsal.replay_buffer import Faces
from reage.workspace import Workspace
from tasks.adapter_pictures import PREVIEW_AGES, aged_faces
from tasks.critics import loaded_critics, perceptual_metric
from tasks.increment_refs import BufferRef, ExaminationRef, IncrementRef
from tasks.personal_models import PersonalModel, registered_model, trained_model
from tasks.photo_set import PhotoSet
from tasks.refs import AdapterRef, PriorRef, TrainedRef
from tasks.remembered_faces import examined_faces, learnt_and_held_out

_AT_ONCE = 16
_STRIP_FACES = 4


@task(name="examine update", cache_policy=NO_CACHE)
def examine_update(
    increment: IncrementRef,
    buffer: BufferRef | None,
    before: AdapterRef | None,
    after: TrainedRef,
    prior: PriorRef,
    *,
    name: str,
    workspace: Workspace,
) -> ExaminationRef:
    """Judges an update by the prior's own critics on photographs that no version learnt from.

    Args:
        increment: The new one.
        buffer: Holds the held-out photographs of the earlier ones; None where there are none.
        before: The version that was gone on from; None where there was none.
        after: The update.
        prior: What both personalise.
        name: Version that the update is to be published as.
        workspace: The actor's.
    """
    metric = perceptual_metric(prior)

    def produce(folder: Path) -> dict[str, Any]:
        critics = loaded_critics(prior, metric)
        earlier, updated = registered_model(before, prior), trained_model(after, prior)
        faces = examined_faces(increment, buffer)
        examined = _examined(critics, None if before is None else earlier, updated, faces)
        text = json.dumps([asdict(face) for face in examined], indent=1)
        (folder / "examination.json").write_text(text + "\n", encoding="utf-8")
        shown = faces if len(faces) else learnt_and_held_out(increment)[0]
        former = "prior" if before is None else before.version
        strip = _strip(critics, {former: earlier, name: updated}, shown)
        strip.save(folder / "strip.png")
        return {"num_faces": len(faces)}

    step = workspace.step(
        "examination",
        produce,
        increment=increment.digest,
        buffer=None if buffer is None else buffer.digest,
        before=None if before is None else (before.version, before.digest),
        name=name,
        after=after.digest,
        prior=prior.content,
        lpips=None if metric is None else metric.digest,
    )
    return ExaminationRef(folder=str(step.folder), digest=step.digest)


def _examined(
    critics: Critics, before: PersonalModel | None, after: PersonalModel, faces: Faces
) -> list[ExaminedFace]:
    if not len(faces):
        return []
    photos = PhotoSet.of(after.prior, critics, faces.crops, faces.ages)
    # The same photographs at every examination, so that figures of different nights compare.
    sources = np.flatnonzero(faces.increments == faces.increments.min()).tolist()
    old = [] if before is None else figures(critics, before, photos, sources)
    new = figures(critics, after, photos, sources)
    return [
        ExaminedFace(
            photograph=str(faces.photographs[row]),
            increment=int(faces.increments[row]),
            before=old[row] if old else {},
            after=new[row],
        )
        for row in range(len(faces))
    ]


@torch.no_grad()
def figures(
    critics: Critics, person: PersonalModel, photos: PhotoSet, sources: Sequence[int]
) -> list[dict[str, float]]:
    """Returns the figures of a person's model by photograph; see `reage.rehearsal.examination`.

    Args:
        critics: The prior's.
        person: In evaluation mode.
        photos: Held-out ones.
        sources: Rows of those that are shown at the others' ages; nothing is asked of a photograph
            that is the only one of them.
    """
    count = len(photos.ages) // 2
    own = [(row, row) for row in range(count)]
    found: list[dict[str, float]] = [{} for _ in own]
    for part, crops in _shown(person, photos, own):
        rows = torch.tensor([row for row, _ in part], device=crops.device)
        distance = critics.perceptual(crops, photos.crops[rows])
        identity = (critics.embed(crops) * photos.embeddings[rows]).sum(dim=1)
        for (row, _), *values in zip(part, distance.tolist(), identity.tolist(), strict=True):
            found[row] |= dict(zip(("distance", "identity"), values, strict=True))
    pairs = [(source, row) for row in range(count) for source in sources if source != row]
    likeness: dict[int, list[float]] = {}
    for part, crops in _shown(person, photos, pairs):
        rows = torch.tensor([row for _, row in part], device=crops.device)
        cosines = (critics.embed(crops) * photos.embeddings[rows]).sum(dim=1)
        for (_, row), cosine in zip(part, cosines.tolist(), strict=True):
            likeness.setdefault(row, []).append(cosine)
    for row, told in likeness.items():
        found[row]["likeness"] = float(np.mean(told))
    return [{name: round(value, 5) for name, value in face.items()} for face in found]


def _shown(
    person: PersonalModel, photos: PhotoSet, pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[Sequence[tuple[int, int]], torch.Tensor]]:
    """Yields pairs of a source and a row, and the source as the model shows it at that age."""
    prior, adapter = person.prior, person.adapter
    for first in range(0, len(pairs), _AT_ONCE):
        part = pairs[first : first + _AT_ONCE]
        batch = photos.batch(torch.tensor([s for s, _ in part], device=photos.ages.device))
        asked = photos.ages[torch.tensor([row for _, row in part], device=photos.ages.device)]
        general = general_latents(prior, batch, asked)
        latents = general if adapter is None else adapter(general, asked)
        yield part, pooled_decode(prior, latents).clamp(-1, 1)


def _strip(
    critics: Critics, versions: Mapping[str, PersonalModel], faces: Faces
) -> PillowImage.Image:
    """Draws some faces at many ages, each under every version."""
    prior = next(iter(versions.values())).prior
    chosen = strip_rows(faces.increments.tolist())
    photos = PhotoSet.of(prior, critics, faces.crops[chosen], faces.ages[chosen])
    config = prior.config
    ages = [float(age) for age in PREVIEW_AGES if config.min_age <= age <= config.max_age]
    rows = []
    for row, face in enumerate(chosen):
        photo = pictures(photos.crops[row : row + 1])[0]
        number = int(faces.increments[face])
        for name, person in versions.items():
            label = f"{name}, incr. {number}"
            shown = aged_faces(person.prior, person.adapter, photos, row, ages)
            rows.append(StripRow(label=label, source=photo, faces=shown))
    return PillowImage.fromarray(compose_age_strip(rows, ages=ages))


def strip_rows(increments: Sequence[int]) -> list[int]:
    """Returns a few rows, each of another increment while there are others: oldest to newest."""
    numbers = sorted(set(increments))
    spread = np.unique(np.linspace(0, len(numbers) - 1, min(_STRIP_FACES, len(numbers))).round())
    chosen = [increments.index(numbers[int(index)]) for index in spread]
    others = [row for row in range(len(increments)) if row not in chosen]
    return sorted(chosen + others[: max(0, 2 - len(chosen))], key=lambda row: increments[row])
