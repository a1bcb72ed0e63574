"""Versions of actors' personal adapters: immutable folders, each tied to the prior it was made for.

Every version is an entry `adapters/<actor>/<version>` of the registry: trained on the actor's
collection, updated at night, or brought as a published checkpoint. `latest` is the newest that has
not been set aside (standing.py). Its description names the prior and the consent
document that it rests on, and where it comes from. Knows nothing of networks; what the weights mean
is the business of whoever loads them.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name, is_version, next_version, parse_version
from reage.registry.adapter_facts import AdapterFacts, PublishedFacts, TrainedFacts, UpdatedFacts
from reage.registry.entry import (
    CARD,
    CONFIG,
    WEIGHTS,
    Entry,
    actors_in,
    names_in,
    publish_entry,
    read_entry,
    recorded_entry,
    registry_root,
)
from reage.registry.standing import Standing, deciding, standing_of

LATEST = "latest"

_SCHEMA = "reage.adapter/1"
_MAX_RACES = 100


_FACTS: dict[str, type[AdapterFacts]] = {
    facts.kind: facts for facts in (TrainedFacts, UpdatedFacts, PublishedFacts)
}


@dataclass(frozen=True, kw_only=True)
class AdapterRecord:
    """A registered adapter.

    Attributes:
        actor: Whose.
        version: As `v003`.
        folder: Where its files lie.
        digest: SHA-256 of the weights file, in hex.
        registered: When, ISO 8601.
        facts: What it rests on.
    """

    actor: str
    version: str
    folder: Path
    digest: str
    registered: str
    facts: AdapterFacts

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    @property
    def name(self) -> str:
        """As errors and reports call it, for example `ada v003`."""
        return f"{self.actor} {self.version}"

    def audited(self) -> dict[str, str]:
        """Returns what the audit log says of any adapter that is added."""
        return {
            "actor": self.actor,
            "version": self.version,
            "weights": self.digest,
            "prior": self.facts.prior_digest,
            "consent": self.facts.consent_document,
        }

    def check_prior(self, name: str, digest: str) -> None:
        """Raises RegistryError, with both digests, when made for another prior than this one."""
        if digest != self.facts.prior_digest:
            raise RegistryError(
                f"adapter {self.name}: prior: got {name} {digest[:12]}…, expected "
                f"{self.facts.prior_name} {self.facts.prior_digest[:12]}…; name that prior in the "
                "shot manifest, or train or import an adapter for this one"
            )


def adapters_folder() -> Path:
    """Returns where adapters lie: `adapters` in the registry."""
    return registry_root() / "adapters"


def adapter_versions(actor: str) -> list[str]:
    """Returns an actor's versions, oldest first; raises NamingError and StorageError."""
    found = names_in(adapters_folder() / check_name(actor, what="actor"))
    return sorted(filter(is_version, found), key=parse_version)


def find_adapter(actor: str, version: str = LATEST) -> AdapterRecord:
    """Returns a version of an actor's adapter, its files as registered.

    Args:
        actor: As the actor's manifest names them.
        version: `latest` that was not set aside, or a version as `v003`.

    Raises:
        RegistryError: There is no such version, or its files were changed.
        NamingError: `actor` is no name.
        StorageError: Its files cannot be read.
    """
    known = adapter_versions(actor)
    wanted = version
    if version == LATEST:
        wanted = standing_of(actor).latest_of(known) or version
    if wanted not in known:
        raise RegistryError(
            f"adapter of {actor}: version: got {version}, expected one of: "
            f"{', '.join(known) or 'none registered'}; train one with `reage train`, import a "
            "published one (reage weights import --help), or set adapter: none"
        )
    return _read(actor, wanted)


def find_published(actor: str, facts: PublishedFacts) -> AdapterRecord | None:
    """Returns the version of an actor that came of the same file in the same way, None if none did.

    What the file is called does not count. Errors as of `find_adapter`.
    """
    for record in list_adapters(actor):
        known = record.facts
        if isinstance(known, PublishedFacts) and replace(known, source=facts.source) == facts:
            return find_adapter(actor, record.version)
    return None


def version_before(record: AdapterRecord) -> AdapterRecord | None:
    """Returns what a version came of or came after, trained here for the same prior; else None.

    A nightly version came of its parent, whatever was set aside between. One that was trained from
    the start came after the newest older version that was not set aside. Purged ones are not found.

    Errors as of `find_adapter`.
    """
    facts, set_aside = record.facts, standing_of(record.actor).set_aside
    older = [
        other
        for other in list_adapters(record.actor)
        if parse_version(other.version) < parse_version(record.version)
        and isinstance(other.facts, TrainedFacts)
        and other.facts.prior_digest == facts.prior_digest
    ]
    if isinstance(facts, UpdatedFacts):
        older = [other for other in older if other.version == facts.parent]
    else:
        older = [other for other in older if other.version not in set_aside]
    return find_adapter(record.actor, older[-1].version) if older else None


def list_adapters(actor: str | None = None) -> list[AdapterRecord]:
    """Returns an actor's adapters, oldest first, or everybody's; their weights are not read.

    Raises:
        NamingError: `actor` is no name.
        RegistryError: A description or receipt is damaged.
        StorageError: A file cannot be read.
    """
    actors = actors_in(adapters_folder()) if actor is None else [actor]
    return [_recorded(name, version) for name in actors for version in adapter_versions(name)]


