"""A new view of a cached identity at the published size: our fast path against the plain one.

    make bench-triplane
    python -m benchmarks.triplane_speed --threads 1 --repeats 1 --no-record

The plain path is our `reference` implementation: planes sampled as pictures, colours brought into
order along every ray, a weight per sample in super-resolution. Both sides take turns in one
process with the same weights, identity, camera and jitter, and their pictures must agree. Wall and
processor time are both taken: on a machine with other work only the latter tells the sides apart.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.record import record
from benchmarks.triplane_stack import filled_generator
from models.eg3d.camera import frontal_label, posed_label
from models.eg3d.generator import TriPlaneGenerator
from models.lora.adapter import LowRankAdapter
from models.lora.inject import inject
from models.lora.layer import LoRAConfig

GOAL = 2.0
TOLERANCE = 1e-4  # largest difference of a colour; of the fact sheet, between implementations
_YAW, _PITCH = 0.4, -0.2


@dataclass
class Times:
    """Seconds of repeated runs."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def run(self, do: Callable[[], Any]) -> Any:
        """Does something and notes how long it took."""
        wall, processor = time.perf_counter(), time.process_time()
        value = do()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)
        return value

    def medians(self) -> dict[str, float]:
        """Returns the medians, three digits."""
        lists = {"wall_seconds": self.wall, "processor_seconds": self.processor}
        return {name: float(f"{statistics.median(x):.3g}") for name, x in lists.items()}


def main() -> int:
    """Measures, prints and records; returns 1 where pictures differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        figures = compared(options.repeats)
    settings = {"threads": options.threads, "repeats": options.repeats}
    figures = {**settings, **figures, "adapter": of_adapter(options.repeats)}
    Console().print(figures)
    if not options.no_record:
        record("triplane_speed", figures)
    return 0 if figures["largest_difference"] <= TOLERANCE else 1


def compared(repeats: int) -> dict[str, Any]:
    """Returns the times of both sides, their ratios and the largest difference of a colour."""
    fast = filled_generator()
    with torch.device("meta"):
        reference = TriPlaneGenerator(replace(fast.config, implementation="reference"))
    reference.load_state_dict(fast.state_dict(), assign=True)
    identity_times = Times()
    w_plus = fast.latents(_latent(fast.config.latent_size), frontal_label())
    cached = identity_times.run(lambda: fast.identity(w_plus))
    plain = replace(cached, triplane=replace(cached.triplane, implementation="reference"))
    camera = posed_label(torch.tensor([_YAW]), torch.tensor([_PITCH]))
    runs = {
        "fast": lambda rng: fast.view(cached, camera, sampling=rng),
        "reference": lambda rng: reference.view(plain, camera, sampling=rng),
    }
    runs["fast"](torch.Generator())  # warms up: an identity's table is made with its first view
    times = {name: Times() for name in runs}
    pictures: dict[str, Tensor] = {}
    for turn in range(repeats):
        for name, run in runs.items():
            rng = torch.Generator().manual_seed(turn)
            pictures[name] = times[name].run(partial(run, rng))
    medians = {name: taken.medians() for name, taken in times.items()}
    return {
        "identity": identity_times.medians(),
        "view": medians,
        "ratio": {
            kind: round(medians["reference"][kind] / medians["fast"][kind], 2)
            for kind in ("wall_seconds", "processor_seconds")
        },
        "goal": GOAL,
        "largest_difference": float((pictures["fast"] - pictures["reference"]).abs().max()),
    }


def of_adapter(repeats: int) -> dict[str, float]:
    """Returns the milliseconds of putting one person in the place of another, and of merging."""
    generator = filled_generator()
    people = [LowRankAdapter(generator, LoRAConfig()) for _ in range(2)]
    swap, merge = Times(), Times()
    injection = inject(generator, people[0])
    for turn in range(repeats):
        swap.run(injection.detach)
        injection = swap.run(partial(inject, generator, people[(turn + 1) % 2]))
        merge.run(injection.merge)
    return {
        "detach_and_inject_ms": round(2e3 * statistics.mean(swap.processor), 2),
        "merge_ms": round(1e3 * statistics.median(merge.processor), 1),
    }


def _latent(size: int) -> Tensor:
    return torch.randn(1, size, generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    sys.exit(main())
