"""Reads pickles of whole modules, as NVIDIA's generators are published, without running their code.

Such a file carries the source code of its classes, which its authors' reader executes. Here classes
are stood in for by containers that hold their state, and what the file may ask for by name is
listed below; anything else is refused by that name. What comes out is a flat state dict.

Knows no network.
"""

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from models.published_file import CheckpointError, State

_MAX_DEPTH = 32
_LEGACY_TORCH = b"\x80\x02\x8a"  # torch.save before its archives: a long number comes first
_DAMAGE = (
    OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError,
    OverflowError, MemoryError, pickle.UnpicklingError,
)  # fmt: skip


class _Module:
    """Stands in for a module of whatever class: holds its state."""

    state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.state = _mapping(state)


class _Record(dict[str, Any]):
    """Stands in for a dict whose keys are attributes, too."""

    def __setstate__(self, state: object) -> None:
        """Keeps nothing: the items are all there is."""


class _Ignored:
    """Stands in for values that no tensor is made of."""

    def __init__(self, *_: object) -> None:
        """Keeps nothing."""

    def __setstate__(self, state: object) -> None:
        """Keeps nothing."""


class _Function:
    """A function that a pickle can call and not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("state for a function")


def is_pickle_of_modules(path: Path) -> bool:
    """Returns whether a file begins like a plain pickle, not like one of torch's formats."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(len(_LEGACY_TORCH))
    return start.startswith(b"\x80") and start != _LEGACY_TORCH


def read_persisted_state(path: Path, entry: str = "G_ema") -> State:
    """Rebuilds the state dict of one module of the file.

    Args:
        path: A pickle of a dict of modules.
        entry: Which of them.

    Returns:
        Parameters and persistent buffers by dotted name, on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, of another kind, or asks for anything that
            such a file has no need of; nothing in it was executed.
    """
    try:
        with path.open("rb") as file:
            content = _Reader(file, path).load()
        modules = content if isinstance(content, Mapping) else {}
        if not isinstance(modules.get(entry), _Module):
            names = ", ".join(map(str, modules)) or type(content).__name__
            raise CheckpointError(f"{path}: content: got {names}, expected a module {entry}")
        state: State = {}
        _collect(modules[entry], "", state, depth=0)
    except CheckpointError:
        raise
    except _DAMAGE as error:
        lines = str(error).splitlines()
        raise CheckpointError(
            f"{path}: file: got {type(error).__name__} ({lines[0] if lines else 'no more said'}), "
            "expected a whole pickle of modules; fetch it again"
        ) from error
    return state


def _collect(module: _Module, prefix: str, state: State, *, depth: int) -> None:
    """Adds a module's tensors, and those below it, by their dotted names."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"modules within modules more than {_MAX_DEPTH} deep")
    passing = module.state.get("_non_persistent_buffers_set", ())
    for section in ("_parameters", "_buffers"):
        for name, tensor in _mapping(module.state.get(section, {})).items():
            if tensor is None or (section == "_buffers" and name in passing):
                continue
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{type(tensor).__name__} for {prefix}{name}, which is no tensor")
            state[f"{prefix}{name}"] = tensor
    for name, child in _mapping(module.state.get("_modules", {})).items():
        if child is None:
            continue
        if not isinstance(child, _Module):
            raise TypeError(f"{type(child).__name__} for {prefix}{name}, which is no module")
        _collect(child, f"{prefix}{name}.", state, depth=depth + 1)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{type(value).__name__} where names and values belong")
    return value


def _module_of(meta: object) -> _Module:
    """Takes the state of a persisted object, and neither its source code nor its class."""
    module = _Module()
    module.__setstate__(_mapping(meta)["state"])
    return module


def _storage_of(data: bytes) -> torch.TypedStorage:
    storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(storage, torch.TypedStorage):
        raise TypeError(f"{type(storage).__name__} where numbers belong")
    return storage


def _tensor_of(
    storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Tensor:
    if not isinstance(storage, torch.TypedStorage):
        raise TypeError(f"{type(storage).__name__} where numbers belong")
    numbers = torch.empty(0, dtype=storage.dtype).set_(storage)
    if math.prod(size) > len(numbers):
        raise ValueError(f"a tensor of {math.prod(size)} numbers out of {len(numbers)}")
    return torch.as_strided(numbers, size, stride, offset)


def _parameter_of(tensor: object, *_: object) -> object:
    return tensor


# Everything that a file may ask for, by module and name.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Function(_module_of),
    ("torch.storage", "_load_from_bytes"): _Function(_storage_of),
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor_of),
    ("torch._utils", "_rebuild_parameter"): _Function(_parameter_of),
    ("torch.nn.modules.container", "Sequential"): _Module,
    ("torch.nn.modules.activation", "Softplus"): _Module,
    ("training.triplane", "OSGDecoder"): _Module,
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"): _Module,
    ("training.volumetric_rendering.ray_sampler", "RaySampler"): _Module,
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"): _Module,
    ("dnnlib.util", "EasyDict"): _Record,
    ("numpy.core.multiarray", "scalar"): _Ignored,
    ("numpy._core.multiarray", "scalar"): _Ignored,
    ("numpy", "dtype"): _Ignored,
}


class _Reader(pickle.Unpickler):
    """Finds nothing but what is listed."""

    def __init__(self, file: io.BufferedReader, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands in for a name.

        Raises:
            CheckpointError: The name is not one that such a file has need of.
        """
        if (module, name) not in _ALLOWED:
            raise CheckpointError(
                f"{self._path}: content: got {module}.{name}, expected modules of a tri-plane "
                "generator and their tensors only; nothing was executed: fetch the file from its "
                "author"
            )
        return _ALLOWED[module, name]
