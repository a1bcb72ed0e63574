"""Lines from a prior to an adapter, and what is seen and judged along them; see strength.py.

Shapes: P strengths, evenly spaced from 0 to 1; N pictures (photographs x target ages); R crop size.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.examiner import Examiner
from benchmarks.sitting import Sitting
from models.ageing.adapter import Adapter
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.landscape.depth import bias_depths
from models.landscape.even import departure, place_at, relative_distance
from models.landscape.interpolation import Line, State
from models.landscape.schedule import homogeneous, last_layers, linear
from models.training import pictures, to_crops

NUM_STRENGTHS = 11
TARGETS = (20, 50, 80)  # years

Metric = Callable[[Tensor, Tensor], NDArray[np.float64]]


def lines_to(adapter: Adapter, start: State) -> dict[str, Line]:
    """Returns the lines that are compared, by name, to an adapter from what it was before.

    They share a network, so that only one of them can be used at a time.
    """
    sizes, end = adapter.config, {n: t.detach().clone() for n, t in adapter.state_dict().items()}
    network = Adapter(sizes).eval().requires_grad_(False)
    sample = (torch.randn(1, sizes.num_layers, sizes.latent_size), torch.tensor([40.0]))
    last = adapter.last_layers
    silent = {n: torch.zeros_like(t) if n in last else t for n, t in end.items()}
    depths = bias_depths(network, *sample)
    return {
        "linear": Line(network, start=start, end=end, schedule=linear()),
        "homogeneous": Line(network, start=start, end=end, schedule=homogeneous(depths)),
        "last layers": Line(network, start=silent, end=end, schedule=last_layers(last)),
    }


@torch.inference_mode()
def seen_along(prior: CompactPrior, line: Line, sitting: Sitting) -> Tensor:
    """Returns the photographs that are asked at all target ages along a line, (P, N, 3, R, R).

    A photograph and the change that is added to it, as in a shot.
    """
    crops = to_crops(np.stack([portrait.crop for portrait in sitting.asked]))
    ages = torch.tensor([portrait.age for portrait in sitting.asked])
    codes = prior.encode(crops)
    rest = codes + prior.source_offset(crops, codes, ages)
    asked = [torch.full_like(ages, float(target)) for target in TARGETS]
    aged = [codes + prior.ageing_offset(crops, codes, ages, target) for target in asked]
    shown = []
    for strength in np.linspace(0, 1, NUM_STRENGTHS):
        adapter = line.at(float(strength))
        before = prior.decode(adapter(rest, ages))
        after = [prior.decode(adapter(w, t)) for w, t in zip(aged, asked, strict=True)]
        shown.append(torch.cat([crops + 2 * prior.difference(before, a, crops) for a in after]))
    return torch.stack(shown).clamp(-1, 1)


def metrics(prior: CompactPrior, examiner: Examiner) -> dict[str, Metric]:
    """Returns distances of pictures (N, 3, R, R) that add up along a way, by name, each (N,)."""
    perceptual = critics_of(prior).perceptual

    def by_judge(a: Tensor, b: Tensor) -> NDArray[np.float64]:
        one, other = (examiner.judged_embeddings(pictures(each)) for each in (a, b))
        return np.arccos(np.clip((one * other).sum(axis=1), -1, 1))

    return {
        "perceptual": lambda a, b: perceptual(a, b).clamp(min=0).sqrt().double().numpy(),
        "pixels": lambda a, b: (a - b).square().mean(dim=(1, 2, 3)).sqrt().double().numpy(),
        "identity judge": by_judge,
    }


@torch.inference_mode()
def distances(seen: Tensor, by: Mapping[str, Metric]) -> dict[str, NDArray[np.float64]]:
    """Returns how far what is seen (P, N, ...) is from what is seen at 0, by metric, (P, N)."""
    found = {name: [np.zeros(seen.shape[1])] for name in by}
    for shown in seen[1:]:
        for name, metric in by.items():
            found[name].append(metric(shown, seen[0]))
    return {name: np.stack(rows) for name, rows in found.items()}


def judged_along(
    seen: Tensor, examiner: Examiner, course: tuple[float, ...]
) -> dict[str, list[float]]:
    """Returns likeness to references of the age and age error in years, (P,), by the judges.

    Args:
        seen: At evenly spaced places of the line.
        course: Where evenly spaced strengths lie, at which the figures are returned.
    """
    per_target = seen.shape[1] // len(TARGETS)
    targets = np.repeat(TARGETS, per_target)
    found: dict[str, list[float]] = {"likeness": [], "age_error": []}
    for shown in seen:
        likeness, error = examiner.judged(pictures(shown), targets)
        found["likeness"].append(likeness)
        found["age_error"].append(error)
    places = np.linspace(0, 1, len(seen))
    return {
        name: np.interp(place_at(course, places), places, values).round(4).tolist()
        for name, values in found.items()
    }


def evenness(apart: NDArray[np.float64], course: tuple[float, ...] = ()) -> dict[str, Any]:
    """Returns departures from a straight line: of all pictures together, and of each alone."""
    # A picture that hardly changes has no course of its own to be judged by.
    full = apart[-1]
    alone = [departure(apart[:, [n]], course) for n in np.flatnonzero(full > 0.25 * full.max())]
    return {
        "together": round(departure(apart, course), 4),
        "median_picture": round(float(np.median(alone)), 4),
        "worst_picture": round(max(alone), 4),
        "seen": [round(float(value), 4) for value in _followed(apart, course)],
    }


def _followed(apart: NDArray[np.float64], course: tuple[float, ...]) -> NDArray[np.float64]:
    """What is seen at evenly spaced strengths, 0-1, (P,)."""
    places = np.linspace(0, 1, len(apart))
    return np.interp(place_at(course, places), places, relative_distance(apart))
