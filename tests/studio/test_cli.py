import logging
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reage.errors import ReageError
from studio import cli

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "demo", "validate", "submit", "status", "deliver", "doctor", "collect", "train", "diagnose",
    "train-prior",
)  # fmt: skip
GROUPS = {"adapters": ("list", "inspect"), "weights": ("import", "list", "inspect", "remove")}


def write_manifests(folder, *, target_age="60"):
    """Writes a shot and its actor; returns the shot's path."""
    shot = folder / "shots" / "demo" / "sq010" / "sh0010.yaml"
    actor = folder / "actors" / "ada.yaml"
    for path in (shot, actor):
        path.parent.mkdir(parents=True, exist_ok=True)
    shot.write_text(
        "show: demo\nsequence: sq010\nshot: sh0010\n"
        "plate: {uri: plate.mov, cut_in: 1001, cut_out: 1002}\n"
        f"actors: [{{actor: ada, target_age: {target_age}}}]\n"
        "delivery: {destination: out}\nconsent: {document_id: DOC-1}\n"
    )
    actor.write_text(
        "actor: ada\nnames: [Ada]\nconsent: {document_id: DOC-1, scope: [render], shows: any, "
        "granted: 2020-01-01, expires: 2100-01-01}\n"
    )
    return shot


@pytest.fixture
def call(reage):
    """Runs the command line; returns exit code, stdout and stderr."""
    return reage


def test_help_lists_every_command():
    result = CliRunner().invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    for command in (*COMMANDS, *GROUPS):
        assert f" {command} " in result.output


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_lists_its_commands(group):
    result = CliRunner().invoke(cli.app, [group, "--help"])
    assert result.exit_code == 0
    for command in GROUPS[group]:
        assert f" {command} " in result.output
        explained = CliRunner().invoke(cli.app, [group, command, "--help"])
        assert f"{group} {command} [OPTIONS]" in explained.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"{command} [OPTIONS]" in result.output


def test_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(cli.app, ["rejuvenate"])
    assert result.exit_code == 2


def test_validate_accepts_a_good_manifest_and_warns_of_a_missing_plate(tmp_path, call):
    code, out, err = call("validate", write_manifests(tmp_path))
    assert code == 0
    assert "2 manifest(s) checked, 0 problem(s)" in out
    assert err.startswith("warning ")
    assert "plate.uri" in err


def test_validate_refuses_a_bad_manifest_with_file_line_and_key(tmp_path, call):
    shot = write_manifests(tmp_path, target_age="12")
    code, out, err = call("validate", shot)
    assert code == 1
    [error] = [line for line in err.splitlines() if line.startswith("error")]
    assert f"{shot}:5: actors[0].target_age: got 12, expected" in error
    assert "1 problem(s)" in out


def test_validate_searches_folders(tmp_path, call):
    write_manifests(tmp_path)
    code, out, _ = call("validate", tmp_path)
    assert code == 0
    assert "2 manifest(s) checked" in out


def test_validate_names_folders_with_brackets_as_they_are(tmp_path, call):
    shot = write_manifests(tmp_path / "[red]wip[/red] [/x]", target_age="12")
    code, _, err = call("validate", shot)
    assert code == 1
    assert f"{shot}:5: actors[0].target_age" in err


def test_error_of_ours_is_one_sentence_and_exit_code_1(tmp_path, call):
    missing = tmp_path / "[bold]missing[/bold].yaml"
    code, out, err = call("status", missing)
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"error {missing}: ")
    assert "Traceback" not in err


def test_error_that_is_not_ours_is_not_hidden(monkeypatch):
    def fail():
        raise KeyError("a bug")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(KeyError, match="a bug"):
        cli.main()


def test_error_of_ours_keeps_all_its_lines(monkeypatch, capsys):
    def fail():
        raise ReageError("a.yaml: plate: got nothing, expected one\nb.yaml: age: got 9")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == (
        "error a.yaml: plate: got nothing, expected one\nb.yaml: age: got 9\n"
    )


def test_deliver_verifies_without_rendering(tmp_path, call):
    code, _, err = call("deliver", write_manifests(tmp_path), "--verify", "v001")
    assert code == 1
    assert "got no index, expected a published version; published are: none" in err


@pytest.mark.parametrize(
    "flow,arguments",
    [
        ("deliver_shot", ["deliver", "nope.yaml"]),
        ("gather_collection", ["collect", "nope.yaml"]),
        ("train_actor", ["train", "nope.yaml"]),
        ("train_face3d", ["train", "nope.yaml", "--kind", "face3d"]),
        ("turntable", ["turntable", "nope.yaml"]),
        ("reference_plate", ["reference-plate", "nope.yaml", "ada"]),
        ("diagnose_adapter", ["diagnose", "nope.yaml"]),
    ],
)
def test_missing_manifest_is_told_before_prefect_is_started(call, monkeypatch, flow, arguments):
    monkeypatch.setitem(sys.modules, f"flows.{flow}", None)  # whoever imports it fails
    assert call(*arguments) == (
        1,
        "",
        "error nope.yaml: got no such file, expected a YAML file\n",
    )


def test_prefects_worker_for_events_says_errors_and_nothing_less(monkeypatch):
    from prefect.events.worker import EventsWorker
    from prefect.logging.configuration import setup_logging

    logger = logging.getLogger(EventsWorker.__name__)
    logger.setLevel(logging.NOTSET)
    monkeypatch.setattr(cli, "app", lambda: setup_logging(incremental=False))
    cli.main()
    assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.ERROR)


def test_validate_and_help_need_neither_torch_nor_prefect(tmp_path):
    shot = write_manifests(tmp_path)
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'prefect', 'av', 'mediapipe'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from studio.cli import main\n"
        "main()\n"
    )
    for arguments in (["validate", str(shot)], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
