"""The curve of a training: lines at intervals, none doubled, torn ones left out; its picture."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.curve_picture import draw_curve
from reage.training_curve import EVERY, CurveLine, StageCurve, of_stage, read_curve


def silent(*told: object) -> None:
    """Reports to nobody."""


def sit(path: Path, stage: str, first: int, last: int, *, total: int = 130) -> None:
    """Does steps `first` to `last` of a stage whose loss is its step's number."""
    curve = StageCurve(path, silent, phase_of=lambda step: 1 + step // 60)
    for step in range(first, last + 1):
        curve(stage, step, total, {"loss": float(step)})


def test_lines_are_means_at_intervals_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    sit(path, "a", 1, 130)
    lines = read_curve(path)
    assert [line.step for line in lines] == [25, 50, 75, 100, 125, 130]
    assert [line.phase for line in lines] == [1, 1, 2, 2, 3, 3]
    assert lines[1].terms == {"loss": pytest.approx(38.0)}  # of 26 to 50
    assert lines[-1].terms == {"loss": pytest.approx(128.0)}
    assert set(json.loads(path.read_text().splitlines()[0])) == {
        "stage", "step", "phase", "terms", "seconds"
    }  # fmt: skip


def test_reports_are_handed_on(tmp_path: Path) -> None:
    told: list[tuple[object, ...]] = []
    curve = StageCurve(tmp_path / "curve.jsonl", lambda *words: told.append(words))
    curve("a", 1, 2, {"loss": 3.0})
    assert told == [("a", 1, 2, {"loss": 3.0})]


def test_a_resumed_stage_drops_what_lies_beyond_its_checkpoint_and_nothing_else(
    tmp_path: Path,
) -> None:
    killed, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    sit(killed, "a", 1, 110)
    sit(killed, "b", 1, 30)
    sit(killed, "a", 76, 130)  # from a checkpoint after 75 steps
    sit(whole, "a", 1, 130)
    steps = [line.step for line in of_stage(read_curve(killed), "a")]
    assert steps == [25, 50, 75, 100, 125, 130]
    assert [line.step for line in of_stage(read_curve(killed), "b")] == [25]
    pairs = zip(of_stage(read_curve(killed), "a"), read_curve(whole), strict=True)
    assert all(one.terms == other.terms for one, other in pairs)


def test_seconds_go_on_from_the_sitting_before(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    before = CurveLine(stage="a", step=EVERY, phase=1, terms={}, seconds=1000.0)
    path.write_text(json.dumps({f: getattr(before, f) for f in before.__dataclass_fields__}) + "\n")
    sit(path, "a", EVERY + 1, 2 * EVERY)
    assert 1000.0 <= read_curve(path)[-1].seconds < 1100.0


def test_a_torn_line_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "curve.jsonl"
    sit(path, "a", 1, 50)
    with path.open("a") as file:
        file.write('{"stage": "a", "st')
    with caplog.at_level(logging.WARNING):
        assert [line.step for line in read_curve(path)] == [25, 50]
    assert "torn line" in caplog.text
    sit(path, "a", 51, 75)
    assert [line.step for line in read_curve(path)] == [25, 50, 75]


def test_no_file_is_no_lines(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "curve.jsonl") == []


def test_the_picture_has_a_panel_with_ink_for_every_term(tmp_path: Path) -> None:
    def drawn(*terms: str) -> tuple[int, int]:
        lines = [
            CurveLine(stage="a", step=s, phase=1, terms=dict.fromkeys(terms, 1 / s), seconds=s)
            for s in (25, 50, 75)
        ]
        draw_curve(lines, tmp_path / "curve.png")
        picture = np.asarray(Image.open(tmp_path / "curve.png").convert("RGB")).astype(int)
        return len(picture), int((picture[..., 2] > picture[..., 0] + 60).sum())

    (height, one), (same, two), (taller, five) = drawn("x"), drawn("x", "y"), drawn(*"vwxyz")
    assert five > two > 1.5 * one > 0
    assert taller == 2 * height == 2 * same


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got no lines with terms"):
        draw_curve([], tmp_path / "curve.png")
