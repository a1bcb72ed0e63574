"""The files of a prior: `config.json`, which describes it, and `weights.safetensors`.

The description has the format, the weights' SHA-256, the kind of network, its sizes and its
alignment. Knows no network.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from models.ageing.prior import Alignment, FFHQAlignment, PriorError, TemplateAlignment

WEIGHTS_NAME = "weights.safetensors"
CONFIG_NAME = "config.json"
FORMAT = 1


def read_description(folder: Path) -> dict[str, Any]:
    """Reads what `config.json` says, once the weights are found to be those it speaks of.

    Raises:
        PriorError: A file is missing, of another format, or not the one the other belongs to.
    """
    path, weights = folder / CONFIG_NAME, folder / WEIGHTS_NAME
    if not path.is_file():
        raise PriorError(f"{path}: got no such file, expected a prior's description")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PriorError(f"{path}: got no JSON ({error}), expected a prior's description") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        got = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise PriorError(f"{path}: format: got {got}, expected {FORMAT}")
    if not weights.is_file():
        raise PriorError(f"{weights}: got no such file, expected a prior's weights")
    digest = weights_digest(weights)
    if digest != described["digest"]:
        raise PriorError(
            f"{weights}: digest: got {digest}, expected {described['digest']}; fetch the "
            "weights that belong to its config.json"
        )
    return described


def weights_digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hex, streaming."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def alignment_from_dict(fields: dict[str, Any]) -> Alignment:
    """Builds an alignment from what `dataclasses.asdict` and JSON made of it.

    Raises:
        KeyError: A field is missing.
    """
    if "template" not in fields:
        return FFHQAlignment(size=fields["size"])
    return TemplateAlignment(
        landmark_indices=tuple(fields["landmark_indices"]),
        template=tuple((float(x), float(y)) for x, y in fields["template"]),
        size=fields["size"],
    )


def tuples(value: Any) -> Any:
    """Returns a JSON value with its lists, however deep, as tuples."""
    if isinstance(value, list):
        return tuple(tuples(item) for item in value)
    return {k: tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
