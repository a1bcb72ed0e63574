"""Trains an actor's face in three dimensions: consent, photographs, cameras, anchors, training.

    reage train manifests/actors/ada.yaml --kind face3d

Every step is in the ledger of the actor's work folder: a killed run goes on where it was saved
last, and a second run with the same photographs, prior and recipe finds the version it made.
"""

import json
from pathlib import Path

from prefect import flow

from flows.consent import require_training_consent, require_training_consent_still
from flows.gather_collection import collection_place, gathered
from flows.progress import training_progress
from reage.collection.portrait_measures import PortraitLimits
from reage.manifest import ActorManifest, load_actor
from reage.provenance import AuditLog
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import AdapterRecord
from reage.registry.faces3d import register_face3d
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import TriplanePriorRecord, find_triplane_prior
from reage.workspace import Workspace
from tasks.face3d_refs import Face3DPriorRef, loaded_face3d_prior
from tasks.face3d_training import face3d_recipe, train_face3d_weights
from tasks.posed_photographs import pose_photographs
from tasks.refs import CollectionRef, PriorRef, TrainedRef


@flow(name="train-face3d", flow_run_name="train {manifest} in 3D", validate_parameters=False)
def train_face3d(
    manifest: str,
    prior: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    work: str = "work",
    limits: PortraitLimits | None = None,
) -> AdapterRecord:
    """Trains low-rank weights over a 3D prior and registers them as the next version.

    Args:
        manifest: Path of the actor manifest.
        prior: Name or folder of the 3D prior; the first there is if not given.
        steps: Instead of the recipe's number; bounds the steps of an anchor's projection, too.
        seed: Of everything that is drawn.
        work: Root of the work folders.
        limits: What is asked of a photograph, when it is not the usual.

    Raises:
        ConsentError: The actor has not agreed to training, or no longer does.
        CollectionError: The manifest names no collection, or nothing in it is fit to learn from.
        RegistryError: There is no such 3D prior.
        ReageError: Storage or training, each with its sentence.
    """
    actor = load_actor(Path(manifest))
    require_training_consent(actor)
    place = collection_place(actor)
    record = find_triplane_prior(prior)
    pointed, features = Face3DPriorRef.of(record), PriorRef.of(find_prior())
    recipe = face3d_recipe(pointed, steps=steps, seed=seed)
    workspace = Workspace.of_actor(work, actor.actor)
    with training_progress(actor.actor) as progress:
        collection = gathered(actor, features, work=work, report=progress.gathering, limits=limits)
        posed = pose_photographs(
            collection,
            place,
            features,
            loaded_face3d_prior(pointed).generator.config.superresolution.resolution,
            workspace=workspace,
            report=progress.gathering,
        )
        trained = train_face3d_weights(
            posed,
            pointed,
            features,
            recipe,
            workspace=workspace,
            report=progress.training,
            stage=progress.gathering,
        )
    require_training_consent_still(manifest)
    face = _registered(actor, record, collection, posed.num_photos, trained)
    AuditLog(Path(work) / "audit.jsonl").append(
        {"event": "train 3D", "collection": collection.digest, **face.audited()}
    )
    return face


def _registered(
    actor: ActorManifest,
    prior: TriplanePriorRecord,
    collection: CollectionRef,
    num_photos: int,
    trained: TrainedRef,
) -> AdapterRecord:
    folder = Path(trained.folder)
    described = json.loads((folder / "adapter.json").read_text())
    facts = Face3DFacts(
        prior_name=prior.name,
        prior_digest=prior.digest,
        licence=prior.licence,
        collection_digest=collection.digest,
        num_photographs=num_photos,
        min_age=collection.min_age,
        max_age=collection.max_age,
        consent_document=actor.consent.document_id,
        network=described["network"],
        recipe=described["recipe"],
        metrics=described["metrics"],
        photographs=described["photographs"],
    )
    return register_face3d(actor.actor, (folder / "weights.safetensors").read_bytes(), facts)
