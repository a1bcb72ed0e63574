"""Depths of biases: through how many layers of weights the signal has passed that each meets.

Derived from one forward pass in which every operation is seen, whatever module it stands in, so
networks need no help. With all weights at a times theirs, a signal that has passed l layers of
weights grows as a ** l; that l is its degree, and a bias's depth is the degree of what it is added
to. Degrees follow the rules of leading orders at a -> 0:

* weights have degree 1, inputs, buffers and constants 0;
* a product (linear layer, convolution, attention, modulation) adds degrees, a quotient subtracts;
* a sum has the smallest degree of its terms, and so have joins (`cat`, `stack`, `where`). A
  residual or parallel path therefore counts by its *shortest* way: that way's signal is there
  first, so a bias in step with it never stands alone, while one in step with the longest way would
  be missing until a is nearly 1. An identity path keeps its degree; the branch beside it counts on
  its own;
* normalisation takes the degree away, be it a layer or spelled out: the result has its own scale's,
  1, or 0 without a scale. Added numbers up to 1e-4 guard a division and count for nothing;
* all else (ReLU, pooling, reshaping) passes degrees on; sigmoid, softmax and exp give 0.

Source: the homogeneity argument of Wang et al. 2023, "Plateau in Monotonic Linear Interpolation",
for sequential networks; the rules for branching ones are ours.

Shapes: none of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from models.landscape.schedule import is_bias
from models.landscape.statistics import evaluating

_PRODUCTS = {"mul", "mm", "bmm", "mv", "dot", "convolution"}
_SUMS_OF_PRODUCTS = {"addmm", "addmv", "addbmm", "baddbmm", "addcmul"}
_NORMALISATIONS = {
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "native_layer_norm",
    "_fused_rms_norm",
    "native_group_norm",
}
_DEGREES = {
    **dict.fromkeys(("sigmoid", "_softmax", "_log_softmax", "exp"), 0),
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros", "empty", "empty_like", "new_empty"), None),
}
_ADDITIONS = {
    torch.ops.aten.add.Tensor,
    torch.ops.aten.add_.Tensor,
    torch.ops.aten.sub.Tensor,
    torch.ops.aten.sub_.Tensor,
}
_EPSILON = 1e-4
_POWERS = {"sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}
_PRELU = torch.ops.aten._prelu_kernel.default


def bias_depths(network: nn.Module, *inputs: Tensor) -> dict[str, int]:
    """Derives the depth of every bias, 1 or more, by name.

    Only the way that the inputs take through the network counts, not their values.

    Args:
        network: On any device; its values and modes stay as they are.
        inputs: Of one forward pass, one sample is enough.

    Raises:
        ValueError: A bias is not met on the way, or stands inside a fused operation.
    """
    names: dict[Tensor, set[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if is_bias(name):
            names.setdefault(parameter, set()).add(name)
    tracker = _Tracker(network, names)
    with torch.no_grad(), evaluating(network), tracker:
        network(*inputs)
    missed = sorted(set().union(*names.values()) - set(tracker.depths))
    if missed:
        raise ValueError(
            f"bias_depths: {type(network).__name__}: got inputs that do not pass "
            f"{', '.join(missed[:3])}{' ...' if missed[3:] else ''}, expected to meet every bias; "
            "give inputs that take the whole way"
        )
    return tracker.depths


@dataclass(frozen=True, slots=True)
class _Signal:
    """A tensor's degree, None for zeros and bare biases, and the biases that have not met one."""

    degree: float | None = 0
    waiting: frozenset[str] = frozenset()


