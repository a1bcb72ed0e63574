"""Importing published weights: from a file as its authors give it to an entry of the registry.

Holds no Prefect task: an import is one person's act on one machine, with nothing to retry.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.ageing.mytm import personal_difference
from models.ageing.prior import FFHQAlignment
from models.ageing.prior_files import FORMAT
from models.published import PUBLISHED, PublishedSizes, PublishedWeights
from models.published import read_published_weights as read_weights
from models.published_file import (
    CheckpointError,
    State,
    read_tensors,
    tensor_bytes,
    write_tensors,
)
from reage.errors import RegistryError, StorageError
from reage.registry.adapter_facts import PublishedFacts
from reage.registry.adapters import AdapterRecord, adapters_folder, find_published, register_adapter
from reage.registry.entry import CARD, CONFIG, WEIGHTS
from reage.registry.priors import list_priors
from reage.registry.weights import (
    DEFAULT_NAMES,
    KNOWN_TERMS,
    RIGHTS,
    WeightsRecord,
    already_imported,
    find_weights,
    register_weights,
    weights_folder,
)
from reage.storage import file_digest

_SPARE_BYTES = 64 << 20


def import_weights(
    file: Path,
    kind: str,
    *,
    name: str | None = None,
    licence: str | None = None,
    base: str | None = None,
    alexnet: Path | None = None,
    sizes: PublishedSizes = PUBLISHED,
) -> WeightsRecord:
    """Turns a published file into an entry of the registry, whole or not at all.

    Args:
        file: As its authors give it: a torch pickle, or safetensors.
        kind: One of KINDS.
        name: To register it under; the kind's own name by default.
        licence: The terms that the studio holds it under; the known ones by default.
        base: For mytm, the name of the SAM weights that it was trained on.
        alexnet: For lpips, AlexNet's file.
        sizes: Of the networks.

    Returns:
        The entry; importing the same file again returns it and changes nothing.

    Raises:
        NamingError: The name is no name.
        RegistryError: The file is not what it is said to be, or the name is taken.
        StorageError: A file cannot be read, or the registry cannot be written.
    """
    name = _chosen_name(kind, name)
    digest = file_digest(file)
    known = already_imported(kind, name, digest)
    if known is not None:
        return known
    if name in list_priors():
        raise RegistryError(f"weights {name}: name: got a prior's, expected another --name")
    under = _base(base) if kind == "mytm" else None
    try:
        found = read_weights(file, kind, sizes=sizes, alexnet=alexnet)
        state = found.state if under is None else _difference(found, under)
    except CheckpointError as error:
        raise RegistryError(str(error)) from error
    _check_space(weights_folder(kind), state)
    terms = licence or KNOWN_TERMS[kind]
    config = {"name": name, "licence": terms, **found.config}
    if under is not None:
        config["base"] = under.digest

    def write(folder: Path) -> None:
        write_tensors(folder / WEIGHTS, state)
        entry_digest = file_digest(folder / WEIGHTS)
        described = _description(kind, entry_digest, config, sizes)
        (folder / CONFIG).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        card = _card(kind, name, terms, source=(file.name, digest), digest=entry_digest, base=under)
        (folder / CARD).write_text(card, encoding="utf-8")

    return register_weights(
        kind,
        name,
        write,
        source=file,
        source_digest=digest,
        base_digest="" if under is None else under.digest,
    )


def import_published_adapter(
    file: Path,
    actor: str,
    *,
    consent_document: str,
    licence: str | None = None,
    base: str | None = None,
    sizes: PublishedSizes = PUBLISHED,
) -> AdapterRecord:
    """Turns a published MyTimeMachine checkpoint into the next version of an actor's adapter.

    Consent to learning from the actor is asked before, by whoever calls.

    Args:
        file: As its authors give it: a torch pickle, or safetensors.
        actor: Whom it was trained on, as the actor's manifest names them.
        consent_document: Id of the document that allowed it.
        licence: The terms that the studio holds it under; the known ones by default.
        base: Name of the SAM weights that it was trained on.
        sizes: Of the networks.

    Returns:
        The version; importing the same file again on the same terms, by the same document and for
        the same prior returns it and changes nothing.

    Raises:
        NamingError: `actor` is no name.
        RegistryError: The file is no such checkpoint, or there are no such SAM weights.
        StorageError: A file cannot be read, or the registry cannot be written.
    """
    under = _base(base)
    facts = PublishedFacts(
        prior_name=under.name,
        prior_digest=under.digest,
        licence=licence or KNOWN_TERMS["mytm"],
        consent_document=consent_document,
        network=asdict(sizes.adapter),
        source=file.name,
        source_digest=file_digest(file),
    )
    known = find_published(actor, facts)
    if known is not None:
        return known
    try:
        state = _difference(read_weights(file, "mytm", sizes=sizes), under)
    except CheckpointError as error:
        raise RegistryError(str(error)) from error
    _check_space(adapters_folder(), state)
    return register_adapter(actor, tensor_bytes(state), facts)


def _chosen_name(kind: str, name: str | None) -> str:
    chosen = name or DEFAULT_NAMES.get(kind)
    if chosen is None:
        raise RegistryError(
            f"weights: name: got none, expected --name NAME for {kind}, or --actor ACTOR.yaml to "
            "use it in shots"
        )
    return chosen


def _base(name: str | None) -> WeightsRecord:
    record = find_weights(name or DEFAULT_NAMES["sam"])
    if record.kind != "sam":
        raise RegistryError(f"weights {record.name}: kind: got {record.kind}, expected sam")
    return record


def _difference(found: PublishedWeights, base: WeightsRecord) -> State:
    """What of a MyTimeMachine checkpoint is not its base's."""
    own = read_tensors(base.weights)
    strange = [k for k, v in found.state.items() if k in own and own[k].shape != v.shape]
    if strange:
        raise RegistryError(
            f"weights {base.name}: sizes: got another {strange[0]}, expected the checkpoint's; "
            "name the SAM weights it was trained on with --base"
        )
    return personal_difference(found.state, own)


