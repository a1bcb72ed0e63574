"""What people see while a prior is trained."""

import io

import pytest
from rich.console import Console

from flows import progress


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(progress, "_STDERR", console)
    return written


def test_a_stages_bar_shows_the_latest_terms_and_no_more_than_three(screen: io.StringIO) -> None:
    terms = {"real": 0.5, "fake": -0.25, "adversarial": 0.125, "chroma": 0.75}
    with progress.stage_progress() as report:
        report("adversary", 10, 100, dict.fromkeys(terms, 9.0))
        report("adversary", 11, 100, terms)
    last = [line for line in screen.getvalue().splitlines() if "adversary" in line][-1]
    assert "11/100" in last
    assert "real 0.500  fake -0.250  adversarial 0.125" in last
    assert "chroma" not in last


def test_work_found_done_says_nothing_about_the_speed(screen: io.StringIO) -> None:
    with progress.stage_progress() as report:
        report("autoencoder", 900, 1000)
        (task,) = report._bar.tasks
        assert task.completed == 900
        assert task.speed is None
        report("autoencoder", 901, 1000)
        assert task.completed == 901


def test_stages_without_a_loss_need_say_nothing_of_one(screen: io.StringIO) -> None:
    with progress.stage_progress() as report:
        report("faces", 3, 3)
    assert "3/3" in [line for line in screen.getvalue().splitlines() if "faces" in line][-1]
