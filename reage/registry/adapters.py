"""Versions of actors' personal adapters: immutable folders, each tied to the prior it was made for.

    $REAGE_HOME/registry/adapters/<actor>/<version>/weights.safetensors
                                                    adapter.json

A version appears whole or not at all; its record names the prior, the collection and the consent
document that it rests on. Knows nothing of networks; what the weights mean is the business of
whoever loads them.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name, is_version, next_version, parse_version
from reage.registry.entry import registry_root
from reage.storage import file_digest
from reage.storage.local import local_errors

NO_ADAPTER = "none"
LATEST = "latest"
WEIGHTS_NAME, RECORD_NAME = "weights.safetensors", "adapter.json"

_SCHEMA = "reage.adapter/1"
_MAX_RACES = 100


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """What an adapter was made from and how it was judged.

    Attributes:
        prior_name: As manifests name the prior.
        prior_digest: SHA-256 (hex) of the prior's weights.
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
        return self.folder / WEIGHTS_NAME

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
    """Returns where adapters lie: `$REAGE_HOME/registry/adapters`, else in `~/.reage`."""
    return registry_root() / "adapters"


def adapter_versions(actor: str) -> list[str]:
    """Returns an actor's versions, oldest first; raises NamingError and StorageError."""
    folder = adapters_folder() / check_name(actor, what="actor")
    with local_errors(str(folder), "read"):
        if not folder.is_dir():
            return []
        found = [p.name for p in folder.iterdir() if is_version(p.name) and _is_whole(p)]
    return sorted(found, key=parse_version)


def actors_with_adapters() -> list[str]:
    """Returns the names of actors that have adapters, sorted; raises StorageError."""
    folder = adapters_folder()
    with local_errors(str(folder), "read"):
        names = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    return sorted(name for name in names if adapter_versions(name))


def find_adapter(actor: str, version: str = LATEST) -> AdapterRecord:
    """Returns a version of an actor's adapter, its weights as registered.

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
    home = adapters_folder() / check_name(actor, what="actor")
    with local_errors(str(home), "write"):
        home.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
        try:
            (partial / WEIGHTS_NAME).write_bytes(weights)
            digest = file_digest(partial / WEIGHTS_NAME)
            if (same := _newest_if_same(actor, digest, facts)) is not None:
                return same
            record = {"schema": _SCHEMA, "actor": actor, "sha256": digest, "facts": asdict(facts)}
            (partial / RECORD_NAME).write_text(json.dumps(record, indent=1), encoding="utf-8")
            partial.chmod(0o755)
            version = _settle(partial, home, actor)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return find_adapter(actor, version)


def _settle(partial: Path, home: Path, actor: str) -> str:
    """Moves a complete folder to the next free version; of two racing writers one goes on."""
    for _ in range(_MAX_RACES):
        version = next_version(adapter_versions(actor))
        try:
            os.rename(partial, home / version)
        except OSError:  # the folder exists and is not empty: another writer was quicker
            if not (home / version).exists():
                raise
            continue
        return version
    raise RegistryError(
        f"adapter of {actor}: version: got {_MAX_RACES} others registered at the same moment, "
        "expected a free one; try again"
    )


def _newest_if_same(actor: str, digest: str, facts: AdapterFacts) -> AdapterRecord | None:
    known = adapter_versions(actor)
    if not known:
        return None
    newest = _read(actor, known[-1])
    plain = json.loads(json.dumps(asdict(facts)))
    return newest if newest.digest == digest and asdict(newest.facts) == plain else None


def _is_whole(folder: Path) -> bool:
    return (folder / RECORD_NAME).is_file()


def _read(actor: str, version: str) -> AdapterRecord:
    folder = adapters_folder() / actor / version
    place = f"adapter {actor} {version}"
    with local_errors(str(folder), "read"):
        text = (folder / RECORD_NAME).read_text(encoding="utf-8")
        digest = file_digest(folder / WEIGHTS_NAME)
    try:
        described = json.loads(text)
        facts, registered = AdapterFacts(**described["facts"]), described["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{place}: {folder / RECORD_NAME}: got {error}, expected an adapter's record; restore "
            "the file"
        ) from error
    if digest != registered:
        raise RegistryError(
            f"{place}: {folder / WEIGHTS_NAME}: got sha256 {digest[:12]}…, expected "
            f"{str(registered)[:12]}… as registered; restore the file, or use another version"
        )
    return AdapterRecord(actor=actor, version=version, folder=folder, digest=digest, facts=facts)
