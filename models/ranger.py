"""Ranger: RAdam with centred gradients and a slow copy of the weights that the fast one returns to.

Sources: Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond" (RAdam);
Yong et al. 2020, "Gradient Centralization"; Zhang et al. 2019, "Lookahead Optimizer: k steps
forward, 1 step back". Defaults are those that SAM and MyTimeMachine were trained with.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class Ranger(Optimizer):
    """An optimiser for networks whose early steps would otherwise be too long.

    Args of the constructor:
        params: As for any torch optimiser.
        lr: Learning rate.
        betas: Decay of the first and the second moment.
        eps: Added to the root of the second moment.
        weight_decay: Share of a weight that is taken off, times the learning rate, each step.
        lookahead_steps: After so many steps the weights return towards their slow copy.
        lookahead_share: How far the slow copy goes to meet them, 0-1.
        variance_threshold: Of RAdam's length of the variance's average; at or below it the second
            moment is not trusted and the step is plain momentum.
    """

    def __init__(
        self,
        params: Parameters,
        *,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        lookahead_steps: int = 6,
        lookahead_share: float = 0.5,
        variance_threshold: float = 5.0,
    ) -> None:
        if not lr > 0 or not eps > 0:
            raise ValueError(f"Ranger: lr, eps: got {lr}, {eps}, expected above 0")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Ranger.betas: got {betas}, expected at least 0 and below 1")
        if lookahead_steps < 1 or not 0 <= lookahead_share <= 1:
            raise ValueError(
                f"Ranger: lookahead: got {lookahead_steps} steps and share {lookahead_share}, "
                "expected at least 1 and 0 to 1"
            )
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "lookahead_steps": lookahead_steps,
            "lookahead_share": lookahead_share,
            "variance_threshold": variance_threshold,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Does one step along the gradients that are there; returns what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            # Parameters that joined late, or had no gradient now and then, are at another step.
            by_step: dict[int, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_step.setdefault(self._advanced(parameter), []).append(parameter)
            for number, parameters in by_step.items():
                self._update(parameters, number, group)
        return loss

    def _advanced(self, parameter: Tensor) -> int:
        """Returns the number, from 1, of the step that a parameter is about to take."""
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["first_moment"] = torch.zeros_like(parameter)
            state["second_moment"] = torch.zeros_like(parameter)
            state["slow"] = parameter.clone()
        state["step"] += 1
        return int(state["step"])

    def _update(self, parameters: list[Tensor], number: int, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        first, second, slow = (
            [self.state[p][name] for p in parameters]
            for name in ("first_moment", "second_moment", "slow")
        )
        gradients = [_centred(p) for p in parameters]
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, value=1 - beta2)
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, gradients, alpha=1 - beta1)
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        rectification = _rectification(number, beta2, group["variance_threshold"])
        length = group["lr"] / (1 - beta1**number)
        if rectification is None:
            torch._foreach_add_(parameters, first, alpha=-length)
        else:
            spread = torch._foreach_sqrt(second)
            torch._foreach_add_(spread, group["eps"])
            torch._foreach_addcdiv_(parameters, first, spread, value=-length * rectification)
        if number % group["lookahead_steps"] == 0:
            torch._foreach_lerp_(slow, parameters, group["lookahead_share"])
            torch._foreach_copy_(parameters, slow)


def _centred(parameter: Tensor) -> Tensor:
    """Returns the gradient; of tensors with more than one dimension, less its mean per output."""
    gradient = parameter.grad
    assert gradient is not None
    if gradient.is_sparse:
        raise ValueError("Ranger: gradient: got a sparse one, expected a dense one")
    if gradient.dim() < 2:
        return gradient
    return gradient - gradient.mean(dim=tuple(range(1, gradient.dim())), keepdim=True)


def _rectification(number: int, beta2: float, threshold: float) -> float | None:
    """Returns RAdam's factor of a step, None while the variance cannot be trusted."""
    longest = 2 / (1 - beta2) - 1
    decayed = beta2**number
    length = longest - 2 * number * decayed / (1 - decayed)
    if length <= threshold:
        return None
    rectified = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return math.sqrt((1 - decayed) * rectified)
