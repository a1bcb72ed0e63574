"""From a YAML file to a frozen manifest, or to every mistake in it with file, line and key.

Knows which kind of manifest a file is; what YAML is, `yaml_document` knows.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from reage.errors import ManifestError
from reage.manifest.actor import ActorManifest
from reage.manifest.location import misplaced_actor, misplaced_shot, real_path
from reage.manifest.problems import Finding, Problem, findings_of, known_keys
from reage.manifest.shot import ShotManifest
from reage.manifest.yaml_document import Document, read_document

_Manifest = TypeVar("_Manifest", ShotManifest, ActorManifest)


@dataclass(frozen=True)
class Reading:
    """What came of reading one file: a manifest, or its problems; the document if it was YAML."""

    path: Path
    manifest: ShotManifest | ActorManifest | None
    problems: tuple[Problem, ...]
    document: Document | None = None


def load_shot(path: str | Path) -> ShotManifest:
    """Reads a shot manifest.

    Raises:
        ManifestError: Every mistake found in the file, one line each.
    """
    return _loaded(read_as(Path(path), ShotManifest), ShotManifest)


def load_actor(path: str | Path, *, origin: str = "") -> ActorManifest:
    """Reads an actor manifest.

    Args:
        path: Of the file.
        origin: The `s3://` URI that it was fetched from; relative places are taken from there.

    Raises:
        ManifestError: Every mistake found in the file, one line each.
    """
    manifest = _loaded(read_as(Path(path), ActorManifest), ActorManifest)
    manifest._origin = origin
    return manifest


def load_shots(paths: str | Path | Sequence[str | Path]) -> list[ShotManifest]:
    """Reads the shot manifests in files and folders, in order; actor manifests are passed over.

    Args:
        paths: Files, or folders that are searched at every depth for `.yaml` and `.yml`.

    Raises:
        ManifestError: Every mistake in every file, one line each; or there is no shot at all.
    """
    readings, problems = read_all([paths] if isinstance(paths, str | Path) else paths)
    shots = [r.manifest for r in readings if isinstance(r.manifest, ShotManifest)]
    for reading in readings:
        problems += reading.problems
    problems += repeated_shots(readings)
    if problems:
        raise ManifestError("\n".join(map(str, problems)))
    if not shots:
        raise ManifestError(f"{_listed(paths)}: got no shot manifest, expected at least one")
    return shots


def actor_files(paths: Sequence[str | Path]) -> list[Path]:
    """Returns the files among paths and in folders that are, or may be, actor manifests.

    A file that says it is a shot is left out; one that cannot be read is not, so that its problems
    are reported where it is loaded.

    Raises:
        ManifestError: There is none.
    """
    readings, problems = read_all(paths)
    if problems:
        raise ManifestError("\n".join(map(str, problems)))
    found = [
        reading.path
        for reading in readings
        if not isinstance(reading.manifest, ShotManifest)
        and (reading.document is None or "shot" not in reading.document.values)
    ]
    if not found:
        raise ManifestError(f"{_listed(paths)}: got no actor manifest, expected at least one")
    return found


def read_all(paths: Sequence[str | Path]) -> tuple[list[Reading], list[Problem]]:
    """Reads every manifest in files and folders, each as the kind that its keys say it is.

    Returns:
        The readings, one a file, and the problems of paths that hold no manifest.
    """
    files: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in map(Path, paths):
        found = _yaml_files(path) if os.path.isdir(path) else [path]
        if not found:
            finding = Finding((), "a folder without manifests", "one that holds .yaml files")
            problems.append(Problem(str(path), None, finding))
        for file in found:
            files.setdefault(real_path(file), file)
    return [_read_either(file) for file in files.values()], problems


def repeated_shots(readings: Sequence[Reading]) -> list[Problem]:
    """Returns a problem for every file that names a shot which an earlier file names too."""
    seen: dict[object, Path] = {}
    problems = []
    for reading in readings:
        if isinstance(reading.manifest, ShotManifest) and reading.document:
            shot_id = reading.manifest.shot_id
            if shot_id in seen:
                finding = Finding(("shot",), str(shot_id), f"another shot than {seen[shot_id]} has")
                line = reading.document.line_of(("shot",))
                problems.append(Problem(str(reading.path), line, finding))
            seen.setdefault(shot_id, reading.path)
    return problems


def read_as(path: Path, model: type[_Manifest]) -> Reading:
    """Reads one file as a manifest of the kind `model`, keeping its problems instead of raising."""
    document = read_document(path)
    if isinstance(document, list):
        return Reading(path, None, tuple(document))
    return _judged(path, document, model)


def _read_either(path: Path) -> Reading:
    document = read_document(path)
    if isinstance(document, list):
        return Reading(path, None, tuple(document))
    is_actor = "actor" in document.values and "shot" not in document.values
    if is_actor:
        return _judged(path, document, ActorManifest)
    return _judged(path, document, ShotManifest)


def _judged(path: Path, document: Document, model: type[_Manifest]) -> Reading:
    try:
        manifest = model.model_validate(document.values)
    except ValidationError as error:
        found = findings_of(error, known_keys(model))
        versions = [finding for finding in found if finding.key == ("schema_version",)]
        found = versions or found  # another version has other keys: what else is amiss says nothing
    else:
        manifest._path = path
        if isinstance(manifest, ShotManifest):
            manifest._text = document.text
            found = misplaced_shot(path, manifest)
        else:
            found = misplaced_actor(path, manifest)
        if not found:
            return Reading(path, manifest, (), document)
    problems = [Problem(str(path), document.line_of(finding.key), finding) for finding in found]
    problems.sort(key=lambda problem: problem.line or 0)
    return Reading(path, None, tuple(problems), document)


def _loaded(reading: Reading, model: type[_Manifest]) -> _Manifest:
    if not isinstance(reading.manifest, model):
        raise ManifestError("\n".join(map(str, reading.problems)))
    return reading.manifest


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in {".yaml", ".yml"} and _may_be_file(p))


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # reading it says why
        return True


def _listed(paths: str | Path | Sequence[str | Path]) -> str:
    given = [paths] if isinstance(paths, str | Path) else paths
    return ", ".join(map(str, given)) or "manifests"
