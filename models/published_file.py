"""Reads published weight files, torch pickles and safetensors, and writes safetensors.

Nothing in a file is executed: a pickle may ask for tensors and plain values only, and one that asks
for more is refused with the name of what it asked for. Large files are mapped, not read. Knows no
network and no layout.
"""

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

State = dict[str, Tensor]

_ZIP_START = b"PK\x03\x04"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_ERRNO = re.compile(r"os error (\d+)")


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


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file.

    Raises:
        OSError: It cannot be written, say because the disk is full.
    """
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    try:
        save_file(whole, path)
    except SafetensorError as error:
        number = _ERRNO.search(str(error))
        code = int(number[1]) if number else 0
        raise OSError(code, re.sub(r"^.*I/O error: | \(os error.*$", "", str(error))) from error


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(9)


def _is_safetensors(start: bytes, path: Path) -> bool:
    return path.suffix == ".safetensors" or (len(start) == 9 and start[8:] == b"{")


def _read_pickle(path: Path, start: bytes) -> object:
    is_archive = zipfile.is_zipfile(path)
    if start.startswith(_ZIP_START) and not is_archive:
        raise CheckpointError(
            f"{path}: file: got {path.stat().st_size} bytes without their end, expected a whole "
            "archive; the file is truncated: fetch it again"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except pickle.UnpicklingError as error:
        asked = _GLOBAL.search(str(error))
        if asked is None:
            raise
        raise CheckpointError(
            f"{path}: content: got {asked[1]}, expected tensors and plain values only; nothing "
            "was executed: save the file anew without it, or fetch it from its author"
        ) from error


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError:
        raise
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
        SafetensorError,
    ) as error:
        lines = str(error).splitlines()
        raise CheckpointError(
            f"{path}: file: got {type(error).__name__} ({lines[0] if lines else 'no more said'}), "
            "expected tensors and plain values as torch.save writes them, or safetensors"
        ) from error
