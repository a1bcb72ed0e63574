"""Measuring the plate's grain, take by take, from some of its frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from reage.colour import to_display
from reage.framerange import FrameRange
from reage.grain.measuring import GrainMeter
from reage.grain.model import Grain
from reage.workspace import Workspace
from tasks.crops import plate_frames
from tasks.refs import FrameSetRef, GrainRef

PAIRS = 6  # of neighbouring frames that a take is read at


@task(name="measure grain")
def measure_grain(
    frame_set: FrameSetRef, takes: Sequence[FrameRange], *, workspace: Workspace
) -> GrainRef:
    """Measures the grain of every take; writes `grain_<first frame>.npz` for each."""

    def produce(folder: Path) -> dict[str, Any]:
        for take in takes:
            _measured(frame_set, take).save(folder / f"grain_{take.first}.npz")
        return {"num_takes": len(takes)}

    step = workspace.step(
        "grain", produce, frame_set=frame_set.content, takes=list(takes), pairs=PAIRS
    )
    return GrainRef(folder=str(step.folder), digest=step.digest, takes=tuple(takes))


def _measured(frame_set: FrameSetRef, take: FrameRange) -> Grain:
    last = max(take.first, take.last - 1)
    firsts = sorted({int(f) for f in np.linspace(take.first, last, min(PAIRS, len(take)))})
    meter = GrainMeter()
    for first in firsts:
        pair = FrameRange(first, min(first + 1, take.last))
        images = [image for _, image in plate_frames(frame_set, pair)]
        meter.bit_depth = images[0].bit_depth
        meter.add(*(to_display(image) for image in images))
    return meter.measured()