def adapters_made_for(prior_digest: str) -> list[str]:
    """Returns the names of the adapters made for a prior, as `ada v003`; raises StorageError."""
    return made_for(prior_digest, adapters_folder(), adapter_versions, _recorded)


def made_for(
    prior_digest: str,
    folder: Path,
    versions_of: Callable[[str], Sequence[str]],
    read: Callable[[str, str], AdapterRecord],
) -> list[str]:
    """Returns the names of the versions in a registry's folder that were made for a prior.

    Args:
        prior_digest: Of the prior's weights.
        folder: Holds a folder an actor.
        versions_of: An actor's versions.
        read: The record of an actor's version; raises RegistryError where it is damaged.
    """
    found = []
    for actor in actors_in(folder):
        for version in versions_of(actor):
            with suppress(RegistryError):  # damaged ones are of no use with any prior
                record = read(actor, version)
                if record.facts.prior_digest == prior_digest:
                    found.append(record.name)
    return found


@dataclass(frozen=True)
class Foundation:
    """What an update is begun on.

    Attributes:
        latest: At that time; empty for none.
        standing: What was decided on versions.
        next: Version that what is registered on it gets.
    """

    latest: str
    standing: Standing
    next: str

    @classmethod
    def of(cls, actor: str) -> "Foundation":
        """Returns the present one of an actor."""
        standing, known = standing_of(actor), adapter_versions(actor)
        following = next_version([*known, standing.purged])
        return cls(standing.latest_of(known) or "", standing, following)

    def check(self, actor: str) -> None:
        """Raises RegistryError unless it is the present one."""
        now = Foundation.of(actor)
        if now != self:
            raise RegistryError(
                f"adapter of {actor}: latest: got {now.latest or 'none'}, expected "
                f"{self.latest or 'none'} as when the update began, and no rollback or purge "
                "meanwhile; nothing was published: the next night begins anew"
            )


def register_adapter(
    actor: str, weights: bytes, facts: AdapterFacts, *, on: Foundation | None = None
) -> AdapterRecord:
    """Adds the next version of an actor's adapter.

    The same weights with the same facts as an actor's latest version are that version.

    Args:
        actor: As the actor's manifest names them.
        weights: Of the safetensors file.
        facts: What it rests on.
        on: What must still be so, if it matters.

    Raises:
        NamingError: `actor` is no name.
        RegistryError: Another version has become the latest, or a rollback came between.
        StorageError: The registry cannot be written.
    """
    with deciding(actor):
        if on is not None:
            on.check(actor)
        return _registered(actor, weights, facts)


def _registered(actor: str, weights: bytes, facts: AdapterFacts) -> AdapterRecord:
    digest = hashlib.sha256(weights).hexdigest()
    config = _as_read(facts)
    described = {"schema": _SCHEMA, "kind": facts.kind, "digest": digest, "config": config}
    standing = standing_of(actor)
    for _ in range(_MAX_RACES):
        known = adapter_versions(actor)
        latest = standing.latest_of(known)
        newest = _read(actor, latest) if latest else None
        if newest and (newest.digest, _as_read(newest.facts)) == (digest, config):
            return newest
        version = next_version([*known, standing.purged])

        def write(folder: Path, name: str = f"{actor} {version}") -> None:
            (folder / WEIGHTS).write_bytes(weights)
            (folder / CONFIG).write_text(json.dumps(described, indent=1), encoding="utf-8")
            (folder / CARD).write_text(card_of(name, digest, facts), encoding="utf-8")

        target = adapters_folder() / actor / version
        if publish_entry(target, write, {"schema": _SCHEMA, "actor": actor}):
            return _read(actor, version)
    raise RegistryError(
        f"adapter of {actor}: version: got {_MAX_RACES} others registered at the same moment, "
        "expected a free one; try again"
    )


def _as_read(facts: AdapterFacts) -> dict[str, Any]:
    """Returns facts as the entry's description has them."""
    config: dict[str, Any] = json.loads(json.dumps(asdict(facts)))
    return config


def _read(actor: str, version: str) -> AdapterRecord:
    folder = adapters_folder() / actor / version
    return _record(actor, version, read_entry(folder, place=f"adapter {actor} {version}"))


def _recorded(actor: str, version: str) -> AdapterRecord:
    folder = adapters_folder() / actor / version
    return _record(actor, version, recorded_entry(folder, place=f"adapter {actor} {version}"))


def _record(actor: str, version: str, entry: Entry) -> AdapterRecord:
    try:
        facts = _FACTS[entry.kind](**entry.config)
    except (KeyError, TypeError) as error:
        raise RegistryError(
            f"adapter {actor} {version}: {entry.folder / CONFIG}: got {error}, expected an "
            "adapter's facts; restore the file"
        ) from error
    return AdapterRecord(
        actor=actor,
        version=version,
        folder=entry.folder,
        digest=entry.digest,
        registered=str(entry.receipt.get("registered", "")),
        facts=facts,
    )


def card_of(name: str, digest: str, facts: AdapterFacts) -> str:
    """Returns the card of an adapter called `name`, whose weights have a digest."""
    lines = [
        f"# Adapter {name}",
        "",
        f"- {facts.origin}",
        f"- prior: {facts.prior_name}, SHA-256 {facts.prior_digest}",
        f"- terms: {facts.licence}; and the consent document {facts.consent_document}",
        *facts.card_lines(),
        f"- weights: SHA-256 {digest}",
    ]
    return "\n".join(lines) + "\n"
