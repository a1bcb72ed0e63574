import io
import shutil

from rich.console import Console

from reage.registry.adapters import find_adapter
from reage.video import probe
from studio import synthetic_demo


def test_demo_trains_an_adapter_and_shows_both_results_side_by_side(
    small_plate, tmp_path, monkeypatch, prefect_server
):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(synthetic_demo, "NUM_PHOTOGRAPHS", 5)
    place = tmp_path / "work" / "demo" / "plate" / small_plate.name
    place.parent.mkdir(parents=True)
    shutil.copy(small_plate, place)
    said = io.StringIO()
    synthetic_demo.run_synthetic_demo(
        target_age=70,
        prior="compact",
        work=tmp_path / "work",
        max_frames=3,
        steps=2,
        console=Console(file=said, width=300),
    )
    record = find_adapter("synthetic")
    assert record.facts.num_photographs == 5
    assert (record.facts.min_age, record.facts.max_age) == (30.0, 70.0)
    clip = tmp_path / "work" / "demo" / "synthetic_prior_and_adapter.mp4"
    assert (probe(clip).width, len(probe(clip).frames)) == (960, 3)
    for place in (clip, record.folder):
        assert str(place) in said.getvalue()
