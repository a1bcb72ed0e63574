"""Which version a piece of work gets: what makes other work, and what ends it before delivery.

Rendering is stood in for by a step that writes one small file: all around it is real.
"""

import numpy as np
import pytest
from PIL import Image

import flows.reage_shot
from flows.reage_sequence import reage_sequence
from flows.reage_shot import reage_shot
from reage.errors import ConsentError, ReageError, VersionExistsError
from reage.provenance import AuditLog
from reage.storage import FolderStorage
from reage.versions import list_versions
from tasks.package_refs import PackageRef
from tests.flows.conftest import write_shot

pytestmark = pytest.mark.usefixtures("prefect_server")


class Killed(BaseException):
    """What no code of ours may catch."""


class Studio:
    """A shot with a matte of the artist's and a reference photograph."""

    def __init__(self, folder, plate) -> None:
        self.folder, self.shot = folder, write_shot(folder, plate, cut_out=1003)
        self.actor = folder / "actors" / "astronaut.yaml"
        self.num_rendered, self.look, self.meanwhile = 0, "first", lambda: None
        for kind in ("matte", "occlusion"):
            self.paint(kind, 255)
        self.photograph(100)
        self.edit(
            self.shot.manifest,
            "    target_age: 75\n",
            "    target_age: 75\n    matte: ../../../matte/matte.####.png\n"
            "    occlusion_matte: ../../../occlusion/occlusion.####.png\n",
        )
        self.edit(self.actor, "birth_date", "references: [../reference.png]\nbirth_date")

    @staticmethod
    def edit(path, before, after) -> None:
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def paint(self, kind, value) -> None:
        (self.folder / kind).mkdir(exist_ok=True)
        for frame in range(1001, 1004):
            picture = Image.fromarray(np.full((270, 480, 3), value, np.uint8))
            picture.save(self.folder / kind / f"{kind}.{frame}.png")

    def photograph(self, value) -> None:
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(self.folder / "reference.png")

    def render(self, shot, actors, frame_set, prior, adapters, job, workspace, chunk):
        self.num_rendered += 1

        def produce(folder):
            (folder / "a.mov").write_bytes(f"matte {self.look}".encode())
            (folder / "b.mov").write_bytes(f"master {self.look}".encode())
            return {}

        step = workspace.step("package", produce, job=job, look=self.look)
        self.meanwhile()
        return PackageRef(
            folder=str(step.folder),
            digest=step.digest,
            files=(("matte", "a.mov"), ("master", "b.mov")),
            manifest_digest=shot.digest,
            job=job,
            verdict="pass",
        )

    def run(self) -> str:
        work = str(self.folder / "work")
        return reage_shot(str(self.shot.manifest), work=work).version

    def events(self) -> list[str]:
        log = AuditLog(self.folder / "work" / "audit.jsonl")
        return [entry["event"]["event"] for entry in log.entries()]


@pytest.fixture
def studio(tmp_path, small_plate, monkeypatch):
    made = Studio(tmp_path, small_plate)
    monkeypatch.setattr(flows.reage_shot, "render_shot", made.render)
    return made


def test_matte_or_photograph_that_changed_in_place_is_other_work(studio):
    assert (studio.run(), studio.run(), studio.num_rendered) == ("v001", "v001", 1)
    studio.paint("matte", 128)
    assert studio.run() == "v002"
    studio.paint("occlusion", 128)
    assert studio.run() == "v003"
    studio.photograph(200)
    assert studio.run() == "v004"
    assert (studio.run(), studio.num_rendered) == ("v004", 4)


def test_consent_withdrawn_while_a_shot_renders_keeps_it_in(studio):
    studio.meanwhile = lambda: studio.edit(
        studio.actor, "expires: 2100-01-01", "expires: 2100-01-01\n  revoked: 2020-01-01"
    )
    with pytest.raises(ConsentError, match="revoked: got 2020-01-01"):
        studio.run()
    assert studio.num_rendered == 1
    assert not list(studio.shot.destination.rglob("*.mov"))
    assert studio.events() == ["render"]


def test_version_that_a_killed_delivery_left_with_other_bytes_is_passed_over(studio, monkeypatch):
    sent = []

    def dies(self, path, key, **settings):
        if sent:
            raise Killed
        sent.append(key)
        return put_file(self, path, key, **settings)

    put_file = FolderStorage.put_file
    with monkeypatch.context() as patch:
        patch.setattr("reage.delivery._PARALLEL_FILES", 1)
        patch.setattr(FolderStorage, "put_file", dies)
        with pytest.raises(Killed):
            studio.run()
    assert list(studio.shot.destination.rglob("*.mov"))
    studio.look = "of another device"
    assert studio.run() == "v002"
    assert studio.run() == "v002"
    storage = FolderStorage(studio.shot.destination)
    assert list_versions(storage, flows.reage_shot.load_shot(studio.shot.manifest).shot_id) == [
        "v002"
    ]


def test_named_version_that_was_begun_with_other_bytes_is_refused(studio):
    studio.edit(studio.shot.manifest, "  master: png16", "  master: png16\n  version: v007")
    folder = studio.shot.destination / "demo" / "sq010" / "sh0010" / "v007"
    studio.meanwhile = lambda: spoil(folder)
    with pytest.raises(VersionExistsError, match="v007"):
        studio.run()
    assert studio.num_rendered == 1


def spoil(folder):
    """Leaves files of another attempt, named as a delivery names its own."""
    (folder / "sq010_sh0010_reage_matte_v007.mov").write_bytes(b"of another attempt")
    (folder / "sq010_sh0010_reage_v007.mov").write_bytes(b"of another attempt")


def test_whatever_one_shot_raises_the_others_are_delivered(studio, monkeypatch):
    second = studio.shot.manifest.with_name("sh0020.yaml")
    second.write_text(studio.shot.manifest.read_text().replace("shot: sh0010", "shot: sh0020"))

    def render(shot, *rest):
        if shot.shot == "sh0010":
            raise MemoryError("no room for 8 GiB")
        return studio.render(shot, *rest)

    monkeypatch.setattr(flows.reage_shot, "render_shot", render)
    folder = str(studio.shot.manifest.parent)
    with pytest.raises(ReageError, match="sh0010: MemoryError: no room for 8 GiB"):
        reage_sequence(folder, work=str(studio.folder / "work"))
    assert list(studio.shot.destination.glob("demo/sq010/sh0020/v001/index.json"))
