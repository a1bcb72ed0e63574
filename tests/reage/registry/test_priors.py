import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reage.errors import NamingError, RegistryError
from reage.registry.priors import find_prior, list_priors, register_prior


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def prior_folder(folder, weights=b"weights"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    described = {
        "digest": hashlib.sha256(weights).hexdigest(),
        "config": {"licence": "Studio"},
    }
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "MODEL_CARD.md").write_text("# Card\n")
    return folder


def test_registered_prior_is_found_by_name_as_a_copy(tmp_path, studio_home):
    source = prior_folder(tmp_path / "trained")
    register_prior(source, "studio-faces")
    (source / "weights.safetensors").write_bytes(b"trained on")
    record = find_prior("studio-faces")
    assert record.folder == studio_home / "registry" / "priors" / "studio-faces"
    assert record.weights.read_bytes() == b"weights"
    assert record.digest == hashlib.sha256(b"weights").hexdigest()
    assert record.card.read_text() == "# Card\n"
    assert record.licence == "Studio"
    assert "studio-faces" in list_priors()


def test_unknown_prior_lists_the_known_ones(tmp_path):
    register_prior(prior_folder(tmp_path / "trained"), "studio-faces")
    with pytest.raises(RegistryError, match=r"got irse50, expected one of: .*studio-faces.*; corr"):
        find_prior("irse50")


@pytest.mark.parametrize("name", ["../compact", "", "Compact", "a/b", ".hidden"])
def test_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(NamingError):
        find_prior(name)
    with pytest.raises(NamingError):
        register_prior(prior_folder(tmp_path / "trained"), name)


def test_registered_prior_never_changes(tmp_path, studio_home):
    first = register_prior(prior_folder(tmp_path / "a"), "faces")
    assert register_prior(prior_folder(tmp_path / "b"), "faces") == first
    with pytest.raises(RegistryError, match="registered priors never change"):
        register_prior(prior_folder(tmp_path / "c", b"retrained"), "faces")
    assert find_prior("faces") == first
    assert [p.name for p in (studio_home / "registry" / "priors").iterdir()] == ["faces"]


@pytest.mark.parametrize("file", ["weights.safetensors", "config.json", "MODEL_CARD.md"])
def test_registered_prior_that_was_touched_is_refused(tmp_path, file):
    record = register_prior(prior_folder(tmp_path / "a"), "faces")
    with (record.folder / file).open("a") as opened:
        opened.write(" ")
    with pytest.raises(RegistryError, match=rf"{file}: got sha256 .*expected .* as "):
        find_prior("faces")


@pytest.mark.parametrize("file", ["weights.safetensors", "config.json", "MODEL_CARD.md"])
def test_incomplete_prior_is_refused_by_the_file_it_lacks(tmp_path, studio_home, file):
    source = prior_folder(tmp_path / "a")
    (source / file).unlink()
    with pytest.raises(RegistryError, match=rf"got no {file}, expected"):
        register_prior(source, "faces")
    assert not studio_home.exists()


def test_prior_whose_weights_are_not_those_of_its_config_is_refused(tmp_path, studio_home):
    source = prior_folder(tmp_path / "a")
    (source / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(RegistryError, match=r"weights\.safetensors: got sha256 .* as config\.json"):
        register_prior(source, "faces")
    assert not studio_home.exists()


@pytest.mark.parametrize(
    "config", ["", "[]", "{}", '{"licence": "top"}', '{"config": {"licence": ""}}']
)
def test_prior_without_a_stated_licence_is_refused(tmp_path, config):
    source = prior_folder(tmp_path / "a")
    (source / "config.json").write_text(config)
    with pytest.raises(RegistryError, match=r"config\.json: .*got .*expected"):
        register_prior(source, "faces")


def test_of_racing_registrations_one_stands_and_all_agree(tmp_path, studio_home):
    folders = [prior_folder(tmp_path / f"p{i}", b"same") for i in range(4)]
    barrier = threading.Barrier(4)

    def register(folder):
        barrier.wait()
        return register_prior(folder, "faces")

    with ThreadPoolExecutor(4) as pool:
        records = set(pool.map(register, folders))
    assert records == {find_prior("faces")}
    assert [p.name for p in (studio_home / "registry" / "priors").iterdir()] == ["faces"]
