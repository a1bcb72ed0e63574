"""A tri-plane generator small enough for tests."""

import json
from dataclasses import asdict, replace

import torch

from models.eg3d.camera import posed_label
from models.eg3d.config import RenderingConfig, SuperresolutionConfig, TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.published_file import write_tensors
from models.stylegan2.config import MappingConfig, SynthesisConfig
from reage.storage import file_digest

TINY = TriPlaneConfig(
    mapping=MappingConfig(latent_size=8, depth=2),
    planes=SynthesisConfig(channels=(8, 8, 6), latent_size=8, image_channels=12),
    hidden_size=6,
    superresolution=SuperresolutionConfig(input_size=8, channels=(6, 4)),
    rendering=RenderingConfig(num_coarse=8, num_fine=6, chunk_rays=10),
    render_size=8,
)

# Whose pictures, 64 px, and renderings are large enough for networks that look at faces.
SEEN = replace(TINY, superresolution=replace(TINY.superresolution, input_size=16), render_size=16)


def tiny_generator(config=TINY, *, seed=0):
    """Seeded weights; noise is on and space is filled with something to see."""
    torch.manual_seed(seed)
    generator = TriPlaneGenerator(config)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(parameter, 0.3)
    generator.decoder.net[2].bias.data[0] = 4.0
    generator.backbone.mapping.w_avg.normal_()
    return generator.eval().requires_grad_(False)


def drawn(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_cameras(batch=2):
    return posed_label(0.4 * drawn(batch, seed=2), 0.3 * drawn(batch, seed=3))


def write_tiny_prior(folder, *, age_direction=None, smile_direction=None, seed=0):
    """Writes a tiny 3D prior as an entry's files, and perhaps directions; returns its folder."""
    folder.mkdir(parents=True)
    weights = folder / "weights.safetensors"
    write_tensors(weights, tiny_generator(SEEN, seed=seed).state_dict())
    described = {
        "kind": "eg3d",
        "digest": file_digest(weights),
        "config": {"name": folder.name, "licence": "none", "sizes": asdict(SEEN)},
    }
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "MODEL_CARD.md").write_text("# tiny\n")
    named = {"age": age_direction, "smile": smile_direction}
    directions = {name: direction for name, direction in named.items() if direction is not None}
    if directions:
        write_tensors(folder / "directions.safetensors", directions)
    return folder
