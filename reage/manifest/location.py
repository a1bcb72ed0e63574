"""Where a manifest lies, and what follows: relative places, its actors, the names it must bear."""

import hashlib
import json
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from reage.errors import ManifestError
from reage.manifest.problems import Finding, closest
from reage.naming import check_name

if TYPE_CHECKING:
    from reage.manifest.actor import ActorManifest
    from reage.manifest.shot import ShotManifest


def digest_of(manifest: BaseModel) -> str:
    """Returns the SHA-256 (hex) of a manifest's canonical JSON."""
    content = manifest.model_dump(mode="json")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def real_path(path: Path) -> Path:
    """Returns where a path leads; a link that cannot be followed stays as it is."""
    return Path(os.path.realpath(path))


def resolve_place(place: str, manifest_path: Path | None, origin: str = "") -> str:
    """Returns an `s3://` URI unchanged and anything else as a path.

    A relative path is taken from the manifest's folder, or from the working folder when the
    manifest was not read from a file. Of a manifest that came from `s3://`, its origin, it is taken
    from the prefix there and is a URI.

    Raises:
        ManifestError: It leads out of the origin's bucket.
    """
    if place.startswith("s3://"):
        return place
    if origin and not place.startswith(("/", "~", "file://")):
        return _beside(origin, place)
    if place.startswith("file://"):
        return unquote(urlsplit(place).path)
    folder = real_path(manifest_path).parent if manifest_path else Path.cwd()
    return str(real_path(folder / Path(place).expanduser()))


def _beside(origin: str, place: str) -> str:
    bucket, _, key = origin.removeprefix("s3://").partition("/")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(key), place))
    if found == ".." or found.startswith("../"):
        raise ManifestError(
            f"{origin}: got {place}, which leads out of the bucket, expected a place in {bucket} "
            "or an s3:// URI"
        )
    return f"s3://{bucket}" if found == "." else f"s3://{bucket}/{found}"


def find_actor(shot_path: str | Path, name: str) -> Path:
    """Returns the manifest of an actor: `actors/<name>.yaml` beside the shot or in a folder above.

    Raises:
        NamingError: `name` is not a safe name.
        ManifestError: There is no such file.
    """
    found = actor_path(shot_path, name)
    if isinstance(found, Finding):
        raise ManifestError(f"{shot_path}: actor: {found}")
    return found


def actor_path(shot_path: str | Path, name: str) -> Path | Finding:
    """Returns what `find_actor` returns, or why there is none."""
    check_name(name, what="actor")
    known: set[str] = set()
    for folder in Path(shot_path).resolve().parents:
        candidate = folder / "actors" / f"{name}.yaml"
        if candidate.is_file():
            return candidate
        known.update(found.stem for found in candidate.parent.glob("*.yaml"))
    near = closest(name, sorted(known))
    cure = f"did you mean {near}" if near else "write the actor's manifest"
    return Finding((), name, f"actors/{name}.yaml in a folder above", cure)


def misplaced_shot(path: Path, shot: "ShotManifest") -> list[Finding]:
    """Returns where a file under a `shots/` folder disagrees with the shot that it names."""
    parts = path.resolve().with_suffix("").parts
    if "shots" not in parts[:-1]:
        return []
    after = parts[len(parts) - parts[::-1].index("shots") :]
    expected = (shot.show, shot.sequence, shot.shot)
    if len(after) != len(expected):
        cure = f"move the file to shots/{shot.shot_id.prefix}.yaml"
        return [
            Finding((), "/".join(("shots", *after)), "shots/<show>/<sequence>/<shot>.yaml", cure)
        ]
    return [
        Finding((key,), said, f"{found}, as the file lies in", "move the file or correct the key")
        for key, said, found in zip(("show", "sequence", "shot"), expected, after, strict=True)
        if said != found
    ]


def misplaced_actor(path: Path, actor: "ActorManifest") -> list[Finding]:
    """Returns whether a file in an `actors/` folder is named otherwise than its actor."""
    if path.resolve().parent.name != "actors" or path.stem == actor.actor:
        return []
    cure = "rename the file or correct the key"
    return [Finding(("actor",), actor.actor, f"{path.stem}, as the file is named", cure)]
