"""Compares our networks with a golden file of the published ones.

    python -m benchmarks.parity shared/golden/sam.npz --seed 0 --only a.gen256
    python -m benchmarks.parity shared/golden/eg3d.npz --only jit64

Weights and inputs follow the seeded recipe; the file holds what the published code makes of them.
One line per key: error, tolerance and verdict. Errors are relative L2, of EG3D's file the largest
absolute difference. A miss ends in exit status 1.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.published_alignment import aligned
from benchmarks.published_stack import Arrays, PublishedStack
from benchmarks.published_training import MODES, judged, optimised
from benchmarks.triplane_stack import TriPlaneStack, is_of_triplanes
from models.ops.implementation import Implementation

Verdict = Literal["pass", "miss", "not implemented"]

TOLERANCE_CPU = 1e-4  # float32, the same kind of backend as the reference
TOLERANCE_GPU = 1e-3  # other convolution algorithms
# A gradient through a rectifier jumps where its input's sign hangs on rounding. That of the age
# network differs by 1e-3 to 7e-3 between convolution algorithms, threads and float32 and float64.
TOLERANCE_PICTURE_GRADIENT = 2e-2
TOLERANCE_UINT8 = 1e-3  # truncation turns a rounding error into a whole code


class GoldenError(ValueError):
    """A golden file lacks what a comparison needs, or nothing in it was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What came of one key of the golden file; `error` is None where nothing was compared."""

    key: str
    error: float | None
    tolerance: float
    verdict: Verdict


def relative_error(ours: NDArray[Any], golden: NDArray[Any]) -> float:
    """Returns the relative L2 error; infinite if the shapes differ or a value is not finite."""
    if ours.shape != golden.shape:
        return float("inf")
    expected = golden.astype(np.float64)
    difference = float(np.linalg.norm((ours.astype(np.float64) - expected).ravel()))
    norm = float(np.linalg.norm(expected.ravel()))
    error = difference / norm if norm > 0 else difference
    return error if np.isfinite(error) else float("inf")


def take_samples(key: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Returns what `key` holds of `arrays`; `.stride<n>` keeps every n-th pixel.

    Of latents, (B, L, D), it keeps every n-th number.
    """
    if key in arrays:
        return arrays[key]
    match = re.fullmatch(r"(.+)\.stride(\d+)", key)
    if match is None or match[1] not in arrays:
        return None
    full, step = arrays[match[1]], int(match[2])
    if full.dtype == np.uint8:  # 8-bit pictures are (H, W, C), the others (B, C, H, W)
        return full[::step, ::step]
    return full[..., ::step] if full.ndim == 3 else full[..., ::step, ::step]


def compare(
    golden: Mapping[str, NDArray[Any]],
    stack: PublishedStack,
    *,
    only: str = "",
    tolerance: float = TOLERANCE_CPU,
) -> Iterator[Comparison]:
    """Compares every key of a golden file, weights' probes first.

    Args:
        golden: Arrays by key, as in the file.
        stack: The networks with the seed of the file.
        only: Keys that do not begin with this are left out.
        tolerance: Largest relative L2 error of floating arrays.

    Yields:
        One comparison per key, as soon as it is known.

    Raises:
        GoldenError: No key begins with `only`, or an input that the file should hold is missing.
    """
    keys = sorted(_asked_for(golden, only), key=lambda k: not k.startswith("probe."))
    done: dict[str, Arrays] = {}
    for key in keys:
        limit = max(tolerance, _least_tolerance(key, golden[key]))
        ours = _compute(key, golden, stack, done)
        if ours is None:
            yield Comparison(key=key, error=None, tolerance=limit, verdict="not implemented")
            continue
        error = relative_error(ours, golden[key])
        verdict: Verdict = "pass" if error <= limit else "miss"
        yield Comparison(key=key, error=error, tolerance=limit, verdict=verdict)


def compare_triplane(
    golden: Mapping[str, NDArray[Any]], stack: TriPlaneStack, *, only: str = "", slack: float = 1.0
) -> Iterator[Comparison]:
    """Compares every key of EG3D's golden file; as `compare`, but by the largest difference.

    Args:
        golden: Arrays by key, as in the file.
        stack: The generator with the seed of the file.
        only: Keys that do not begin with this are left out.
        slack: Multiplies the limits.

    Yields:
        One comparison per key, as soon as it is known.

    Raises:
        GoldenError: No key begins with `only`, or an input that the file should hold is missing.
    """
    for key in _asked_for(golden, only):
        try:
            limit, ours = stack.limit(key) * slack, stack.array(key, golden)
        except KeyError as missing:
            raise GoldenError(
                f"golden: {missing}: got nothing, expected the input of {key}"
            ) from missing
        if ours is None:
            yield Comparison(key=key, error=None, tolerance=limit, verdict="not implemented")
            continue
        error = largest_difference(ours, golden[key])
        verdict: Verdict = "pass" if error <= limit else "miss"
        yield Comparison(key=key, error=error, tolerance=limit, verdict=verdict)


def largest_difference(ours: NDArray[Any], golden: NDArray[Any]) -> float:
    """Returns the largest absolute difference; infinite if shapes differ or a value is none."""
    if ours.shape != golden.shape:
        return float("inf")
    error = float(np.abs(ours.astype(np.float64) - golden.astype(np.float64)).max(initial=0))
    return error if np.isfinite(error) else float("inf")


