"""The published networks, filled by the seeded recipe, and what goldens hold of them.

Every function returns arrays by golden key, in full: taking every n-th pixel is the reader's.
Knows nothing of files, tolerances and reports; see parity.py.

Shapes: B batch, L style layers, D latent size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.golden_recipe import latent_average, normal, picture, weights
from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.encoder import EncoderConfig, GradualStyleEncoder
from models.ops.implementation import Implementation
from models.stylegan2.config import GeneratorConfig, MappingConfig
from models.stylegan2.mapping import MappingNetwork
from models.stylegan2.synthesis import Generator

Arrays = dict[str, NDArray[Any]]
Network = TypeVar("Network", bound=nn.Module)

AGES = (25.0, 70.0)  # years, of the two pictures
EXTREME_AGES = (0.0, 100.0)
GRADIENT_AGES = (30.0, 80.0)


class _Styles(nn.Module):
    """The mapping network under the name that it has inside a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.style = MappingNetwork(MappingConfig())


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "encoder": lambda: GradualStyleEncoder(EncoderConfig.published(in_channels=4)),
    "pretrained_encoder": lambda: GradualStyleEncoder(EncoderConfig.published()),
    "decoder": lambda: Generator(GeneratorConfig.ffhq()),
    "blender": lambda: Adapter(AdapterConfig.published()),
}


@cache
def _shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(v.shape) for key, v in _BUILDERS[prefix]().state_dict().items()}


