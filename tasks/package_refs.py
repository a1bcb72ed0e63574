"""Pointers to what a delivery sends, and to the piece of work whose version it is."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, kw_only=True)
class JobRef:
    """One piece of work for a shot, and the version it holds at the destination.

    Attributes:
        holder: Content key of everything the result depends on; the same work, run again, has the
            same one and gets the same version.
        version: As `v003`.
        date: Day on which the work was begun, for slates and reports.
    """

    holder: str
    version: str
    date: date


@dataclass(frozen=True, kw_only=True)
class PackageRef:
    """Everything a delivery sends.

    Attributes:
        folder: Where the files lie; their names are relative to it.
        files: Pairs of role and file name, e.g. `("wipe", "demo_sq010_sh0010_wipe.mp4")`.
        manifest_digest: Digest of the shot manifest it was rendered for.
        job: Whose version it is.
        verdict: `pass` or `needs review`.
        reasons: Why it needs review, in words.
    """

    folder: str
    digest: str
    files: tuple[tuple[str, str], ...]
    manifest_digest: str
    job: JobRef
    verdict: str
    reasons: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Returns the ref as plain JSON values; `recalled` reads them."""
        fields = asdict(self)
        fields["job"]["date"] = self.job.date.isoformat()
        return fields

    @classmethod
    def recalled(cls, document: dict[str, Any] | None) -> "PackageRef | None":
        """Rebuilds a ref from its JSON form, None from None."""
        if document is None:
            return None
        pairs = tuple((role, name) for role, name in document["files"])
        job = {**document["job"], "date": date.fromisoformat(document["job"]["date"])}
        reasons = tuple(document.get("reasons", ()))
        return cls(**{**document, "files": pairs, "job": JobRef(**job), "reasons": reasons})
