from pathlib import Path

from reage.manifest.location import resolve_place


def test_place_is_taken_from_the_manifests_own_folder_also_through_a_link(tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    (shots / "sh0010.yaml").touch()
    (tmp_path / "linked.yaml").symlink_to(shots / "sh0010.yaml")
    for manifest in (shots / "sh0010.yaml", tmp_path / "linked.yaml"):
        assert resolve_place("../plate.mov", manifest) == str(tmp_path / "plate.mov")


def test_link_that_leads_in_a_circle_stays_a_path(tmp_path):
    for name, other in (("a.mov", "b.mov"), ("b.mov", "a.mov")):
        (tmp_path / name).symlink_to(tmp_path / other)
    place = resolve_place("a.mov", tmp_path / "sh0010.yaml")
    assert Path(place).parent == tmp_path
