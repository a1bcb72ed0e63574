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
from models.face.dex import DEX, DEXConfig
from models.face.irse50 import IRSE50, IRSE50Config
from models.face.perceptual import LPIPS
from models.face.region import FFHQ_FACE
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
    "irse50": lambda: IRSE50(IRSE50Config()),
    "dexvgg": lambda: DEX(DEXConfig()),
    "lpips": LPIPS,
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

    def drawn(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Returns the normals of an input, float32."""
        return torch.from_numpy(normal(f"input.{name}", shape, seed=self.seed)).to(self.device)

    def pair(self, name: str, size: int = 256) -> Tensor:
        """Returns the batch of the two pictures <name>0 and <name>1, (2, 3, size, size)."""
        both = [picture(f"input.{name}{i}", size, seed=self.seed) for i in range(2)]
        return torch.from_numpy(np.stack(both)).to(self.device)

    def _ages(self, years: tuple[float, ...]) -> Tensor:
        return torch.tensor(years, device=self.device)

    @cached_property
    def pictures(self) -> Tensor:
        """The batch of two pictures, (2, 3, 256, 256)."""
        return self.pair("img")

    @cached_property
    def adapter(self) -> Adapter:
        """The adapter with the recipe's weights."""
        return self._filled("blender", lambda: Adapter(AdapterConfig.published()))

    @cached_property
    def age_encoder(self) -> GradualStyleEncoder:
        """SAM's encoder of picture and age with the recipe's weights."""
        return self._encoder("encoder", 4)

    @cached_property
    def picture_encoder(self) -> GradualStyleEncoder:
        """The encoder of the picture alone with the recipe's weights."""
        return self._encoder("pretrained_encoder", 3)

    @cached_property
    def identity(self) -> IRSE50:
        """The identity network with the recipe's weights."""
        return self._filled("irse50", lambda: IRSE50(IRSE50Config())).requires_grad_(False)

    @cached_property
    def dex(self) -> DEX:
        """The network of apparent age with the recipe's weights."""
        return self._filled("dexvgg", lambda: DEX(DEXConfig())).requires_grad_(False)

    @cached_property
    def lpips(self) -> LPIPS:
        """The perceptual distance with the recipe's weights."""
        return self._filled("lpips", LPIPS).requires_grad_(False)

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
        return {"a.map.w": as_array(network.style(self.drawn("z", (4, 512))))}

    @torch.no_grad()
    def generator_256(self) -> Arrays:
        """a.gen256.*"""
        generator = self._filled("decoder", lambda: self._generator(256))
        # The sheet's recipe draws all 18 layers by name and takes the first 14.
        image = generator(self.drawn("wplus", (1, 18, 512))[:, :14])
        statistics = torch.stack([image.mean(), image.std(), image.abs().max()])
        return {"a.gen256": as_array(image), "a.gen256.stats": as_array(statistics)}

    @torch.no_grad()
    def generator_1024(self) -> Arrays:
        """a.gen1024.*"""
        skips: list[Tensor] = []
        layers = [self.decoder.to_rgb1, *self.decoder.to_rgbs]
        hooks = [
            layer.register_forward_hook(lambda _module, _inputs, out: skips.append(out))
            for layer in layers
        ]
        image = self.decoder(self.drawn("wplus", (1, 18, 512)))
        for hook in hooks:
            hook.remove()
        statistics = torch.stack([torch.stack([s.mean(), s.std()]) for s in skips])
        return {
            "a.gen1024": as_array(image),
            "a.gen1024.crop": as_array(image[:, :, 480:544, 480:544]),
            "a.gen1024.pool256": as_array(F.adaptive_avg_pool2d(image, 256)),
            "a.gen1024.skip_mean_std_4to1024": as_array(statistics),
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
            arrays: Arrays = {"b.enc.codes": as_array(encoder(crops))}
        for hook in hooks:
            hook.remove()
        for name, tap in taps.items():
            arrays[f"b.enc.{name}.strided"] = as_array(tap[:, ::16, ::8, ::8])
        with torch.no_grad():
            arrays["b.enc.trainmode.codes_b2"] = as_array(encoder.train()(crops))
        normalisation = encoder.get_submodule("body.5.res_layer.4")
        for name in ("running_mean", "running_var"):
            after = normalisation.get_buffer(name)
            arrays[f"b.enc.trainmode.{name}_after"] = as_array(after)
        return arrays

    @cached_property
    def picture_codes(self) -> Arrays:
        """b.psp.*: the encoder of the picture alone."""
        encoder = self._encoder("pretrained_encoder", 3)
        with torch.no_grad():
            return {"b.psp.codes": as_array(encoder(self.pictures))}

    @torch.no_grad()
    def sam(self) -> Arrays:
        """c.sam.*: both encoders, mean latent and decoder."""
        codes = self.age_codes["b.enc.codes"] + self.picture_codes["b.psp.codes"]
        latent = codes + latent_average(seed=self.seed)
        images = self._decode(latent)
        codes_8bit = ((images[0] + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
        return {
            "c.sam.latent": latent,
            "c.sam.img": as_array(images),
            "c.sam.img256": as_array(F.adaptive_avg_pool2d(images, 256)),
            "c.sam.uint8": as_array(codes_8bit.permute(1, 2, 0)),
        }

    def _decode(self, w_plus: NDArray[Any]) -> Tensor:
        """Decodes one by one, since a picture at 1024 px takes much memory."""
        latents = torch.from_numpy(w_plus).to(self.device)
        return torch.cat([self.decoder(latent[None]) for latent in latents])

    @torch.no_grad()
    def personalised(self, sam_latent: NDArray[Any]) -> Arrays:
        """f.blender.out: the adapter on the golden's own c.sam.latent."""
        latent = torch.from_numpy(sam_latent).to(self.device)
        return {"f.blender.out": as_array(self.adapter(latent, self._ages(AGES)))}

    @torch.no_grad()
    def mytm(self, sam_latent: NDArray[Any]) -> Arrays:
        """f.mytm.*: the adapter's result for the first picture, decoded."""
        image = self._decode(self.personalised(sam_latent)["f.blender.out"][:1])
        return {
            "f.mytm.img": as_array(image),
            "f.mytm.img256": as_array(F.adaptive_avg_pool2d(image, 256)),
        }

    def adapter_gradients(self) -> Arrays:
        """f.blender.unit and f.blender.gradsum_absum.*"""
        latent = self.drawn("global_styles", (2, 18, 512))
        with torch.no_grad():
            arrays: Arrays = {
                "f.blender.unit": as_array(self.adapter(latent, self._ages(EXTREME_AGES)))
            }
        out = self.adapter(latent, self._ages(GRADIENT_AGES))
        loss = (out * self.drawn("gradw", (2, 18, 512))).sum()
        names, parameters = zip(*self.adapter.named_parameters(), strict=True)
        for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
            sums = torch.stack([gradient.sum(), gradient.abs().sum()])
            arrays[f"f.blender.gradsum_absum.{name}"] = as_array(sums)
        return arrays

    @torch.no_grad()
    def embeddings(self) -> Arrays:
        """d.irse.*"""
        return {
            "d.irse.emb112": as_array(self.identity(self.pair("face", 112))),
            "d.irse.emb_from256": as_array(self.identity.embed(self.pictures)),
        }

    @torch.no_grad()
    def apparent_ages(self) -> Arrays:
        """e.dex.*"""
        pictures = self.pair("age", 224)
        return {
            "e.dex.logits": as_array(self.dex(pictures)),
            "e.dex.age": as_array(self.dex.apparent_age(pictures)),
            "e.dex.age_from256": as_array(self.dex.apparent_age(self.pictures)),
        }

    @torch.no_grad()
    def distances(self) -> Arrays:
        """g.lpips.*"""
        one, other = self.pair("pa"), self.pair("pb")
        both = self.lpips(one, other)
        cut = self.lpips(FFHQ_FACE.cut(one), FFHQ_FACE.cut(other))
        return {
            "g.lpips.b2": as_array(both.mean()),
            "g.lpips.b1": as_array(both[0]),
            "g.lpips.crop188": as_array(cut.mean()),
        }


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Returns a tensor's values on the CPU."""
    return tensor.detach().cpu().numpy()
