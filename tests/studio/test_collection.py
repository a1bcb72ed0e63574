import json
from pathlib import Path

import pytest
from rich.console import Console

import flows.gather_collection
from studio.collection import run_collection
from tasks.refs import CollectionRef


@pytest.fixture
def gathered(monkeypatch, tmp_path):
    """Stands for a flow that has left a report."""

    def prepare(*, refused=(), warnings=()):
        document = {
            "accepted": [
                {"age": 34.2, "age_source": "name"},
                {"age": 38.0, "age_source": "estimated"},
                {"age": 51.0, "age_source": "csv"},
            ],
            "refused": [{"name": n, "reason": "blurred", "detail": "got 0.1"} for n in refused],
            "warnings": list(warnings),
        }
        (tmp_path / "report.json").write_text(json.dumps(document))
        ref = CollectionRef(
            path=str(tmp_path / "collection.npz"),
            digest="0" * 64,
            num_photos=3,
            min_age=34.2,
            max_age=51.0,
            num_refused=len(refused),
            report=str(tmp_path),
        )
        monkeypatch.setattr(flows.gather_collection, "gather_collection", lambda *a, **k: ref)

    return prepare


ADA = Path(__file__).parents[2] / "manifests" / "actors" / "ada.yaml"


def printed(tmp_path):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    run_collection(ADA, prior="compact", work=tmp_path, console=console)
    return console.export_text()


def test_table_shows_refusals_decades_and_where_the_pages_are(gathered, tmp_path):
    gathered(refused=["[bold]a[/bold].jpg"], warnings=["34_1.jpg: age: odd"])
    text = printed(tmp_path)
    assert "[bold]a[/bold].jpg" in text, "names are names, never markup"
    assert "blurred" in text
    assert "warning 34_1.jpg: age: odd" in text
    assert "accepted 3 photographs, ages 34-51; 1 refused" in text
    assert [line.split() for line in text.splitlines() if line.startswith("30-39")] == [
        ["30-39", "2", "1"]
    ]
    assert str(tmp_path / "sheet.png") in text.replace("\n", "")
    assert str(tmp_path / "report.html") in text.replace("\n", "")


def test_long_list_of_refusals_is_cut_and_says_so(gathered, tmp_path):
    gathered(refused=[f"{n:03d}.jpg" for n in range(100)])
    text = printed(tmp_path)
    assert "000.jpg" in text
    assert "099.jpg" not in text
    assert "70 more in the report" in text
