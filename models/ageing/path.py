"""The data's own ageing path: conditional means of w+ by age, gender and group.

F(age) is the mean w+ of faces of that age, read off a table by linear interpolation and mixed by
how likely gender and group are; a face moves by F(target) - F(source). So nobody moves when the
ages agree, and all moves lie along directions that the latents of real faces take.
Source: Burt & Perrett 1995, "Perception of age in adult Caucasian male faces", in latent space.

Shapes: B batch, K knots of the table, M mixture cells (genders x groups), L layers, D latent size.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.shapes import check_shape


class AgeingPath(nn.Module):
    """Means of w+ over ages, as low-rank tables: one for all cells and a deviation a cell.

    Args of the constructor:
        num_cells: M; genders x groups.
        num_components: Of the basis that the tables are written in.
        min_age, max_age: Of the knots, years; ages beyond are held at the ends.
        num_knots: K, evenly spaced.
    """

    table: Tensor
    basis: Tensor
    gain: Tensor

    def __init__(
        self,
        *,
        num_cells: int,
        num_layers: int,
        latent_size: int,
        num_components: int,
        min_age: float,
        max_age: float,
        num_knots: int,
    ) -> None:
        super().__init__()
        self.num_layers, self.latent_size = num_layers, latent_size
        self.min_age, self.max_age = min_age, max_age
        self.register_buffer("table", torch.zeros(num_cells, num_knots, num_components))
        self.register_buffer("basis", torch.zeros(num_components, num_layers * latent_size))
        self.register_buffer("gain", torch.ones(()))

    def mean_at(self, ages: Tensor, *, cell_weights: Tensor) -> Tensor:
        """Returns the mean w+ offset (B, L, D) at ages (B,) for cell weights (B, M)."""
        check_shape("cell_weights", cell_weights, "B M", B=len(ages), M=self.table.shape[0])
        num_knots = self.table.shape[1]
        position = (ages.float() - self.min_age) / (self.max_age - self.min_age) * (num_knots - 1)
        position = position.clamp(0, num_knots - 1)
        low = position.floor().long().clamp(max=max(num_knots - 2, 0))
        share = (position - low)[:, None]
        mixed = torch.einsum("bm,mkc->bkc", cell_weights.float(), self.table.float())
        rows = torch.arange(len(ages), device=ages.device)
        high = (low + 1).clamp(max=num_knots - 1)
        coefficients = mixed[rows, low] * (1 - share) + mixed[rows, high] * share
        flat = coefficients @ self.basis.float()
        return flat.view(-1, self.num_layers, self.latent_size)

    def forward(self, source_age: Tensor, target_age: Tensor, *, cell_weights: Tensor) -> Tensor:
        """Returns the move (B, L, D) from source_age (B,) to target_age (B,), years."""
        target = self.mean_at(target_age, cell_weights=cell_weights)
        return self.gain * (target - self.mean_at(source_age, cell_weights=cell_weights))


def fit_path(
    path: AgeingPath,
    w_plus: Tensor,
    ages: Tensor,
    cells: Tensor,
    *,
    spread_years: float = 5.0,
    shrinkage: float = 40.0,
) -> None:
    """Fills a path's tables from encoded faces, in place.

    At every knot the mean of w+ is the value there of a line fitted to the faces of about that age
    (a plain mean would lean towards the crowded side at the ends). A cell's mean is drawn to the
    mean of all where few of its faces have that age.

    Args:
        path: Its number of knots, cells and components is kept.
        w_plus: (N, L, D).
        ages: Years, (N,).
        cells: How likely each cell is, (N, M); rows sum to 1.
        spread_years: Standard deviation of the Gaussian window over ages.
        shrinkage: Faces' worth of weight that the mean of all has in a cell.
    """
    flat = w_plus.flatten(1).double()
    centre = flat.mean(dim=0)
    flat = flat - centre
    num_cells, num_knots, num_components = path.table.shape
    knots = torch.linspace(path.min_age, path.max_age, num_knots, dtype=torch.float64)
    means = torch.zeros(num_cells, num_knots, flat.shape[1], dtype=torch.float64)
    for number, knot in enumerate(knots):
        distance = ages.double() - knot
        window = torch.exp(-0.5 * (distance / spread_years) ** 2)
        everyone = _line_at_zero(distance, flat, window)
        for cell in range(num_cells):
            weights = window * cells[:, cell].double()
            count = weights.sum()
            own = _line_at_zero(distance, flat, weights) if count > 1 else everyone
            means[cell, number] = (count * own + shrinkage * everyone) / (count + shrinkage)
    # Only differences along a cell's own curve are ever used: what is constant is left out.
    means = means - means.mean(dim=1, keepdim=True)
    stacked = means.flatten(0, 1)
    _, _, basis = torch.linalg.svd(stacked, full_matrices=False)
    basis = basis[:num_components]
    path.basis.zero_()
    path.basis[: len(basis)] = basis.to(path.basis.dtype)
    path.table.zero_()
    path.table[..., : len(basis)] = (stacked @ basis.t()).view(num_cells, num_knots, -1)


def remove_colour(path: AgeingPath, w_plus: Tensor, synthesis: Callable[[Tensor], Tensor]) -> None:
    """Takes out of a path, in place, what would tint or lighten whole faces.

    Photographs of the old and the young differ in how they were lit and printed; that is no ageing.
    The directions of w+ that move the mean colour of the face, to first order, are projected out.

    Args:
        path: With its tables filled.
        w_plus: Codes of some faces, (B, L, D), where the directions are taken.
        synthesis: (B, L, D) to crops (B, 3, R, R).
    """
    directions = colour_directions(w_plus, synthesis).flatten(1)
    orthonormal, _ = torch.linalg.qr(directions.t().double())
    basis = path.basis.double()
    path.basis.copy_((basis - (basis @ orthonormal) @ orthonormal.t()).to(path.basis.dtype))


def colour_directions(w_plus: Tensor, synthesis: Callable[[Tensor], Tensor]) -> Tensor:
    """Returns how w+ moves the mean red, green and blue of a face, (3, L, D).

    Args:
        w_plus: Codes of some faces, (B, L, D), where the directions are taken.
        synthesis: (B, L, D) to crops (B, 3, R, R).
    """
    directions = []
    for channel in range(3):
        codes = w_plus.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            picture = synthesis(codes)[:, channel]
            size = picture.shape[-1]
            rows, columns = slice(size // 7, -size // 10), slice(size // 5, -size // 5)
            brightness = picture[:, rows, columns].mean(dim=(1, 2)).sum()
        [gradient] = torch.autograd.grad(brightness, codes)
        directions.append(gradient.mean(dim=0))
    return torch.stack(directions)


def _line_at_zero(distance: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted least-squares line's value at distance 0; values (N, C)."""
    weights = weights / weights.sum()
    centre = (weights * distance).sum()
    spread = (weights * (distance - centre) ** 2).sum() + 1.0  # 1 year^2: tames lone faces
    mean = weights @ values
    slope = (weights * (distance - centre)) @ values / spread
    return mean - centre * slope


