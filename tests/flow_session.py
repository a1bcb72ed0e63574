"""What all tests of flows share: one Prefect test server and one small plate for the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from studio.demo_plate import write_demo_plate


@pytest.fixture(scope="session")
def small_plate(tmp_path_factory) -> Path:
    """The demo plate, 12 frames at 480x270."""
    path = tmp_path_factory.mktemp("plate") / "demo_sq010_sh0010_plate_v001.mov"
    return write_demo_plate(path, num_frames=12, size=(480, 270))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server for flows called in this process."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
