"""A copy of an actor's versions and buffers in a store that others read, such as a bucket.

Laid out as the registry is: `adapters/<actor>/<version>/` and `buffers/<actor>/<version>/`, each
with its files and, written last and never replaced, the receipt with their digests. Where there is
no receipt there is no version: whatever a failing store leaves behind is written over the next
time. What the registry no longer keeps goes from the copy, too. `mirrors/<actor>.json` of the
registry says where copies are, so that a purge finds them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.adapters import adapter_versions, adapters_folder
from reage.registry.buffers import BUFFER_FILES, buffer_versions, buffers_folder
from reage.registry.entry import FILES, RECEIPT, read_object, registry_root
from reage.storage import Storage, open_storage
from reage.storage.local import atomic_file, local_errors

_SCHEMA = "reage.mirrors/1"


def mirror(actor: str, place: str) -> list[str]:
    """Brings a copy of an actor's versions and buffers up to date.

    Adapters go before their buffers, so that no buffer is there whose version is not.

    Args:
        actor: As the actor's manifest names them.
        place: `s3://bucket/prefix` or a folder.

    Returns:
        The entries that were copied or removed, as `adapters/ada/v003`.

    Raises:
        RegistryError: The store has another version of the same name.
        StorageError: A file cannot be read, or the store cannot be read or written.
    """
    _note(actor, place)
    store = open_storage(place)
    adapters = [(adapters_folder() / actor / v, FILES) for v in adapter_versions(actor)]
    buffers = [(buffers_folder(actor) / v, BUFFER_FILES) for v in buffer_versions(actor)]
    copied = []
    for kind, entries in (("adapters", adapters), ("buffers", buffers)):
        for folder, files in entries:
            prefix = f"{kind}/{actor}/{folder.name}"
            if _copied(folder, files, prefix, store):
                copied.append(prefix)
    kept = {folder.name for folder, _ in buffers}
    return copied + [
        prefix
        for version in store.list_folders(f"buffers/{actor}")
        if version not in kept
        for prefix in _removed(f"buffers/{actor}/{version}", store)
    ]


def mirrors_of(actor: str) -> list[str]:
    """Returns where copies are or were; raises RegistryError and StorageError."""
    path = _file(actor)
    with local_errors(str(path), "read"):
        if not path.is_file():
            return []
    return list(map(str, read_object(path, place=f"mirrors of {actor}")["places"]))


def purge_mirrors(actor: str) -> list[str]:
    """Removes all copies of an actor's versions and buffers, wherever they are.

    Done again after a failure, it removes what is left.

    Returns:
        The entries that were removed, as URIs.

    Raises:
        StorageError: A store cannot be read or written.
    """
    removed = []
    for place in mirrors_of(actor):
        store = open_storage(place)
        removed += [store.uri(prefix) for prefix in _purged(actor, store)]
    with local_errors(str(_file(actor)), "remove"):
        _file(actor).unlink(missing_ok=True)
    return removed


def _purged(actor: str, store: Storage) -> list[str]:
    return [
        prefix
        for kind in ("buffers", "adapters")
        for version in store.list_folders(f"{kind}/{actor}")
        for prefix in _removed(f"{kind}/{actor}/{version}", store)
    ]


def _note(actor: str, place: str) -> None:
    """Remembers a place before anything is copied to it."""
    known = mirrors_of(actor)
    if place in known:
        return
    path = _file(actor)
    with local_errors(str(path), "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, place=str(path)) as partial:
        text = json.dumps({"schema": _SCHEMA, "places": [*known, place]}, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")


def _file(actor: str) -> Path:
    return registry_root() / "mirrors" / f"{check_name(actor, what='actor')}.json"


def _copied(folder: Path, files: Sequence[str], prefix: str, store: Storage) -> bool:
    receipt = (folder / RECEIPT).read_bytes()
    key = f"{prefix}/{RECEIPT}"
    if store.exists(key):
        _check_same(receipt, store.read_bytes(key), store.uri(prefix))
        return False
    for file in files:
        store.put_file(folder / file, f"{prefix}/{file}")
    store.put_bytes(key, receipt, if_absent=True)
    return True


def _check_same(own: bytes, theirs: bytes, place: str) -> None:
    """Raises RegistryError unless two receipts are of the same files."""
    try:
        same = json.loads(theirs)["sha256"] == json.loads(own)["sha256"]
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise RegistryError(
            f"{place}: got another version of this name, expected the registry's or none; give "
            "every registry a prefix of its own in nightly.publish"
        )


def _removed(prefix: str, store: Storage) -> list[str]:
    """Removes an entry, its receipt first; returns its prefix."""
    keys = store.list_keys(f"{prefix}/")
    for key in sorted(keys, key=lambda key: not key.endswith(f"/{RECEIPT}")):
        store.remove(key)
    return [prefix]
