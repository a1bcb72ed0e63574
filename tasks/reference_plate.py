"""Renders an actor's face in three dimensions at the camera of every frame of a shot."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.eg3d.generator import Identity, TriPlaneGenerator
from models.training import pictures
from reage.head.camera import HeadCamera
from reage.looks import Looks
from reage.reference_plate import HeadTrack, reference_record, write_reference
from reage.registry.adapters import AdapterRecord
from reage.storage import file_digest
from reage.tracks import load_track
from reage.workspace import Workspace
from tasks.crops import plate_info
from tasks.face3d_looks import persons_generator, render_facts, shown_looks
from tasks.face3d_refs import Face3DPriorRef
from tasks.gathering import Report, silent
from tasks.gpu import device
from tasks.refs import CastRef, FrameSetRef

RECORD = "reference.json"


@task(name="render reference plate", cache_policy=NO_CACHE)
def render_reference(
    frame_set: FrameSetRef,
    cast: CastRef,
    face: AdapterRecord,
    prior: Face3DPriorRef,
    looks: Looks,
    target_ages: Sequence[float | None],
    shot_facts: dict[str, str],
    *,
    workspace: Workspace,
    report: Report = silent,
) -> Path:
    """Renders the actor's head into every frame once; a second call finds it.

    Consent to rendering is asked before, by the flow. A frame in which the face is not seen, or
    from too far aside, is empty.

    Args:
        frame_set: The plate.
        cast: The actor's track.
        face: A version of the actor's face in three dimensions.
        prior: The one that it was trained on.
        looks: Whose first one is shown.
        target_ages: Years, one a frame; None leaves the age of the photographs.
        shot_facts: Show, sequence, shot and consent document, for the files' headers.
        workspace: The shot's.
        report: Told of progress.

    Returns:
        The folder of `reference.####.exr` and `reference.json`.

    Raises:
        RegistryError: The face is of another prior or has no such photograph, or the prior has no
            ageing.
        StorageError: A file cannot be written.
    """
    face.check_prior(prior.name, prior.digest)
    facts = {**render_facts(face, prior), **shot_facts}

    def produce(folder: Path) -> dict[str, Any]:
        head = HeadTrack.of(load_track(Path(cast.track_path)))
        shown = [head.is_shown(index) for index in range(len(frame_set.frames))]
        digests = _render(folder, frame_set, head, face, prior, looks, target_ages, facts, report)
        record = reference_record(
            facts,
            plate={"sha256": frame_set.digest},
            frames=str(frame_set.frames),
            num_shown=sum(shown),
            target_ages=list(target_ages),
            files=digests,
        )
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return {"num_frames": len(shown), "num_shown": sum(shown)}

    step = workspace.step(
        "reference3d",
        produce,
        frame_set=frame_set.content,
        cast=cast.digest,
        facts=facts,
        looks=looks,
        target_ages=list(target_ages),
    )
    return step.folder


@torch.no_grad()
def _render(
    folder: Path,
    frame_set: FrameSetRef,
    head: HeadTrack,
    face: AdapterRecord,
    prior: Face3DPriorRef,
    looks: Looks,
    target_ages: Sequence[float | None],
    facts: dict[str, Any],
    report: Report,
) -> dict[str, str]:
    """Writes every frame; returns the digests of the files by name."""
    info, digests = plate_info(frame_set), dict[str, str]()
    attributes = {
        "reage:software": f"reage {facts['software']['version']}",
        "reage:shot": facts["shot"],
        "reage:actor": face.actor,
        "reage:consent": facts["consent_document_id"],
        "reage:face3d": f"{face.version} {face.digest}",
        "reage:digitalSourceType": reference_record({})["digital_source_type"],
        "reage:colourspace": "linear_rec709",
    }
    width, height = head.track.picture_size
    first = torch.zeros(1, device=device())
    with persons_generator(face, prior) as generator:
        identity, age_of_it = None, None
        for index, (camera, age) in enumerate(zip(head.cameras(), target_ages, strict=True)):
            layer = np.zeros((height, width, 4), np.float32)
            if head.is_shown(index):
                if identity is None or age != age_of_it:
                    latents = shown_looks(face, prior, looks, age).at(first)
                    identity, age_of_it = generator.identity(latents), age
                layer = head.layer(index, *_seen(generator, identity, camera))
            frame = frame_set.frames.first + index
            path = write_reference(folder, frame, layer, plate=info, attributes=attributes)
            digests[path.name] = file_digest(path)
            report("rendered", index + 1, len(target_ages))
    return digests


def _seen(
    generator: TriPlaneGenerator, identity: Identity, camera: HeadCamera
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    label = torch.from_numpy(camera.label)[None].to(device())
    rendering = generator.render(identity, label, sampling="even")
    picture = generator.picture(identity, rendering)
    coverage = F.interpolate(rendering.coverage, size=picture.shape[2:], mode="bilinear")
    return pictures(picture)[0], coverage[0, 0].clamp(0, 1).cpu().numpy()
