"""What an actor's night begins on, and how its buffer is committed, the killed night's too."""

from dataclasses import dataclass

from reage.errors import RegistryError
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
    """

    foundation: Foundation
    start: AdapterRef | None
    buffer: BufferRef | None
    records: tuple[IncrementRecord, ...]
    num_rehearsed: int = 0
    repaired: str = ""


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """Whose night it is, on which terms.

    Attributes:
        actor: The manifest.
        settings: Its section `nightly`.
        prior: What the adapter personalises.
        workspace: The actor's.
        audit: Where every step that keeps something is entered.
    """

    actor: ActorManifest
    settings: NightlyUpdates
    prior: PriorRecord
    workspace: Workspace
    audit: AuditLog

    @property
    def prior_ref(self) -> PriorRef:
        """Points to the prior."""
        return PriorRef.of(self.prior)


def begin(pupil: Pupil) -> Ground:
    """Finds what a night begins on, and commits a buffer that a killed night left uncommitted.

    Raises:
        RegistryError: The latest adapter was made for another prior, or is a published one.
    """
    actor = pupil.actor.actor
    foundation = Foundation.of(actor)
    if not foundation.latest:
        return Ground(foundation=foundation, start=None, buffer=None, records=())
    adapter = find_adapter(actor, foundation.latest)
    adapter.check_prior(pupil.prior.name, pupil.prior.digest)
    facts = adapter.facts
    if isinstance(facts, PublishedFacts):
        raise RegistryError(
            f"adapter {adapter.name}: got a published one, expected one trained by Reage; train "
            "one with `reage train`, or take the section nightly out of the manifest"
        )
    repaired, buffer = "", None
    if isinstance(facts, UpdatedFacts):
        buffer = find_buffer(actor, adapter.version)
        if buffer is None and is_staged(actor, facts.buffer_digest):
            buffer = committed_buffer(pupil, adapter, facts)
            repaired = f"committed the buffer of {adapter.version}, which a killed night had left"
    start = AdapterRef.of(adapter)
    if buffer is None:
        return Ground(foundation=foundation, start=start, buffer=None, records=())
    return Ground(
        foundation=foundation,
        start=start,
        buffer=BufferRef.of(buffer),
        records=tuple(IncrementRecord(**record) for record in buffer.described["increments"]),
        num_rehearsed=len(buffer.described["kept"]),
        repaired=repaired,
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
