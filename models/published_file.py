"""Reads published weight files, torch pickles and safetensors, and loads them into networks.

Nothing in a file is executed: a pickle may ask for tensors and plain values only, and one that asks
for more is refused with the name of what it asked for. Large files are mapped, not read. Knows no
network and no layout.
"""

import pickle
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]

_MAX_NAMED = 8
_ZIP_START = b"PK\x03\x04"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+) (?:was not an allowed|whose module)")
_ERRNO = re.compile(r"os error (\d+)")
_EXPECTED = "tensors and plain values as torch.save writes them, or safetensors"

# What unpickling anything else may end in, whether its first bytes are taken for tensors or not.
_DAMAGE = (
    pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError,
    TypeError, AssertionError, OverflowError, MemoryError, struct.error,
)  # fmt: skip


class CheckpointError(ValueError):
    """A weight file cannot be read, or is not of the network it is loaded into."""


def read_content(path: Path) -> Mapping[str, Any]:
    """Reads a weight file on the CPU.

    Args:
        path: Written by torch.save, or safetensors.

    Returns:
        The file's dict; of safetensors, its tensors by key. Tensors of a file in today's formats
        are views of it: they are read when they are used, and the file must stay.

    Raises:
        CheckpointError: The file is missing, damaged, no dict, or asks for more than tensors and
            plain values.
    """
    with _file_errors(path):
        start = _first_bytes(path)
        if _is_safetensors(start, path):
            return read_tensors(path)
        content = _read_pickle(path, start)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: content: got {type(content).__name__}, expected a dict")
    return content


def read_tensors(path: Path) -> State:
    """Maps the tensors of a safetensors file.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    with _file_errors(path), safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None
) -> None:
    """Writes a safetensors file; facts are kept as its metadata.

    Raises:
        OSError: It cannot be written, say because the disk is full.
    """
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    try:
        save_file(whole, path, dict(facts) if facts else None)
    except SafetensorError as error:
        number = _ERRNO.search(str(error))
        code = int(number[1]) if number else 0
        raise OSError(code, re.sub(r"^.*I/O error: | \(os error.*$", "", str(error))) from error


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Returns what `write_tensors` would write."""
    return to_safetensors({key: tensor.contiguous() for key, tensor in tensors.items()})


def load_state(
    network: nn.Module, state: Mapping[str, Tensor], *, place: str, assign: bool = False
) -> None:
    """Loads a state dict, all of it or nothing.

    Args:
        network: Changed only if every key and shape fits.
        state: Tensors by key.
        place: What is loaded, for the message.
        assign: Makes the tensors the network's own instead of copying them; a network made on the
            meta device, which has none, then never holds memory of its own.

    Raises:
        CheckpointError: A key is missing, unexpected, or has another shape; some are named.
    """
    check_state(network, state, place=place)
    network.load_state_dict(dict(state), assign=assign)


def check_state(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Raises CheckpointError unless `load_state` would load; the network may be on meta."""
    own = network.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{word} {_some(keys)}"
        for word, keys in (("missing", missing), ("unexpected", unexpected), ("shape of", shapes))
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{place}: keys: got {'; '.join(problems)}, "
            f"expected the {len(own)} of {type(network).__name__}"
        )


def _some(keys: list[str]) -> str:
    named = ", ".join(keys[:_MAX_NAMED])
    return named if len(keys) <= _MAX_NAMED else f"{named} and {len(keys) - _MAX_NAMED} more"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(9)


def _is_safetensors(start: bytes, path: Path) -> bool:
    return path.suffix == ".safetensors" or (len(start) == 9 and start[8:] == b"{")


def _read_pickle(path: Path, start: bytes) -> object:
    size, is_archive = path.stat().st_size, _is_archive(path)
    if start.startswith(_ZIP_START) and not is_archive:
        raise CheckpointError(
            f"{path}: file: got {size} bytes without their end, expected a whole archive; the file "
            "is truncated: fetch it again"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except _DAMAGE as error:
        is_refusal = isinstance(error, pickle.UnpicklingError)
        asked = _GLOBAL.search(str(error)) if is_refusal else None
        if asked is None:
            got = f"{size} bytes that begin with {start!r}" if size else "an empty file"
            raise CheckpointError(
                f"{path}: file: got {got}, expected {_EXPECTED}; fetch it again"
            ) from error
        raise CheckpointError(
            f"{path}: content: got {asked[1]}, expected tensors and plain values only; nothing "
            "was executed: save the file anew without it, or fetch it from its author"
        ) from error


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # its end is damaged in such a way that its size is not known
        return False


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        lines = str(error).splitlines()
        raise CheckpointError(
            f"{path}: file: got {type(error).__name__} ({lines[0] if lines else 'no more said'}), "
            f"expected {_EXPECTED}"
        ) from error
