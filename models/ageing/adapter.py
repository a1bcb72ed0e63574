"""MyTimeMachine's Adapter Network: what a person's own photographs add to the general prior.

Knows nothing of encoders and generators: latents in, latents out.
Source: Qu et al. 2025, "MyTimeMachine", sec. 4.2 (in its code: Blender). State-dict names as there;
in a whole checkpoint they carry the prefix `blender.`.

Shapes: B batch, L style layers, D latent size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.shapes import check_shape


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterConfig:
    """Sizes of the adapter.

    With `is_zero_at_start` the untrained adapter changes nothing; the published one adds a small
    random offset.
    """

    num_layers: int = 18
    latent_size: int = 512
    bottleneck_size: int = 32
    global_size: int = 128
    age_size: int = 16
    is_zero_at_start: bool = True

    def __post_init__(self) -> None:
        sizes = (self.num_layers, self.latent_size, self.bottleneck_size, self.global_size)
        if min(*sizes, self.age_size) < 1:
            raise ValueError(f"AdapterConfig: sizes: got {self}, expected at least 1 each")

    @classmethod
    def published(cls) -> "AdapterConfig":
        """Returns the sizes and the initialisation of the published adapter."""
        return cls(is_zero_at_start=False)


def _two_layers(
    in_features: int, out_features: int, *, is_zero_at_start: bool = False
) -> nn.Sequential:
    last = nn.Linear(out_features, out_features)
    if is_zero_at_start:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(in_features, out_features), nn.ReLU(), last)


class Adapter(nn.Module):
    """Adds to every layer's latent an offset that depends on all layers and on the age."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        joint = config.global_size + config.age_size + config.latent_size
        for index in range(config.num_layers):
            bottleneck = _two_layers(config.latent_size, config.bottleneck_size)
            self.add_module(f"bottleneck_{index}", bottleneck)
        self.global_mlp = _two_layers(
            config.num_layers * config.bottleneck_size, config.global_size
        )
        self.age_mlp = _two_layers(1, config.age_size)
        for index in range(config.num_layers):
            head = _two_layers(joint, config.latent_size, is_zero_at_start=config.is_zero_at_start)
            self.add_module(f"fc_{index}", head)

    @property
    def last_layers(self) -> frozenset[str]:
        """Names, in the state dict, of what the person's offset is linear in."""
        heads = range(self.config.num_layers)
        return frozenset(f"fc_{i}.2.{part}" for i in heads for part in ("weight", "bias"))

    def forward(self, w_plus_BLD: Tensor, target_age: Tensor) -> Tensor:
        """Personalises latents for an age.

        Args:
            w_plus_BLD: Floating, (B, L, D): the general prior's latents for that same age.
            target_age: Years, floating, (B,).

        Returns:
            (B, L, D): the latents plus the person's offset.

        Raises:
            ShapeError: An argument has another shape.
        """
        layers, size = self.config.num_layers, self.config.latent_size
        check_shape("w_plus", w_plus_BLD, "B L D", L=layers, D=size)
        check_shape("target_age", target_age, "B", B=len(w_plus_BLD))
        latents = w_plus_BLD.unbind(dim=1)
        person = self.global_mlp(
            torch.cat(
                [self.get_submodule(f"bottleneck_{i}")(w) for i, w in enumerate(latents)], dim=1
            )
        )
        age = self.age_mlp((target_age / 100).to(w_plus_BLD.dtype)[:, None])
        offsets = [
            self.get_submodule(f"fc_{i}")(torch.cat([person, age, w], dim=1))
            for i, w in enumerate(latents)
        ]
        return w_plus_BLD + torch.stack(offsets, dim=1)
