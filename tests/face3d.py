"""A 3D prior small enough to be trained in a test."""

import pytest

from models.eg3d.config import RenderingConfig, SuperresolutionConfig, TriPlaneConfig
from models.face3d.encoder import FaceEncoderConfig
from models.face3d.prior import Face3DConfig
from models.stylegan2.config import MappingConfig, SynthesisConfig


@pytest.fixture(scope="session")
def tiny_face3d_config() -> Face3DConfig:
    return Face3DConfig(
        licence="none: random weights",
        generator=TriPlaneConfig(
            mapping=MappingConfig(latent_size=16, depth=2),
            planes=SynthesisConfig(channels=(16, 16, 8), latent_size=16, image_channels=12),
            hidden_size=8,
            superresolution=SuperresolutionConfig(input_size=16, channels=(8,)),
            rendering=RenderingConfig(num_coarse=6, num_fine=4),
            render_size=16,
        ),
        encoder=FaceEncoderConfig(size=16, channels=(8, 16), blocks=1),
        path_knots=7,
        path_components=4,
    )
