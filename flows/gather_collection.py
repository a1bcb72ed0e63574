"""Gathers an actor's photographs: from the manifest's collection to aligned, age-labelled crops.

    reage collect manifests/actors/ada.yaml

Consent to training is asked before any photograph is read.
"""

from collections.abc import Callable
from pathlib import Path

from prefect import flow

from flows.consent import require_training_consent
from flows.progress import stage_progress
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import CollectionError
from reage.manifest import ActorManifest, load_actor
from reage.provenance import AuditLog
from reage.registry.priors import find_prior
from reage.workspace import Workspace
from tasks.collections import gather_collection as gather
from tasks.refs import CollectionRef, PriorRef


@flow(name="gather-collection", flow_run_name="gather {manifest}", validate_parameters=False)
def gather_collection(manifest: str, prior: str = "compact", work: str = "work") -> CollectionRef:
    """Gathers the collection of one actor.

    Args:
        manifest: Path of the actor's manifest.
        prior: Name of the prior in whose alignment the crops are made.
        work: Root of the work folders.

    Returns:
        Where the crops, the contact sheet and the report lie.

    Raises:
        ReageError: The manifest, consent, photographs or prior are not as they must be.
    """
    actor = load_actor(Path(manifest))
    pointed = PriorRef.of(find_prior(prior))
    with stage_progress() as report:
        return gathered(actor, pointed, work=work, report=report)


def gathered(
    actor: ActorManifest,
    prior: PriorRef,
    *,
    work: str,
    report: Callable[[str, int, int], None],
    limits: PortraitLimits | None = None,
) -> CollectionRef:
    """Gathers an actor's collection inside a flow, and enters it in the audit log.

    Args:
        actor: Whose consent record is checked first.
        prior: In whose alignment the crops are made.
        work: Root of the work folders.
        report: Told of progress: stage, done, total.
        limits: What is asked of a photograph, when it is not the usual.

    Raises:
        ReageError: Consent, photographs or storage are not as they must be.
    """
    require_training_consent(actor)
    place = collection_place(actor)
    audit = AuditLog(Path(work) / "audit.jsonl")
    facts = {"actor": actor.actor, "consent": actor.consent.document_id, "prior": prior.digest}
    audit.append({"event": "collect", "place": place, **facts})
    collection = gather(
        place,
        prior,
        actor=actor.names[0],
        references=[actor.resolve(reference) for reference in actor.references],
        birth_date=actor.birth_date,
        limits=limits,
        workspace=Workspace.of_actor(work, actor.actor),
        report=report,
    )
    found = {"collection": collection.digest, "num_photos": collection.num_photos}
    audit.append({"event": "collected", **found, **facts})
    return collection


def collection_place(actor: ActorManifest) -> str:
    """Returns where the actor's photographs lie.

    Raises:
        CollectionError: The manifest does not say.
    """
    if actor.collection is None:
        raise CollectionError(
            f"{actor.path or actor.actor}: collection: got nothing, expected a folder or an s3:// "
            "prefix of photographs; add it to the actor's manifest"
        )
    return actor.resolve(actor.collection)
