import pytest

from studio import actor, adapters, cli, weights


@pytest.fixture
def wide_consoles(monkeypatch):
    """Tables are printed 200 characters wide, whatever the screen that the tests run on."""
    for console in (actor.out, adapters.out, cli.out, cli.err, weights.out):
        monkeypatch.setattr(console, "width", 200)