@dataclass(frozen=True)
class PublishedStack:
    """The networks of one seed on one device; each is made when it is first needed."""

    seed: int
    device: torch.device
    implementation: Implementation = "fast"

    def _filled(self, prefix: str, build: Callable[[], Network]) -> Network:
        network = build()
        state = network.state_dict()
        drawn = weights(prefix, {k: tuple(v.shape) for k, v in state.items()}, seed=self.seed)
        for key, values in drawn.items():
            state[key].copy_(torch.from_numpy(values))
        return network.eval().to(self.device)

    def _input(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(normal(f"input.{name}", shape, seed=self.seed)).to(self.device)

    def _ages(self, years: tuple[float, ...]) -> Tensor:
        return torch.tensor(years, device=self.device)

    @cached_property
    def pictures(self) -> Tensor:
        """The batch of two pictures, (2, 3, 256, 256)."""
        both = [picture(f"input.img{i}", 256, seed=self.seed) for i in range(2)]
        return torch.from_numpy(np.stack(both)).to(self.device)

    @cached_property
    def adapter(self) -> Adapter:
        """The adapter with the recipe's weights."""
        return self._filled("blender", lambda: Adapter(AdapterConfig.published()))

    @cached_property
    def decoder(self) -> Generator:
        """The generator for 1024 px with the recipe's weights."""
        return self._filled("decoder", lambda: self._generator(1024))

    def _generator(self, resolution: int) -> Generator:
        return Generator(GeneratorConfig.ffhq(resolution, implementation=self.implementation))

    def _encoder(self, prefix: str, in_channels: int) -> GradualStyleEncoder:
        config = EncoderConfig.published(in_channels=in_channels)
        return self._filled(prefix, lambda: GradualStyleEncoder(config))

    def probe(self, full_key: str) -> NDArray[np.float32] | None:
        """Returns the first six values of a weight.

        None where we have no such network; nothing, (0,), where the network has no such key.
        """
        prefix, _, key = full_key.partition(".")
        if prefix not in _BUILDERS:
            return None
        module = key.rpartition(".")[0]
        # The neighbours tell whether the tensor belongs to a normalisation.
        shapes = {k: s for k, s in _shapes(prefix).items() if k.rpartition(".")[0] == module}
        drawn = weights(prefix, shapes, seed=self.seed).get(key)
        return np.empty(0, np.float32) if drawn is None else drawn.ravel()[:6]

    @torch.no_grad()
    def mapping(self) -> Arrays:
        """a.map.*"""
        network = self._filled("decoder", _Styles)
        return {"a.map.w": _numpy(network.style(self._input("z", (4, 512))))}

    @torch.no_grad()
    def generator_256(self) -> Arrays:
        """a.gen256.*"""
        generator = self._filled("decoder", lambda: self._generator(256))
        # The sheet's recipe draws all 18 layers by name and takes the first 14.
        image = generator(self._input("wplus", (1, 18, 512))[:, :14])
        statistics = torch.stack([image.mean(), image.std(), image.abs().max()])
        return {"a.gen256": _numpy(image), "a.gen256.stats": _numpy(statistics)}

    @torch.no_grad()
    def generator_1024(self) -> Arrays:
        """a.gen1024.*"""
        skips: list[Tensor] = []
        layers = [self.decoder.to_rgb1, *self.decoder.to_rgbs]
        hooks = [
            layer.register_forward_hook(lambda _module, _inputs, out: skips.append(out))
            for layer in layers
        ]
        image = self.decoder(self._input("wplus", (1, 18, 512)))
        for hook in hooks:
            hook.remove()
        statistics = torch.stack([torch.stack([s.mean(), s.std()]) for s in skips])
        return {
            "a.gen1024": _numpy(image),
            "a.gen1024.crop": _numpy(image[:, :, 480:544, 480:544]),
            "a.gen1024.pool256": _numpy(F.adaptive_avg_pool2d(image, 256)),
            "a.gen1024.skip_mean_std_4to1024": _numpy(statistics),
        }

    @cached_property
    def age_codes(self) -> Arrays:
        """b.enc.*: the age encoder, then the same in training mode."""
        encoder = self._encoder("encoder", 4)
        taps: dict[str, Tensor] = {}
        hooks = [
            encoder.body[index].register_forward_hook(
                lambda _module, _inputs, out, name=name: taps.__setitem__(name, out)
            )
            for name, index in (("b0", 0), ("c1", 6), ("c2", 20), ("c3", 23))
        ]
        ages = self._ages(AGES)[:, None, None, None] / 100
        crops = torch.cat([self.pictures, ages.expand(-1, 1, 256, 256)], dim=1)
        with torch.no_grad():
            arrays: Arrays = {"b.enc.codes": _numpy(encoder(crops))}
        for hook in hooks:
            hook.remove()
        for name, tap in taps.items():
            arrays[f"b.enc.{name}.strided"] = _numpy(tap[:, ::16, ::8, ::8])
        with torch.no_grad():
            arrays["b.enc.trainmode.codes_b2"] = _numpy(encoder.train()(crops))
        normalisation = encoder.get_submodule("body.5.res_layer.4")
        for name in ("running_mean", "running_var"):
            after = normalisation.get_buffer(name)
            arrays[f"b.enc.trainmode.{name}_after"] = _numpy(after)
        return arrays

    @cached_property
    def picture_codes(self) -> Arrays:
        """b.psp.*: the encoder of the picture alone."""
        encoder = self._encoder("pretrained_encoder", 3)
        with torch.no_grad():
            return {"b.psp.codes": _numpy(encoder(self.pictures))}

    @torch.no_grad()
    def sam(self) -> Arrays:
        """c.sam.*: both encoders, mean latent and decoder."""
        codes = self.age_codes["b.enc.codes"] + self.picture_codes["b.psp.codes"]
        latent = codes + latent_average(seed=self.seed)
        images = self._decode(latent)
        codes_8bit = ((images[0] + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
        return {
            "c.sam.latent": latent,
            "c.sam.img": _numpy(images),
            "c.sam.img256": _numpy(F.adaptive_avg_pool2d(images, 256)),
            "c.sam.uint8": _numpy(codes_8bit.permute(1, 2, 0)),
        }

    def _decode(self, w_plus: NDArray[Any]) -> Tensor:
        """Decodes one by one, since a picture at 1024 px takes much memory."""
        latents = torch.from_numpy(w_plus).to(self.device)
        return torch.cat([self.decoder(latent[None]) for latent in latents])

    @torch.no_grad()
    def personalised(self, sam_latent: NDArray[Any]) -> Arrays:
        """f.blender.out: the adapter on the golden's own c.sam.latent."""
        latent = torch.from_numpy(sam_latent).to(self.device)
        return {"f.blender.out": _numpy(self.adapter(latent, self._ages(AGES)))}

    @torch.no_grad()
    def mytm(self, sam_latent: NDArray[Any]) -> Arrays:
        """f.mytm.*: the adapter's result for the first picture, decoded."""
        image = self._decode(self.personalised(sam_latent)["f.blender.out"][:1])
        return {
            "f.mytm.img": _numpy(image),
            "f.mytm.img256": _numpy(F.adaptive_avg_pool2d(image, 256)),
        }

    def adapter_gradients(self) -> Arrays:
        """f.blender.unit and f.blender.gradsum_absum.*"""
        latent = self._input("global_styles", (2, 18, 512))
        with torch.no_grad():
            arrays: Arrays = {
                "f.blender.unit": _numpy(self.adapter(latent, self._ages(EXTREME_AGES)))
            }
        out = self.adapter(latent, self._ages(GRADIENT_AGES))
        loss = (out * self._input("gradw", (2, 18, 512))).sum()
        names, parameters = zip(*self.adapter.named_parameters(), strict=True)
        for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
            sums = torch.stack([gradient.sum(), gradient.abs().sum()])
            arrays[f"f.blender.gradsum_absum.{name}"] = _numpy(sums)
        return arrays


def _numpy(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
