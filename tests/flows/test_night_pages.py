"""The page of a night and a purge that comes while it is drawn."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from flows.nightly_update import with_page
from reage.registry.standing import deciding
from reage.rehearsal.night import ActorNight, Night


def test_page_waits_for_a_purge_and_shows_nothing_of_who_was_purged(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    strip = tmp_path / "actors" / "ada" / "strip.png"
    strip.parent.mkdir(parents=True)
    Image.new("RGB", (40, 20)).save(strip)
    ada = ActorNight(actor="ada", outcome="waiting", detail="", strip=str(strip))
    with ThreadPoolExecutor(1) as pool:
        with deciding("ada"):
            night = Night(day="2026-01-01", actors=(ada,))
            drawn = pool.submit(with_page, night, tmp_path)
            with pytest.raises(TimeoutError):
                drawn.result(timeout=0.2)
            shutil.rmtree(strip.parent)
        page = Path(drawn.result().page)
    assert "data:image" not in page.read_text()
