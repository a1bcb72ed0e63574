"""The tri-plane generator: latents -> an identity in three dimensions -> pictures of it.

An identity is made once; every view of it costs a rendering and super-resolution only.
Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks".

Shapes: B batch, L style layers, D latent size, F features, N pixels of the rendering, R pixels.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.eg3d.camera import cast_rays
from models.eg3d.config import TriPlaneConfig
from models.eg3d.decoder import Decoder
from models.eg3d.jitter import Sampling
from models.eg3d.mapping import ConditionedMapping
from models.eg3d.planes import PlaneSynthesis
from models.eg3d.renderer import render_rays
from models.eg3d.superresolution import COLOURS, Superresolution
from models.eg3d.triplane import TriPlane
from models.shapes import check_shape
from models.stylegan2.noise import Noise


@dataclass(frozen=True, eq=False)
class Identity:
    """Whoever a latent is, from all sides; of the weights, and the adapter, it was drawn with.

    Attributes:
        triplane: Of B identities.
        style: The last latent of w+, (B, D); styles super-resolution.
    """

    triplane: TriPlane
    style: Tensor


@dataclass(frozen=True, eq=False)
class Rendering:
    """What cameras see of identities before super-resolution.

    Attributes:
        features: (B, F, N, N), about [-1, 1]; the first three are colours.
        depth: Distance along the ray, (B, 1, N, N), world units.
        coverage: Sum of the weights along the ray, (B, 1, N, N), 0-1.
    """

    features: Tensor
    depth: Tensor
    coverage: Tensor

    @property
    def raw_picture(self) -> Tensor:
        """The colours, (B, 3, N, N), about [-1, 1]."""
        return self.features[:, :COLOURS]


class _Backbone(nn.Module):
    """Mapping and plane synthesis under their published names."""

    def __init__(self, config: TriPlaneConfig) -> None:
        super().__init__()
        self.synthesis = PlaneSynthesis(config.planes, implementation=config.implementation)
        self.mapping = ConditionedMapping(config.mapping, config.num_layers)


class TriPlaneGenerator(nn.Module):
    """Draws identities and views of them; all names of a published generator.

    Without gradients where torch.no_grad or inference_mode says so; nothing here does by itself.
    """

    # What is trained for one person; the mapping network and the decoder stay everyone's.
    PERSONAL_PARTS = ("backbone.synthesis", "superresolution")

    def __init__(self, config: TriPlaneConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = _Backbone(config)
        self.superresolution = Superresolution(
            config.superresolution,
            num_features=config.num_features,
            latent_size=config.latent_size,
            implementation=config.implementation,
        )
        self.decoder = Decoder(config.num_features, config.hidden_size)

    def latents(
        self, z: Tensor, camera: Tensor, *, psi: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Maps z (B, D) to w+ (B, L, D); see ConditionedMapping."""
        return self.backbone.mapping(z, camera, psi=psi, cutoff=cutoff)

    def identity(self, w_plus: Tensor, noise: Noise = "stored") -> Identity:
        """Draws identities.

        Args:
            w_plus: Floating, (B, L, D).
            noise: Of the planes; see SynthesisNetwork.

        Raises:
            ShapeError: `w_plus` has another shape.
            ValueError: `noise` is another word.
        """
        planes = self.backbone.synthesis(w_plus, noise)
        triplane = TriPlane(planes, self.config.rendering.box_size, self.config.implementation)
        return Identity(triplane=triplane, style=w_plus[:, -1])

    def render(
        self,
        identity: Identity,
        camera: Tensor,
        *,
        sampling: Sampling,
        size: int | None = None,
    ) -> Rendering:
        """Renders identities, without super-resolution.

        Args:
            identity: Of B identities.
            camera: Labels, floating, (B, 25).
            sampling: "even" for no chance at all, or a torch.Generator or the numbers themselves;
                see jitter_for. The same numbers give the same rendering.
            size: N, pixels; config.render_size by default.

        Raises:
            ShapeError: `camera` has another shape, or `sampling` is of other rays.
            ValueError: `sampling` is another word, `size` is not positive, or a ray leads nowhere.
        """
        size = self.config.render_size if size is None else size
        if size < 1:
            raise ValueError(f"render: size: got {size}, expected at least 1")
        check_shape("camera label", camera, "B C", B=len(identity.style))
        rays = cast_rays(camera, size)
        rendered = render_rays(
            identity.triplane,
            self.decoder,
            rays,
            config=self.config.rendering,
            sampling=sampling,
        )
        return Rendering(
            features=_as_picture(rendered.features, size),
            depth=_as_picture(rendered.depth, size),
            coverage=_as_picture(rendered.coverage, size),
        )

    def picture(self, identity: Identity, rendering: Rendering) -> Tensor:
        """Returns the picture (B, 3, R, R) of a rendering, about [-1, 1], not clamped.

        Super-resolution was trained for renderings of its own input size; others are resized.
        """
        return self.superresolution(rendering.features, identity.style)

    def view(self, identity: Identity, camera: Tensor, *, sampling: Sampling) -> Tensor:
        """Returns the picture (B, 3, R, R) of identities from cameras; see render and picture."""
        return self.picture(identity, self.render(identity, camera, sampling=sampling))

    def query(self, identity: Identity, points: Tensor) -> tuple[Tensor, Tensor]:
        """Returns colours (B, P, F) and raw densities (B, P, 1) at points (B, P, 3), world units.

        Raises:
            ShapeError: `points` has another shape.
        """
        return self.decoder(identity.triplane.features(points))


def _as_picture(rows: Tensor, size: int) -> Tensor:
    """Returns rays (B, N * N, F) as (B, F, N, N)."""
    return rows.transpose(1, 2).reshape(len(rows), -1, size, size)
