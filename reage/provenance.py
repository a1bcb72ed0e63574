"""Permission before the work and a record after it: consent check, sidecar, audit log.

The sidecar says what was done to a shot and with what; the audit log is a chain in which every line
carries the digest of the one before, so that a changed, removed or inserted line shows.
Source of the source type: IPTC NewsCodes "digitalsourcetype", as C2PA uses it.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from reage.errors import ConsentError, LedgerError
from reage.manifest.actor import ActorManifest
from reage.manifest.age import AgeCurve
from reage.manifest.consent import Use, consent_findings
from reage.manifest.shot import ActorInShot, ShotManifest
from reage.manifest.strength import StrengthCurve
from reage.storage.local import local_errors

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
_CHAIN_START = "0" * 64


def check_consent(
    actor: ActorManifest, *, use: Use, show: str | None, document_id: str | None, today: date
) -> None:
    """Checks that the actor has agreed to a use; returns nothing when that is so.

    Args:
        actor: The actor's manifest with the consent record.
        use: `render` to re-age a shot, `train` to learn from photographs.
        show: The show that it is done for, None when it is for none in particular.
        document_id: The document that the shot names, None when no shot is involved.
        today: The day on which it is done.

    Raises:
        ConsentError: Every reason why the record does not cover it, one line each.
    """
    findings = consent_findings(
        actor.consent, use=use, show=show, document_id=document_id, today=today
    )
    if findings:
        lines = (str(finding.under(("consent",))) for finding in findings)
        raise ConsentError("\n".join(f"actor {actor.actor}: {line}" for line in lines))


def sidecar(
    shot: ShotManifest,
    *,
    version: str,
    plate_digest: str,
    prior_digest: str,
    adapters: Mapping[str, tuple[str, str]] | None = None,
    source_ages: Mapping[str, float] | None = None,
    created: datetime | None = None,
    software_version: str | None = None,
) -> dict[str, Any]:
    """Describes what was done to a shot and with what, in JSON values; nothing in it is random.

    Args:
        shot: The manifest that asked for it.
        version: Version name of the delivery.
        plate_digest: SHA-256 (hex) of the plate.
        prior_digest: SHA-256 (hex) of the prior's weights.
        adapters: By actor, version and SHA-256 (hex) of the adapter used.
        source_ages: By actor, the age that `auto` came to, in years.
        created: When; the sidecar carries no time without it.
        software_version: Of Reage; the installed one when left out.
    """
    used, ages = adapters or {}, source_ages or {}
    described: dict[str, Any] = {
        "kind": "reage-sidecar",
        "schema_version": 1,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "action": "face re-aged by a trained network, composited over the photographed plate",
        "shot": {"show": shot.show, "sequence": shot.sequence, "shot": shot.shot},
        "version": version,
        "frames": str(shot.frames),
        "cut": str(shot.cut),
        "manifest_sha256": shot.digest,
        "plate": {"uri": shot.plate.uri, "sha256": plate_digest},
        "prior": {"name": shot.prior, "sha256": prior_digest},
        "actors": [_actor_part(shot, entry, used, ages) for entry in shot.actors],
        "software": {"name": "reage", "version": software_version or installed_version()},
    }
    return described | _time_part(created)


def provenance_attributes(described: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a sidecar says, as text attributes for the header of a picture file."""
    shot, actors = described["shot"], described["actors"]
    software = described["software"]
    return {
        "reage:software": f"{software['name']} {software['version']}",
        "reage:shot": f"{shot['show']}/{shot['sequence']}/{shot['shot']}",
        "reage:version": described["version"],
        "reage:action": described["action"],
        "reage:digitalSourceType": described["digital_source_type"],
        "reage:manifestSha256": described["manifest_sha256"],
        "reage:plateSha256": described["plate"]["sha256"],
        "reage:prior": f"{described['prior']['name']} {described['prior']['sha256']}",
        "reage:actors": ", ".join(entry["actor"] for entry in actors),
        "reage:consent": ", ".join(entry["consent_document_id"] for entry in actors),
    }


def installed_version() -> str:
    """Returns the version of Reage."""
    return importlib.metadata.version("reage")


def _time_part(created: datetime | None) -> dict[str, str]:
    if created is None:
        return {}
    return {"created": created.astimezone(UTC).isoformat(timespec="seconds")}