def _asked_for(golden: Mapping[str, NDArray[Any]], only: str) -> list[str]:
    keys = [key for key in golden if key.startswith(only)]
    if not keys:
        raise GoldenError(f"golden: keys: got none that begin with {only!r}, expected at least one")
    return keys


def _least_tolerance(key: str, values: NDArray[Any]) -> float:
    if ".grad_yhat" in key:
        return TOLERANCE_PICTURE_GRADIENT
    return TOLERANCE_UINT8 if values.dtype == np.uint8 else 0.0


def _compute(
    key: str,
    golden: Mapping[str, NDArray[Any]],
    stack: PublishedStack,
    done: dict[str, Arrays],
) -> NDArray[Any] | None:
    """Returns our side of a key; groups already computed are kept in `done`."""
    if key.startswith("probe."):
        return stack.probe(key.removeprefix("probe."))
    groups: dict[str, Callable[[], Arrays]] = {
        "a.gen256.": stack.generator_256,
        "a.gen1024.": stack.generator_1024,
        "a.map.": stack.mapping,
        "b.enc.": lambda: stack.age_codes,
        "b.psp.": lambda: stack.picture_codes,
        "c.sam.": stack.sam,
        "f.blender.out": lambda: stack.personalised(_needed(golden, "c.sam.latent", key)),
        "f.blender.": stack.adapter_gradients,
        "d.irse.": stack.embeddings,
        "e.dex.": stack.apparent_ages,
        "g.lpips.": stack.distances,
        "f.mytm.": lambda: stack.mytm(_needed(golden, "c.sam.latent", key)),
    }
    groups |= _groups_of_files_inputs(key, golden, stack)
    group = next((prefix for prefix in groups if key.startswith(prefix)), None)
    if group is None:
        return None
    if group not in done:
        done[group] = groups[group]()
    return take_samples(key, done[group])


def _groups_of_files_inputs(
    key: str, golden: Mapping[str, NDArray[Any]], stack: PublishedStack
) -> dict[str, Callable[[], Arrays]]:
    """Returns the group of a key that is computed from inputs which the file itself holds."""
    kind, name, *rest = key.split(".")
    if kind == "align" and rest:
        landmarks = _needed(golden, f"align.{name}.landmarks", key)
        return {f"align.{name}.": lambda: aligned(name, landmarks, seed=stack.seed)}
    if kind == "ranger" and name in ("mat", "vec"):
        return {key: lambda: optimised(name, golden[key].shape, stack)}
    if key == "loss.ref_ages":
        return {key: lambda: {key: golden[key]}}
    if kind == "loss" and name in MODES:
        ages = _needed(golden, "loss.ref_ages", key)
        return {f"loss.{name}.": lambda: judged(name, ages, stack)}
    return {}


def _needed(golden: Mapping[str, NDArray[Any]], name: str, key: str) -> NDArray[Any]:
    if name not in golden:
        raise GoldenError(f"golden: {name}: got nothing, expected the input of {key}")
    return golden[name]


def report(comparisons: Iterator[Comparison], console: Console) -> bool:
    """Prints one line per comparison and a sum; returns whether nothing missed."""
    counts: dict[Verdict, int] = dict.fromkeys(get_args(Verdict), 0)
    colours = {"pass": "green", "miss": "bold red", "not implemented": "dim"}
    console.print(
        f"{'key':52} {'error':>9} {'tolerance':>9}  verdict", style="bold", soft_wrap=True
    )
    for comparison in comparisons:
        counts[comparison.verdict] += 1
        error = "-" if comparison.error is None else f"{comparison.error:.1e}"
        line = f"{comparison.key:52} {error:>9} {comparison.tolerance:>9.0e}  {comparison.verdict}"
        console.print(line, style=colours[comparison.verdict], highlight=False, soft_wrap=True)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return counts["miss"] == 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the comparisons of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("golden", type=Path, help="golden file, .npz")
    parser.add_argument("--seed", type=int, default=0, help="seed the file was made with")
    parser.add_argument("--only", default="", metavar="PREFIX", help="compare only these keys")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--implementation", default="fast", choices=get_args(Implementation))
    options = parser.parse_args(arguments)
    # Goldens are float32; reduced-precision convolutions would be measured instead of the network.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device(options.device)
    settings = {"seed": options.seed, "device": device, "implementation": options.implementation}
    tolerance = TOLERANCE_CPU if device.type == "cpu" else TOLERANCE_GPU
    try:
        with np.load(options.golden, allow_pickle=False) as archive:
            golden = dict(archive)
        if is_of_triplanes(golden):
            slack = tolerance / TOLERANCE_CPU
            found = compare_triplane(
                golden, TriPlaneStack(**settings), only=options.only, slack=slack
            )
        else:
            stack = PublishedStack(**settings)
            found = compare(golden, stack, only=options.only, tolerance=tolerance)
        return 0 if report(found, Console()) else 1
    except (GoldenError, OSError) as error:
        Console(stderr=True).print(f"{options.golden}: {error}", style="red", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
