import re

import pytest
from typer.testing import CliRunner

from reage.registry.priors import find_prior
from reage.registry.weights import weights_folder
from studio import doctor
from studio.cli import app
from studio.doctor import examine_machine
from tasks.weights import import_weights
from tests.published_files import SMALL, write_published
from tests.s3_server import free_port

PARTS = ["packages", "GPU", "codecs", "weights", "published", "S3", "server", "disk"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """No server, no S3, whatever the machine of the tests has set."""
    for name in (
        "PREFECT_API_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "REAGE_S3_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))


def finding(part):
    [found] = [found for found in examine_machine() if found.part == part]
    return found


def test_doctor_looks_at_every_part_and_this_machine_lacks_none():
    findings = examine_machine()
    assert [found.part for found in findings] == PARTS
    assert not [found for found in findings if found.verdict == "missing"]
    for found in findings:
        assert bool(found.cure) == (found.verdict != "ok"), found


def test_doctor_names_the_weights_that_are_there():
    found = finding("weights")
    record = find_prior("compact")
    assert (found.verdict, found.cure) == ("ok", "")
    assert record.digest[:12] in found.found
    assert record.licence in found.found


def test_doctor_names_missing_weights_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("reage.registry.priors._EMBEDDED", tmp_path / "priors")
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    found = finding("weights")
    assert found.verdict == "missing"
    assert "prior compact" in found.found
    assert found.cure == "check the clone out again"


def bring(kind, tmp_path):
    import_weights(write_published(tmp_path / f"{kind}.pt", kind), kind, sizes=SMALL)


def test_doctor_says_how_published_weights_are_brought(tmp_path):
    found = finding("published")
    assert (found.verdict, found.found) == ("note", "no imported weights")
    assert found.cure == "optional: reage weights import sam_ffhq_aging.pt --as sam"


def test_doctor_names_published_weights_and_who_judges_in_whose_stead(tmp_path):
    bring("sam", tmp_path)
    bring("dex", tmp_path)
    found = finding("published")
    assert found.verdict == "note"
    assert find_prior("sam-ffhq1024").digest[:12] in found.found
    assert "--as irse50" in found.cure
    assert "--as dex" not in found.cure
    bring("irse50", tmp_path)
    assert (finding("published").verdict, finding("published").cure) == ("ok", "")


def test_doctor_names_imported_weights_that_are_damaged(tmp_path):
    bring("dex", tmp_path)
    (weights_folder("dex") / "dex" / "registered.json").write_text("{")
    found = finding("published")
    assert found.verdict == "missing"
    assert "weights dex" in found.found


def test_doctor_names_packages_that_prefect_breaks_with(monkeypatch):
    versions = {"fastapi": "0.155.1"}
    real = doctor.importlib.metadata.version
    monkeypatch.setattr(
        "studio.doctor.importlib.metadata.version", lambda name: versions.get(name) or real(name)
    )
    found = finding("packages")
    assert found.verdict == "missing"
    assert "fastapi 0.155.1" in found.found
    assert "constraints.txt" in found.cure


def test_doctor_names_a_server_that_does_not_answer(monkeypatch):
    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    found = finding("server")
    assert found.verdict == "missing"
    assert found.found == f"{url} does not answer"
    assert "prefect server start" in found.cure


def test_doctor_says_that_submit_needs_local_where_no_server_is_set():
    found = finding("server")
    assert found.verdict == "note"
    assert found.found == "none set; submit needs --local, and runs here use a temporary one"
    assert "PREFECT_API_URL" in found.cure


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "REAGE_S3_ENDPOINT_URL"])
def test_doctor_names_an_s3_endpoint_that_does_not_answer(monkeypatch, variable):
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv(variable, url)
    found = finding("S3")
    assert (found.verdict, found.found) == ("missing", f"{url} does not answer")


def test_doctor_finds_an_s3_endpoint_that_answers(monkeypatch, s3_server):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint_url)
    found = finding("S3")
    assert (found.verdict, found.found) == ("ok", s3_server.endpoint_url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/api", "http://[::1/api", "nonsense"])
def test_doctor_survives_an_address_that_is_none(monkeypatch, url):
    monkeypatch.setenv("PREFECT_API_URL", url)
    assert finding("server").verdict == "missing"


def test_doctor_ends_well_when_nothing_is_missing_and_badly_otherwise(monkeypatch):
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert re.search(r"missing\s+server", result.output)
