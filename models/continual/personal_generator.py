"""The personal generator: a synthesis network tuned to show a person's photographs from codes.

Either all of its weights are tuned or low-rank weights that are injected into it; the photographs'
codes, the anchors, stay as the encoder made them. Works for any synthesis network that takes w+:
StyleGAN2's, the compact prior's, at full size or at a coarser level.
Source: Nitzan et al. 2022, "MyStyle: A Personalized Generative Prior"; with low-rank weights Qi et
al. 2024, "My3DGen".

Shapes: B batch, R crop size, S synthesis size, L style layers, D latent size.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from models.ageing.personal_pass import PhotoBatch
from models.lora.adapter import LowRankAdapter
from models.lora.inject import inject
from models.ops.shrink import shrunk

Decode = Callable[[Tensor], Tensor]  # w_plus (B, L, D) to pictures (B, 3, S, S), about [-1, 1]
Perceptual = Callable[[Tensor, Tensor], Tensor]  # two batches of pictures to distances (B,)


class PersonalGenerator:
    """Learns to decode a person's anchors to the person's photographs; a `Learner`.

    Args of the constructor:
        encode: Crops (B, 3, R, R) to codes (B, L, D); frozen.
        decode: Codes to pictures, by way of `parts`.
        parts: What learns, by name.
        perceptual: LPIPS, or what stands for it; see `models.face.perceptual`.
        pixel_weight: Of the mean squared error beside the perceptual distance.
    """

    def __init__(
        self,
        *,
        encode: Callable[[Tensor], Tensor],
        decode: Decode,
        parts: Mapping[str, nn.Module],
        perceptual: Perceptual,
        pixel_weight: float = 1.0,
    ) -> None:
        self._encode, self._perceptual, self._pixel_weight = encode, perceptual, pixel_weight
        self.decode = decode
        self.parts = parts

    @classmethod
    def tuned(
        cls,
        synthesis: nn.Module,
        *,
        encode: Callable[[Tensor], Tensor],
        perceptual: Perceptual,
        decode: Decode | None = None,
    ) -> "PersonalGenerator":
        """Returns one that tunes all weights of a synthesis network, which is the person's own.

        `decode` is the network itself if not given.
        """
        synthesis.requires_grad_(True)
        return cls(
            encode=encode,
            decode=synthesis if decode is None else decode,
            parts={"synthesis": synthesis},
            perceptual=perceptual,
        )

    @classmethod
    def low_rank(
        cls,
        generator: nn.Module,
        adapter: LowRankAdapter,
        *,
        encode: Callable[[Tensor], Tensor],
        perceptual: Perceptual,
        decode: Decode | None = None,
    ) -> "PersonalGenerator":
        """Returns one that trains low-rank weights over a generator, which stays as it is.

        `decode` is the generator itself if not given. The adapter is in the generator while codes
        are decoded, and only then: one generator serves many people in turn.
        """
        generator.requires_grad_(False)
        decode_with: Decode = generator if decode is None else decode

        def personally(w_plus: Tensor) -> Tensor:
            with inject(generator, adapter):
                return decode_with(w_plus)

        return cls(
            encode=encode, decode=personally, parts={"adapter": adapter}, perceptual=perceptual
        )

    @torch.no_grad()
    def codes(self, crops: Tensor) -> Tensor:
        """Returns the anchors (B, L, D) of crops (B, 3, R, R)."""
        return self._encode(crops)

    def loss(self, photos: PhotoBatch, *, generator: torch.Generator) -> Tensor:
        """Returns the mean of perceptual distance and weighted squared error; draws nothing."""
        codes = self.codes(photos.crops) if photos.codes is None else photos.codes
        made = self.decode(codes)
        size = min(made.shape[-1], photos.crops.shape[-1])
        made, wanted = shrunk(made, size), shrunk(photos.crops, size)
        pixels = (made - wanted).square().mean(dim=(1, 2, 3))
        return (self._perceptual(made, wanted) + self._pixel_weight * pixels).mean()
