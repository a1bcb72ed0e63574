"""A person's face in three dimensions: a tri-plane generator tuned to show photographs of it.

Either all personal parts of the generator are tuned, or low-rank weights that are injected into it;
the photographs' anchors and cameras stay as they were found. An increment updates it as any other
`Learner`.
Source: My3DGen; its one loss: squared error and perceptual distance, each weighing 1, of the
rendering and of the picture.

Shapes: B batch, N pixels of the rendering, R of the picture, L style layers, D latent size.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ageing.personal_pass import PhotoBatch
from models.eg3d.camera import LABEL_SIZE
from models.eg3d.generator import TriPlaneGenerator
from models.eg3d.jitter import Sampling
from models.face3d.chance import sampling_from
from models.face3d.projection import Perceptual
from models.lora.adapter import LowRankAdapter
from models.lora.inject import inject
from models.shapes import check_shape

Encode = Callable[[Tensor], Tensor]  # pictures (B, 3, R, R) to latents (B, L, D)


class PersonalFace:
    """Learns to show a person's photographs from their anchors and cameras; a `Learner`.

    Args of the constructor:
        generator: Whose personal parts, or what is injected into them, learn.
        parts: What learns, by name.
        perceptual: LPIPS, or what stands for it.
        encode: Anchors of photographs that come without; None where all have theirs.
        adapter: In the generator while it draws, and only then; None for none.
    """

    def __init__(
        self,
        generator: TriPlaneGenerator,
        *,
        parts: Mapping[str, nn.Module],
        perceptual: Perceptual,
        encode: Encode | None = None,
        adapter: LowRankAdapter | None = None,
    ) -> None:
        self.generator, self.parts = generator, parts
        self._perceptual, self._encode, self._adapter = perceptual, encode, adapter

    @classmethod
    def tuned(
        cls, generator: TriPlaneGenerator, *, perceptual: Perceptual, encode: Encode | None = None
    ) -> "PersonalFace":
        """Returns one that tunes the personal parts of a generator, which is the person's own.

        Mapping network and decoder stay as they are, so that directions in latent space hold.
        """
        generator.requires_grad_(False)
        for name in generator.PERSONAL_PARTS:
            generator.get_submodule(name).requires_grad_(True)
        parts = {"generator": generator}
        return cls(generator, parts=parts, perceptual=perceptual, encode=encode)

    @classmethod
    def low_rank(
        cls,
        generator: TriPlaneGenerator,
        adapter: LowRankAdapter,
        *,
        perceptual: Perceptual,
        encode: Encode | None = None,
    ) -> "PersonalFace":
        """Returns one that trains low-rank weights over a generator, which stays as it is."""
        generator.requires_grad_(False)
        parts = {"adapter": adapter}
        return cls(generator, parts=parts, perceptual=perceptual, encode=encode, adapter=adapter)

    @property
    def num_trained(self) -> int:
        """How many numbers learn."""
        learnt = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        return sum(parameter.numel() for parameter in learnt)

    @torch.no_grad()
    def codes(self, crops: Tensor) -> Tensor:
        """Returns the anchors (B, L, D) of photographs (B, 3, R, R).

        Raises:
            ValueError: There is nothing to find them with.
        """
        if self._encode is None:
            raise ValueError("photographs: codes: got none, expected the anchors of photographs")
        return self._encode(crops)

    def views(
        self, w_plus: Tensor, cameras: Tensor, *, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        """Draws a person from cameras (B, 25).

        Returns:
            The rendering's colours (B, 3, N, N) and the picture (B, 3, R, R), about [-1, 1].
        """
        with self._person():
            identity = self.generator.identity(w_plus)
            rendering = self.generator.render(identity, cameras, sampling=sampling)
            return rendering.raw_picture, self.generator.picture(identity, rendering)

    def loss(self, photos: PhotoBatch, *, generator: torch.Generator) -> Tensor:
        """Returns the mean loss of photographs; `generator` draws the renderings' jitter.

        Raises:
            ShapeError: The photographs are not of the generator's size.
            ValueError: A photograph comes without its camera, or without an anchor or a way to it.
        """
        if photos.cameras is None:
            raise ValueError("photographs: cameras: got none, expected the label of each")
        size = self.generator.config.superresolution.resolution
        check_shape("photographs", photos.crops, "B C R R", C=3, R=size)
        check_shape("cameras", photos.cameras, "B C", B=len(photos.crops), C=LABEL_SIZE)
        anchors = self.codes(photos.crops) if photos.codes is None else photos.codes
        sampling = sampling_from(generator, photos.crops.device)
        raw, made = self.views(anchors, photos.cameras, sampling=sampling)
        small = F.interpolate(photos.crops, size=raw.shape[2:], mode="bilinear", antialias=True)
        return (self._apart(raw, small) + self._apart(made, photos.crops)).mean()

    def _apart(self, made: Tensor, wanted: Tensor) -> Tensor:
        return (made - wanted).square().mean(dim=(1, 2, 3)) + self._perceptual(made, wanted)

    def _person(self) -> AbstractContextManager[object]:
        if self._adapter is None:
            return nullcontext()
        return inject(self.generator, self._adapter)
