"""Personal streams: ten increments of photographs, alike within an increment, unlike between.

From a clip each increment is a stretch of it, so that pose and expression are alike, under a light
of its own. A synthetic actor (`models/ageing/synthetic_actor.py`) has in each increment another
look, from about 34 to 66 years in shuffled order, another light and another pose; the change is
added to a real crop.

Shapes: T increments, N M photographs of one, R crop size.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.ageing.compact_prior import CompactPrior
from models.ageing.synthetic_actor import SyntheticActor
from reage.colour import to_display
from reage.faces import FaceFinder
from reage.labelled_faces import align_crop
from reage.video import probe, read_frames

INCREMENTS, TAUGHT, HELD_OUT = 10, 20, 5
_TOTAL = TAUGHT + HELD_OUT
_LOOKS = (34.0, 66.0)  # years
_TURN_DEG, _YAW, _ZOOM, _SHIFT = 9.0, 0.10, 0.08, 0.03  # between increments, at most
_GAMMA, _SIDE_LIGHT, _TINT = 0.3, 0.3, 0.08
_WITHIN = 0.15  # share of these by which photographs of one increment differ
_GRAIN = 0.01

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Stream:
    """One person's photographs in the order in which they come.

    Attributes:
        taught: uint8, (T, N, R, R, 3).
        held_out: Of the same increments, uint8, (T, M, R, R, 3).
    """

    taught: Bytes
    held_out: Bytes


@dataclass(frozen=True)
class _Conditions:
    """How photographs are taken: pose (degrees, shares of the crop) and light."""

    turn_deg: float
    yaw: float
    zoom: float
    across: float
    down: float
    gamma: float
    side_light: float
    tint: tuple[float, float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, is_posed: bool) -> "_Conditions":
        pose = [_TURN_DEG, _YAW, _ZOOM, _SHIFT, _SHIFT]
        turn, yaw, zoom, across, down = rng.uniform(-1, 1, 5) * pose * is_posed
        gamma, side = rng.uniform(-1, 1, 2) * [_GAMMA, _SIDE_LIGHT]
        red, green, blue = rng.uniform(-1, 1, 3) * _TINT
        return cls(turn, yaw, zoom, across, down, gamma, side, (red, green, blue))

    def near(self, rng: np.random.Generator) -> "_Conditions":
        """Conditions like these, as of another photograph of the same increment."""
        other = _Conditions.drawn(rng, is_posed=True)
        parts = {}
        for name in self.__dataclass_fields__:
            own, away = np.asarray(getattr(self, name)), np.asarray(getattr(other, name))
            mixed = own + _WITHIN * away
            parts[name] = tuple(mixed.tolist()) if mixed.ndim else float(mixed)
        return _Conditions(**parts)  # type: ignore[arg-type]


def clip_stream(clip: Path, prior: CompactPrior, *, seed: int) -> Stream:
    """Cuts a clip of one person into increments.

    Raises:
        ValueError: It has too few frames with a face.
    """
    crops = _faces_of(clip, prior)
    if len(crops) < INCREMENTS * _TOTAL:
        raise ValueError(
            f"{clip}: frames with a face: got {len(crops)}, expected at least {INCREMENTS * _TOTAL}"
        )
    rng = np.random.default_rng([seed, len(crops)])
    increments = []
    for stretch in np.array_split(crops, INCREMENTS):
        light = _Conditions.drawn(rng, is_posed=False)
        rows = np.linspace(0, len(stretch) - 1, _TOTAL).astype(int)
        increments.append(np.stack([_taken(stretch[row], light, rng) for row in rows]))
    return _split(increments)


def synthetic_stream(actor: SyntheticActor, *, seed: int) -> Stream:
    """Photographs an actor who does not exist, ten times in other looks, lights and poses."""
    rng = np.random.default_rng([seed, INCREMENTS])
    face = (actor.crop[0].permute(1, 2, 0).numpy() + 1) / 2
    increments = []
    for age in rng.permutation(np.linspace(*_LOOKS, INCREMENTS)):
        conditions = _Conditions.drawn(rng, is_posed=True)
        ages = torch.from_numpy(age + rng.uniform(-1, 1, _TOTAL)).float()
        looks = face + actor.changes(ages).permute(0, 2, 3, 1).numpy()
        increments.append(
            np.stack([_taken(look, conditions.near(rng), rng) for look in looks.clip(0, 1)])
        )
    return _split(increments)


def save_stream(stream: Stream, path: Path) -> None:
    """Writes a stream whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, taught=stream.taught, held_out=stream.held_out)
    partial.replace(path)


def load_stream(path: Path) -> Stream:
    """Reads what `save_stream` wrote."""
    with np.load(path) as arrays:
        return Stream(arrays["taught"], arrays["held_out"])


def _split(increments: list[Bytes]) -> Stream:
    whole = np.stack(increments)
    held_out = np.linspace(0, _TOTAL - 1, HELD_OUT + 2).round().astype(int)[1:-1]
    taught = np.setdiff1d(np.arange(_TOTAL), held_out)
    return Stream(whole[:, taught], whole[:, held_out])


def _faces_of(clip: Path, prior: CompactPrior) -> list[Floats]:
    info, alignment = probe(clip), prior.alignment
    crops, before = [], None
    with FaceFinder(num_readings=1) as finder:
        for _, image in read_frames(info, info.frames, colourspace="srgb"):
            display = np.rint(to_display(image).clip(0, 1) * 255).astype(np.uint8)
            face = None if before is None else finder.follow(display, before)
            face = face or next(iter(finder.detect(display)), None)
            before = None if face is None else face.landmarks
            if face is None:
                continue
            crop, _ = align_crop(
                display,
                face.landmarks,
                template=np.array(alignment.template),
                indices=np.array(alignment.landmark_indices),
                size=alignment.size,
            )
            crops.append(crop)
    return crops


def _taken(face: Floats, how: _Conditions, rng: np.random.Generator) -> Bytes:
    """One photograph of a face (R, R, 3), 0-1; uint8."""
    lit = _lit(_posed(face, how), how) + rng.normal(0, _GRAIN, face.shape)
    return np.rint(lit.clip(0, 1) * 255).astype(np.uint8)


def _posed(face: Floats, how: _Conditions) -> Floats:
    """Turns, shifts and zooms; a yaw moves the middle of the face against its sides."""
    size = len(face)
    across, down = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32)] * 2)
    angle, scale = np.deg2rad(how.turn_deg), np.exp(-how.zoom)
    x = scale * (np.cos(angle) * across - np.sin(angle) * down) + 2 * how.across
    y = scale * (np.sin(angle) * across + np.cos(angle) * down) + 2 * how.down
    x = x + how.yaw * (1 - x.clip(-1, 1) ** 2)
    columns, rows = (((axis + 1) * (size - 1) / 2).astype(np.float32) for axis in (x, y))
    moved = cv2.remap(
        face.astype(np.float32), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def _lit(face: Floats, how: _Conditions) -> Floats:
    side = 1 + how.side_light * np.linspace(-1, 1, face.shape[1], dtype=np.float32)[None, :, None]
    return face.clip(0, 1) ** np.exp(how.gamma) * side * (1 + np.array(how.tint, np.float32))
