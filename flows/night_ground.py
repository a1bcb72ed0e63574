"""What an actor's night begins on, and how its buffer is committed, the killed night's too."""

from dataclasses import dataclass

from reage.errors import RegistryError
from reage.learners import LearnerKind
from reage.manifest import ActorManifest
from reage.manifest.nightly import NightlyUpdates
from reage.provenance import AuditLog
from reage.registry.adapter_facts import PublishedFacts, UpdatedFacts
from reage.registry.adapters import AdapterRecord, Foundation, find_adapter
from reage.registry.buffers import (
    BufferRecord,
    commit_buffer,
    find_buffer,
    is_staged,
    retire_buffers,
)
from reage.registry.priors import PriorRecord
from reage.rehearsal.examination import IncrementRecord
from reage.workspace import Workspace
from tasks.increment_refs import BufferRef
from tasks.refs import AdapterRef, PriorRef


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a night begins on.

    Attributes:
        foundation: The latest version, and what was decided on versions.
        start: The version to go on from; None trains a first one.
        buffer: Its buffer; None before the first increment.
        records: Of the increments so far.
        num_rehearsed: Photographs that the buffer has to rehearse.
        repaired: What a killed night had left to be done; empty for nothing.
        learner: What of the person's model is learnt.
    """

    foundation: Foundation
    start: AdapterRef | None
    buffer: BufferRef | None
    records: tuple[IncrementRecord, ...]
    num_rehearsed: int = 0
    repaired: str = ""
    learner: LearnerKind = "adapter"

    @property
    def next_version(self) -> str:
        """What the update will be published as: nothing else may come between."""
        return self.foundation.next


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """Whose night it is, on which terms.

    Attributes:
        actor: The manifest.
        settings: Its section `nightly`.
        prior: What the adapter personalises.
        workspace: The actor's.
        audit: Where every step that keeps something is entered.
        manifest: Path or URI of the manifest; empty for none.
        work: Root of the work folders.
    """

    actor: ActorManifest
    settings: NightlyUpdates
    prior: PriorRecord
    workspace: Workspace
    audit: AuditLog
    manifest: str = ""
    work: str = "work"

    @property
    def prior_ref(self) -> PriorRef:
        """Points to the prior."""
        return PriorRef.of(self.prior)


def begin(pupil: Pupil) -> Ground:
    """Finds what a night begins on, and commits a buffer that a killed night left uncommitted.

    Raises:
        RegistryError: The latest adapter was made for another prior, is a published one, or is of
            another learner than the manifest asks for.
    """
    actor, asked = pupil.actor.actor, pupil.settings.learner
    foundation = Foundation.of(actor)
    if not foundation.latest:
        learner = asked or "adapter"
        return Ground(foundation=foundation, start=None, buffer=None, records=(), learner=learner)
    adapter = find_adapter(actor, foundation.latest)
    adapter.check_prior(pupil.prior.name, pupil.prior.digest)
    facts = adapter.facts
    if isinstance(facts, PublishedFacts):
        raise RegistryError(
            f"adapter {adapter.name}: got a published one, expected one trained by Reage; train "
            "one with `reage train`, or take the section nightly out of the manifest"
        )
    start = AdapterRef.of(adapter)
    _check_learner(start, asked, pupil.settings.tolerance.barrier)
    repaired, buffer = "", None
    if isinstance(facts, UpdatedFacts):
        buffer = find_buffer(actor, adapter.version)
        if buffer is None and is_staged(actor, facts.buffer_digest):
            buffer = committed_buffer(pupil, adapter, facts)
            repaired = f"committed the buffer of {adapter.version}, which a killed night had left"
    if buffer is None:
        return Ground(
            foundation=foundation, start=start, buffer=None, records=(), learner=start.learner
        )
    return Ground(
        foundation=foundation,
        start=start,
        buffer=BufferRef.of(buffer),
        records=tuple(IncrementRecord(**record) for record in buffer.described["increments"]),
        num_rehearsed=len(buffer.described["kept"]),
        repaired=repaired,
        learner=start.learner,
    )


def _check_learner(start: AdapterRef, asked: LearnerKind | None, barrier: float | None) -> None:
    """Raises RegistryError where a manifest asks of a version what it cannot go on to."""
    place = f"adapter {start.actor} {start.version}: learner: got {start.learner}"
    if asked not in (None, start.learner):
        raise RegistryError(
            f"{place}, expected {asked} as nightly.learner asks: one does not go on from the "
            "other; take nightly.learner out of the manifest, or `reage actor purge` the actor to "
            "begin anew"
        )
    if barrier is not None and not start.moves_latents:
        raise RegistryError(
            f"{place}, expected adapter, as nightly.tolerance.barrier is measured between adapters "
            "alone; take it out of the manifest"
        )


def committed_buffer(pupil: Pupil, adapter: AdapterRecord, facts: UpdatedFacts) -> BufferRecord:
    """Enters the version in the audit log and commits its buffer; older ones are retired."""
    pupil.audit.append(
        {
            "event": "update",
            "parent": facts.parent,
            "increment": facts.increment,
            "buffer": facts.buffer_digest,
            **adapter.audited(),
        }
    )
    buffer = commit_buffer(adapter.actor, adapter.version, facts.buffer_digest)
    retired = retire_buffers(adapter.actor, keep=pupil.settings.buffer.versions)
    if retired:
        pupil.audit.append(
            {"event": "buffers retired", "actor": adapter.actor, "versions": retired}
        )
    return buffer
