import pytest

from reage.errors import RegistryError
from reage.registry.triplane_priors import find_triplane_prior, triplane_priors
from tests.tri_planes import drawn, write_tiny_prior


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path))
    monkeypatch.setattr("reage.registry.triplane_priors._EMBEDDED", tmp_path / "embedded")
    return tmp_path


def test_no_prior_is_one_sentence_that_says_how_to_bring_one():
    for name in (None, "nobody"):
        with pytest.raises(RegistryError) as error:
            find_triplane_prior(name)
        assert f"3D prior {name or 'none'}: name: got no such" in str(error.value)
        assert "expected one of: none" in str(error.value)
        assert "reage weights import" in str(error.value)


def test_reages_own_prior_comes_before_the_studios_and_an_imported_one(home):
    for place in ("registry/weights/eg3d/eg3d-ffhq512", "registry/priors3d/mine", "embedded/own"):
        write_tiny_prior(home / place)
        name = place.rpartition("/")[2]
        assert find_triplane_prior().name == name
    assert triplane_priors() == ["own", "mine", "eg3d-ffhq512"]
    assert find_triplane_prior("eg3d-ffhq512").kind == "eg3d"


def test_a_folder_is_a_prior_and_brings_its_directions(home):
    folder = write_tiny_prior(home / "elsewhere" / "tiny", age_direction=drawn(8))
    found = find_triplane_prior(str(folder))
    assert (found.name, found.kind, found.licence) == ("tiny", "eg3d", "none")
    assert found.directions == folder / "directions.safetensors"
    (folder / "directions.safetensors").unlink()
    assert find_triplane_prior(str(folder)).directions is None


def test_a_prior_whose_weights_were_changed_is_refused(home):
    folder = write_tiny_prior(home / "tiny")
    with (folder / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RegistryError, match="got sha256"):
        find_triplane_prior(str(folder))
