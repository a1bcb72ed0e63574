"""Our inference and training step at the published sizes, against the published data flow.

    make bench-published

The published flow is run by our plain `reference` implementation: a grouped convolution with a
weight per sample, filters that compute with inserted zeros. Its training step gets latents by whole
forwards, picture included, of two networks, has the prior's picture in every mode (8 decodes a
step), and lets gradients run into the encoders, where nobody uses them. Ours decodes twice, and
once more a pass where a sample is extrapolated; encoders run without gradients and the source is
embedded once. Both sides leave normalisation in evaluation mode and the decoder's weights without
gradients, and share judges, objective and optimiser, so that their results can be compared.

Every side of a case runs in a process of its own, on one thread, and its processor time is taken,
so that other work on the machine disturbs little; the wall clock is recorded beside it. The peak is
that of a float32 matrix product on one thread, best of all those processes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.golden_recipe import latent_average
from benchmarks.parity import TOLERANCE_PICTURE_GRADIENT
from benchmarks.published_stack import PublishedStack
from benchmarks.published_training import TARGET_AGES, objective
from benchmarks.record import record
from models.ageing.objectives import AgedBatch, AgeingObjective
from models.ageing.targets import AgeMode
from models.ops.implementation import Implementation
from models.ranger import Ranger

SIDES: dict[str, Implementation] = {"ours": "fast", "published": "reference"}
TOLERANCE = 1e-3  # relative L2 error between the two sides; gradients: see parity.py
_MATRIX = 2048
_SOURCE_AGE = 45.0


def main() -> int:
    """Runs the cases in turn, prints and records; returns 1 where the two sides differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=sorted(CASES))
    parser.add_argument("--implementation", default="fast")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.case:
        measured = run_case(options.case, options.implementation, options.output)
        sys.stdout.write(json.dumps(measured) + "\n")
        return 0
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            figures[name] = _compared(name, Path(folder))
            Console().print({name: figures[name]})
            record("published_speed", {"threads": 1, "cases": figures})
    fits = all(
        case["relative_error"] <= TOLERANCE
        and case.get("gradient_error", 0.0) <= TOLERANCE_PICTURE_GRADIENT
        for case in figures.values()
    )
    return 0 if fits else 1


def run_case(name: str, implementation: Implementation, output: Path | None) -> dict[str, float]:
    """Runs one side of a case once (the decoder: three times); keeps its result at `output`."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    run = CASES[name](PublishedStack(0, torch.device("cpu"), implementation))
    peak = matmul_peak()
    seconds, wall, result = [], time.perf_counter(), torch.zeros(0)
    for _ in range(3 if name == "decode" else 1):
        started = time.process_time()
        result = run()
        seconds.append(time.process_time() - started)
    figures = {
        "seconds": min(seconds),
        "wall_seconds": (time.perf_counter() - wall) / len(seconds),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "matmul_gflops": peak / 1e9,
    }
    if output is not None:
        np.save(output, result.detach().numpy())
    if name == "decode":
        with FlopCounterMode(display=False) as counter:
            run()
        figures["gflop"] = counter.get_total_flops() / 1e9
    return figures


def matmul_peak() -> float:
    """Returns the float32 operations a second of a large matrix product, best of ten."""
    a, b = torch.randn(_MATRIX, _MATRIX), torch.randn(_MATRIX, _MATRIX)
    seconds = []
    for _ in range(10):
        started = time.process_time()
        torch.mm(a, b)
        seconds.append(time.process_time() - started)
    return float(2 * _MATRIX**3 / min(seconds))


def _compared(name: str, folder: Path) -> dict[str, Any]:
    outputs = {side: folder / f"{name}_{side}.npy" for side in SIDES}
    runs = {side: _in_process(name, SIDES[side], outputs[side]) for side in SIDES}
    peak = max(run["matmul_gflops"] for run in runs.values())
    ours, theirs = (np.load(outputs[side]).astype(np.float64) for side in SIDES)
    figures: dict[str, Any] = {
        "processor_seconds": {side: round(run["seconds"], 2) for side, run in runs.items()},
        "ratio": round(runs["published"]["seconds"] / runs["ours"]["seconds"], 2),
        "wall_seconds": {side: round(run["wall_seconds"], 1) for side, run in runs.items()},
        "peak_memory_mib": {side: round(run["peak_memory_mib"]) for side, run in runs.items()},
        "relative_error": _apart(ours, theirs),
        "matmul_gflops": round(peak, 1),
    }
    if name.startswith("step"):  # two totals, then gradients
        figures["relative_error"] = _apart(ours[:2], theirs[:2])
        figures["gradient_error"] = _apart(ours[2:], theirs[2:])
    if "gflop" in runs["ours"]:
        rate = runs["ours"]["gflop"] / runs["ours"]["seconds"]
        figures["share_of_matmul_peak"] = round(rate / peak, 2)
    return figures


def _apart(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Returns the relative L2 error, two digits."""
    return float(f"{np.linalg.norm(ours - theirs) / np.linalg.norm(theirs):.1e}")