class PersonalOffset(nn.Module):
    """What the path leaves out: a move that depends on the face's own w+ and both ages.

    The age enters as smooth bumps beside the latent, where the published encoder has it as a
    fourth image channel: there as here a constant over the picture. The result is a difference of
    two calls, hence exactly 0 where the ages agree.
    """

    centres: Tensor
    latent_mean: Tensor
    latent_scale: Tensor

    def __init__(
        self,
        *,
        num_cells: int,
        num_layers: int,
        latent_size: int,
        hidden_size: int,
        min_age: float,
        max_age: float,
        num_bumps: int = 12,
    ) -> None:
        super().__init__()
        width = num_layers * latent_size
        self.num_layers, self.latent_size = num_layers, latent_size
        centres = torch.linspace(min_age, max_age, num_bumps)
        self.register_buffer("centres", centres, persistent=False)
        self.spread = (max_age - min_age) / (num_bumps - 1)
        self.of_latent = nn.Linear(width, hidden_size)
        self.of_age = nn.Linear(num_bumps, hidden_size)
        self.of_cell = nn.Linear(num_cells, hidden_size)
        self.mix = nn.Linear(hidden_size, hidden_size)
        self.to_offset = nn.Linear(hidden_size, width)
        nn.init.zeros_(self.to_offset.weight)
        nn.init.zeros_(self.to_offset.bias)
        self.register_buffer("latent_mean", torch.zeros(width))
        self.register_buffer("latent_scale", torch.ones(width))

    def _at(self, latent: Tensor, ages: Tensor, cells: Tensor) -> Tensor:
        bumps = torch.exp(-0.5 * ((ages.float()[:, None] - self.centres) / self.spread) ** 2)
        hidden = nn.functional.silu(latent + self.of_age(bumps) + cells)
        return nn.functional.silu(self.mix(hidden))

    def forward(
        self, w_plus: Tensor, source_age: Tensor, target_age: Tensor, *, cell_weights: Tensor
    ) -> Tensor:
        """Returns the move (B, L, D) of faces w_plus (B, L, D) between ages (B,), years."""
        check_shape("w_plus", w_plus, "B L D", L=self.num_layers, D=self.latent_size)
        flat = (w_plus.flatten(1).float() - self.latent_mean) / self.latent_scale
        latent, cells = self.of_latent(flat), self.of_cell(cell_weights.float())
        hidden = self._at(latent, target_age, cells) - self._at(latent, source_age, cells)
        offset = nn.functional.linear(hidden, self.to_offset.weight) * self.latent_scale
        return offset.view_as(w_plus).float()
