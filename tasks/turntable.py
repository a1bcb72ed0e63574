"""Renders an actor's face in three dimensions from a turning camera, as a movie.

Shapes: N anchors, L style layers, D latent size, R pixels of a picture.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from torch import Tensor

from models.continual.personal_hull import PersonalHull
from models.lora.checkpoint import AdapterFileError, load_adapter, read_beside
from models.lora.inject import inject
from models.training import pictures
from reage.contact_sheet import resized
from reage.errors import RegistryError
from reage.provenance import installed_version
from reage.registry.adapters import AdapterRecord
from reage.storage import file_digest
from reage.turntable import Turntable, marked_frame, turntable_record
from reage.video import open_writer
from reage.workspace import Workspace
from tasks.face3d_refs import Face3DPriorRef, loaded_face3d_prior
from tasks.gathering import Report, silent
from tasks.gpu import device

MOVIE, RECORD = "turntable.mp4", "turntable.json"
_LEAST_SIDE = 256  # px: smaller pictures are enlarged for people to look at


@task(name="render turntable", cache_policy=NO_CACHE)
def render_turntable(
    face: AdapterRecord,
    prior: Face3DPriorRef,
    turntable: Turntable,
    *,
    workspace: Workspace,
    report: Report = silent,
) -> Path:
    """Renders a movie of the actor's mean look once; a second call finds it.

    Consent to rendering is asked before, by the flow.

    Args:
        face: A version of the actor's face in three dimensions.
        prior: The one that it was trained on.
        turntable: From where, and at which age.
        workspace: The actor's.
        report: Told of progress.

    Returns:
        The folder of `turntable.mp4` and `turntable.json`, what it is and rests on.

    Raises:
        RegistryError: The face is of another prior, or an age is asked of a prior without ageing.
        StorageError: The movie cannot be written.
    """
    face.check_prior(prior.name, prior.digest)
    facts = _facts(face, prior)

    def produce(folder: Path) -> dict[str, Any]:
        look = _look(face, prior, turntable.target_age)
        _render(face, prior, turntable, look, folder / MOVIE, report)
        record = turntable_record(turntable, movie_digest=file_digest(folder / MOVIE), facts=facts)
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return {"num_frames": turntable.num_frames}

    step = workspace.step("turntable", produce, facts=facts, turntable=turntable)
    return step.folder


def _facts(face: AdapterRecord, prior: Face3DPriorRef) -> dict[str, Any]:
    return {
        "actor": face.actor,
        "consent_document_id": face.facts.consent_document,
        "face3d": {"version": face.version, "sha256": face.digest},
        "prior": {
            "name": prior.name,
            "sha256": prior.digest,
            "directions_sha256": prior.directions_digest or None,
        },
        "software": {"name": "reage", "version": installed_version()},
    }


def _look(face: AdapterRecord, prior: Face3DPriorRef, target_age: float | None) -> Tensor:
    """Returns the middle of the person's hull, (1, L, D), at an age."""
    beside = read_beside(face.weights)
    hull = PersonalHull(beside["anchors"].to(device()))
    count = len(hull.anchors)
    look = hull.mix(hull.anchors.new_full((1, count), 1 / count))
    if target_age is None:
        return look
    aged = loaded_face3d_prior(prior).aged
    if aged is None:
        raise RegistryError(
            f"3D prior {prior.name}: age: got {target_age:g} years, expected none of a prior that "
            "has no age direction; leave --age out, or put directions.safetensors with `age` "
            "beside its weights"
        )
    return aged(look, float(beside["ages"].mean()), target_age)


@torch.no_grad()
def _render(
    face: AdapterRecord,
    prior: Face3DPriorRef,
    turntable: Turntable,
    look: Tensor,
    path: Path,
    report: Report,
) -> None:
    generator = loaded_face3d_prior(prior).generator
    try:
        adapter = load_adapter(face.weights, generator, base_digest=prior.digest)
    except AdapterFileError as error:
        raise RegistryError(f"3D face {face.name}: {error}") from error
    size = generator.config.superresolution.resolution
    side = size * max(1, -(-_LEAST_SIDE // size))
    cameras = torch.from_numpy(turntable.cameras()).to(device())
    writer = open_writer(
        path, format="h264", width=side, height=side, frame_rate=Fraction(turntable.fps)
    )
    with inject(generator, adapter) as injection, writer:
        injection.merge()
        identity = generator.identity(look)
        for frame, camera in enumerate(cameras.split(1)):
            picture = pictures(generator.view(identity, camera, sampling="even"))[0]
            shown = marked_frame(
                resized(picture, (side, side)),
                actor=face.actor,
                consent=face.facts.consent_document,
            )
            writer.write(frame + 1, shown)
            report("rendered", frame + 1, len(cameras))
