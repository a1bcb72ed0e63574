"""How far work has come: bars in the terminal and, for shots and training, an artifact."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_STDERR = Console(stderr=True)
_SHOWN = ("total", "identity", "personal", "ageing")  # of the losses
_TOLD_EVERY = 50  # steps
_MOST_TERMS = 3  # of a loss, beside a bar

Terms = Mapping[str, float]


class ShotProgress:
    """Counts frames through the stages of one shot."""

    def __init__(self, shot: str, total: int, artifact: UUID, bar: Progress) -> None:
        self._shot, self._total, self._artifact, self._bar = shot, total, artifact, bar
        self._done = 0
        self._row = bar.add_task(f"{shot} starting", total=total)

    def advance(self, stage: str, amount: int) -> None:
        """Says that `amount` units of work were finished in `stage`."""
        self._done += amount
        self._bar.update(self._row, advance=amount, description=f"{self._shot} {stage}")
        percent = min(100.0, 100.0 * self._done / self._total)
        update_progress_artifact(self._artifact, progress=percent, description=stage)


class TrainingProgress:
    """Follows one actor's photographs and training."""

    def __init__(self, actor: str, artifact: UUID, bar: Progress) -> None:
        self._actor, self._artifact, self._bar = actor, artifact, bar
        self._rows: dict[str, TaskID] = {}

    def gathering(self, stage: str, done: int, total: int) -> None:
        """Says how many photographs of `total` a stage has seen."""
        self._show(stage, done, total, stage)

    def training(self, step: int, steps: int, losses: Mapping[str, float], preview: Path) -> None:
        """Says how far the training is; every so often on the server, too."""
        shown = "  ".join(f"{name} {losses[name]:.3f}" for name in _SHOWN if name in losses)
        self._show("training", step, steps, f"training  {shown}")
        if step % _TOLD_EVERY == 0 or step == steps:
            update_progress_artifact(
                self._artifact,
                progress=100.0 * step / steps,
                description=f"step {step} of {steps}: {shown}; faces: {preview}",
            )

    def _show(self, row: str, done: int, total: int, text: str) -> None:
        if row not in self._rows:
            self._rows[row] = self._bar.add_task(row, total=total)
        self._bar.update(
            self._rows[row], completed=done, total=total, description=f"{self._actor} {text}"
        )


@contextmanager
def training_progress(actor: str) -> Iterator[TrainingProgress]:
    """Opens the bars (on a terminal only) and the artifact `train-<actor>` of this flow run."""
    artifact = create_progress_artifact(
        progress=0.0, key=f"train-{actor.replace('_', '-')}", description=f"training {actor}"
    )
    with _bar() as bar:
        assert isinstance(artifact, UUID)
        yield TrainingProgress(actor, artifact, bar)


@contextmanager
def shot_progress(shot: str, total: int) -> Iterator[ShotProgress]:
    """Opens the bar (on a terminal only) and the artifact `reage-<shot>` of this flow run."""
    artifact = create_progress_artifact(
        progress=0.0, key=f"reage-{shot.replace('_', '-')}", description=f"re-ageing {shot}"
    )
    with _bar() as bar:
        assert isinstance(artifact, UUID)
        yield ShotProgress(shot, total, artifact, bar)


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    return Progress(*columns, TimeElapsedColumn(), console=_STDERR, disable=not _STDERR.is_terminal)


class StageReport:
    """Draws a bar for each stage: how far it is, the latest terms of its loss, the time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._rows: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int, terms: Terms | None = None) -> None:
        """Says that `done` of `total` are done, and the terms of the loss where there is one."""
        listed = list((terms or {}).items())[:_MOST_TERMS]
        shown = "  ".join(f"{name} {value:.3f}" for name, value in listed)
        if stage not in self._rows:
            # What a sitting finds done already says nothing about its speed.
            self._rows[stage] = self._bar.add_task(stage, total=total, completed=done, terms=shown)
        self._bar.update(self._rows[stage], completed=done, total=total, terms=shown)


@contextmanager
def stage_progress() -> Iterator[StageReport]:
    """Opens a bar for each stage that reports (on a terminal only)."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[terms]}"),
    )
    with Progress(*columns, console=_STDERR, disable=not _STDERR.is_terminal) as bar:
        yield StageReport(bar)
