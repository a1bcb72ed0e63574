"""An adapter as a file: safetensors, the adapter's numbers and nothing of the generator.

Other tensors that belong to the person may lie beside them, such as the anchors.

Three flat tensors, since names and shapes follow from the generator and would take more room than a
tenth of the numbers: factors `down` and `up` layer by layer, and the person's `own` parameters. The
file's metadata says rank, lora_alpha, the digest of the base and that of names and shapes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models.lora.adapter import LowRankAdapter
from models.lora.layer import LoRAConfig
from models.published_file import write_tensors

FORMAT = "reage.lora/1"
_FACTS = "reage"
_SECTIONS = ("down", "up", "own")
_BESIDE = "beside."


class AdapterFileError(ValueError):
    """A file holds no adapter, or one made for another generator."""


def save_adapter(
    adapter: LowRankAdapter,
    path: Path,
    *,
    base_digest: str,
    is_half: bool = False,
    beside: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes an adapter.

    Args:
        adapter: Injected or not.
        path: Of a safetensors file; replaced if it exists.
        base_digest: Of the generator's weights, hex; an adapter is loaded over no other.
        is_half: Writes half precision, 11 bits of every number; otherwise single, which is exact.
        beside: Other tensors to be kept with it, by names of their own; see read_beside.

    Raises:
        OSError: The file cannot be written.
    """
    kept = {_BESIDE + name: tensor.detach().cpu() for name, tensor in (beside or {}).items()}
    kind = torch.float16 if is_half else torch.float32
    flat = {
        section: torch.cat([p.detach().flatten() for p in parts.values()]).cpu().to(kind)
        for section, parts in _parts(adapter).items()
    }
    facts = {
        "format": FORMAT,
        **asdict(adapter.config),
        "base": base_digest,
        "layout": _layout(adapter),
    }
    # One entry: of several, safetensors keeps no order, and the same adapter is the same bytes.
    write_tensors(path, flat | kept, {_FACTS: json.dumps(facts)})


def read_beside(path: Path) -> dict[str, Tensor]:
    """Returns the other tensors of an adapter's file, by name.

    Raises:
        AdapterFileError: The file is missing or damaged, or holds no adapter.
    """
    _, tensors = _read(path)
    return {
        name.removeprefix(_BESIDE): tensor
        for name, tensor in tensors.items()
        if name.startswith(_BESIDE)
    }


def load_adapter(path: Path, generator: nn.Module, *, base_digest: str) -> LowRankAdapter:
    """Reads an adapter for a generator, which stays as it is; single precision, its device.

    Args:
        path: As save_adapter wrote it.
        generator: The one that the adapter was made for, carrying no adapter.
        base_digest: Of the generator's weights, hex.

    Raises:
        AdapterFileError: The file is missing or damaged, or its adapter is of another generator.
        ValueError: The generator carries an adapter.
    """
    facts, tensors = _read(path)
    flat = {name: tensors[name].flatten() for name in _SECTIONS}
    if facts["base"] != base_digest:
        raise AdapterFileError(
            f"adapter {path.name}: made for base {facts['base'][:8]}…, loaded base "
            f"{base_digest[:8]}…; load the base named in the adapter"
        )
    try:
        config = LoRAConfig(rank=facts["rank"], lora_alpha=facts["lora_alpha"])
    except (TypeError, ValueError) as error:
        raise AdapterFileError(f"adapter {path.name}: {error}; restore the file") from error
    adapter = LowRankAdapter(generator, config)
    sections = _parts(adapter)
    counts = {name: sum(p.numel() for p in parts.values()) for name, parts in sections.items()}
    found = {name: tensor.numel() for name, tensor in flat.items()}
    if counts != found or facts["layout"] != _layout(adapter):
        raise AdapterFileError(
            f"adapter {path.name}: layout: got {found}, expected {counts} in the order of "
            f"{type(generator).__name__}; load the generator that it was made for"
        )
    with torch.no_grad():
        for name, parts in sections.items():
            values = flat[name].split([p.numel() for p in parts.values()])
            for parameter, own in zip(parts.values(), values, strict=True):
                parameter.copy_(own.reshape(parameter.shape))
    return adapter


def _parts(adapter: LowRankAdapter) -> dict[str, dict[str, Tensor]]:
    """The adapter's parameters by section of the file and by name, in the file's order."""
    low_rank = sorted(adapter.weights_by_layer().items())
    return {
        "down": {name: part.down for name, part in low_rank},
        "up": {name: part.up for name, part in low_rank},
        "own": dict(sorted(adapter.own_by_name().items())),
    }


def _layout(adapter: LowRankAdapter) -> str:
    """The digest of all names and shapes, hex."""
    shapes = {
        section: {name: list(tensor.shape) for name, tensor in parts.items()}
        for section, parts in _parts(adapter).items()
    }
    return hashlib.sha256(json.dumps(shapes).encode()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
            names = sorted(file.keys())
            own = [name for name in names if not name.startswith(_BESIDE)]
            if facts.get("format") != FORMAT or own != sorted(_SECTIONS):
                raise AdapterFileError(
                    f"adapter {path.name}: content: got {facts.get('format')} with "
                    f"{', '.join(names)}, expected {FORMAT} with {', '.join(_SECTIONS)}"
                )
            tensors = {name: file.get_tensor(name) for name in names}
        missing = [key for key in ("rank", "lora_alpha", "base", "layout") if key not in facts]
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise AdapterFileError(
            f"adapter {path.name}: file: got {reason}, expected an adapter; restore the file"
        ) from error
    wild = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if missing or wild:
        what = f"no {missing[0]}" if missing else f"numbers that are none in {wild[0]}"
        raise AdapterFileError(
            f"adapter {path.name}: content: got {what}, expected an adapter; restore the file"
        )
    return facts, tensors
