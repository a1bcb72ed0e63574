"""BatchNorm's running statistics, found anew for the weights that a network has now.

Statistics of two networks say nothing of a network between them, so they are measured, not mixed.

Shapes: none of its own; batches are whatever the network takes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Batch = tuple[Tensor, ...]


def tracked_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Returns the BatchNorm layers that keep running statistics, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }


@torch.no_grad()
def recompute_statistics(network: nn.Module, batches: Sequence[Batch]) -> None:
    """Sets running means and variances, in place, to their averages over batches.

    All other layers are in evaluation mode meanwhile, so nothing is random; modes are as before
    afterwards.

    Args:
        network: With BatchNorm layers anywhere in it.
        batches: Positional arguments of a forward pass each. They weigh alike, so they should be of
            one size.
    """
    norms = tracked_norms(network).values()
    momenta = [norm.momentum for norm in norms]
    with evaluating(network):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over batches
            norm.train()
        try:
            for batch in batches:
                network(*batch)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts a network into evaluation mode and every module back into its own mode afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
