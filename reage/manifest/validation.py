"""Everything that can be told about manifests before a frame is read: `reage validate`.

Needs no network library and opens no plate, so that it runs on a coordinator's laptop.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from reage.errors import ColourError
from reage.manifest.actor import ActorManifest
from reage.manifest.consent import consent_findings
from reage.manifest.fields import FRAME_PATTERN, OWN_COLOURSPACES
from reage.manifest.loader import Reading, read_all, read_as, repeated_shots
from reage.manifest.location import actor_path, real_path
from reage.manifest.problems import Finding, KeyPath, Problem
from reage.manifest.shot import ShotManifest
from reage.manifest.yaml_document import Document


@dataclass(frozen=True)
class ValidationReport:
    """What a validation found.

    Attributes:
        files: Every file read, actors that shots name included.
        problems: What would stop a run, in order of file and line.
        warnings: What may be in order, such as a plate that has not arrived yet.
    """

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def is_valid(self) -> bool:
        """Whether nothing found would stop a run."""
        return not self.problems


def validate(
    paths: str | Path | Sequence[str | Path], *, today: date | None = None
) -> ValidationReport:
    """Checks manifests, the actors they name, and the consent they rely on.

    Args:
        paths: Manifests of either kind, or folders that are searched at every depth.
        today: The day on which consent must hold; the machine's own when left out.
    """
    readings, problems = read_all([paths] if isinstance(paths, str | Path) else paths)
    check = _Validation(today or date.today())
    for reading in readings:
        check.readings[real_path(reading.path)] = reading
    for reading in readings:
        check.judge(reading)
    problems += [problem for reading in check.readings.values() for problem in reading.problems]
    problems += repeated_shots(readings) + check.problems
    files = tuple(reading.path for reading in check.readings.values())
    return ValidationReport(files, _in_order(problems), _in_order(check.warnings))


class _Validation:
    def __init__(self, today: date) -> None:
        self.today = today
        self.readings: dict[Path, Reading] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def judge(self, reading: Reading) -> None:
        manifest, document = reading.manifest, reading.document
        if manifest is None or document is None:
            return
        for key, place in _places(manifest):
            if not _is_there(manifest.resolve(place)):
                finding = Finding(key, repr(place), "something there by the time of the run")
                self.warnings.append(_problem(reading.path, document, finding))
        if isinstance(manifest, ShotManifest):
            self._judge_colour(reading.path, document, manifest)
            for index in range(len(manifest.actors)):
                self._judge_actor(reading.path, document, manifest, index)

    def _judge_colour(self, path: Path, document: Document, shot: ShotManifest) -> None:
        if shot.ocio is None and shot.plate.colourspace in OWN_COLOURSPACES:
            return
        # Only these need OpenColorIO, and numpy with it, which a coordinator's laptop may lack.
        from reage.colour import find_colourspace, name_colourspace

        try:
            find_colourspace(name_colourspace(shot.plate.colourspace, ocio=shot.ocio))
        except ColourError as error:
            key = "ocio" if "OpenColorIO configuration:" in str(error) else "colourspace"
            finding = Finding(("plate", key), *_got_and_expected(error))
            self.problems.append(_problem(path, document, finding))

    def _judge_actor(self, path: Path, document: Document, shot: ShotManifest, index: int) -> None:
        entry = shot.actors[index]
        found = actor_path(path, entry.actor)
        if isinstance(found, Finding):
            finding = found.under(("actors", index, "actor"))
            self.problems.append(_problem(path, document, finding))
            return
        if found not in self.readings:
            self.readings[found] = read_as(found, ActorManifest)
        reading = self.readings[found]
        actor, record_document = reading.manifest, reading.document
        if not isinstance(actor, ActorManifest) or record_document is None:
            return
        for finding in consent_findings(
            actor.consent, use="render", show=shot.show, document_id=None, today=self.today
        ):
            problem = _problem(reading.path, record_document, finding.under(("consent",)))
            self.problems.append(problem)
        named, held = shot.consent_document(entry.actor), actor.consent.document_id
        if named != held:
            key: KeyPath = ("actors", index) if entry.consent else ()
            expected = f"{held!r}, the document of {entry.actor}"
            finding = Finding((*key, "consent", "document_id"), repr(named), expected)
            self.problems.append(_problem(path, document, finding))


def _got_and_expected(error: ColourError) -> tuple[str, str]:
    """Takes `<place>: got <value>, expected <value>[; <cure>]` apart."""
    got, _, expected = str(error).partition(": got ")[2].partition(", expected ")
    return got, expected


def _places(manifest: ShotManifest | ActorManifest) -> list[tuple[KeyPath, str]]:
    """Returns what a manifest points at and a run will read."""
    if isinstance(manifest, ActorManifest):
        found: list[tuple[KeyPath, str]] = [
            (("references", index), place) for index, place in enumerate(manifest.references)
        ]
        return found + ([(("collection",), manifest.collection)] if manifest.collection else [])
    mattes = [
        (("actors", index, key), place)
        for index, entry in enumerate(manifest.actors)
        for key in ("matte", "occlusion_matte")
        if (place := getattr(entry, key))
    ]
    return [
        (("plate", "uri"), manifest.plate.uri),
        *mattes,
    ]


def _is_there(place: str) -> bool:
    """Tells whether a file, a folder or any frame of a sequence can be seen; `s3://` is trusted."""
    if place.startswith("s3://"):
        return True
    path = Path(place)
    pattern = FRAME_PATTERN.search(path.name)
    if pattern is None:
        return os.path.exists(path)
    before, after = path.name[: pattern.start()], path.name[pattern.end() :]
    frame = re.compile(re.escape(before) + r"\d+" + re.escape(after))
    try:
        return any(frame.fullmatch(name) for name in os.listdir(path.parent))
    except OSError:
        return False


def _problem(path: Path, document: Document, finding: Finding) -> Problem:
    return Problem(str(path), document.line_of(finding.key), finding)


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line or 0)))
