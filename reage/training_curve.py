"""The terms of a loss as a training went on: kept line by line, read back, never doubled.

One JSON object a line: stage, step (from 1), phase (from 1), the terms' means since the line before
and the seconds that the stage has taken so far, all its sittings together. Several stages may write
to one file. Knows nothing of what the terms mean.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

EVERY = 25  # steps between two lines
CURVE_NAME = "curve.jsonl"

Report = Callable[[str, int, int, Mapping[str, float]], None]  # stage, done, total, terms
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CurveLine:
    """What is kept of one step."""

    stage: str
    step: int
    phase: int
    terms: Mapping[str, float]
    seconds: float


def read_curve(path: Path) -> list[CurveLine]:
    """Returns the lines of a curve, none where there is no file; a torn line is left out."""
    if not path.is_file():
        return []
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            lines.append(CurveLine(**json.loads(text)))
        except (ValueError, TypeError):
            _log.warning("left out a torn line curve=%s line=%d", path, number)
    return lines


class StageCurve:
    """Keeps the curve of one stage and hands every report on.

    Is told of every step that is done, from wherever the stage goes on: lines from there on, left
    by a sitting that was killed before its checkpoint, are dropped.
    """

    def __init__(
        self, path: Path, report: Report, *, phase_of: Callable[[int], int] = lambda _step: 1
    ) -> None:
        """Begins a sitting.

        Args:
            path: Of the curve, made if need be.
            report: Told what this is told.
            phase_of: Takes a step, counted from 0, to its phase, counted from 1.
        """
        self._path, self._report, self._phase_of = path, report, phase_of
        self._started = time.monotonic()
        self._before_s: float | None = None
        self._sums: dict[str, list[float]] = {}

    def __call__(self, stage: str, done: int, total: int, terms: Mapping[str, float]) -> None:
        """Takes note of step number `done` of `total`."""
        if self._before_s is None:
            self._before_s = _cut(self._path, stage, done)
        for name, value in terms.items():
            self._sums.setdefault(name, []).append(value)
        if done % EVERY == 0 or done == total:
            self._write(stage, done)
        self._report(stage, done, total, terms)

    def _write(self, stage: str, done: int) -> None:
        assert self._before_s is not None
        line = CurveLine(
            stage=stage,
            step=done,
            phase=self._phase_of(done - 1),
            terms={name: round(sum(v) / len(v), 6) for name, v in self._sums.items()},
            seconds=round(self._before_s + time.monotonic() - self._started, 1),
        )
        self._sums.clear()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Opened anew for each line: another stage may be writing beside this one.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(line)) + "\n")


def _cut(path: Path, stage: str, step: int) -> float:
    """Drops a stage's lines from a step on; returns the seconds that the kept ones took."""
    lines = read_curve(path)
    kept = [line for line in lines if line.stage != stage or line.step < step]
    text = "".join(json.dumps(asdict(line)) + "\n" for line in kept)
    if path.is_file() and text != path.read_text(encoding="utf-8"):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    return max((line.seconds for line in kept if line.stage == stage), default=0.0)


def of_stage(lines: Sequence[CurveLine], stage: str) -> list[CurveLine]:
    """Returns the lines of one stage, by step."""
    return sorted((line for line in lines if line.stage == stage), key=lambda line: line.step)
