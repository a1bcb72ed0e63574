"""Reads dlib's face recogniser from its file; nothing in it is executed.

The weights are in the public domain (CC0) and come as `dlib_face_recognition_resnet_model_v1.dat`.
Source: dlib's `serialize` (King 2009, "Dlib-ml").
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.face.dlib_resnet import DlibResNet
from models.published_file import CheckpointError

_TENSOR = b"\x01\x02"  # how dlib begins a tensor: the number 2, its format's version, in one byte
_MOST_BYTES = 64 << 20


def load_dlib_resnet(path: Path) -> DlibResNet:
    """Reads dlib's file; nothing in it is executed.

    Returns:
        The network, frozen, in evaluation mode.

    Raises:
        CheckpointError: The file is missing, or holds other tensors than this network has.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MOST_BYTES else b""
    except OSError as error:
        raise CheckpointError(f"{path}: got {error.strerror}, expected a readable file") from error
    network = DlibResNet().eval().requires_grad_(False)
    groups = list(network.in_file_order())
    wanted = [sum(part.numel() for part in group) for group in groups]
    found = list(_tensors(content, min(wanted)))
    if [len(values) for values in found] != wanted:
        raise CheckpointError(
            f"{path}: tensors: got {len(found)} with {sum(map(len, found)):,} numbers, expected "
            f"{len(wanted)} with {sum(wanted):,}; bring dlib_face_recognition_resnet_model_v1.dat"
        )
    for group, values in zip(groups, found, strict=True):
        parts = torch.from_numpy(values.copy()).split([part.numel() for part in group])
        for part, numbers in zip(group, parts, strict=True):
            part.copy_(numbers.view(part.shape))
    return network


def _tensors(content: bytes, least: int) -> Iterator[NDArray[np.float32]]:
    """Finds parameters of at least so many numbers: version, four sizes, float32 numbers."""
    place = content.find(_TENSOR)
    while place >= 0:
        count, start = _header(content, place + len(_TENSOR))
        end = start + 4 * count
        if count >= least and end <= len(content):
            yield np.frombuffer(content, "<f4", count, start)
            place = content.find(_TENSOR, end)
        else:
            place = content.find(_TENSOR, place + 1)


def _header(content: bytes, place: int) -> tuple[int, int]:
    """Returns how many numbers parameters have and where they start; none if this is no header.

    dlib writes a whole number as how many bytes it takes, and those, the lowest first; of the four
    sizes of parameters the last two are 1.
    """
    sizes = []
    for _ in range(4):
        width = content[place] if place < len(content) else 0
        if not 1 <= width <= 4:
            return 0, place
        sizes.append(int.from_bytes(content[place + 1 : place + 1 + width], "little"))
        place += 1 + width
    return (sizes[0] * sizes[1] if sizes[2:] == [1, 1] else 0), place
