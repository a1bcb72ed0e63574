"""Putting an adapter into a generator and taking it out again, without copying the generator.

Injecting changes which tensors the generator's layers refer to, never a tensor. One generator in
memory therefore serves any number of people in turn, and is itself again, bit for bit, once an
adapter is detached.
"""

from types import TracebackType

import torch
from torch import nn

from models.lora.adapter import LowRankAdapter, adaptable_layers, small_parameters
from models.lora.layer import ScaledWeight
from models.ops.adaptable import AdaptableLayer


class Injection:
    """An adapter in a generator, until it is detached; also a context manager that detaches."""

    def __init__(
        self, generator: nn.Module, adapter: LowRankAdapter, *, strength: float = 1.0
    ) -> None:
        """Injects; see inject."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength: got {strength}, expected 0 to 1")
        layers, own = adaptable_layers(generator), small_parameters(generator)
        low_rank, theirs = adapter.weights_by_layer(), adapter.own_by_name()
        _check_fits(
            {name: layer.weight.shape for name, layer in layers.items()},
            {name: part.shape for name, part in low_rank.items()},
        )
        _check_fits(
            {name: parameter.shape for name, parameter in own.items()},
            {name: parameter.shape for name, parameter in theirs.items()},
        )
        self._layers: list[AdaptableLayer] = []
        self._replaced: list[tuple[nn.Module, str, nn.Parameter]] = []
        if strength == 0:
            return
        for name, layer in layers.items():
            part = low_rank[name]
            layer.weight_offset = part if strength == 1 else ScaledWeight(part, strength)
            self._layers.append(layer)
        for name, parameter in theirs.items():
            path, _, leaf = name.rpartition(".")
            mixed = parameter if strength == 1 else _mixed(own[name], parameter, strength)
            self._replace(generator.get_submodule(path), leaf, mixed)

    def merge(self) -> None:
        """Adds the low-rank weights to the others once, instead of at every use.

        Results stay what they were, and nothing can be learnt. Takes the memory of the changed
        weights until the adapter is detached; merging again changes nothing.
        """
        for layer in self._layers:
            if layer.weight_offset is not None:
                with torch.no_grad():
                    merged = nn.Parameter(layer.adapted_weight(), requires_grad=False)
                self._replace(layer, "weight", merged)
                layer.weight_offset = None

    def detach(self) -> None:
        """Gives the generator its own tensors back; detaching again changes nothing."""
        for layer in self._layers:
            layer.weight_offset = None
        for module, leaf, parameter in self._replaced:
            setattr(module, leaf, parameter)
        self._layers, self._replaced = [], []

    def _replace(self, module: nn.Module, leaf: str, parameter: nn.Parameter) -> None:
        self._replaced.append((module, leaf, getattr(module, leaf)))
        setattr(module, leaf, parameter)

    def __enter__(self) -> "Injection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()


def inject(generator: nn.Module, adapter: LowRankAdapter, *, strength: float = 1.0) -> Injection:
    """Makes a generator the adapter's person, until the injection is detached.

    Args:
        generator: Must carry no adapter. Freeze it before training: what then still wants gradients
            is the adapter.
        adapter: Made for a generator of the same layers and sizes.
        strength: How far it is followed, 0-1, on the straight line between the weights: exactly the
            generator at 0, exactly the adapter at 1. Only at 1 can it be trained.

    Returns:
        What merges or detaches it.

    Raises:
        ValueError: The generator carries an adapter, or the adapter is not of such a generator, or
            the strength is out of range; nothing has changed then.
    """
    return Injection(generator, adapter, strength=strength)


def _mixed(generators: nn.Parameter, persons: nn.Parameter, strength: float) -> nn.Parameter:
    mixed = torch.lerp(generators.detach(), persons.detach(), strength)
    return nn.Parameter(mixed, requires_grad=False)


def _check_fits(expected: dict[str, torch.Size], found: dict[str, torch.Size]) -> None:
    names = sorted({*expected, *found})
    strange = next((name for name in names if expected.get(name) != found.get(name)), None)
    if strange is not None:
        got, wanted = (tuple(s[strange]) if strange in s else "none" for s in (found, expected))
        raise ValueError(f"adapter: {strange}: got shape {got}, expected {wanted} of the generator")
