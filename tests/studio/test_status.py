import pytest

from reage.manifest import load_shot
from reage.storage import FolderStorage
from reage.workspace import Workspace
from studio.status import shot_rows
from tasks.delivery import deliver
from tests.flows.conftest import write_shot
from tests.s3_server import free_port


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def shot(tmp_path):
    return write_shot(tmp_path, tmp_path / "plate.mov")


def test_status_of_a_new_shot_is_nothing_yet(shot, tmp_path):
    rows = shot_rows([shot.manifest], work=tmp_path / "work")
    assert rows == [("sq010_sh0010", "none", "no server set", "none")]
    assert not (tmp_path / "work").exists()


def test_status_counts_finished_steps_by_stage(shot, tmp_path):
    workspace = Workspace(tmp_path / "work", load_shot(shot.manifest).shot_id)

    def produce(folder):
        (folder / "x").write_text("x")
        return {}

    for chunk in range(3):
        workspace.step("frames", produce, chunk=chunk)
    workspace.step("tracks", produce)
    [(_, finished, _, _)] = shot_rows([shot.manifest], work=tmp_path / "work")
    assert finished == "frames 3, tracks 1"


def test_status_lists_delivered_versions(shot, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"clip")
    shot_id = load_shot(shot.manifest).shot_id
    for _ in range(2):
        deliver(str(shot.destination), {}, shot_id, "next", {"wipe": clip}, {})
    FolderStorage(shot.destination).put_bytes("demo/sq010/sh0010/v003/begun.txt", b"no index")
    [(_, _, _, delivered)] = shot_rows([shot.manifest], work=tmp_path / "work")
    assert delivered == "v001, v002"


def test_status_goes_on_when_the_destination_does_not_answer(shot, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    text = shot.manifest.read_text()
    endpoint = f"endpoint_url: http://127.0.0.1:{free_port()}\n  region: us-east-1"
    text = text.replace("../../../delivery", f"s3://dailies/x\n  {endpoint}")
    shot.manifest.write_text(text)
    [(code, _, _, delivered)] = shot_rows([shot.manifest], work=tmp_path / "work")
    assert code == "sq010_sh0010"
    assert delivered.startswith("unknown: s3://dailies")


def test_status_goes_on_when_the_server_does_not_answer(shot, tmp_path, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    with temporary_settings({PREFECT_API_URL: url}):
        [(_, _, last_run, _)] = shot_rows([shot.manifest], work=tmp_path / "work")
    assert last_run == f"unknown: {url} does not answer"
