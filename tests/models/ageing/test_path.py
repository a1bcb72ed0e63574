"""The path finds how latents really move with age, and moves nothing else."""

import torch

from models.ageing.path import AgeingPath, PersonalOffset, fit_path, remove_colour

LAYERS, SIZE = 2, 3


def new_path(cells: int) -> AgeingPath:
    return AgeingPath(
        num_cells=cells,
        num_layers=LAYERS,
        latent_size=SIZE,
        num_components=4,
        min_age=20,
        max_age=80,
        num_knots=13,
    )


def planted(cells: int, slopes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Faces whose latents are a cell's slope times age, plus what they are like."""
    generator = torch.Generator().manual_seed(0)
    ages = torch.rand(3000, generator=generator) * 60 + 20
    membership = torch.randint(cells, (3000,), generator=generator)
    w_plus = slopes[membership] * ages[:, None, None]
    noise = torch.randn(w_plus.shape, generator=generator)
    return w_plus + noise, ages, torch.nn.functional.one_hot(membership, cells).float()


def test_fitted_path_recovers_planted_slopes_of_each_cell() -> None:
    slopes = torch.tensor([0.05, -0.08])[:, None, None] * torch.ones(2, LAYERS, SIZE)
    path = new_path(2)
    fit_path(path, *planted(2, slopes), shrinkage=0)
    source, target = torch.tensor([30.0, 30.0]), torch.tensor([70.0, 70.0])
    moved = path(source, target, cell_weights=torch.eye(2))
    # Noise of 1 over some 500 faces in a window leaves about 0.05 on a mean.
    torch.testing.assert_close(moved, slopes * 40, atol=0.35, rtol=0)


def test_fitted_path_does_not_flatten_at_the_ends_of_the_ages() -> None:
    slopes = torch.full((1, LAYERS, SIZE), 0.1)
    path = new_path(1)
    fit_path(path, *planted(1, slopes), shrinkage=0)
    moved = path(torch.tensor([20.0]), torch.tensor([25.0]), cell_weights=torch.ones(1, 1))
    assert moved.mean() > 0.3  # a plain kernel mean gives about 0.2 of the true 0.5


def test_shrinkage_draws_a_rare_cell_to_the_mean_of_all() -> None:
    slopes = torch.tensor([0.05, -0.08])[:, None, None] * torch.ones(2, LAYERS, SIZE)
    w_plus, ages, cells = planted(2, slopes)
    path = new_path(2)
    fit_path(path, w_plus, ages, cells, shrinkage=1e9)
    ends = torch.tensor([30.0, 30.0]), torch.tensor([70.0, 70.0])
    moved = path(*ends, cell_weights=torch.eye(2))
    torch.testing.assert_close(moved[0], moved[1], atol=1e-3, rtol=0)


def test_path_is_held_beyond_its_ages() -> None:
    path = new_path(1)
    path.table.normal_()
    path.basis.normal_()
    ones = torch.ones(1, 1)
    beyond = path(torch.tensor([20.0]), torch.tensor([99.0]), cell_weights=ones)
    at_end = path(torch.tensor([20.0]), torch.tensor([80.0]), cell_weights=ones)
    assert torch.equal(beyond, at_end)


def test_colour_removed_path_keeps_the_mean_colour_of_a_linear_synthesis() -> None:
    torch.manual_seed(0)
    path = new_path(1)
    path.table.normal_()
    path.basis.normal_()
    paint = torch.randn(LAYERS * SIZE, 3 * 20 * 20)

    def synthesis(w_plus: torch.Tensor) -> torch.Tensor:
        return (w_plus.flatten(1) @ paint).view(-1, 3, 20, 20)

    def shift() -> torch.Tensor:
        move = path(torch.tensor([25.0]), torch.tensor([75.0]), cell_weights=torch.ones(1, 1))
        return synthesis(move)[0, :, 2:-2, 4:-4].mean(dim=(1, 2)).norm()

    before = shift()
    remove_colour(path, torch.randn(4, LAYERS, SIZE), synthesis)
    assert shift() < 1e-4 * before


def test_personal_offset_is_zero_at_birth_and_where_ages_agree() -> None:
    torch.manual_seed(0)
    personal = PersonalOffset(
        num_cells=2, num_layers=LAYERS, latent_size=SIZE, hidden_size=8, min_age=18, max_age=90
    )
    w_plus, cells = torch.randn(2, LAYERS, SIZE), torch.eye(2)
    young, old = torch.tensor([30.0, 40.0]), torch.tensor([70.0, 60.0])
    assert not personal(w_plus, young, old, cell_weights=cells).any()
    torch.nn.init.normal_(personal.to_offset.weight)
    assert personal(w_plus, young, old, cell_weights=cells).any()
    assert not personal(w_plus, old, old, cell_weights=cells).any()
