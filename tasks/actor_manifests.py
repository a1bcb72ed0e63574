"""Actor manifests on this machine or under an S3 prefix, read when they are asked for.

A copy of a manifest from a bucket lies in `<work>/manifests/<digest>/`, under its own name. It is
fetched anew each time: a consent that was withdrawn counts at once.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.errors import ManifestError
from reage.manifest import ActorManifest, load_actor
from reage.manifest.loader import actor_files
from reage.storage import open_storage
from reage.storage.local import atomic_file
from tasks.retries import may_pass

_SUFFIXES = (".yaml", ".yml")


@task(
    name="find actors",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def find_actors(places: Sequence[str], work: str) -> list[str]:
    """Returns the actor manifests among files, folders and S3 prefixes: paths and URIs.

    Args:
        places: Paths, or `s3://bucket/prefix`, or `s3://bucket/key` of one manifest.
        work: Root of the work folders.

    Raises:
        ManifestError: There is none.
        StorageError: A bucket cannot be read.
    """
    local = [place for place in places if not place.startswith("s3://")]
    found = list(map(str, actor_files(local))) if local else []
    for place in places:
        if place.startswith("s3://"):
            found += _actors_under(place, Path(work))
    return found


def load_actor_from(place: str, work: str) -> ActorManifest:
    """Reads the manifest at a path or URI as it is now; raises ManifestError and StorageError."""
    if not place.startswith("s3://"):
        return load_actor(Path(place))
    return load_actor(_fetched(place, Path(work)), origin=place)


def _actors_under(place: str, work: Path) -> list[str]:
    store = open_storage(place)
    uris = [store.uri(key) for key in store.list_keys() if key.endswith(_SUFFIXES)]
    if place.endswith(_SUFFIXES):
        uris.append(place)
    if not uris:
        raise ManifestError(f"{place}: got no manifest, expected a prefix that holds .yaml files")
    copies = {_fetched(uri, work).resolve(): uri for uri in uris}
    return [copies[path.resolve()] for path in actor_files(list(copies))]


def _fetched(uri: str, work: Path) -> Path:
    folder, _, name = uri.rpartition("/")
    data = open_storage(folder).read_bytes(name)
    digest = hashlib.sha256(uri.encode() + b"\0" + data).hexdigest()
    path = work.resolve() / "manifests" / digest[:20] / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, place=str(path)) as partial:
            partial.write_bytes(data)
    return path
