"""A plate with its layers as the pipeline makes them, for benchmarks/plate.py.

Shapes: T frames, S side of the synthesised crop.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.plate_variants import Pixels
from reage.colour import to_display
from reage.compositing import Layer
from reage.framerange import FrameRange
from reage.geometry import Similarity, warp_to_crop
from reage.image import Image
from reage.manifest.shot import ActorInShot
from reage.naming import ShotId
from reage.tracks import load_track
from reage.workspace import Workspace
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.crops import Cropper, plate_frames
from tasks.faces import track_shot
from tasks.gpu import loaded_prior
from tasks.plates import locate_plate
from tasks.refs import PriorRef

AGES = (75.0, 20.0)


@dataclass(frozen=True, eq=False)
class Shot:
    """A plate's frames, their layers by target age, and the network's crops (T, S, S, 3)."""

    plates: list[Image]
    layers: dict[float, list[Layer]]
    crops: Pixels


def prepare(path: Path, prior: PriorRef, *, num_frames: int, work: Path) -> Shot:
    """Runs the pipeline's own steps up to the change on a plate's first frames."""
    frames = FrameRange(1001, 1000 + num_frames)
    workspace = Workspace(work, ShotId("bench", "sq010", "sh0010"))
    frame_set = locate_plate.fn(
        str(path),
        frames=frames,
        first_frame=1001,
        colourspace="rec709",
        frame_rate=None,
        workspace=workspace,
    )
    tracks = track_shot.fn(frame_set, workspace=workspace)
    actor = ActorInShot(actor="face", target_age=AGES[0])
    cast = cast_actor.fn(frame_set, tracks, prior, actor, [], workspace=workspace)
    latents = encode_chunk.fn(frame_set, cast, prior, frames, workspace=workspace)
    layers = {}
    for age in AGES:
        asked = actor.model_copy(update={"target_age": age})
        plan = plan_ageing.fn([latents], cast, prior, asked, workspace=workspace)
        changes = np.load(age_chunk.fn(plan, prior, frames, workspace=workspace).path)
        cropper, track = Cropper.of(cast, loaded_prior(prior)), load_track(Path(cast.track_path))
        layers[age] = [
            Layer(
                change=change,
                plate_from_crop=cropper.plate_from_synthesis(frame),
                landmarks=track.landmarks[track.frames.index_of(frame)],
                opacity=1.0,
                feather=actor.region.feather,
                expand=actor.region.expand,
            )
            for frame, change in zip(frames, changes, strict=True)
        ]
    plates = [image for _, image in plate_frames(frame_set)]
    side = layers[AGES[0]][0].change.shape[0]
    crops = [square(to_display(p), x, side) for p, x in zip(plates, layers[AGES[0]], strict=True)]
    return Shot(plates, layers, np.stack(crops))


def square(view: Pixels, layer: Layer, side: int) -> Pixels:
    """The network's square of the plate at `side` pixels."""
    scale = side / layer.change.shape[0]
    offset = (scale - 1) / 2
    finer = Similarity(np.array([[scale, 0.0, offset], [0.0, scale, offset]]))
    return warp_to_crop(view, finer @ layer.plate_from_crop.inverse(), (side, side))
