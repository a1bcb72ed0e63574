from pathlib import Path

import pytest
from rich.console import Console

from reage.errors import ManifestError, ReageError
from studio.submission import deliver_rendered, run_locally, send_to_server, verify_delivered
from tests.flows.conftest import write_shot
from tests.s3_server import free_port


@pytest.fixture
def console(tmp_path):
    with (tmp_path / "printed.txt").open("w") as file:
        yield Console(file=file, width=400)


def printed(console):
    console.file.flush()
    return Path(console.file.name).read_text()


@pytest.fixture
def shot(small_plate, tmp_path):
    return write_shot(tmp_path / "[wip]", small_plate, cut_out=1004)


def test_sending_without_a_server_says_how_to_set_one(shot, tmp_path, console, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(ReageError) as caught:
        send_to_server([shot.manifest], pool="cpu", work=tmp_path, wait=False, console=console)
    assert str(caught.value) == (
        "submit: PREFECT_API_URL: got nothing, expected the server's address; "
        "run `prefect server start` and set it, or use --local"
    )


def test_sending_a_missing_manifest_is_told_before_the_missing_server(
    tmp_path, console, monkeypatch
):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    missing = tmp_path / "nope.yaml"
    with pytest.raises(ManifestError, match=r"nope\.yaml: got no such file, expected"):
        send_to_server([missing], pool="cpu", work=tmp_path, wait=False, console=console)


def test_sending_to_a_server_that_does_not_answer_is_one_sentence(
    shot, tmp_path, console, monkeypatch
):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ReageError, match=rf"PREFECT_API_URL: got no answer from {url}, expected"),
    ):
        send_to_server([shot.manifest], pool="cpu", work=tmp_path, wait=False, console=console)


def test_sending_to_an_unknown_deployment_says_how_to_deploy(
    shot, tmp_path, console, monkeypatch, prefect_server
):
    monkeypatch.setenv("PREFECT_API_URL", "as the harness says")
    with pytest.raises(ReageError, match=r"deployment: got reage-shot/tpu, which the server does"):
        send_to_server([shot.manifest], pool="tpu", work=tmp_path, wait=False, console=console)


def test_running_here_delivers_the_good_shot_and_reports_the_bad_one(
    shot, tmp_path, console, prefect_server
):
    bad = shot.manifest.with_name("sh0020.yaml")
    text = shot.manifest.read_text().replace("shot: sh0010", "shot: sh0020")
    bad.write_text(text.replace(str(shot.plate), str(tmp_path / "missing.mov")))
    work = tmp_path / "work"
    with pytest.raises(ReageError, match=r"^[^\n]*missing\.mov[^\n]*$"):
        run_locally([shot.manifest.parent], work=work, console=console)
    version = shot.destination / "demo" / "sq010" / "sh0010" / "v001"
    assert (version / "index.json").is_file()
    assert version.as_uri() in printed(console)

    elsewhere = tmp_path / "elsewhere"
    deliver_rendered(shot.manifest, destination=str(elsewhere), work=work, console=console)
    assert f"delivered {(elsewhere / 'demo/sq010/sh0010/v001').as_uri()}" in printed(console)
    verify_delivered(shot.manifest, version="v001", destination=str(elsewhere), console=console)
    assert "intact sq010_sh0010 v001" in printed(console)
    next(elsewhere.rglob("*.png")).write_bytes(b"rotten")
    with pytest.raises(ReageError, match="has other bytes"):
        verify_delivered(shot.manifest, version="v001", destination=str(elsewhere), console=console)
