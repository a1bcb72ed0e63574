"""One actor's night: what came, an increment of it, a rehearsed update, an examination, a verdict.

The order is what keeps adapter and buffer together, whatever kills the night: the new buffer is
staged, then the adapter is published that names it, and only then is the buffer committed. What was
published and not committed, the next night commits.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from flows.consent import require_training_consent
from flows.gather_collection import collection_place
from flows.night_facts import facts_of_update
from flows.night_ground import Ground, Pupil, begin, committed_buffer
from flows.night_landscape import remember_landscape
from flows.night_learners import Learner, learner_of
from flows.progress import training_progress
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import ConsentError, RegistryError, StorageError
from reage.provenance import AuditLog
from reage.registry.adapter_facts import UpdatedFacts
from reage.registry.adapters import Foundation, register_adapter
from reage.registry.priors import find_prior
from reage.rehearsal.examination import IncrementRecord
from reage.rehearsal.gate import judge_update
from reage.rehearsal.night import ActorNight
from reage.workspace import Workspace
from tasks.actor_manifests import load_actor_from
from tasks.arrivals import find_arrivals, gather_arrivals, remember_refusals
from tasks.gathering import GatheringTerms
from tasks.increment_refs import IncrementRef
from tasks.increments import form_increment
from tasks.mirroring import mirror_versions
from tasks.refs import CollectionRef, TrainedRef
from tasks.replay_buffers import Provenance, read_examination


@flow(name="update-actor", flow_run_name="update {manifest}", validate_parameters=False)
def update_actor(
    manifest: str, work: str = "work", limits: PortraitLimits | None = None
) -> ActorNight:
    """Folds an actor's new photographs into the adapter, or says why not.

    Args:
        manifest: Path of the actor manifest, or its `s3://` URI.
        work: Root of the work folders.
        limits: What is asked of a photograph, when it is not the usual.

    Raises:
        ReageError: Manifest, photographs, prior, storage or training, each with its sentence.
    """
    actor = load_actor_from(manifest, work)
    if actor.nightly is None:
        detail = "the manifest has no section nightly"
        return ActorNight(actor=actor.actor, outcome="left alone", detail=detail)
    audit = AuditLog(Path(work) / "audit.jsonl")
    try:
        require_training_consent(actor)
        pupil = Pupil(
            manifest=manifest,
            work=work,
            actor=actor,
            settings=actor.nightly,
            prior=find_prior(actor.nightly.prior),
            workspace=Workspace.of_actor(work, actor.actor),
            audit=audit,
        )
        night = _copied(pupil, _night(pupil, limits or PortraitLimits()))
    except ConsentError as error:  # at first, or withdrawn while it trained
        get_run_logger().warning("%s", error)
        audit.append({"event": "update stopped", "actor": actor.actor, "why": str(error)})
        latest = Foundation.of(actor.actor).latest
        return ActorNight(
            actor=actor.actor, outcome="stopped", detail=str(error), before=latest, after=latest
        )
    get_run_logger().info("%s %s: %s", night.actor, night.outcome, night.detail)
    return night


def _copied(pupil: Pupil, night: ActorNight) -> ActorNight:
    """Copies what is published, and what an earlier night could not copy, where others read it."""
    if pupil.settings.publish is None:
        return night
    place = pupil.actor.resolve(pupil.settings.publish)
    try:
        copied = mirror_versions(night.actor, place)
    except (StorageError, RegistryError) as error:
        detail = f"{night.detail}; not copied to {place}: {error}; the next night copies it"
        return replace(night, outcome="failed", detail=detail)
    if copied:
        event = {"event": "mirrored", "actor": night.actor, "place": place, "entries": copied}
        pupil.audit.append(event)
    return night


def _night(pupil: Pupil, limits: PortraitLimits) -> ActorNight:
    ground = begin(pupil)
    terms = _terms(pupil, limits)
    arrivals = find_arrivals(
        terms,
        ground.buffer,
        left_alone=ground.foundation.standing.photographs,
        workspace=pupil.workspace,
    )
    latest = ground.foundation.latest
    night = ActorNight(
        actor=pupil.actor.actor,
        outcome="nothing new",
        detail="no photograph came that was not seen before",
        before=latest,
        after=latest,
        repaired=ground.repaired,
        num_new=arrivals.num_new,
        num_left_alone=arrivals.num_left_alone,
    )
    if not arrivals.num_new:
        return night
    facts = {"actor": pupil.actor.actor, "consent": pupil.actor.consent.document_id}
    pupil.audit.append({"event": "collect", "place": terms.place, "only": "new", **facts})
    with training_progress(pupil.actor.actor) as progress:
        came = gather_arrivals(
            terms, arrivals, ground.buffer, workspace=pupil.workspace, report=progress.gathering
        )
        night = replace(night, report=came.report)
        if came.num_photos < pupil.settings.photographs:
            night = replace(night, **_too_few(came, pupil.settings.photographs))
        else:
            increment = form_increment(
                came,
                pupil.prior_ref,
                number=len(ground.records) + 1,
                held_out=pupil.settings.buffer.held_out,
                workspace=pupil.workspace,
            )
            night = learn_increment(pupil, ground, increment, night, report=progress.training)
    remember_refusals(pupil.workspace, arrivals, came)
    return night


def learn_increment(
    pupil: Pupil,
    ground: Ground,
    increment: IncrementRef,
    night: ActorNight,
    *,
    learner: Learner | None = None,
    report: Callable[..., None] | None = None,
) -> ActorNight:
    """Updates the adapter, examines it, and publishes it and its buffer if nothing is against it.

    Args:
        pupil: Whose night it is.
        ground: What it begins on.
        increment: The new photographs.
        night: As it is known so far.
        learner: What teaches, examines and remembers; the tasks of this tree otherwise, by what
            the ground says is learnt.
        report: Told of every step of the training.

    Raises:
        ConsentError: The actor has withdrawn the consent meanwhile.
        RegistryError: A rollback, a purge or another training came between.
    """
    steps = learner or learner_of(ground.learner)
    prior, workspace = pupil.prior_ref, pupil.workspace
    known, telling = (ground.buffer, ground.start), {} if report is None else {"report": report}
    recipe, covers = steps.recipe(pupil, ground), _covered(ground, increment)
    trained = steps.update(
        increment, *known, prior, recipe, covers=covers, workspace=workspace, **telling
    )
    examination = steps.examine(
        increment, *known, trained, prior, name=ground.next_version, workspace=workspace
    )
    records = (*ground.records, _new_record(increment))
    faces = tuple(read_examination(examination))
    strip = str(Path(examination.folder) / "strip.png")
    offered = ground.next_version
    night = replace(night, records=records, faces=faces, strip=strip, offered=offered)
    landscape = steps.draw and steps.draw(pupil, ground, increment, trained)
    if landscape:
        night = replace(night, landscape=str(landscape.page), diagnosis=landscape.headline)
    tolerance = pupil.settings.tolerance.model_dump(exclude_none=True)
    barrier = landscape.barrier if landscape else None
    verdict = judge_update(records, faces, tolerance, barrier)
    if not verdict.is_pass:
        event = {"event": "update refused", "actor": night.actor, "why": list(verdict.reasons)}
        pupil.audit.append(event)
        count = f"{len(verdict.reasons)} figure{'' if len(verdict.reasons) == 1 else 's'}"
        detail = f"{count} beyond the tolerance; {night.before} stands"
        return replace(night, outcome="refused", detail=detail, reasons=verdict.reasons)
    staged = steps.stage(
        increment,
        ground.buffer,
        examination,
        trained,
        records,
        budget=pupil.settings.buffer,
        provenance=_provenance(pupil, ground),
    )
    facts = facts_of_update(pupil, ground, increment, trained, recipe, covers, night, staged)
    night = _published(pupil, ground, trained, facts, night)
    if landscape:
        remember_landscape(pupil, landscape, night)
    return night


def _published(
    pupil: Pupil, ground: Ground, trained: TrainedRef, facts: UpdatedFacts, night: ActorNight
) -> ActorNight:
    _require_consent_still(pupil)
    weights = (Path(trained.folder) / "weights.safetensors").read_bytes()
    adapter = register_adapter(night.actor, weights, facts, on=ground.foundation)
    committed_buffer(pupil, adapter, facts)
    detail = (
        f"{adapter.version} learnt from {facts.num_photographs} photographs and rehearsed "
        f"{facts.num_rehearsed}"
    )
    return replace(
        night,
        outcome="updated",
        detail=detail,
        after=adapter.version,
        num_rehearsed=facts.num_rehearsed,
    )


def _covered(ground: Ground, increment: IncrementRef) -> tuple[float, float]:
    """The youngest and the oldest age of all increments."""
    spans = [(record.min_age, record.max_age) for record in ground.records]
    spans.append((increment.min_age, increment.max_age))
    return min(low for low, _ in spans), max(high for _, high in spans)


def _new_record(increment: IncrementRef) -> IncrementRecord:
    return IncrementRecord(
        number=increment.number,
        day=datetime.now(UTC).date().isoformat(),
        num_learnt=increment.num_learnt,
        num_held_out=increment.num_held_out,
        min_age=increment.min_age,
        max_age=increment.max_age,
    )


def _provenance(pupil: Pupil, ground: Ground) -> Provenance:
    return Provenance(
        actor=pupil.actor.actor,
        place=collection_place(pupil.actor),
        consent_document=pupil.actor.consent.document_id,
        prior=pupil.prior_ref,
        parent=ground.foundation.latest,
    )


def _terms(pupil: Pupil, limits: PortraitLimits) -> GatheringTerms:
    actor = pupil.actor
    return GatheringTerms(
        place=collection_place(actor),
        prior=pupil.prior_ref,
        actor=actor.names[0],
        references=tuple(actor.resolve(place) for place in actor.references),
        birth_date=actor.birth_date,
        limits=limits,
    )


def _too_few(came: CollectionRef, wanted: int) -> dict[str, Any]:
    if not came.num_photos:
        return {"outcome": "none fit", "detail": f"all {came.num_refused} were refused"}
    detail = f"{came.num_photos} fit to learn from; an update waits for {wanted}"
    return {"outcome": "waiting", "detail": detail}


def _require_consent_still(pupil: Pupil) -> None:
    """Reads the manifest anew: a training may take hours, and a withdrawal counts at once."""
    actor = load_actor_from(pupil.manifest, pupil.work) if pupil.manifest else pupil.actor
    require_training_consent(actor)
