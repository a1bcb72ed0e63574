"""Renders a reference plate for comp: an actor's 3D face, re-aged, at the camera of a shot.

reage reference-plate manifests/shots/demo/sq010/sh0010.yaml ada
"""

from pathlib import Path

from prefect import flow

from flows.consent import require_consent
from flows.progress import stage_progress
from flows.reage_shot import locate, references
from reage.errors import ManifestError
from reage.looks import Looks
from reage.manifest import find_actor, load_actor, load_shot
from reage.provenance import AuditLog
from reage.registry.faces3d import find_face3d
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import find_triplane_prior
from reage.workspace import Workspace
from tasks.casting import cast_actor
from tasks.face3d_refs import Face3DPriorRef
from tasks.faces import track_shot
from tasks.reference_plate import RECORD, render_reference
from tasks.refs import PriorRef


@flow(name="reference-plate", flow_run_name="reference {manifest}", validate_parameters=False)
def reference_plate(
    manifest: str,
    actor: str,
    looks: Looks | None = None,
    version: str = "latest",
    prior: str | None = None,
    is_aged: bool = True,
    work: str = "work",
) -> Path:
    """Renders the actor's 3D face into every frame of a shot, on its own, with alpha.

    Args:
        manifest: Path of the shot manifest.
        actor: One of its actors; the ages are those that it asks for.
        looks: Whose first one is shown; the middle of all if not given.
        version: Of the 3D face.
        prior: Name or folder of the 3D prior; the one that the version was trained on if not given.
        is_aged: Whether the head has the shot's target age, or the age of the photographs.
        work: Root of the work folders.

    Returns:
        The folder of frames and record.

    Raises:
        ConsentError: The actor has not agreed to rendering for this show, or no longer does.
        ManifestError: The shot has no such actor.
        RegistryError: There is no such version or prior, or the prior cannot age.
        ReageError: Plate, faces or storage, each with its sentence.
    """
    shot = load_shot(Path(manifest))
    entry = next((one for one in shot.actors if one.actor == actor), None)
    if entry is None:
        known = ", ".join(one.actor for one in shot.actors)
        raise ManifestError(f"{manifest}: actors: got no {actor}, expected one of: {known}")
    person = load_actor(find_actor(Path(manifest), actor))
    require_consent(shot, [person])
    face = find_face3d(actor, version)
    pointed = Face3DPriorRef.of(find_triplane_prior(prior or face.facts.prior_name))
    workspace, ageing = Workspace(work, shot.shot_id), PriorRef.of(find_prior(shot.prior))
    frame_set = locate(shot, workspace)
    ages = [entry.target_age_at(frame) if is_aged else None for frame in shot.frames]
    facts = {
        "shot": shot.shot_id.prefix,
        "consent_document_id": shot.consent_document(actor),
        "manifest_sha256": shot.digest,
    }
    with stage_progress() as report:
        tracks = track_shot(frame_set, workspace=workspace)
        cast = cast_actor(frame_set, tracks, ageing, entry, references(person), workspace=workspace)
        folder = render_reference(
            frame_set,
            cast,
            face,
            pointed,
            looks or Looks(),
            ages,
            facts,
            workspace=workspace,
            report=report,
        )
    record = (folder / RECORD).read_text(encoding="utf-8")
    AuditLog(Path(work) / "audit.jsonl").append(
        {"event": "reference plate", "record": record, "consent": facts["consent_document_id"]}
    )
    return folder
