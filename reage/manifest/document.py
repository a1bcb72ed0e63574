"""docs/manifest.md and the JSON Schemas for editors, written from the models: `make docs`."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reage.errors import ManifestError
from reage.manifest.actor import ActorManifest
from reage.manifest.fields import HIGHEST_FRAME, OLDEST, YOUNGEST
from reage.manifest.loader import load_shot
from reage.manifest.shot import ShotManifest
from reage.manifest.yaml_document import MAX_BYTES, MAX_DEPTH, MAX_VALUES

Schema = dict[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_KINDS = f"""| kind | what it is |
|---|---|
| name | lower-case letters, digits, `_` and `-`, at most 64, starting with a letter or digit |
| version | `v` and three digits or more: `v003` |
| place | `s3://bucket/prefix`, `file:///path`, or a path, relative to the manifest's folder |
| years | a number from {YOUNGEST} to {OLDEST}: Reage re-ages adults, and to adults, only |
| frame number | the studio's number, 0 to {HIGHEST_FRAME}; never a position from 0 |
| frame rate | a whole number, or a fraction in quotes: `"24000/1001"`; never 23.976 |
| date | `2026-01-31` |
| text | one line, at most 200 characters |
| document id | letters, digits, spaces and `._/-`, at most 128 |
| address | `http://` or `https://` and a host, without user or password |
"""

_INTRODUCTION = f"""<!-- Written by `make docs` from the models in reage/manifest. -->
# Manifests

A **shot manifest**, `manifests/shots/<show>/<sequence>/<shot>.yaml`, says what is to be made of one
shot. An **actor manifest**, `manifests/actors/<actor>.yaml`, says who the actor is and what was
agreed; a shot finds it by name in an `actors/` folder beside it or in any folder above. Good
examples stand in [manifests/](../manifests/README.md); `reage validate FILE_OR_FOLDER ...` checks
yours and needs neither GPU nor network.

Keys are strict: one that is not listed here is an error. Values are strict too: `"1001"` in quotes
is text, not a number. Manifests are plain YAML 1.2, so `yes`, `on` and `12:30` are text; there are
no tags, anchors or aliases, no key twice, one document a file, at most {MAX_BYTES // 1024} KiB,
{MAX_DEPTH} levels and {MAX_VALUES} values. The first line of the examples makes an editor with a
YAML language server complete keys and mark mistakes.

## Kinds of value

{_KINDS}"""

_MISTAKEN = """show: demo
sequence: SQ010
shot: sh0030
plate:
  uri: plate.mov
  frame_rate: 23.976
  cut_in: 1040
  cutout: 1001
actors:
  - actor: ada
    target_age: 12
delivery:
  destination: s3://studio-deliveries/reage
consent:
  document_id: DEMO-2026-001
"""


def documents() -> dict[Path, str]:
    """Returns every generated file, by its path from the project's folder, with its text."""
    return {
        Path("docs/manifest.md"): _page(),
        Path("manifests/schema/shot.schema.json"): _schema_text(ShotManifest, "shot"),
        Path("manifests/schema/actor.schema.json"): _schema_text(ActorManifest, "actor"),
    }


def write_documents(root: Path = _ROOT) -> list[Path]:
    """Writes every generated file under `root` and returns their paths."""
    written = []
    for name, text in documents().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _schema_text(model: type[ShotManifest] | type[ActorManifest], kind: str) -> str:
    schema = {"$schema": _DIALECT, **model.model_json_schema(), "title": f"Reage {kind} manifest"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _page() -> str:
    parts = [_INTRODUCTION]
    for title, model in (("Shot manifest", ShotManifest), ("Actor manifest", ActorManifest)):
        schema = model.model_json_schema()
        parts.append(f"## {title}\n\n{schema['description']}\n\n{_table(schema, schema)}")
        parts.extend(_sections(schema, schema, "", set()))
    parts.append(_mistakes())
    return "\n".join(parts)


def _sections(schema: Schema, whole: Schema, place: str, seen: set[str]) -> Iterator[str]:
    """Yields one section for each part of a manifest, in the order of their keys."""
    for key, value in schema["properties"].items():
        for name, suffix in _parts_of(value):
            part = whole["$defs"][name]
            if name not in seen:
                seen.add(name)
                here = f"{place}{key}{suffix}"
                yield f"### `{here}`\n\n{part['description']}\n\n{_table(part, whole)}"
                yield from _sections(part, whole, f"{here}.", seen)


def _parts_of(value: Schema) -> list[tuple[str, str]]:
    """Returns the names of the models that a value may hold, `[]` marking a list of them."""
    if "$ref" in value:
        return [(value["$ref"].rpartition("/")[2], "")]
    if "items" in value:
        return [(name, "[]") for name, _ in _parts_of(value["items"])]
    members = value.get("anyOf", []) + value.get("oneOf", [])
    return [part for member in members for part in _parts_of(member)]


def _table(schema: Schema, whole: Schema) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    required = schema.get("required", [])
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else _default(value, whole)
        rows.append(f"| `{key}` | {_words(value)} | {default} | {value.get('description', '')} |")
    return "\n".join(rows) + "\n"


def _default(value: Schema, whole: Schema) -> str:
    default = value.get("default")
    if default is None:
        return "none"
    if default == []:
        return "empty"
    return "see below" if isinstance(default, dict) else f"`{json.dumps(default).strip(chr(34))}`"


def _words(value: Schema) -> str:
    """Says in words which values a schema takes."""
    if "x-kind" in value:
        return str(value["x-kind"])
    if "$ref" in value:
        return "keys and values, below"
    choices = value.get("enum", [value["const"]] if "const" in value else [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    members = value.get("anyOf", []) + value.get("oneOf", [])
    if members:
        return " or ".join(_words(m) for m in members if m.get("type") != "null")
    return _typed_words(value)


def _typed_words(value: Schema) -> str:
    if value["type"] == "array":
        return f"list of {_words(value['items'])}"
    if value["type"] == "object":
        return f"{_words(value['additionalProperties'])} by frame number"
    words = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    return words[value["type"]] + _bounds(value)


def _bounds(value: Schema) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    if low is None:
        return ""
    return f", at least {low}" if high is None else f", {low} to {high}"


def _mistakes() -> str:
    """Shows the errors of a mistaken manifest, by making them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sh0030.yaml")
        path.write_text(_MISTAKEN, encoding="utf-8")
        try:
            load_shot(path)
        except ManifestError as error:
            report = str(error).replace(f"{folder}/", "")
    return (
        "## What a mistake looks like\n\nEvery mistake is reported at once, with file, line, key, "
        "what was got and what was expected.\n\n"
        f"```yaml\n{_MISTAKEN}```\n\n```text\n{report}\n```\n"
    )


if __name__ == "__main__":
    write_documents()
