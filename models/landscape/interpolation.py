"""The line between two states of one network: what a strength slider moves along.

The two state dicts are all the storage there is: the network's own tensors are written in place,
every point is computed from the two ends, and no point depends on the one before.
Source: Goodfellow et al. 2015, "Qualitatively characterizing neural network optimization problems"
(linear interpolation); see schedule.py for the others.

Shapes: any; a tensor has the same one at both ends and in the network.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.landscape.schedule import Schedule, is_bias, linear
from models.landscape.statistics import Batch, recompute_statistics, tracked_norms

State = Mapping[str, Tensor]
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class LineError(ValueError):
    """Two states and a network do not make a line."""


class Line:
    """Moves a network between two states under a schedule.

    A parameter whose share is 0 or 1 is bit-identical to that end's; with the schedules `linear`
    and `homogeneous` the whole network therefore is at strengths 0 and 1. Floating buffers move
    as weights do. BatchNorm statistics are an end's where all parameters are, and are recomputed
    from `batches` elsewhere; other buffers must agree. No gradient flows; `requires_grad`,
    gradients and addresses of the network's tensors stay.

    Args of the constructor:
        network: Its present values are not used and stay until the first move.
        start, end: State dicts of the network at strengths 0 and 1, of its dtypes. On another
            device they cost one tensor's copy at a time.
        schedule: See schedule.py.
        batches: For BatchNorm statistics: positional arguments of a forward pass each.

    Raises:
        LineError: Keys, shapes or dtypes differ, an end is the network's own memory, the schedule
            lacks a bias, or BatchNorm statistics are kept and there are no batches.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        start: State,
        end: State,
        schedule: Schedule | None = None,
        batches: Sequence[Batch] = (),
    ) -> None:
        self.network = network
        self.schedule = linear() if schedule is None else schedule
        self._start, self._end = dict(start), dict(end)
        self._batches = batches
        self._strength: float | None = None
        norms = tracked_norms(network)
        self._statistics = {f"{n}.{key}".lstrip(".") for n in norms for key in _STATISTICS}
        self._check()

    @torch.no_grad()
    def at(self, strength: float) -> nn.Module:
        """Moves the network, in place, and returns it.

        Args:
            strength: 0 (start) to 1 (end).

        Raises:
            LineError: `strength` is outside 0-1.
        """
        if not 0 <= strength <= 1:
            raise LineError(f"strength: got {strength}, expected 0 to 1")
        shares = set()
        for name, tensor in _tensors(self.network).items():
            if name in self._statistics:
                continue
            if tensor.is_floating_point() or tensor.is_complex():
                share = self.schedule.share(name, strength)
                shares.add(share)
                _place(tensor, self._start[name], self._end[name], share)
            else:
                tensor.copy_(self._start[name])
        self._place_statistics(shares)
        self._strength = float(strength)
        return self.network

    @contextmanager
    def held_at(self, strength: float) -> Iterator[nn.Module]:
        """Moves the network for the length of a block, then back, to the bit.

        Back is the strength before, or the end whose values the network has if it was not moved
        yet. What the block itself writes into the network is lost.

        Raises:
            LineError: `strength` is outside 0-1, or the network was not moved yet and is at neither
                end.
        """
        before = self._strength
        home = None if before is not None else self._end_it_is_at()
        try:
            yield self.at(strength)
        finally:
            if before is not None:
                self.at(before)
            elif home is not None:
                self._return_to(home)

    @torch.no_grad()
    def _return_to(self, state: State) -> None:
        for name, tensor in _tensors(self.network).items():
            tensor.copy_(state[name])
        self._strength = None

    def _end_it_is_at(self) -> State:
        tensors = _tensors(self.network)
        for state in (self._end, self._start):
            if all(torch.equal(t, state[name].to(t.device)) for name, t in tensors.items()):
                return state
        raise LineError(
            f"{_name(self.network)}: got values that are neither end's, expected start or end to "
            "go back to; load one of them or call `at` first"
        )

    def _place_statistics(self, shares: set[float | None]) -> None:
        if not self._statistics:
            return
        if shares in ({0.0}, {1.0}):
            state = self._start if shares == {0.0} else self._end
            tensors = _tensors(self.network)
            for name in self._statistics:
                tensors[name].copy_(state[name])
        else:
            recompute_statistics(self.network, self._batches)

    def _check(self) -> None:
        where, tensors = _name(self.network), _tensors(self.network)
        for label, state in (("start", self._start), ("end", self._end)):
            _check_state(f"{where}: {label}", state, tensors)
        for name, tensor in tensors.items():
            moves = tensor.is_floating_point() or tensor.is_complex() or name in self._statistics
            if not moves and not torch.equal(self._start[name].cpu(), self._end[name].cpu()):
                raise LineError(
                    f"{where}: {name}: got {tensor.dtype} values that differ between start and "
                    "end, expected equal ones, as there is nothing between whole numbers"
                )
        powers = self.schedule.powers
        biases = {
            name
            for name, _ in self.network.named_parameters(remove_duplicate=False)
            if is_bias(name)
        }
        if powers is not None and biases - set(powers):
            raise LineError(
                f"{where}: schedule {self.schedule.name}: got no power for "
                f"{_listed(biases - set(powers))}, expected one for every bias; derive them with "
                "bias_depths on this network"
            )
        if self._statistics and not self._batches:
            raise LineError(
                f"{where}: batches: got none, expected at least one, as its BatchNorm layers keep "
                "statistics that must be measured between the ends"
            )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {n: t for n, t in network.state_dict().items() if isinstance(t, Tensor)}


def _place(tensor: Tensor, start: Tensor, end: Tensor, share: float | None) -> None:
    if share is None:
        tensor.zero_()
    elif share == 1:
        tensor.copy_(end)
    else:
        tensor.copy_(start)
        if share != 0:  # lerp by 0 would lose the sign of a zero
            tensor.lerp_(end.to(tensor.device), share)


def _check_state(where: str, state: State, tensors: Mapping[str, Tensor]) -> None:
    missing, unknown = set(tensors) - set(state), set(state) - set(tensors)
    if missing or unknown:
        raise LineError(
            f"{where}: got {_listed(missing)} missing and {_listed(unknown)} unknown, expected the "
            f"{len(tensors)} keys of the network; take both states from networks of one "
            "configuration"
        )
    moving = {_address(tensor) for tensor in tensors.values() if tensor.numel()}
    for name, expected in tensors.items():
        got = state[name]
        if got.shape != expected.shape or got.dtype != expected.dtype:
            raise LineError(
                f"{where}: {name}: got {got.dtype} {tuple(got.shape)}, expected {expected.dtype} "
                f"{tuple(expected.shape)}; take both states from networks of one configuration"
            )
        if got.numel() and _address(got) in moving:
            raise LineError(
                f"{where}: {name}: got the network's own memory, which moves, expected a copy; "
                "clone the tensors of its state dict"
            )


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _name(network: nn.Module) -> str:
    return type(network).__name__


def _listed(names: set[str], *, most: int = 3) -> str:
    some = sorted(names)[:most]
    more = len(names) - len(some)
    return ", ".join(some or ["nothing"]) + (f" and {more} more" if more else "")
