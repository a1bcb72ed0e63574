"""Renders an actor's face in three dimensions from a turning camera, as a movie.

Shapes: N anchors, L style layers, D latent size, R pixels of a picture.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.training import pictures
from reage.contact_sheet import resized
from reage.look_sheet import compose_look_sheet
from reage.registry.adapters import AdapterRecord
from reage.storage import file_digest
from reage.turntable import Turntable, marked_frame, turntable_record
from reage.video import open_writer
from reage.workspace import Workspace
from tasks.face3d_looks import ShownLooks, persons_generator, render_facts, shown_looks
from tasks.face3d_refs import Face3DPriorRef, loaded_face3d_prior
from tasks.gathering import Report, silent
from tasks.gpu import device

MOVIE, SHEET, RECORD = "turntable.mp4", "turntable.png", "turntable.json"
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
    """Renders a movie of the actor's looks once; a second call finds it.

    Consent to rendering is asked before, by the flow.

    Args:
        face: A version of the actor's face in three dimensions.
        prior: The one that it was trained on.
        turntable: From where, at which age, and which looks.
        workspace: The actor's.
        report: Told of progress.

    Returns:
        The folder of `turntable.mp4`, `turntable.png`, a few frames of it, and `turntable.json`,
        what it is and rests on.

    Raises:
        RegistryError: The face is of another prior or has no such photograph, or the prior has no
            such direction or no ageing.
        StorageError: The movie cannot be written.
    """
    face.check_prior(prior.name, prior.digest)
    facts = render_facts(face, prior)

    def produce(folder: Path) -> dict[str, Any]:
        shown = shown_looks(face, prior, turntable.looks, turntable.target_age)
        _render(face, prior, turntable, shown, folder, report)
        record = turntable_record(
            turntable,
            movie_digest=file_digest(folder / MOVIE),
            facts={**facts, "looks": shown.facts},
        )
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return {"num_frames": turntable.num_frames}

    step = workspace.step("turntable", produce, facts=facts, turntable=turntable)
    return step.folder


@torch.no_grad()
def _render(
    face: AdapterRecord,
    prior: Face3DPriorRef,
    turntable: Turntable,
    shown: ShownLooks,
    folder: Path,
    report: Report,
) -> None:
    size = loaded_face3d_prior(prior).generator.config.superresolution.resolution
    side = size * max(1, -(-_LEAST_SIDE // size))
    cameras = torch.from_numpy(turntable.cameras()).to(device())
    shares = torch.from_numpy(turntable.shares()).float().to(device())
    writer = open_writer(
        folder / MOVIE, format="h264", width=side, height=side, frame_rate=Fraction(turntable.fps)
    )
    consent, sheet = face.facts.consent_document, dict[int, NDArray[np.uint8]]()
    with persons_generator(face, prior) as generator, writer:
        identity = generator.identity(shown.at(shares[:1]))
        for frame, camera in enumerate(cameras.split(1)):
            if turntable.looks.changes:
                identity = generator.identity(shown.at(shares[frame : frame + 1]))
            picture = pictures(generator.view(identity, camera, sampling="even"))[0]
            picture = resized(picture, (side, side))
            if frame in turntable.sheet_frames():
                sheet[frame] = picture
            writer.write(frame + 1, marked_frame(picture, actor=face.actor, consent=consent))
            report("rendered", frame + 1, len(cameras))
    headings = list(turntable.sheet_frames().values())
    drawn = compose_look_sheet(list(sheet.values()), headings, actor=face.actor, consent=consent)
    PillowImage.fromarray(drawn).save(folder / SHEET)
