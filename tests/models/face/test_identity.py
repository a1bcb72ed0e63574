"""The embedder gives unit vectors and learns to tell faces without labels of identity."""

import torch

from models.face.identity import IdentityEmbedder, IdentityEmbedderConfig
from models.losses import contrastive_loss

TINY = IdentityEmbedderConfig(channels=(8, 16), blocks=1, embedding_size=16)


def test_embeddings_are_unit_float32_under_autocast() -> None:
    torch.manual_seed(0)
    embedder = IdentityEmbedder(TINY).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        embedded = embedder(torch.rand(4, 3, 32, 32))
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))


def test_embedder_matches_noisy_views_after_a_few_contrastive_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    embedder = IdentityEmbedder(TINY)
    optimiser = torch.optim.Adam(embedder.parameters(), lr=5e-3)
    pictures = torch.rand(12, 3, 8, 8, generator=generator).repeat_interleave(2, 2)
    pictures = pictures.repeat_interleave(2, 3)

    def views() -> torch.Tensor:
        return pictures + 0.15 * torch.randn(pictures.shape, generator=generator)

    for _ in range(60):
        loss = contrastive_loss(embedder(torch.cat([views(), views()])))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    embedder.eval()
    with torch.no_grad():
        likeness = embedder(views()) @ embedder(views()).t()
    assert (likeness.argmax(dim=1) == torch.arange(12)).float().mean() > 0.9
