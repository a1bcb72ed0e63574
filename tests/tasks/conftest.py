"""A real plate of two faces, tracked once, and a small prior that takes milliseconds."""

import json
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from matplotlib.cbook import get_sample_data

from models.ageing.compact_prior import CompactPrior, save_prior, tiny_config
from models.ageing.prior import TemplateAlignment
from reage.image import Image
from reage.naming import ShotId
from reage.registry.priors import find_prior
from reage.video import open_writer, plate_digest, probe
from reage.workspace import Workspace
from tasks.faces import track_shot
from tasks.refs import FrameSetRef, PriorRef, TracksRef

NUM_FRAMES = 5
WIDTH, HEIGHT = 480, 270
SHOT = ShotId("demo", "sq010", "sh0010")


@dataclass(frozen=True)
class TwoFaces:
    """A shot in which an astronaut stands large on the left and an admiral small on the right."""

    frame_set: FrameSetRef
    tracks: TracksRef
    astronaut: int
    admiral: int


def astronaut_photograph():
    """NASA's portrait of Eileen Collins, RGB uint8, (512, 512, 3)."""
    return np.ascontiguousarray(skimage.data.astronaut())


def admiral_photograph():
    """The US Navy's portrait of Grace Hopper, RGB uint8, (600, 512, 3)."""
    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def two_face_frames(num_frames=NUM_FRAMES):
    """Both portraits drifting by a pixel a frame, with grain; RGB uint16, (270, 480, 3)."""
    rng = np.random.default_rng(6)
    large = cv2.resize(astronaut_photograph(), (270, 270), interpolation=cv2.INTER_AREA)
    small = cv2.resize(admiral_photograph(), (136, 160), interpolation=cv2.INTER_AREA)
    for index in range(num_frames):
        picture = np.full((HEIGHT, WIDTH, 3), 90.0)
        picture[:, index : 270 + index] = large
        picture[70:230, 320 - index : 456 - index] = small
        picture += rng.normal(0, 2, picture.shape)
        yield np.clip(picture * 257, 0, 65535).astype(np.uint16)


def write_frames(path, frames, *, first=1001, format="ffv1"):
    """Writes RGB uint16 frames as a plate and returns its path."""
    frames = list(frames)
    height, width = frames[0].shape[:2]
    with open_writer(path, format=format, width=width, height=height, frame_rate=24) as writer:
        for number, codes in enumerate(frames, first):
            writer.write(number, Image.from_integer(codes))
    return path


def frame_set_of(path, *, first=1001, frames=None):
    """The ref that `locate_plate` would return for a local movie."""
    info = probe(path, first_frame=first)
    frames = frames or info.frames
    return FrameSetRef(
        path=str(path),
        digest=plate_digest(info, frames),
        first_frame=first,
        frames=frames,
        colourspace="rec709",
        frame_rate=Fraction(24),
    )


@pytest.fixture(scope="session")
def two_faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_faces")
    frame_set = frame_set_of(
        write_frames(folder / "plate.mov", two_face_frames(), format="prores422hq")
    )
    tracks = track_shot.fn(frame_set, workspace=Workspace(folder / "work", SHOT))
    # By first appearance, and in the first frame by size.
    assert tracks.track_ids == (0, 1)
    return TwoFaces(frame_set, tracks, astronaut=0, admiral=1)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work", SHOT)


@pytest.fixture(scope="session")
def compact_alignment():
    """The alignment that the embedded prior declares."""
    described = json.loads((find_prior("compact").folder / "config.json").read_text())
    fields = described["alignment"]
    return TemplateAlignment(
        landmark_indices=tuple(fields["landmark_indices"]),
        template=tuple((x, y) for x, y in fields["template"]),
        size=fields["size"],
    )


@pytest.fixture(scope="session")
def tiny_prior(tmp_path_factory, compact_alignment):
    """A prior of random weights in the embedded one's alignment, whose ageing moves something."""
    torch.manual_seed(11)
    prior = CompactPrior(tiny_config(resolution=compact_alignment.size), compact_alignment)
    prior.path.table.normal_()
    prior.path.basis.normal_()
    torch.nn.init.normal_(prior.personal.to_offset.weight, std=0.3)
    torch.nn.init.normal_(prior.finish.to_change.weight, std=0.1)
    folder = tmp_path_factory.mktemp("priors") / "tiny"
    return PriorRef(name="tiny", folder=str(folder), digest=save_prior(prior, folder))


@pytest.fixture(scope="session")
def compact_prior():
    record = find_prior("compact")
    return PriorRef(name=record.name, folder=str(record.folder), digest=record.digest)
