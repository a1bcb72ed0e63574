"""What a night takes for new; what was refused is looked at again once its grounds have changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.collection.ages import TABLE_NAME
from reage.workspace import Workspace
from tasks.arrivals import find_arrivals, remember_refusals
from tasks.gathering import GatheringTerms
from tasks.refs import CollectionRef, PriorRef


def photograph(path, value):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((64, 64, 3), value, np.uint8)).save(path)


class Actor:
    """One photograph, one reference, and a work folder."""

    def __init__(self, folder) -> None:
        self.folder, self.workspace = folder, Workspace.of_actor(folder / "work", "ada")
        photograph(folder / "photographs" / "30_1.png", 50)
        photograph(folder / "reference.png", 1)
        self.terms = GatheringTerms(
            place=str(folder / "photographs"),
            prior=PriorRef(name="compact", folder="", digest="0"),
            actor="Ada",
            references=(str(folder / "reference.png"),),
        )

    def arrivals(self):
        return find_arrivals.fn(self.terms, None, workspace=self.workspace)

    def refuse(self, arrivals) -> None:
        """Has a night refuse all that came."""
        names = json.loads(Path(arrivals.path).read_text())["photographs"]
        report = {"refused": [{"name": name, "reason": "another person"} for name in names]}
        (self.folder / "report.json").write_text(json.dumps(report))
        gathered = CollectionRef(
            path="",
            digest="",
            num_photos=0,
            min_age=0.0,
            max_age=0.0,
            num_refused=len(names),
            report=str(self.folder),
        )
        remember_refusals(self.workspace, arrivals, gathered)


@pytest.fixture
def actor(tmp_path):
    return Actor(tmp_path)


def test_what_was_refused_is_passed_over(actor):
    came = actor.arrivals()
    assert came.num_new == 1
    actor.refuse(came)
    assert actor.arrivals().num_new == 0


@pytest.mark.parametrize(
    "decides",
    [
        lambda folder: photograph(folder / "reference.png", 200),
        lambda folder: (folder / "photographs" / TABLE_NAME).write_text("file,age\n30_1.png,31\n"),
    ],
    ids=["reference replaced in place", "table of ages written"],
)
def test_what_was_refused_is_looked_at_again_once_what_decides_changes(actor, decides):
    actor.refuse(actor.arrivals())
    decides(actor.folder)
    assert actor.arrivals().num_new == 1
