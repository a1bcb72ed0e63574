"""The adapter of one person: low-rank weights, and the person's own small parameters.

Small parameters (biases, noise strengths, the constant) are trained as they are: the person's
take the place of the generator's while the adapter is injected. Knows no generator: a generator
says itself what is personal in it, by `PERSONAL_PARTS`.
Source: My3DGen; at rank 1 it trains 243,965 numbers of EG3D's 30,662,136.
"""

import torch
from torch import nn

from models.lora.layer import LoRAConfig, LowRankWeight
from models.ops.adaptable import AdaptableLayer
from models.ops.equalised import EqualLinear


class LowRankAdapter(nn.Module):
    """What is trained for one person.

    Attributes:
        low_rank: LowRankWeight by layer; names have "/" for ".".
        own: Parameters by name, likewise.
    """

    def __init__(
        self, generator: nn.Module, config: LoRAConfig, *, rng: torch.Generator | None = None
    ) -> None:
        """Makes an adapter that changes nothing yet.

        Args:
            generator: Only read; must carry no adapter.
            config: Rank and scale.
            rng: Draws the first factors; on the generator's device.

        Raises:
            ValueError: The generator does not say what is personal, or carries an adapter.
        """
        super().__init__()
        self.config = config
        layers = adaptable_layers(generator)
        self.low_rank = nn.ModuleDict(
            {_key(name): LowRankWeight(layer, config, rng=rng) for name, layer in layers.items()}
        )
        self.own = nn.ParameterDict(
            {
                _key(name): nn.Parameter(parameter.detach().clone())
                for name, parameter in small_parameters(generator).items()
            }
        )

    @property
    def num_low_rank(self) -> int:
        """How many numbers the low-rank weights have."""
        return sum(p.numel() for p in self.low_rank.parameters())

    @property
    def num_own(self) -> int:
        """How many numbers the other parameters have."""
        return sum(p.numel() for p in self.own.parameters())

    def weights_by_layer(self) -> dict[str, LowRankWeight]:
        """Returns the low-rank weights by the layer's name in the generator."""
        return {_name(key): part for key, part in self.low_rank.items()}  # type: ignore[misc]

    def own_by_name(self) -> dict[str, nn.Parameter]:
        """Returns the other parameters by their name in the generator."""
        return {_name(key): parameter for key, parameter in self.own.items()}


def adaptable_layers(generator: nn.Module) -> dict[str, AdaptableLayer]:
    """Returns the modulated convolutions of a generator's personal parts, and their affines.

    Raises:
        ValueError: The generator does not say what is personal, or carries an adapter.
    """
    layers: dict[str, AdaptableLayer] = {}
    for part in _personal_parts(generator):
        for name, module in generator.get_submodule(part).named_modules(prefix=part):
            if not isinstance(module, AdaptableLayer) or isinstance(module, EqualLinear):
                continue
            layers[name] = module
            for child_name, child in module.named_children():
                if isinstance(child, EqualLinear):
                    layers[f"{name}.{child_name}"] = child
    carried = [name for name, layer in layers.items() if layer.weight_offset is not None]
    if carried:
        raise ValueError(
            f"generator: {carried[0]}: got an injected adapter, expected none; detach it first"
        )
    return layers


def small_parameters(generator: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the parameters of the personal parts that no low-rank weight stands beside.

    Raises:
        ValueError: As adaptable_layers.
    """
    covered = {f"{name}.weight" for name in adaptable_layers(generator)}
    return {
        name: parameter
        for part in _personal_parts(generator)
        for name, parameter in generator.get_submodule(part).named_parameters(prefix=part)
        if name not in covered
    }


def _personal_parts(generator: nn.Module) -> tuple[str, ...]:
    parts = getattr(generator, "PERSONAL_PARTS", None)
    if not parts:
        raise ValueError(
            f"generator: PERSONAL_PARTS: got none of {type(generator).__name__}, expected names"
        )
    return tuple(parts)


def _key(name: str) -> str:
    return name.replace(".", "/")  # torch's containers allow no dots


def _name(key: str) -> str:
    return key.replace("/", ".")