class _Tracker(TorchDispatchMode):
    """Follows degrees through whatever is computed in its block."""

    def __init__(self, network: nn.Module, biases: Mapping[Tensor, set[str]]) -> None:
        super().__init__()
        self.depths: dict[str, int] = {}
        self._signals = WeakTensorKeyDictionary()
        for parameter in network.parameters():
            is_waiting = parameter in biases
            self._signals[parameter] = (
                _Signal(None, frozenset(biases[parameter])) if is_waiting else _Signal(1)
            )

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs an operation and notes the degree of what comes out."""
        found = self._result(func, args, kwargs or {})
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self._signals[tensor] = found
                if func._schema.is_mutable and tensor._base is not None:
                    whole = self._signal(tensor._base)
                    self._signals[tensor._base] = self._sum(whole, found)
        return out

    def _result(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Signal:
        name = func._schema.name.removeprefix("aten::")
        name = name.removesuffix("_") if func._schema.is_mutable else name
        given = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
        if name in _NORMALISATIONS or name == "convolution":
            return self._layer(given, is_normalised=name in _NORMALISATIONS)
        signals = [self._signal(t) for t in tree_leaves((args, kwargs)) if _is_floating(t)]
        if name in _PRODUCTS:
            return self._product(*signals)
        if name in _SUMS_OF_PRODUCTS:
            return self._sum(signals[0], self._product(*signals[1:]))
        if name == "div" and len(signals) == 2:
            return self._quotient(*signals)
        if name in _POWERS or name == "pow":
            return self._power(signals[0], _POWERS[name] if name in _POWERS else args[1])
        return _Signal(_DEGREES[name]) if name in _DEGREES else self._joined(func, args, signals)

    def _layer(self, given: Mapping[str, Any], *, is_normalised: bool) -> _Signal:
        """A convolution, or a normalisation, which takes its input's degree away."""
        weight, bias = given.get("weight"), given.get("bias")
        factors = [_Signal() if is_normalised else self._signal(given["input"])]
        factors += [] if weight is None else [self._signal(weight)]
        return self._sum(self._product(*factors), *([] if bias is None else [self._signal(bias)]))

    def _joined(self, func: Any, args: tuple[Any, ...], signals: list[_Signal]) -> _Signal:
        """A sum, a join, or what passes a degree on."""
        if func is _PRELU:
            return signals[0]
        self._refuse_fused(func, args)
        number = args[1] if func in _ADDITIONS and isinstance(args[1], int | float) else 0
        return self._sum(*signals, *([_Signal()] if abs(number) > _EPSILON else []))

    def _refuse_fused(self, func: Any, args: tuple[Any, ...]) -> None:
        """Refuses an operation that may hide layers: it takes weights and biases at once.

        Raises:
            ValueError: It does, and is no addition.
        """
        parameters = [p for p in tree_leaves(args) if isinstance(p, nn.Parameter)]
        kinds = {self._signal(parameter).degree for parameter in parameters}
        if kinds == {None, 1} and func not in _ADDITIONS:
            raise ValueError(
                f"bias_depths: {func}: got weights and biases in one operation, expected layers "
                "that can be seen apart; turn the fused implementation off or write the powers by "
                "hand"
            )

    def _signal(self, tensor: Tensor) -> _Signal:
        found: _Signal = self._signals.get(tensor, _Signal())
        return found

    def _sum(self, *terms: _Signal) -> _Signal:
        """The smallest degree; biases that meet one here take it for their depth."""
        degrees = [term.degree for term in terms if term.degree is not None]
        waiting = frozenset[str]().union(*(term.waiting for term in terms))
        if not terms:
            return _Signal()
        if not degrees:
            return _Signal(None, waiting)
        for name in waiting:
            # At least 1, so that a bias beside a bare input moves, too.
            depth = max(round(min(degrees)), 1)
            self.depths[name] = min(self.depths.get(name, depth), depth)
        return _Signal(min(degrees))

    @staticmethod
    def _product(*factors: _Signal) -> _Signal:
        waiting = frozenset[str]().union(*(factor.waiting for factor in factors))
        degrees = [factor.degree for factor in factors]
        known = [degree for degree in degrees if degree is not None]
        return _Signal(sum(known) if len(known) == len(degrees) else None, waiting)

    @classmethod
    def _quotient(cls, above: _Signal, below: _Signal) -> _Signal:
        return cls._product(above, cls._power(below, -1))

    @staticmethod
    def _power(signal: _Signal, exponent: Any) -> _Signal:
        if signal.degree is None or not isinstance(exponent, int | float):
            return signal
        return _Signal(signal.degree * exponent, signal.waiting)


def _is_floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