def _check_space(folder: Path, state: State) -> None:
    """Raises StorageError, before anything is written, when the entry would not fit."""
    needed = sum(tensor.nbytes for tensor in state.values()) + _SPARE_BYTES
    place = next(p for p in (folder, *folder.parents) if p.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StorageError(
            f"{folder}: space: got {free / 1e9:.1f} GB free, expected {needed / 1e9:.1f} GB; free "
            "some space or set REAGE_HOME to another disk"
        )


def _description(
    kind: str, digest: str, config: Mapping[str, Any], sizes: PublishedSizes
) -> dict[str, Any]:
    described: dict[str, Any] = {"format": FORMAT, "kind": kind, "digest": digest, "config": config}
    if kind == "sam":
        described["alignment"] = asdict(FFHQAlignment(size=sizes.encoder.resolution))
    return described


def _card(
    kind: str,
    name: str,
    terms: str,
    *,
    source: tuple[str, str],
    digest: str,
    base: WeightsRecord | None,
) -> str:
    file, file_digest_hex = source
    lines = [
        f"# {name}",
        "",
        f"- kind: {kind}, imported as published",
        f"- terms: {terms}",
        f"- {RIGHTS}",
        f"- imported from: {file}, SHA-256 {file_digest_hex}",
        f"- weights: SHA-256 {digest}",
    ]
    if base is not None:
        lines.append(f"- builds on: {base.name}, SHA-256 {base.digest}")
    if kind == "sam":
        lines.append(
            "- ages 18 to 100; crops of FFHQ alignment; the networks know no one's age or identity:"
            " DEX and IR-SE50 judge them where imported, else the compact prior's own networks"
        )
    return "\n".join(lines) + "\n"
