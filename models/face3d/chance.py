"""Chance for renderings, drawn from a generator that lives on the CPU whatever renders."""

import torch


def sampling_from(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Returns a generator on a device: `generator` itself on the CPU, else one that it seeds."""
    if device.type == generator.device.type:
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)
