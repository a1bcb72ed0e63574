"""Pages of nights lose an actor's part, and every other actor's stays as it was."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from reage.rehearsal import night_archive
from reage.rehearsal.night import ActorNight, Night
from reage.rehearsal.night_archive import night_page_path, pages_showing, take_out
from reage.rehearsal.night_page import write_night_page
from reage.storage.local import PARTIAL_PREFIX


@pytest.fixture
def waiting(tmp_path):
    """Makes what became of an actor one of whose two new photographs, in one grey, is refused."""

    def made(actor, grey):
        folder = tmp_path / "reports" / actor
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (grey, grey, grey)).save(folder / "sheet.png")
        refused = {"name": f"{actor}_</section>.jpg", "reason": "no face", "detail": "</tr>"}
        document = {"accepted": [1], "refused": [refused], "warnings": []}
        (folder / "report.json").write_text(json.dumps(document))
        np.savez(folder / "refused.npz", **{"0": np.full((8, 8, 3), grey, np.uint8)})
        return ActorNight(
            actor=actor, outcome="waiting", detail=f"{actor} waits", num_new=2, report=str(folder)
        )

    return made


@pytest.fixture
def page_of(tmp_path, waiting):
    def made(*actors, day="2026-01-01"):
        nights = tuple(waiting(actor, 40 * n) for n, actor in enumerate(actors, start=1))
        page = night_page_path(tmp_path, day)
        write_night_page(Night(day=day, actors=nights), page)
        return page

    return made


def section_of(actor, text):
    begin = text.index(f"<h2>{actor}<")
    return text[begin : text.index("</section>", begin)]


def test_actor_taken_out_leaves_no_face_and_no_name_and_others_as_they_were(page_of):
    page = page_of("ada", "bob", "ada-2")
    before = page.read_text()
    assert before.count("data:image") == 6
    take_out("ada", page)
    after = page.read_text()
    assert after.count("data:image") == 4
    assert "ada" not in after.replace("ada-2", "").replace("data:", "")
    for other in ("bob", "ada-2"):
        assert section_of(other, after) == section_of(other, before)
        assert after.count(f"{other} waits") == 2
    assert "An actor of this night was purged on 20" in after
    assert after[-100:] == before[-100:]


def test_pages_that_show_an_actor_are_found_by_whole_names(page_of, tmp_path):
    first, _, third = (
        page_of("bob", "ada", day="2026-01-01"),
        page_of("bob", "ada-2", day="2026-01-02"),
        page_of("ada", day="2026-01-03"),
    )
    assert pages_showing("ada", tmp_path) == [first, third]
    assert pages_showing("eve", tmp_path) == []
    assert pages_showing("ada", tmp_path / "elsewhere") == []


def test_page_that_shows_no_one_else_goes_with_its_folder(page_of):
    page = page_of("ada", "bob")
    take_out("bob", page)
    take_out("ada", page)
    assert not page.parent.exists()


def test_page_that_a_killed_night_left_half_written_goes(page_of, tmp_path):
    page = page_of("ada", "bob")
    half = page.with_name(f"{PARTIAL_PREFIX}0")
    half.write_bytes(page.read_bytes()[: page.read_bytes().index(b"data:image") + 100])
    assert set(pages_showing("ada", tmp_path)) == {page, half}
    take_out("ada", half)
    assert (half.exists(), page.exists()) == (False, True)


def test_page_in_which_the_part_cannot_be_told_goes_whole(page_of):
    page = page_of("bob", "ada")
    text = page.read_text()
    page.write_text(text[: text.rindex("</section>")])
    take_out("ada", page)
    assert not page.exists()


def test_two_actors_taken_out_at_once_are_both_gone(page_of, monkeypatch):
    page = page_of("ada", "bob", "cyd")
    real = night_archive._without

    def slowly(actor, content):
        time.sleep(0.2)  # long enough for the other to have read the same page, were it let
        return real(actor, content)

    monkeypatch.setattr(night_archive, "_without", slowly)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take_out, ("ada", "bob"), (page, page)))
    assert page.read_text().count("data:image") == 2
    assert page.read_text().count("was purged on") == 2
