"""Reading ages from windows: what a window shows and where it was cut both count."""

import torch

from models.ageing.age_discriminator import nearness
from models.ageing.window_reader import WindowReader

PLACES = (torch.arange(3) + 0.5) / 3


def test_windows_are_nearest_to_the_place_they_lie_on() -> None:
    middles = torch.tensor([[x, y] for y in PLACES.tolist() for x in PLACES.tolist()])
    near = nearness(middles, PLACES)
    torch.testing.assert_close(near.sum(dim=1), torch.ones(9))
    assert near.argmax(dim=1).tolist() == list(range(9))


def test_the_same_window_reads_otherwise_elsewhere() -> None:
    torch.manual_seed(0)
    reader = WindowReader((4, 8), blocks=1, min_age=18, max_age=90, places=3).eval()
    window = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    above, below = reader(window, torch.tensor([[0.5, 0.2], [0.5, 0.8]]))
    assert above.shape == reader.years.shape
    assert not torch.allclose(above, below)
