"""Files as dlib writes its face recogniser, with seeded weights."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.face.dlib_resnet import DlibResNet


def whole(number: int) -> bytes:
    """A whole number as dlib writes it: how many bytes, and those."""
    content = number.to_bytes(max(1, -(-number.bit_length() // 8)), "little")
    return bytes([len(content)]) + content


def tensor(values: NDArray[np.float32]) -> bytes:
    return whole(2) + whole(len(values)) + 3 * whole(1) + values.tobytes()


def seeded(*, seed: int = 0) -> DlibResNet:
    torch.manual_seed(seed)
    network = DlibResNet().eval().requires_grad_(False)
    for block in network.blocks:
        block.second.scale.fill_(0.3)
    return network


def written(network: DlibResNet, path: Path, *, left_out: int = 0) -> Path:
    """Writes a network as dlib does, with what stands between tensors there."""
    groups = list(network.in_file_order())[left_out:]
    parts = [torch.cat([part.reshape(-1) for part in group]).numpy() for group in groups]
    empty = whole(2) + 4 * whole(0)
    path.write_bytes(b"\x01\x01\x0dloss_metric_2" + empty.join(tensor(part) for part in parts))
    return path
