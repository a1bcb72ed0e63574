import sys

import pytest

from studio import actor, adapters, cli, weights


@pytest.fixture
def wide_consoles(monkeypatch):
    """Tables are printed 200 characters wide, whatever the screen that the tests run on."""
    for console in (actor.out, adapters.out, cli.out, cli.err, weights.out):
        monkeypatch.setattr(console, "width", 200)


@pytest.fixture
def reage(monkeypatch, capsys):
    """Runs the command line as the `reage` program does; returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["reage", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run
