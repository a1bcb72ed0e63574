"""The loop of both training stages of a 3D prior: checkpoints, curve, sheets, averaged weights."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import nn

from models.ageing.recipe import Phases
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import ViewsPhase
from models.training import AveragedWeights, Draw, Report, Terms, run_loop
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import on_cpu

PhaseT = TypeVar("PhaseT", bound=ViewsPhase)
Saved = Callable[[Face3DPrior, int], None]
SAVE_EVERY = 50


def run_averaged(
    prior: Face3DPrior,
    step: Callable[[int], Terms],
    *,
    folder: Path,
    phases: Phases[PhaseT],
    draw: Draw,
    stage: str,
    others: Mapping[str, nn.Module],
    optimisers: Sequence[torch.optim.Optimizer],
    report: Report,
    saved: Saved | None,
) -> Face3DPrior:
    """Runs a stage's remaining steps; returns the average of the prior's weights, on the CPU.

    Args:
        prior: In training; its encoder's norms keep their statistics.
        step: Does the step of a number; see run_loop.
        folder: For the checkpoint and the curve; a finished checkpoint makes this a no-op.
        phases: Of the stage.
        draw: Of its batches.
        stage: Its name.
        others: Networks beside the prior whose weights are kept.
        optimisers: Whose states are kept.
        report: Told of every step.
        saved: Told after each checkpoint of the averaged prior and the steps done.
    """
    averaged = AveragedWeights(prior, decay=0.995)
    mean = cast(Face3DPrior, averaged.network)
    prior.train()
    prior.encoder.trunk.eval()  # batches are too small to take statistics from

    def averaging(number: int) -> Terms:
        terms = step(number)
        averaged.update(prior, step=number)
        return terms

    run_loop(
        folder / f"{stage}.pt",
        averaging,
        steps=phases.steps,
        draw=draw,
        parts={"prior": prior, "averaged": mean, **others},
        optimisers=optimisers,
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=(lambda done: saved(on_cpu(mean), done)) if saved else None,
        save_every=SAVE_EVERY,
    )
    return on_cpu(mean)