def _actor_part(
    shot: ShotManifest,
    entry: ActorInShot,
    adapters: Mapping[str, tuple[str, str]],
    ages: Mapping[str, float],
) -> dict[str, Any]:
    version, digest = adapters.get(entry.actor, ("none", None))
    target, followed = (
        value.model_dump(mode="json") if isinstance(value, AgeCurve | StrengthCurve) else value
        for value in (entry.target_age, entry.adapter_strength)
    )
    return {
        "actor": entry.actor,
        "consent_document_id": shot.consent_document(entry.actor),
        "source_age": ages.get(entry.actor) if entry.source_age == "auto" else entry.source_age,
        "source_age_is_estimated": entry.source_age == "auto",
        "target_age": target,
        "strength": entry.strength,
        "adapter": {"version": version, "sha256": digest},
        "adapter_strength": None if digest is None else followed,
    }


class AuditLog:
    """An append-only file of JSON lines, each bound to the one before by its digest.

    A line holds `number` (from 1), `at` (UTC), `event`, `previous` and `digest`, the SHA-256 of the
    other four. Someone who can write the file can rewrite it whole, or cut its end off: keep a
    `head` elsewhere (a sidecar, a receipt) and give it to `verify`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, event: Mapping[str, Any], *, at: datetime | None = None) -> str:
        """Adds an event and returns its digest, the new head. Safe between processes.

        Args:
            event: JSON values under text keys.
            at: When it happened; now, when left out.

        Raises:
            LedgerError: The event is not JSON, or the log's last line is broken.
            StorageError: It cannot be written, say because the disk is full; the log is as before.
        """
        try:
            content = json.loads(_canonical(dict(event)))
        except (TypeError, ValueError) as error:
            raise LedgerError(f"{self.path}: event: got {error}, expected JSON values") from None
        with local_errors(str(self.path), "write"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                last = self._last(file.fileno())
                entry: dict[str, Any] = {
                    "number": last["number"] + 1 if last else 1,
                    "at": (at or datetime.now(UTC)).astimezone(UTC).isoformat(),
                    "event": content,
                    "previous": last["digest"] if last else _CHAIN_START,
                }
                entry["digest"] = _digest(entry)
                _append_whole(file.fileno(), _canonical(entry) + b"\n")
        return str(entry["digest"])

    def verify(self, *, head: str | None = None) -> int:
        """Checks the whole chain and returns the number of its entries.

        Args:
            head: A digest that `append` returned, which the log must still contain.

        Raises:
            LedgerError: Names the first broken line, or says that `head` is gone.
        """
        count, previous, is_found = 0, _CHAIN_START, head is None
        for count, line in enumerate(self._lines(), start=1):
            entry = self._entry(count, line)
            if entry["previous"] != previous:
                raise self._broken(count, "previous", entry["previous"], previous)
            previous = entry["digest"]
            is_found = is_found or previous == head
        if not is_found:
            raise LedgerError(
                f"{self.path}: head: got a log of {count} without {head}, expected a line with it; "
                "lines were cut off: restore the file from a backup"
            )
        return count

    def entries(self) -> list[dict[str, Any]]:
        """Returns the log's entries, oldest first, each checked by itself."""
        return [self._entry(number, line) for number, line in enumerate(self._lines(), start=1)]

    def _lines(self) -> Iterator[bytes]:
        if self.path.exists():
            with open(self.path, "rb") as file:
                yield from file

    def _last(self, descriptor: int) -> dict[str, Any] | None:
        """Reads the last line from the end, so that a long log costs no more than a short one."""
        size, block, tail = os.fstat(descriptor).st_size, 65_536, b""
        while size > 0 and tail.count(b"\n") < 2:
            start = max(0, size - block)
            tail = os.pread(descriptor, size - start, start) + tail
            size = start
        if not tail:
            return None
        return self._entry(None, tail.splitlines(keepends=True)[-1])

    def _entry(self, number: int | None, line: bytes) -> dict[str, Any]:
        """Reads one line and checks its own digest; `number` is None where it is not known."""
        try:
            entry = json.loads(line)
            is_whole = set(entry) == {"number", "at", "event", "previous", "digest"}
        except (ValueError, TypeError, RecursionError):
            is_whole = False
        if not is_whole or not line.endswith(b"\n"):
            raise self._broken(number, "line", "half an entry", "a whole entry")
        claimed = entry.pop("digest")
        actual = _digest(entry)
        if claimed != actual:
            raise self._broken(number, "digest", claimed, actual)
        if number is not None and entry["number"] != number:
            raise self._broken(number, "number", entry["number"], number)
        return {**entry, "digest": claimed}

    def _broken(self, number: int | None, what: str, got: object, expected: object) -> LedgerError:
        place = f"{self.path}:{'last line' if number is None else number}"
        return LedgerError(
            f"{place}: {what}: got {got}, expected {expected}; the log was altered or cut short "
            "here: keep it as evidence and begin a new file"
        )


def _append_whole(descriptor: int, line: bytes) -> None:
    """Appends a line and syncs it; cuts the file back to what it was where that fails."""
    size = os.fstat(descriptor).st_size
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(entry)).hexdigest()
