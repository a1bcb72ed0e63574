"""Shows an actor's face from a turning camera, as a movie with its provenance.

reage turntable manifests/actors/ada.yaml --yaw -35:35
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from flows.progress import stage_progress
from reage.manifest import load_actor
from reage.provenance import AuditLog, check_consent
from reage.registry.faces3d import find_face3d
from reage.registry.triplane_priors import find_triplane_prior
from reage.turntable import Turntable
from reage.workspace import Workspace
from tasks.face3d_refs import Face3DPriorRef
from tasks.turntable import RECORD, render_turntable


@flow(name="turntable", flow_run_name="turntable {manifest}", validate_parameters=False)
def turntable(
    manifest: str,
    view: Turntable | None = None,
    version: str = "latest",
    prior: str | None = None,
    work: str = "work",
) -> Path:
    """Renders a turntable of an actor's face in three dimensions.

    Args:
        manifest: Path of the actor manifest.
        view: From where, how long and at which age.
        version: Of the face.
        prior: Name or folder of the 3D prior; the one that the version was trained on if not given.
        work: Root of the work folders.

    Returns:
        The folder of movie and record.

    Raises:
        ConsentError: The actor has not agreed to rendering, or no longer does.
        RegistryError: There is no such version or prior, or the prior cannot age.
        StorageError: The movie cannot be written.
    """
    actor = load_actor(Path(manifest))
    today = datetime.now(UTC).date()
    check_consent(actor, use="render", show=None, document_id=None, today=today)
    face = find_face3d(actor.actor, version)
    pointed = Face3DPriorRef.of(find_triplane_prior(prior or face.facts.prior_name))
    with stage_progress() as report:
        folder = render_turntable(
            face,
            pointed,
            view or Turntable(),
            workspace=Workspace.of_actor(work, actor.actor),
            report=report,
        )
    AuditLog(Path(work) / "audit.jsonl").append(
        {
            "event": "turntable",
            "record": (folder / RECORD).read_text(encoding="utf-8"),
            "consent": actor.consent.document_id,
        }
    )
    return folder
