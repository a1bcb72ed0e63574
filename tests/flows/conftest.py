"""A small real shot."""

from dataclasses import dataclass
from pathlib import Path

import pytest

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


@pytest.fixture
def small_shot(small_plate, tmp_path) -> SmallShot:
    """A shot of the small plate, delivered as PNG16 to a folder."""
    return write_shot(tmp_path, small_plate)
