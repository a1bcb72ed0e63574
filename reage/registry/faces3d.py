"""Versions of actors' faces in three dimensions: immutable folders, beside the actors' adapters.

Every version is an entry `faces3d/<actor>/<version>` of the registry: low-rank weights over a 3D
prior, with the anchors that they were trained on. They are numbered apart from the adapters that
shots use, so that `latest` of the one never means the other. Knows nothing of networks.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name, is_version, next_version, parse_version
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import LATEST, AdapterRecord, card_of, made_for
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
from reage.registry.standing import deciding, standing_of

_SCHEMA = "reage.face3d/1"


def faces3d_folder() -> Path:
    """Returns where they lie: `faces3d` in the registry."""
    return registry_root() / "faces3d"


def face3d_versions(actor: str) -> list[str]:
    """Returns an actor's versions, oldest first; raises NamingError and StorageError."""
    found = names_in(faces3d_folder() / check_name(actor, what="actor"))
    return sorted(filter(is_version, found), key=parse_version)


def find_face3d(actor: str, version: str = LATEST) -> AdapterRecord:
    """Returns a version of an actor's face in three dimensions, its files as registered.

    Raises:
        RegistryError: There is no such version, or its files were changed.
        NamingError: `actor` is no name.
        StorageError: Its files cannot be read.
    """
    known = face3d_versions(actor)
    wanted = known[-1] if version == LATEST and known else version
    if wanted not in known:
        raise RegistryError(
            f"3D face of {actor}: version: got {version}, expected one of: "
            f"{', '.join(known) or 'none registered'}; train one with "
            "`reage train ACTOR.yaml --kind face3d`"
        )
    folder = faces3d_folder() / actor / wanted
    return _record(actor, wanted, read_entry(folder, place=f"3D face {actor} {wanted}"))


def register_face3d(actor: str, weights: bytes, facts: Face3DFacts) -> AdapterRecord:
    """Adds the next version; the same weights with the same facts as the latest are that version.

    Raises:
        NamingError: `actor` is no name.
        StorageError: The registry cannot be written.
    """
    digest = hashlib.sha256(weights).hexdigest()
    config = json.loads(json.dumps(asdict(facts)))
    with deciding(actor):
        known = face3d_versions(actor)
        if known:
            newest = find_face3d(actor)
            if (newest.digest, json.loads(json.dumps(asdict(newest.facts)))) == (digest, config):
                return newest
        version = next_version([*known, standing_of(actor).purged])
        described = {"schema": _SCHEMA, "kind": facts.kind, "digest": digest, "config": config}

        def write(folder: Path) -> None:
            (folder / WEIGHTS).write_bytes(weights)
            (folder / CONFIG).write_text(json.dumps(described, indent=1), encoding="utf-8")
            card = card_of(f"{actor} {version} in 3D", digest, facts)
            (folder / CARD).write_text(card, encoding="utf-8")

        target = faces3d_folder() / actor / version
        publish_entry(target, write, {"schema": _SCHEMA, "actor": actor})
    return find_face3d(actor, version)


def list_faces3d(actor: str | None = None) -> list[AdapterRecord]:
    """Returns an actor's versions, oldest first, or everybody's; their weights are not read.

    Raises:
        NamingError: `actor` is no name.
        RegistryError: A description or receipt is damaged.
        StorageError: A file cannot be read.
    """
    actors = actors_in(faces3d_folder()) if actor is None else [actor]
    return [_recorded(name, version) for name in actors for version in face3d_versions(name)]


def faces3d_made_for(prior_digest: str) -> list[str]:
    """Returns the names of the 3D faces made for a prior, as `ada v003`; raises StorageError."""
    return made_for(prior_digest, faces3d_folder(), face3d_versions, _recorded)


def _recorded(actor: str, version: str) -> AdapterRecord:
    folder = faces3d_folder() / actor / version
    return _record(actor, version, recorded_entry(folder, place=f"3D face {actor} {version}"))


def _record(actor: str, version: str, entry: Entry) -> AdapterRecord:
    try:
        facts = Face3DFacts(**entry.config)
    except TypeError as error:
        raise RegistryError(
            f"3D face {actor} {version}: {entry.folder / CONFIG}: got {error}, expected a 3D "
            "face's facts; restore the file"
        ) from error
    return AdapterRecord(
        actor=actor,
        version=version,
        folder=entry.folder,
        digest=entry.digest,
        registered=str(entry.receipt.get("registered", "")),
        facts=facts,
    )
