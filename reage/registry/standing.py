"""Which of an actor's adapter versions count: what `latest` means after a rollback or a purge.

Versions themselves never change. One small file an actor, `standing/<actor>.json` of the registry,
replaced as a whole, names the versions that were set aside; `latest` is the newest version that is
not among them. It also names photographs that nights leave alone, because a version that learnt
from them was set aside, and the highest version that was ever purged, so that no version's name is
used twice.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name, parse_version
from reage.registry.entry import read_object, registry_root
from reage.storage.local import atomic_file, local_errors

_SCHEMA = "reage.standing/1"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What was decided about an actor's versions.

    Attributes:
        set_aside: Versions that `latest` passes over, each with why and since when.
        photographs: SHA-256 (hex) of the photographs that nights leave alone.
        purged: Highest version that was purged; empty where none was.
    """

    set_aside: Mapping[str, str] = field(default_factory=dict)
    photographs: tuple[str, ...] = ()
    purged: str = ""

    def latest_of(self, versions: list[str]) -> str | None:
        """Returns the newest of some versions (oldest first) that counts; None if none does."""
        counting = [version for version in versions if version not in self.set_aside]
        return counting[-1] if counting else None

    def rolled_back(
        self, to: str, versions: list[str], *, why: str, photographs: tuple[str, ...]
    ) -> "Standing":
        """Returns the standing in which `latest` is `to`.

        Args:
            to: One of `versions`.
            versions: All there are; later ones are set aside, and `to` is no longer.
            why: Said of each version that is newly set aside.
            photographs: To be left alone by nights.
        """
        later = [v for v in versions if parse_version(v) > parse_version(to)]
        kept = {v: said for v, said in self.set_aside.items() if v != to}
        return replace(
            self, set_aside={v: why for v in later} | kept, photographs=tuple(sorted(photographs))
        )


def standing_of(actor: str) -> Standing:
    """Returns what was decided about an actor's versions; raises RegistryError and StorageError."""
    path = _file(actor)
    with local_errors(str(path), "read"):
        if not path.is_file():
            return Standing()
    place = f"adapters of {actor}"
    found = read_object(path, place=place)
    try:
        return Standing(
            set_aside={str(v): str(said) for v, said in found["set_aside"].items()},
            photographs=tuple(map(str, found["photographs"])),
            purged=str(found["purged"]),
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"{place}: {path}: got {error}, expected what a rollback wrote; restore the file"
        ) from error


def decide(actor: str, standing: Standing) -> None:
    """Replaces what was decided; to be called under `deciding`. Raises StorageError."""
    path = _file(actor)
    described = {"schema": _SCHEMA, **asdict(standing)}
    with atomic_file(path, place=str(path)) as partial:
        partial.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


@contextmanager
def deciding(actor: str) -> Iterator[None]:
    """Holds an actor's versions still while a step is taken that depends on them.

    Rollbacks, purges and nights that publish wait for one another; a killed holder lets go.
    """
    path = _file(actor)
    with local_errors(str(path), "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file(actor: str) -> Path:
    return registry_root() / "standing" / f"{check_name(actor, what='actor')}.json"
