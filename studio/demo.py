"""The demo: a plate, two manifests and the real flow, on the embedded defaults."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from reage.delivery import DeliveryRef
from reage.storage.local import local_errors
from reage.video import probe
from studio.console import marked
from studio.demo_plate import write_demo_plate

_SHOT = """\
# yaml-language-server: $schema={schema}/shot.schema.json
schema_version: 1
show: demo
sequence: sq010
shot: {shot}
plate:
  uri: {plate}
  colourspace: rec709
  first_frame: 1001
  cut_in: 1001
  cut_out: {cut_out}
actors:
  - actor: {actor}
    source_age: auto
    target_age: {target_age}
    adapter: {adapter}
prior: {prior}
delivery:
  destination: {destination}
  master: prores4444
consent:
  document_id: {document}
"""

_ACTOR = """\
# yaml-language-server: $schema={schema}/actor.schema.json
schema_version: 1
actor: {actor}
names: [{name}]{collection}
consent:
  document_id: {document}
  scope: [{scope}]
  shows: [demo]
  granted: {granted}
  expires: {expires}
"""

DEFAULT_AGE = 75.0


@dataclass(frozen=True)
class DemoActor:
    """Who is in the plate, and by what right the demo re-ages them."""

    actor: str
    name: str
    document: str
    granted: date
    expires: date
    scope: str = "render"


ASTRONAUT = DemoActor(
    "astronaut",
    "Demo astronaut (NASA portrait)",
    "NASA-PUBLIC-DOMAIN",
    date(1992, 1, 1),
    date(2100, 1, 1),
)
SYNTHETIC = DemoActor(
    "synthetic",
    "Actor who does not exist",
    "SYNTHETIC-ACTOR",
    date(1992, 1, 1),
    date(2100, 1, 1),
    scope="render, train",
)


def run_demo(
    plate: Path | None,
    *,
    target_age: float,
    prior: str,
    work: Path,
    max_frames: int,
    console: Console,
) -> DeliveryRef:
    """Writes plate and manifests under `work/demo`, runs the shot flow and prints what to open.

    Args:
        plate: A movie to use instead of the demo plate.
        target_age: Years.
        prior: Name of the ageing prior.
        work: Root of the work folders.
        max_frames: Longer plates are cut to this many frames.
        console: Where to print.

    Raises:
        ReageError: The plate has no face, cannot be read, `work` cannot be written, or anything
            the flow reports.
    """
    folder = work.resolve() / "demo"
    if plate is None:
        path, shot, actor = demo_plate(folder, console), "sh0010", ASTRONAUT
    else:
        path, shot, actor = plate.resolve(), "sh0020", _stated_performer(console)
    manifest = demo_shot(
        folder,
        path,
        num_frames=max_frames,
        shot=shot,
        actor=actor,
        target_age=target_age,
        prior=prior,
    )
    from flows.reage_shot import reage_shot

    delivery = reage_shot(str(manifest), work=str(work))
    _say_where(delivery, console)
    return delivery


def demo_shot(
    folder: Path,
    plate: Path,
    *,
    num_frames: int,
    shot: str = "sh0010",
    actor: DemoActor = ASTRONAUT,
    target_age: float = DEFAULT_AGE,
    prior: str = "compact",
    adapter: str = "none",
    collection: Path | None = None,
) -> Path:
    """Writes the manifests of a demo shot under `folder`; returns the shot manifest's path.

    Args:
        folder: Manifests go to `manifests/`, the delivery to `delivery/`.
        plate: A movie; its first frame is 1001.
        num_frames: At most this many frames of it are used.
        shot: Name of the shot.
        actor: Who is in the plate.
        target_age: Years.
        prior: Name of the ageing prior.
        adapter: `none`, `latest` or a version.
        collection: The actor's photographs.

    Raises:
        PlateError: The plate cannot be read.
        StorageError: `folder` cannot be written.
    """
    frames = probe(plate).frames
    schema = (Path(__file__).parents[1] / "manifests" / "schema").as_posix()
    actor_file = folder / "manifests" / "actors" / f"{actor.actor}.yaml"
    shot_file = folder / "manifests" / "shots" / "demo" / "sq010" / f"{shot}.yaml"
    # JSON strings are valid YAML scalars, whatever characters a path holds.
    documents = {
        actor_file: _ACTOR.format(
            schema=schema,
            actor=actor.actor,
            name=json.dumps(actor.name),
            document=actor.document,
            granted=actor.granted,
            expires=actor.expires,
            scope=actor.scope,
            collection="" if collection is None else f"\ncollection: {json.dumps(str(collection))}",
        ),
        shot_file: _SHOT.format(
            schema=schema,
            shot=shot,
            plate=json.dumps(str(plate)),
            cut_out=frames.first + min(num_frames, len(frames)) - 1,
            actor=actor.actor,
            target_age=target_age,
            adapter=adapter,
            prior=prior,
            destination=json.dumps(str(folder.resolve() / "delivery")),
            document=actor.document,
        ),
    }
    with local_errors(str(folder), "write"):
        for file, text in documents.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return shot_file


def demo_plate(folder: Path, console: Console) -> Path:
    """Returns the demo plate under `folder`, written first if it is not there.

    Raises:
        StorageError: `folder` cannot be written.
    """
    path = folder / "plate" / "demo_sq010_sh0010_plate_v001.mov"
    with local_errors(str(folder), "write"):
        is_there = path.is_file()
        path.parent.mkdir(parents=True, exist_ok=True)
    if not is_there:
        with console.status("writing the demo plate (72 frames, ProRes 422 HQ)"):
            write_demo_plate(path)
    return path


def _stated_performer(console: Console) -> DemoActor:
    """A consent record for one day and this demo alone, resting on the operator's word."""
    console.print(
        "By running the demo on this plate you state that the person in it agrees; a consent "
        "record for one day is written.",
        style="dim",
    )
    today = datetime.now(UTC).date()
    return DemoActor(
        "performer", "Person in the plate", "OPERATOR-STATEMENT", today, today + timedelta(days=1)
    )


def delivered_files(delivery: DeliveryRef) -> dict[str, Path]:
    """Returns the files of a delivery in a folder by their role, `index` included."""
    folder = Path(unquote(urlsplit(delivery.uri).path))
    index = json.loads((folder / "index.json").read_text())
    by_role = {file["role"]: folder / file["name"] for file in index["files"]}
    return {**by_role, "index": folder / "index.json"}


def _say_where(delivery: DeliveryRef, console: Console) -> None:
    by_role = delivered_files(delivery)
    found = (
        ("wipe clip", by_role["wipe"]),
        ("contact sheet", by_role["contact_sheet"]),
        ("QC page", by_role["qc_page"]),
        ("delivery index", by_role["index"]),
    )
    facts = json.loads(by_role["index"].read_text())["facts"]
    console.print(f"\n[bold green]done[/bold green], {delivery.version}: {facts['verdict']}")
    for reason in facts["reasons"]:
        console.print(marked("  !", "yellow", reason), soft_wrap=True)
    for label, path in found:
        console.print(marked(f"  {label:<14}", "bold", path), soft_wrap=True)
