"""The demo of a personal adapter: an actor who does not exist, learnt from photographs.

The astronaut of the demo plate gets a life: fifty photographs of ages 30 to 70, in which the face
ages as the prior has it and drifts, besides, towards the features of another portrait in the public
domain (Grace Hopper, US Navy; it ships inside matplotlib's wheel). An adapter learns that from the
photographs; the shot is re-aged without it and with it, and both go side by side.
"""

from pathlib import Path

from rich.console import Console

from reage.collection.portrait_measures import PortraitLimits
from reage.side_by_side import write_side_by_side
from studio.console import marked
from studio.demo import SYNTHETIC, delivered_files, demo_plate, demo_shot
from studio.public_portraits import save_public_portraits

NUM_PHOTOGRAPHS = 50
_AGES = (30, 70)
# All photographs are made from one portrait: they are alike by design.
_LIMITS = PortraitLimits(duplicate_bits=0)


def run_synthetic_demo(
    *, target_age: float, prior: str, work: Path, max_frames: int, steps: int, console: Console
) -> None:
    """Makes photographs, trains on them, re-ages the demo shot twice, and says what to open.

    Args:
        target_age: Years.
        prior: Name of the ageing prior.
        work: Root of the work folders.
        max_frames: At most this many frames of the demo plate.
        steps: Of the training.
        console: Where to print.

    Raises:
        ReageError: Anything the flows report.
    """
    from flows.reage_shot import reage_shot
    from flows.train_actor import train_actor

    folder = work.resolve() / "demo"
    plate = demo_plate(folder, console)
    photographs = folder / "photographs" / prior
    with console.status(f"taking {NUM_PHOTOGRAPHS} photographs of an actor who does not exist"):
        _photograph(folder, photographs, prior)
    manifests = {
        adapter: demo_shot(
            folder,
            plate,
            num_frames=max_frames,
            shot=shot,
            actor=SYNTHETIC,
            target_age=target_age,
            prior=prior,
            adapter=adapter,
            collection=photographs,
        )
        for shot, adapter in (("sh0030", "none"), ("sh0031", "latest"))
    }
    actor = folder / "manifests" / "actors" / f"{SYNTHETIC.actor}.yaml"
    record = train_actor(str(actor), prior=prior, steps=steps, work=str(work), limits=_LIMITS)
    masters = {}
    for adapter, manifest in manifests.items():
        files = delivered_files(reage_shot(str(manifest), work=str(work)))
        masters[adapter] = files["master"]
    clip = folder / "synthetic_prior_and_adapter.mp4"
    labels = ("general prior", f"adapter {record.name}")
    write_side_by_side(masters["none"], masters["latest"], clip, labels=labels)
    console.print(f"\n[bold green]done[/bold green], adapter {record.name}")
    found = (
        ("side by side", clip),
        ("photographs", photographs),
        ("adapter", record.folder),
    )
    for label, path in found:
        console.print(marked(f"  {label:<14}", "bold", path), soft_wrap=True)


def _photograph(folder: Path, photographs: Path, prior: str) -> None:
    from flows.synthetic_actor import photograph_synthetic_actor

    portrait, other = save_public_portraits(folder / "portraits")
    first, last = _AGES
    ages = [
        round(first + (last - first) * n / (NUM_PHOTOGRAPHS - 1)) for n in range(NUM_PHOTOGRAPHS)
    ]
    photograph_synthetic_actor(portrait, other, photographs, ages=ages, prior=prior)
