"""A small real shot, and one Prefect test server for the whole session."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from studio.demo_plate import write_demo_plate

SHOT = """\
schema_version: 1
show: demo
sequence: sq010
shot: sh0010
plate:
  uri: {plate}
  colourspace: rec709
  first_frame: 1001
  cut_in: 1001
  cut_out: {cut_out}
actors:
  - actor: astronaut
    source_age: auto
    target_age: 75
delivery:
  destination: {destination}
  master: {master}
consent:
  document_id: NASA-PUBLIC-DOMAIN
"""

ACTOR = """\
schema_version: 1
actor: astronaut
names: [Demo astronaut]
birth_date: 1956-11-19
consent:
  document_id: NASA-PUBLIC-DOMAIN
  scope: [render]
  shows: [demo]
  granted: 1992-01-01
  expires: {expires}
"""


@dataclass(frozen=True)
class SmallShot:
    """Where the pieces of a shot for tests lie."""

    manifest: Path
    plate: Path
    destination: Path


def write_shot(
    folder: Path,
    plate: Path,
    *,
    master: str = "png16",
    cut_out: int = 1012,
    destination: str | None = None,
    expires: str = "2100-01-01",
) -> SmallShot:
    """Writes shot and actor manifests for `plate` under `folder`."""
    target = folder / "delivery"
    manifest = folder / "shots" / "demo" / "sq010" / "sh0010.yaml"
    actor = folder / "actors" / "astronaut.yaml"
    for path in (manifest, actor):
        path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(
        SHOT.format(
            plate=plate,
            cut_out=cut_out,
            destination=destination or "../../../delivery",
            master=master,
        )
    )
    actor.write_text(ACTOR.format(expires=expires))
    return SmallShot(manifest, plate, target)


@pytest.fixture(scope="session")
def small_plate(tmp_path_factory) -> Path:
    """The demo plate, 12 frames at 480x270."""
    path = tmp_path_factory.mktemp("plate") / "demo_sq010_sh0010_plate_v001.mov"
    return write_demo_plate(path, num_frames=12, size=(480, 270))


@pytest.fixture
def small_shot(small_plate, tmp_path) -> SmallShot:
    """A shot of the small plate, delivered as PNG16 to a folder."""
    return write_shot(tmp_path, small_plate)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server for flows called in this process."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
