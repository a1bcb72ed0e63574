"""An adapter as bytes: safetensors, single precision, exact in both directions.

Shapes: none.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from models.ageing.adapter import Adapter, AdapterConfig
from models.published_file import tensor_bytes


class AdapterFileError(ValueError):
    """A file does not hold the adapter that its record describes."""


def adapter_bytes(adapter: Adapter) -> bytes:
    """Returns the weights as a safetensors file."""
    state = adapter.state_dict()
    return tensor_bytes({name: tensor.detach().cpu() for name, tensor in state.items()})


def adapter_network(config: AdapterConfig) -> dict[str, Any]:
    """Returns the sizes of an adapter as JSON values; `load_adapter` takes them."""
    return asdict(config)


def load_adapter(path: Path, network: Mapping[str, Any]) -> Adapter:
    """Loads an adapter in evaluation mode, gradients off.

    Args:
        path: The safetensors file.
        network: Sizes, as `adapter_network` gave them.

    Raises:
        AdapterFileError: The file holds no adapter of these sizes.
    """
    try:
        adapter = Adapter(AdapterConfig(**network))
        adapter.load_state_dict(from_safetensors(path.read_bytes()))
    except (SafetensorError, TypeError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AdapterFileError(
            f"{path}: got {reason}, expected an adapter of {dict(network)}; restore the file or "
            "train the adapter anew"
        ) from error
    return adapter.eval().requires_grad_(False)
