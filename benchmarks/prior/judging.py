"""Shows held-out faces to the judges, unedited and re-aged, in processes side by side.

Returns arrays of what was seen; figures are made of them elsewhere.

Shapes: N faces, T target ages, E embedding size, U units of work, S crop size in pixels.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import lru_cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.held_out import HeldOutFace, find_faces
from benchmarks.judges import Jury
from benchmarks.prior.changes import PixelMeans, PriorChanges, pixel_sums
from benchmarks.prior.checkerboard import power_spectrum
from benchmarks.prior.measures import BASELINE, METHODS, TARGETS, psnr_db
from models.ageing.prior import Prior
from reage.colour import lab_from_display
from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto
from reage.matte import face_matte

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNIT = 48  # faces that a process takes at a time

Array = NDArray[Any]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Originals:
    """The unedited faces: labels, what the prior and the judges read, and how it reconstructs.

    `embedded` (N, E) is of the photograph, `crop_embedded` and `decoded_embedded` of the crop and
    of what the prior makes of it at its own age. `psnr_db` (N,). `spectra` (U, 3, S, S): mean power
    of crops, decoded crops and changes to the oldest target, one a unit.
    """

    names: Array
    ages: Array
    genders: Array
    groups: Array
    read_ages: Array
    judged_ages: Array
    judged_genders: Array
    embedded: Array
    crop_embedded: Array
    decoded_embedded: Array
    psnr_db: Array
    spectra: Array


@dataclass(frozen=True, eq=False)
class Seen:
    """What was judged of a method's faces at the targets: (N, T), embeddings (N, T, E).

    `shifts` is the distance in CIELAB of the face's mean colour from the photograph's.
    """

    ages: Array
    genders: Array
    embedded: Array
    shifts: Array


@dataclass(frozen=True, eq=False)
class Embedded:
    """Names (N,) and identity embeddings (N, E) of unedited photographs."""

    names: Array
    embedded: Array


Kind = TypeVar("Kind", bound="DataclassInstance")


def joined(parts: Sequence[Kind]) -> Kind:
    """Puts what units saw one after the other."""
    kind = type(parts[0])
    return kind(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)}
    )


@dataclass(frozen=True, eq=False)
class Bench:
    """What a process needs to judge: forked along, not sent."""

    prior: Prior
    jury: Jury
    baseline: PixelMeans | None


_SHARED: dict[str, Bench] = {}


def in_processes(
    work: Callable[[Any], Any], units: Sequence[Any], what: str, bench: Bench | None = None
) -> list[Any]:
    """Does every unit of work in one of as many forked processes as there are cores.

    No photograph may have been read before: the processes would share the open archive, and with it
    the place in the file that each reads from.
    """
    if bench is not None:
        _SHARED["bench"] = bench
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        return list(track(pool.map(work, units), what, total=len(units)))


def units_of(photos: Sequence[LabelledPhoto], size: int = UNIT) -> list[list[LabelledPhoto]]:
    """Cuts photographs into units of work."""
    return [list(photos[first : first + size]) for first in range(0, len(photos), size)]


def baseline_of(photos: Sequence[LabelledPhoto], *, gain: float = 1.5) -> PixelMeans:
    """Makes mean pictures of the training folds."""
    taught = [photo for photo in photos if photo.fold > 1]
    parts = in_processes(pixel_sums, units_of(taught, -(-len(taught) // 2)), "pixel means")
    sums, counts = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    return PixelMeans(sums, counts, gain=gain)


def embed_photos(photos: list[LabelledPhoto]) -> Embedded:
    """Embeds a unit of unedited photographs; leaves out where no face is found."""
    faces = find_faces(photos, _finder())
    names = np.array([face.photo.name for face in faces], object)
    pictures = [face.picture for face in faces]
    embedded = _SHARED["bench"].jury.embed(pictures, [face.five_points for face in faces])
    return Embedded(names, embedded)


def judge_photos(photos: list[LabelledPhoto]) -> tuple[Originals, dict[str, Seen]]:
    """Re-ages a unit of photographs by every method and shows all to the judges."""
    bench = _SHARED["bench"]
    faces = find_faces(photos, _finder())
    bench.jury.check(faces[0].picture)
    changes = PriorChanges(bench.prior, faces)
    region = _Regions(faces)
    seen: dict[str, list[Seen]] = {}
    for target in TARGETS:
        moved = changes.at(float(target))
        shown = {name: changes.pictures(moved, matte=m) for m, name in METHODS.items()}
        if bench.baseline is not None:
            shown[BASELINE] = bench.baseline.pictures(faces, float(target))
        for name, pictures in shown.items():
            seen.setdefault(name, []).append(_seen(bench.jury, pictures, region))
    originals = _originals(bench.jury, faces, changes, moved)
    return originals, {name: _by_target(columns) for name, columns in seen.items()}


@lru_cache(maxsize=1)
def _finder() -> FaceFinder:
    return FaceFinder(num_readings=1)


class _Regions:
    """Where the faces lie in their photographs, and the mean CIELAB colour there."""

    def __init__(self, faces: list[HeldOutFace]) -> None:
        self.points = [face.five_points for face in faces]
        self._inside = [face_matte(f.landmarks, f.size).full(f.size) > 0.5 for f in faces]
        self._before = self._colours([face.picture for face in faces])

    def _colours(self, pictures: list[Picture]) -> Array:
        told = zip(pictures, self._inside, strict=True)
        return np.array([lab_from_display(p[inside] / 255.0).mean(axis=0) for p, inside in told])

    def shifts(self, pictures: list[Picture]) -> Array:
        return np.linalg.norm(self._colours(pictures) - self._before, axis=1)


def _seen(jury: Jury, pictures: list[Picture], region: _Regions) -> Seen:
    ages, genders = jury.ages_and_genders(pictures)
    return Seen(ages, genders, jury.embed(pictures, region.points), region.shifts(pictures))


def _by_target(columns: list[Seen]) -> Seen:
    return Seen(
        **{f.name: np.stack([getattr(c, f.name) for c in columns], 1) for f in fields(Seen)}
    )


def _originals(
    jury: Jury, faces: list[HeldOutFace], changes: PriorChanges, oldest: Array
) -> Originals:
    pictures = [face.picture for face in faces]
    in_crop = [
        place.apply(face.five_points)
        for face, place in zip(faces, changes.crop_from_picture, strict=True)
    ]
    judged_ages, judged_genders = jury.ages_and_genders(pictures)
    shown = (changes.crops, changes.decoded, oldest)
    return Originals(
        names=np.array([face.photo.name for face in faces], object),
        ages=np.array([face.photo.age for face in faces]),
        genders=np.array([face.photo.gender for face in faces]),
        groups=np.array([face.photo.group for face in faces]),
        read_ages=changes.source_ages,
        judged_ages=judged_ages,
        judged_genders=judged_genders,
        embedded=jury.embed(pictures, [face.five_points for face in faces]),
        crop_embedded=jury.embed(_bytes(changes.crops), in_crop),
        decoded_embedded=jury.embed(_bytes(changes.decoded), in_crop),
        psnr_db=psnr_db(changes.crops, changes.decoded),
        spectra=np.array([[power_spectrum(pictures) for pictures in shown]]),
    )


def _bytes(crops: NDArray[np.float32]) -> list[Picture]:
    return list(np.rint(np.clip(crops, 0, 1) * 255).astype(np.uint8))