def _in_process(name: str, implementation: str, output: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.published_speed", "--case", name]
    command += ["--implementation", implementation, "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _decode(stack: PublishedStack) -> Callable[[], Tensor]:
    """The decoder at 1024 px, batch 1."""
    w_plus, decoder = stack.drawn("wplus", (1, 18, 512)), stack.decoder
    return torch.no_grad()(lambda: decoder(w_plus))


def _sam(stack: PublishedStack) -> Callable[[], Tensor]:
    """SAM from a picture to 1024 px: two encoders, one decode, on both sides."""
    encode, decoder = _encoder_of(stack), stack.decoder
    age = torch.tensor([60.0])
    return torch.no_grad()(lambda: decoder(encode(stack.pictures[:1], age)))


def _personal(stack: PublishedStack) -> Callable[[], Tensor]:
    """MyTimeMachine from a picture to 1024 px; published: latents by two whole forwards."""
    encode, decoder, adapter = _encoder_of(stack), stack.decoder, stack.adapter
    age, picture = torch.tensor([60.0]), stack.pictures[:1]

    def run() -> Tensor:
        w_plus = encode(picture, age)
        if stack.implementation == "reference":
            decoder(w_plus)
            decoder(encode(picture, age))
        return decoder(adapter(w_plus, age))

    return torch.no_grad()(run)


def _step(stack: PublishedStack, mode: str) -> Callable[[], Tensor]:
    """One step of training the adapter, batch 1: real pass, cycle pass, Ranger."""
    is_published = stack.implementation == "reference"
    encode, adapter = _encoder_of(stack, with_gradients=is_published), stack.adapter
    judge, optimiser = objective(np.array([0.3, 0.5, 0.7]), stack), Ranger(adapter.parameters())
    stack.decoder.requires_grad_(False)
    source, source_age = stack.pictures[:1], torch.tensor([_SOURCE_AGE])
    target_age = torch.tensor(TARGET_AGES[mode][:1])
    kind = AgeMode.EXTRAPOLATION if mode == "extrap" else AgeMode.INTERPOLATION
    fixed: dict[str, Any] = {"source": source, "mode": torch.tensor([int(kind)])}
    if not is_published:
        with torch.no_grad():
            fixed["source_embedding"] = stack.identity.embed(source)

    def run() -> Tensor:
        picture, totals = source, []
        for age in (target_age, source_age):
            ages = {"target_age": age, "source_age": source_age}
            made, total = _pass(stack, judge, encode, picture, age, fixed | ages)
            picture = made.detach()
            totals.append(total)
        gradients = [p.grad.flatten() for p in adapter.parameters() if p.grad is not None]
        optimiser.step()
        return torch.cat([torch.stack(totals), *gradients])

    return run


def _pass(
    stack: PublishedStack,
    judge: AgeingObjective,
    encode: Callable[[Tensor, Tensor], Tensor],
    picture: Tensor,
    age: Tensor,
    fixed: dict[str, Any],
) -> tuple[Tensor, Tensor]:
    """One pass with its backward; returns the picture and the detached total."""

    def small(latents: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(stack.decoder(latents), 256)

    def of_prior(rows: Tensor) -> Tensor:
        return small(latents[rows])

    latents = encode(picture, age)
    prior_picture: Tensor | Callable[[Tensor], Tensor] = of_prior
    if stack.implementation == "reference":
        stack.decoder(latents)
        stack.decoder(encode(picture, age))
        with torch.no_grad():
            prior_picture = small(latents)
    w_plus = stack.adapter(latents, age)
    made = small(w_plus)
    total = judge(
        AgedBatch(picture=made, w_plus=w_plus, prior_picture=prior_picture, **fixed)
    ).total
    total.backward()
    return made, total.detach()


def _encoder_of(
    stack: PublishedStack, *, with_gradients: bool = False
) -> Callable[[Tensor, Tensor], Tensor]:
    age_encoder = stack.age_encoder.requires_grad_(with_gradients)
    picture_encoder = stack.picture_encoder.requires_grad_(with_gradients)
    average = torch.from_numpy(latent_average(seed=stack.seed))

    def encode(picture: Tensor, age: Tensor) -> Tensor:
        with torch.set_grad_enabled(with_gradients):
            plane = (age / 100)[:, None, None, None].expand(-1, 1, *picture.shape[2:])
            codes = age_encoder(torch.cat([picture, plane], dim=1))
            return codes + picture_encoder(picture) + average

    return encode


CASES: dict[str, Callable[[PublishedStack], Callable[[], Tensor]]] = {
    "decode": _decode,
    "sam": _sam,
    "mytm": _personal,
    "step_interpolation": lambda stack: _step(stack, "interp"),
    "step_extrapolation": lambda stack: _step(stack, "extrap"),
}


if __name__ == "__main__":
    sys.exit(main())
