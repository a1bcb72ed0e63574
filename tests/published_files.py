"""Published weight files in the published layouts, of networks small enough for tests."""

import torch

from benchmarks.published_checkpoints import as_published, drifted, seeded_state
from models.ageing.adapter import AdapterConfig
from models.ageing.encoder import EncoderConfig
from models.face.dex import DEXConfig
from models.face.irse50 import IRSE50Config
from models.face.region import Region
from models.ops.irse import IRSEConfig
from models.published import PublishedSizes
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from tests.tri_planes import TINY

CROP, SYNTHESIS = 32, 64

_TRUNK = IRSEConfig(stem_channels=8, stages=((8, 1), (8, 2), (8, 1)), squeeze=4)

SMALL = PublishedSizes(
    encoder=EncoderConfig(resolution=CROP, num_layers=10, latent_size=8, trunk=_TRUNK),
    generator=GeneratorConfig(
        synthesis=SynthesisConfig(channels=(8, 8, 8, 4, 4), latent_size=8),
        mapping=MappingConfig(latent_size=8, depth=2),
    ),
    adapter=AdapterConfig(num_layers=10, latent_size=8, bottleneck_size=4, global_size=8),
    identity=IRSE50Config(
        trunk=_TRUNK,
        embedding_size=16,
        face_size=16,
        picture_size=CROP,
        region=Region(top=4, bottom=28, left=4, right=28),
    ),
    age=DEXConfig(stages=((4, 1), (8, 1)), hidden_size=16, picture_size=16),
    triplane=TINY,
)


def small_state(kind, *, seed=0):
    """Tensors of a kind by published key."""
    return seeded_state(kind, sizes=SMALL, seed=seed)


def write_published(path, kind, *, seed=0, state=None):
    """Writes a small file of a kind as its authors would, and returns its path."""
    torch.save(as_published(kind, state or small_state(kind, seed=seed)), path)
    return path


def personal_state(*, seed=0):
    """MyTimeMachine over the SAM of the same seed, normalisation drifted."""
    return drifted(small_state("mytm", seed=seed))


class Trap:
    """Unpickled by a careless reader, creates a file."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return (open, (self.place, "w"))
