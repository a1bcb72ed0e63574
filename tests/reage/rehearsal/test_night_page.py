import json
from dataclasses import replace

import numpy as np
from PIL import Image

from reage.rehearsal.examination import ExaminedFace
from reage.rehearsal.night import ActorNight, Night
from reage.rehearsal.night_page import render_night_page, write_night_page
from tests.reage.rehearsal.test_gate import EARLIER


def night_of(**changes):
    ada = ActorNight(actor="ada", outcome="nothing new", detail="no photograph came", **changes)
    return Night(day="2026-03-01", actors=(ada,))


def test_page_of_a_quiet_night_says_so_and_loads_nothing(tmp_path):
    write_night_page(night_of(), tmp_path / "nights" / "night.html")
    page = (tmp_path / "nights" / "night.html").read_text()
    assert "1 actor: 1 nothing new" in page
    assert "no photograph came" in page
    assert "src=" not in page
    assert "default-src 'none'" in page


def test_page_of_no_actor_is_drawn():
    assert "0 actors: none" in render_night_page(Night(day="2026-03-01", actors=()))


def test_names_from_files_are_escaped(tmp_path):
    refused = {"name": "<script>.jpg", "reason": "no face", "detail": "got <b>none</b>"}
    document = {"accepted": [], "refused": [refused], "warnings": ["<i>"]}
    (tmp_path / "report.json").write_text(json.dumps(document))
    np.savez(tmp_path / "refused.npz")
    page = render_night_page(night_of(report=str(tmp_path), num_new=1))
    assert "<script>" not in page
    assert "&lt;script&gt;.jpg" in page
    assert "not looked at" in page


def test_page_whose_report_was_purged_meanwhile_says_so_and_shows_no_face(tmp_path):
    shown = {"report": str(tmp_path / "gone"), "strip": str(tmp_path / "gone.png"), "num_new": 1}
    page = render_night_page(night_of(**shown))
    assert "was removed before this page was written, as by a purge" in page
    assert "data:image" not in page


def test_long_history_is_folded_and_drawn_as_lines():
    records = tuple(replace(EARLIER, number=number) for number in range(1, 31))
    faces = tuple(
        ExaminedFace(
            photograph=str(n),
            increment=n,
            before={"distance": 0.2, "identity": 0.8},
            after={"distance": 0.2 + n / 1000, "identity": 0.8 - n / 1000},
        )
        for n in range(1, 31)
    )
    page = render_night_page(night_of(records=records, faces=faces, num_new=3, after="v030"))
    assert "18 earlier increments" in page
    assert page.count("<polyline") == 2 * 3  # best, before and after: of two figures
    assert "Likeness by increment" not in page
    assert "+0.029" in page


def test_page_names_the_versions_that_it_compares(tmp_path):
    Image.new("RGB", (40, 20)).save(tmp_path / "strip.png")
    shown = {"strip": str(tmp_path / "strip.png"), "before": "v003", "offered": "v004"}
    page = render_night_page(night_of(**shown))
    assert "The same faces under v003 and v004<" in page
    refused = replace(night_of(**shown).actors[0], outcome="refused", records=(EARLIER,))
    page = render_night_page(Night(day="2026-03-01", actors=(refused,)))
    assert "The same faces under v003 and what was refused as v004<" in page
    first = render_night_page(night_of(**{**shown, "before": ""}))
    assert "The same faces under the prior and v004<" in first
