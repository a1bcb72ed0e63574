"""Imports published weights of full size, seeded, and runs them against the goldens.

    python -m benchmarks.import_check [--keep FOLDER] [--no-record]

Writes a SAM and a MyTimeMachine checkpoint as published (2.2 GB each), imports both with the
command line in a registry of its own, loads what came of it and compares latents and pictures.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.golden_recipe import picture
from benchmarks.parity import TOLERANCE_CPU, relative_error
from benchmarks.published_checkpoints import as_published, seeded_state
from benchmarks.record import record
from models.ageing.mytm import load_personal_sam
from models.ageing.sam import SamPrior
from reage.registry.priors import find_prior
from reage.registry.weights import find_weights
from tasks.gpu import device, loaded_prior
from tasks.refs import PriorRef

GOLDEN = Path(__file__).parents[1] / "tests" / "assets" / "golden" / "sam.npz"
AGES = (25.0, 70.0)

Value = TypeVar("Value")


class Stopwatch:
    """Seconds by what was done, printed as it goes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, what: str, do: Callable[[], Value]) -> Value:
        """Does something and notes how long it took."""
        started = time.perf_counter()
        value = do()
        self.seconds[what] = round(time.perf_counter() - started, 1)
        print(f"{what:32} {self.seconds[what]:7.1f} s", flush=True)
        return value


def write(kind: str, path: Path) -> None:
    """Writes a seeded checkpoint of full size as its authors would."""
    torch.save(as_published(kind, seeded_state(kind)), path)


def reage(*arguments: str) -> None:
    """Runs the command line in a process of its own; raises CalledProcessError."""
    program = "from studio.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)


def check(folder: Path, watch: Stopwatch) -> dict[str, float]:
    """Imports and runs both; returns relative errors by golden key."""
    files = {kind: folder / f"{kind}.pt" for kind in ("sam", "mytm")}
    watch("write sam", lambda: write("sam", files["sam"]))
    watch("import sam", lambda: reage("weights", "import", str(files["sam"]), "--as", "sam"))
    watch("import sam again", lambda: reage("weights", "import", str(files["sam"]), "--as", "sam"))
    files["sam"].unlink()
    watch("write mytm", lambda: write("mytm", files["mytm"]))
    named = ("--as", "mytm", "--name", "seeded")
    watch("import mytm", lambda: reage("weights", "import", str(files["mytm"]), *named))
    files["mytm"].unlink()
    ref = PriorRef.of(watch("find sam-ffhq1024", lambda: find_prior("sam-ffhq1024")))
    prior = watch("load sam-ffhq1024", lambda: loaded_prior(ref))
    assert isinstance(prior, SamPrior)
    entry = find_weights("seeded").folder
    person = watch("load mytm", lambda: load_personal_sam(prior, entry))
    with np.load(GOLDEN) as golden, torch.inference_mode():
        crops = torch.from_numpy(np.stack([picture(f"input.img{i}", 256) for i in range(2)]))
        crops, ages = crops.to(device()), torch.tensor(AGES, device=device())
        latent = watch("encode 2 crops at their ages", lambda: _latent(prior, crops, ages))
        picture_ = watch("decode 1 crop", lambda: prior.decode(latent[:1]))
        personal = watch("render 1 crop personally", lambda: person.render(crops[:1], ages[:1]))
        return {
            "c.sam.latent": relative_error(_numpy(latent), golden["c.sam.latent"]),
            "c.sam.img": relative_error(
                _numpy(picture_[..., ::16, ::16]), golden["c.sam.img.stride16"][:1]
            ),
            "f.mytm.img": relative_error(
                _numpy(personal[..., ::16, ::16]), golden["f.mytm.img.stride16"]
            ),
        }


def _latent(prior: SamPrior, crops: Tensor, ages: Tensor) -> Tensor:
    w_plus = prior.encode(crops)
    return w_plus + prior.ageing_offset(crops, w_plus, ages, ages)


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.cpu().numpy()


def main() -> int:
    """Runs the check in a temporary registry and keeps the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder to work in, which stays")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["REAGE_HOME"] = str(folder / "home")
        errors = check(folder, watch)
        sizes = {name: find_weights(name).num_bytes for name in ("sam-ffhq1024", "seeded")}
    for key, error in errors.items():
        print(f"{key:32} {error:.1e}  {'pass' if error <= TOLERANCE_CPU else 'MISS'}")
    # Largest of the import processes; in KiB on Linux.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{'peak memory of an import':32} {peak:7.1f} GiB (mapped files count)")
    if not options.no_record:
        facts = {
            "seconds": watch.seconds,
            "relative_errors": errors,
            "entry_bytes": sizes,
            "import_peak_gib": round(peak, 2),
            "load_average": round(os.getloadavg()[0], 1),
        }
        print(f"wrote {record('import_check', facts)}")
    return 0 if max(errors.values()) <= TOLERANCE_CPU else 1


if __name__ == "__main__":
    sys.exit(main())
