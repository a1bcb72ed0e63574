"""How far work has come: bars in the terminal and, for a shot, one artifact on the server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_STDERR = Console(stderr=True)


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


@contextmanager
def shot_progress(shot: str, total: int) -> Iterator[ShotProgress]:
    """Opens the bar (on a terminal only) and the artifact `reage-<shot>` of this flow run."""
    artifact = create_progress_artifact(
        progress=0.0, key=f"reage-{shot.replace('_', '-')}", description=f"re-ageing {shot}"
    )
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    bar = Progress(*columns, TimeElapsedColumn(), console=_STDERR, disable=not _STDERR.is_terminal)
    with bar:
        assert isinstance(artifact, UUID)
        yield ShotProgress(shot, total, artifact, bar)


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yields what takes stage, done and total, and draws a bar for each stage (on a terminal)."""
    with Progress(console=_STDERR, disable=not _STDERR.is_terminal) as bar:
        rows: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in rows:
                rows[stage] = bar.add_task(stage, total=total)
            bar.update(rows[stage], completed=done)

        yield report
