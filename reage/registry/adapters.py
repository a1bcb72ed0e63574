"""Versions of actors' personal adapters: immutable folders, each tied to the prior it was made for.

Every version is an entry `adapters/<actor>/<version>` of the registry; its description names the
prior, the collection and the consent document that it rests on. Knows nothing of networks; what the
weights mean is the business of whoever loads them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name, is_version, next_version, parse_version
from reage.registry.entry import (
    CARD,
    CONFIG,
    WEIGHTS,
    names_in,
    publish_entry,
    read_entry,
    registry_root,
)

NO_ADAPTER = "none"
LATEST = "latest"

_SCHEMA = "reage.adapter/1"
_MAX_RACES = 100


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """What an adapter was made from and how it was judged.

    Attributes:
        prior_name: As manifests name the prior.
        prior_digest: SHA-256 (hex) of the prior's weights.
        licence: The prior's, which binds what is made with the adapter, too.
        collection_digest: Content key of the photographs and their ages.
        num_photographs: How many were learnt from.
        min_age: Youngest age among them, years.
        max_age: Oldest.
        consent_document: Id of the document that allowed the training.
        network: Sizes of the network, as its config has them.
        recipe: Settings of the training.
        metrics: Figures of the training, by name.
    """

    prior_name: str
    prior_digest: str
    licence: str
    collection_digest: str
    num_photographs: int
    min_age: float
    max_age: float
    consent_document: str
    network: Mapping[str, Any]
    recipe: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AdapterRecord:
    """A registered adapter: whose, which version, where, and its facts."""

    actor: str
    version: str
    folder: Path
    digest: str
    facts: AdapterFacts

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    @property
    def name(self) -> str:
        """As errors and reports call it, for example `ada v003`."""
        return f"{self.actor} {self.version}"

    def check_prior(self, name: str, digest: str) -> None:
        """Raises RegistryError, with both digests, when made for another prior than this one."""
        if digest != self.facts.prior_digest:
            raise RegistryError(
                f"adapter {self.name}: prior: got {name} {digest[:12]}…, expected "
                f"{self.facts.prior_name} {self.facts.prior_digest[:12]}…; name that prior in the "
                "shot manifest, or train an adapter on this one"
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
        version: `latest`, or a version as `v003`.

    Raises:
        RegistryError: There is no such version, or its files were changed.
        NamingError: `actor` is no name.
        StorageError: Its files cannot be read.
    """
    known = adapter_versions(actor)
    wanted = known[-1] if version == LATEST and known else version
    if wanted not in known:
        raise RegistryError(
            f"adapter of {actor}: version: got {version}, expected one of: "
            f"{', '.join(known) or 'none registered'}; train one with `reage train`, or set "
            "adapter: none"
        )
    return _read(actor, wanted)


def register_adapter(actor: str, weights: bytes, facts: AdapterFacts) -> AdapterRecord:
    """Adds the next version of an actor's adapter.

    The same weights with the same facts as an actor's newest version are that version.

    Raises:
        NamingError: `actor` is no name.
        StorageError: The registry cannot be written.
    """
    digest = hashlib.sha256(weights).hexdigest()
    described = {"schema": _SCHEMA, "kind": "adapter", "digest": digest, "config": asdict(facts)}
    described = json.loads(json.dumps(described))  # as it will be read

    for _ in range(_MAX_RACES):
        known = adapter_versions(actor)
        newest = _read(actor, known[-1]) if known else None
        if newest and (newest.digest, asdict(newest.facts)) == (digest, described["config"]):
            return newest
        version = next_version(known)

        def write(folder: Path, name: str = f"{actor} {version}") -> None:
            (folder / WEIGHTS).write_bytes(weights)
            (folder / CONFIG).write_text(json.dumps(described, indent=1), encoding="utf-8")
            (folder / CARD).write_text(_card(name, digest, facts), encoding="utf-8")

        target = adapters_folder() / actor / version
        if publish_entry(target, write, {"schema": _SCHEMA, "actor": actor}):
            return _read(actor, version)
    raise RegistryError(
        f"adapter of {actor}: version: got {_MAX_RACES} others registered at the same moment, "
        "expected a free one; try again"
    )


def _read(actor: str, version: str) -> AdapterRecord:
    place = f"adapter {actor} {version}"
    entry = read_entry(adapters_folder() / actor / version, place=place)
    try:
        facts = AdapterFacts(**entry.config)
    except TypeError as error:
        raise RegistryError(
            f"{place}: {entry.folder / CONFIG}: got {error}, expected an adapter's facts; restore "
            "the file"
        ) from error
    return AdapterRecord(
        actor=actor, version=version, folder=entry.folder, digest=entry.digest, facts=facts
    )


def _card(name: str, digest: str, facts: AdapterFacts) -> str:
    lines = [
        f"# Adapter {name}",
        "",
        f"- prior: {facts.prior_name}, SHA-256 {facts.prior_digest}",
        f"- terms: those of the prior ({facts.licence}), and the consent document "
        f"{facts.consent_document}",
        f"- learnt from {facts.num_photographs} photographs, ages {facts.min_age:g} to "
        f"{facts.max_age:g}; collection {facts.collection_digest}",
        f"- weights: SHA-256 {digest}",
        *(f"- {name}: {value:g}" for name, value in sorted(facts.metrics.items())),
    ]
    return "\n".join(lines) + "\n"
