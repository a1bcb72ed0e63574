"""Imports published weights, on this machine and at once: no steps, so no Prefect flow."""

from pathlib import Path

from flows.consent import require_training_consent
from reage.manifest import load_actor
from reage.provenance import AuditLog
from reage.registry.adapter_facts import PublishedFacts
from reage.registry.adapters import AdapterRecord
from tasks.weights import import_published_adapter, import_weights

__all__ = ["import_adapter", "import_weights"]


def import_adapter(
    file: Path,
    manifest: Path,
    *,
    licence: str | None = None,
    base: str | None = None,
    work: Path = Path("work"),
) -> AdapterRecord:
    """Imports a published MyTimeMachine checkpoint as a version of an actor's adapter.

    Args:
        file: As its authors give it.
        manifest: Path of the actor manifest.
        licence: The terms that the studio holds it under; the known ones by default.
        base: Name of the SAM weights that it was trained on; SAM's own by default.
        work: Root of the work folders, where the audit log lies.

    Raises:
        ConsentError: The actor has not agreed to training, or no longer does.
        ReageError: Manifest, file or registry, each with its sentence.
    """
    actor = load_actor(manifest)
    require_training_consent(actor)
    record = import_published_adapter(
        file,
        actor.actor,
        consent_document=actor.consent.document_id,
        licence=licence,
        base=base,
    )
    facts = record.facts
    assert isinstance(facts, PublishedFacts)
    entry = {"event": "import", "file": facts.source_digest, **record.audited()}
    AuditLog(work / "audit.jsonl").append(entry)
    return record
