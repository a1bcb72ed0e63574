from dataclasses import replace

import numpy as np
from PIL import Image

from reage.rehearsal.dark_axes import BAD
from reage.rehearsal.forgetting_picture import draw_forgetting
from tests.reage.rehearsal.test_gate import EARLIER


def test_forgetting_is_drawn_for_increments_with_figures_only(tmp_path):
    draw_forgetting([EARLIER], title="", path=tmp_path / "f.png")
    draw_forgetting([], title="", path=tmp_path / "none.png")
    assert (tmp_path / "f.png").stat().st_size > (tmp_path / "none.png").stat().st_size


def test_what_was_forgotten_is_drawn_longer_the_more_it_is(tmp_path):
    bad = [int(BAD[i : i + 2], 16) for i in (1, 3, 5)]

    def red(forgotten):
        best = {"distance": 0.2, "identity": 0.8}
        last = {"distance": 0.2 + forgotten, "identity": 0.8}
        one = replace(EARLIER, best=best, last=last)
        other = replace(EARLIER, number=2, best=best, last={"distance": 0.6, "identity": 0.2})
        draw_forgetting([one, other], title="", path=tmp_path / "f.png")
        pixels = np.asarray(Image.open(tmp_path / "f.png").convert("RGB")).astype(int)
        return int((np.abs(pixels - bad).max(axis=2) < 6).sum())

    assert red(0.3) > red(0.1) > red(0.0)
