"""Trains an actor's personal adapter: consent, photographs, training, registration, diagnosis.

    reage train manifests/actors/ada.yaml

Every step is in the ledger of the actor's work folder: a killed run goes on where it was saved
last, and a second run with the same photographs, prior and recipe finds the version it made.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.consent import require_training_consent, require_training_consent_still
from flows.diagnose_adapter import landscape_of
from flows.gather_collection import collection_place, gathered
from flows.progress import training_progress
from reage.collection.portrait_measures import PortraitLimits
from reage.manifest import ActorManifest, load_actor
from reage.provenance import AuditLog
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import AdapterRecord, register_adapter
from reage.registry.priors import DEFAULT_PRIOR, PriorRecord, find_prior
from reage.workspace import Workspace
from tasks.adapters import adapter_recipe, train_adapter
from tasks.refs import CollectionRef, PriorRef, TrainedRef


@flow(name="train-actor", flow_run_name="train {manifest}", validate_parameters=False)
def train_actor(
    manifest: str,
    prior: str = DEFAULT_PRIOR,
    preset: str = "default",
    steps: int | None = None,
    seed: int = 0,
    work: str = "work",
    limits: PortraitLimits | None = None,
) -> AdapterRecord:
    """Trains an adapter on the actor's collection and registers it as the next version.

    Args:
        manifest: Path of the actor manifest.
        prior: Name of the prior that the adapter personalises.
        preset: `default`, or `paper` for the published code's recipe.
        steps: Instead of the preset's number.
        seed: Of everything that is drawn.
        work: Root of the work folders.
        limits: What is asked of a photograph, when it is not the usual.

    Raises:
        ConsentError: The actor has not agreed to training, or no longer does.
        CollectionError: The manifest names no collection, or nothing in it is fit to learn from.
        ReageError: Prior, storage or training, each with its sentence.
    """
    actor = load_actor(Path(manifest))
    require_training_consent(actor)
    collection_place(actor)
    record = find_prior(prior)
    pointed = PriorRef.of(record)
    recipe = adapter_recipe(pointed, preset, steps=steps, seed=seed)
    with training_progress(actor.actor) as progress:
        collection = gathered(actor, pointed, work=work, report=progress.gathering, limits=limits)
        trained = train_adapter(
            collection,
            pointed,
            recipe,
            workspace=Workspace.of_actor(work, actor.actor),
            report=progress.training,
        )
    require_training_consent_still(manifest)
    adapter = _registered(actor, record, collection, trained, recipe.plain())
    _tell(actor, adapter, trained, Path(work))
    landscape_of(adapter, collection, pointed, work=work)
    return adapter


def _registered(
    actor: ActorManifest,
    prior: PriorRecord,
    collection: CollectionRef,
    trained: TrainedRef,
    recipe: Mapping[str, object],
) -> AdapterRecord:
    folder = Path(trained.folder)
    described = json.loads((folder / "adapter.json").read_text())
    facts = TrainedFacts(
        prior_name=prior.name,
        prior_digest=prior.digest,
        licence=prior.licence,
        collection_digest=collection.digest,
        num_photographs=collection.num_photos,
        min_age=collection.min_age,
        max_age=collection.max_age,
        consent_document=actor.consent.document_id,
        network=described["network"],
        recipe=recipe,
        metrics=described["metrics"],
        strength_course=described["strength_course"],
    )
    return register_adapter(actor.actor, (folder / "weights.safetensors").read_bytes(), facts)


def _tell(actor: ActorManifest, record: AdapterRecord, trained: TrainedRef, work: Path) -> None:
    """Enters the version in the audit log and shows figures and faces on the server."""
    facts = record.facts
    assert isinstance(facts, TrainedFacts)
    entry = {"event": "train", "collection": facts.collection_digest, **record.audited()}
    AuditLog(work / "audit.jsonl").append(entry)
    key = f"adapter-{record.actor.replace('_', '-')}"
    table = [{"figure": name, "value": value} for name, value in sorted(facts.metrics.items())]
    create_table_artifact(key=f"{key}-figures", table=table, description=f"adapter {record.name}")
    picture = base64.b64encode((Path(trained.folder) / "preview.png").read_bytes()).decode("ascii")
    create_markdown_artifact(
        key=key,
        markdown=f"**{record.name}** of {actor.names[0]}, {facts.num_photographs} photographs, "
        f"ages {facts.min_age:g}-{facts.max_age:g}, on prior {facts.prior_name}\n\n"
        f"![faces by age](data:image/png;base64,{picture})",
        description="what the adapter makes of the youngest and the oldest photograph",
    )
