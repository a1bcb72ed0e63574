"""How evenly low-rank weights are followed, on StyleGAN2's generator of flat pictures.

No trained generator of this kind comes with the project: this one has the weights of its start, and
the person is another draw of them near by, whose pictures rank-1 weights learn for a while. What is
shown is how straight the line is, not what a face looks like on it.

Shapes: N pictures, P strengths.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.strength_lines import NUM_STRENGTHS, evenness
from models.landscape.even import even_course
from models.lora.adapter import LowRankAdapter
from models.lora.inject import inject
from models.lora.layer import LoRAConfig
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from models.stylegan2.synthesis import Generator

_SIZES = SynthesisConfig(channels=(64, 64, 48, 32, 16), latent_size=64)
_AWAY = 0.3  # of the weights' own size, added to them
_STEPS, _BATCH, _PICTURES = 150, 4, 16


def measured_low_rank(*, seed: int = 0) -> dict[str, Any]:
    """Teaches rank-1 weights a person and returns departures of their line from a straight one."""
    torch.manual_seed(seed)
    sizes = GeneratorConfig(synthesis=_SIZES, mapping=MappingConfig(latent_size=64, depth=2))
    generator = Generator(sizes).eval().requires_grad_(False)
    adapter = _taught(generator, sizes, seed)
    latents = torch.randn(_PICTURES, _SIZES.num_layers, 64)
    shown = []
    with torch.inference_mode():
        for strength in np.linspace(0, 1, NUM_STRENGTHS):
            with inject(generator, adapter, strength=float(strength)):
                shown.append(generator(latents))
        apart = np.stack([_apart(each, shown[0]).numpy() for each in shown])
    course = even_course(apart[:, 0::2])
    return {
        "plain": evenness(apart[:, 1::2]),
        "calibrated": evenness(apart[:, 1::2], course),
        "steps": _STEPS,
    }


def _taught(generator: Generator, sizes: GeneratorConfig, seed: int) -> LowRankAdapter:
    person = Generator(sizes).eval().requires_grad_(False)
    person.load_state_dict(generator.state_dict())
    with torch.no_grad():
        for name, parameter in person.named_parameters():
            if name.startswith("style."):
                continue  # its latents are drawn, not mapped
            parameter.add_(_AWAY * parameter.std(correction=0) * torch.randn_like(parameter))
    rng = torch.Generator().manual_seed(seed)
    adapter = LowRankAdapter(generator, LoRAConfig(), rng=rng)
    optimiser = torch.optim.Adam(adapter.parameters(), lr=5e-3)
    with inject(generator, adapter):
        for _ in range(_STEPS):
            latents = torch.randn(_BATCH, _SIZES.num_layers, 64)
            loss = (generator(latents) - person(latents)).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return adapter.requires_grad_(False)


def _apart(shown: Tensor, first: Tensor) -> Tensor:
    return (shown - first).square().mean(dim=(1, 2, 3)).sqrt()
