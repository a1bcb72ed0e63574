"""Judges an ageing prior on held-out faces with networks by others.

    python -m benchmarks.prior --data FOLDER --judges FOLDER [--prior FOLDER]

DATA holds the labelled photographs (fold 0 is judged; folds 2-19 make the pixel-mean baseline).
JUDGES holds judge.py (`Judge.embed`) and judge_age.py (`AgeJudge.ages`) with their weights; they
are loaded from that path and are no part of the project.

Every face is re-aged to 20, 30 ... 80 from the age that the prior itself reads off it; the change
is warped back and added to the photograph at its own size, softened over the crop's border (`matte`
crop) or inside the pipeline's face matte (`matte` face). Figures:

- spearman: rank correlation of asked and judged age, all faces and targets together.
- direction_right: share of faces judged older at 80 than at 20.
- moved_right: share of face-target pairs, asked to move 10 years or more from the judged age of the
  original, that were judged to have moved that way.
- rank1: share of re-aged faces whose nearest neighbour among the originals of 100 people is their
  own; near-duplicates (cosine above 0.5) are dropped from the galleries first.
- colour_shift: distance in CIELAB of the face's mean colour, before and after, mean over faces.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.record import record
from models.ageing.loading import load_prior
from models.ageing.prior import Prior, TemplateAlignment
from reage.colour import lab_from_display
from reage.faces import FaceFinder
from reage.geometry import Similarity, warp_to_plate
from reage.labelled_faces import LabelledPhoto, TightCropReader, align_crop, find_photos
from reage.matte import face_matte

BATCH = 32
TARGETS = (20, 30, 40, 50, 60, 70, 80)
GALLERY = 100
DUPLICATE_COSINE = 0.5
FIVE_POINTS = ((33, 133), (362, 263), (1, 1), (61, 61), (291, 291))  # mesh, ends averaged
DEFAULT_PRIOR = Path(__file__).parent.parent / "models" / "priors" / "compact"

Changes = Callable[[float], Iterator[NDArray[np.float32]]]  # target age -> a change a face


@dataclass(frozen=True, eq=False)
class HeldOutFace:
    """One photograph to be judged on, with its landmarks in its own pixels."""

    photo: LabelledPhoto
    picture: NDArray[np.uint8]
    landmarks: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.picture.shape[1], self.picture.shape[0]

    @property
    def five_points(self) -> NDArray[np.float64]:
        """Eyes, nose and mouth corners, (5, 2), as the identity judge wants them."""
        return np.array([self.landmarks[list(pair)].mean(axis=0) for pair in FIVE_POINTS])


def load_judges(folder: Path) -> tuple[Any, Any]:
    """Returns the identity judge and the age judge of a folder."""
    identity = _module(folder / "judge.py").Judge()
    return identity, _module(folder / "judge_age.py").AgeJudge()


def judge_alignment(folder: Path) -> Any:
    """Returns what takes five points (5, 2) to the identity judge's crop, as (2, 3)."""
    return _module(folder / "judge.py").similarity_to_template


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"judges_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path}: got no such file, expected a judge")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def read_held_out(photos: list[LabelledPhoto], *, fold: int, limit: int) -> list[HeldOutFace]:
    """Reads the photographs of a fold in which a face is found, at most `limit`, evenly chosen."""
    chosen = [photo for photo in photos if photo.fold == fold]
    chosen = chosen[:: max(1, -(-len(chosen) // limit))]
    faces = []
    with FaceFinder(num_readings=1) as finder:
        reader = TightCropReader(finder)
        for photo in track(chosen, "held-out faces"):
            picture = photo.read()
            landmarks = reader.landmarks(picture)
            if landmarks is not None:
                faces.append(HeldOutFace(photo, picture, landmarks))
    return faces


class PriorChanges:
    """What a prior changes in each photograph, with codes computed once."""

    def __init__(self, prior: Prior, faces: list[HeldOutFace], *, matte: str) -> None:
        self._prior, self._faces, self._matte = prior, faces, matte
        alignment = prior.alignment
        if not isinstance(alignment, TemplateAlignment):
            raise TypeError(f"prior: alignment: got {alignment}, expected a TemplateAlignment")
        aligned = [
            align_crop(
                face.picture,
                face.landmarks,
                template=np.array(alignment.template),
                indices=np.array(alignment.landmark_indices),
                size=alignment.size,
            )
            for face in faces
        ]
        self._crop_from_picture: list[Similarity] = [similarity for _, similarity in aligned]
        stacked = torch.from_numpy(np.stack([crop for crop, _ in aligned])).permute(0, 3, 1, 2)
        self._crops = stacked * 2 - 1
        with torch.inference_mode():
            chunks = self._crops.split(BATCH)
            self.source_ages = torch.cat([prior.estimate_age(c) for c in chunks])
            self._codes = torch.cat([prior.encode(c) for c in chunks])
            self._sources = torch.cat([prior.decode(w) for w in self._codes.split(BATCH)])
        size = alignment.size
        ramp = np.clip((size / 2 - np.abs(np.arange(size) - (size - 1) / 2)) / (0.12 * size), 0, 1)
        self._border = np.minimum.outer(ramp, ramp).astype(np.float32)[..., None]

    def __call__(self, target_age: float) -> Iterator[NDArray[np.float32]]:
        """Yields the change (H, W, 3), display units, of every face."""
        for first in range(0, len(self._faces), BATCH):
            part = slice(first, first + BATCH)
            source, codes = self.source_ages[part], self._codes[part]
            target = torch.full_like(source, target_age)
            with torch.inference_mode():
                offset = self._prior.ageing_offset(self._crops[part], codes, source, target)
                aged = self._prior.decode(codes + offset)
                change = self._prior.difference(self._sources[part], aged)
            for number, pixels in enumerate(change.permute(0, 2, 3, 1).numpy(), start=first):
                yield self._in_picture(number, np.ascontiguousarray(pixels))

    def _in_picture(self, number: int, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        face = self._faces[number]
        if self._matte == "crop":
            pixels = pixels * self._border
        back = self._crop_from_picture[number].inverse()
        full = warp_to_plate(pixels, back, face.size).full(face.size)
        if self._matte == "face":
            full = full * face_matte(face.landmarks, face.size).full(face.size)[..., None]
        return full


class PixelMeanChanges:
    """The baseline: gain x difference of mean pictures by age and gender (Burt & Perrett 1995)."""

    SIZE, SPREAD_YEARS = 128, 5.0

    def __init__(
        self, photos: list[LabelledPhoto], faces: list[HeldOutFace], *, gain: float
    ) -> None:
        self._faces, self._gain = faces, gain
        sums = np.zeros((2, 120, self.SIZE, self.SIZE, 3))
        counts = np.zeros((2, 120))
        for photo in track([p for p in photos if p.fold > 1 and p.gender in (0, 1)], "pixel means"):
            small = cv2.resize(photo.read(), (self.SIZE, self.SIZE), interpolation=cv2.INTER_AREA)
            sums[photo.gender, photo.age] += small / 255.0
            counts[photo.gender, photo.age] += 1
        years = np.arange(120)
        kernel = np.exp(-0.5 * ((years[:, None] - years) / self.SPREAD_YEARS) ** 2)
        total = np.einsum("ab,gbhwc->gahwc", kernel, sums)
        self._means = total / (counts @ kernel.T + 1e-6)[..., None, None, None]

    def __call__(self, target_age: float) -> Iterator[NDArray[np.float32]]:
        """Yields the change (H, W, 3), display units, of every face."""
        for face in self._faces:
            means = self._means[max(face.photo.gender, 0)]
            change = self._gain * (means[int(target_age)] - means[face.photo.age])
            yield cv2.resize(change, face.size, interpolation=cv2.INTER_CUBIC).astype(np.float32)


def applied(picture: NDArray[np.uint8], change: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Adds a change in display units to a picture."""
    return np.clip(np.rint(picture + change * 255), 0, 255).astype(np.uint8)


class Bench:
    """Holds what is the same for all methods: originals, galleries, face regions."""

    def __init__(self, faces: list[HeldOutFace], identity: Any, age: Any) -> None:
        self._faces, self._identity, self._age = faces, identity, age
        self._points = [face.five_points for face in faces]
        originals = [face.picture for face in faces]
        self._embedded = identity.embed(originals, self._points)
        self.original_ages = self._judged_ages(originals)
        self._galleries = _galleries(self._embedded)
        self._inside = [face_matte(f.landmarks, f.size).full(f.size) > 0.5 for f in faces]
        self._colours = [_mean_lab(p, i) for p, i in zip(originals, self._inside, strict=True)]

    def judge(self, changes: Changes, name: str) -> dict[str, Any]:
        """Returns the figures of one method."""
        ages = np.zeros((len(self._faces), len(TARGETS)))
        shifts, ranks = np.zeros_like(ages), np.zeros(len(TARGETS))
        for column, target in enumerate(TARGETS):
            told = zip(self._faces, changes(float(target)), strict=True)
            pictures = [applied(face.picture, change) for face, change in told]
            ages[:, column] = self._judged_ages(pictures)
            for number, picture in enumerate(pictures):
                shift = _mean_lab(picture, self._inside[number]) - self._colours[number]
                shifts[number, column] = np.linalg.norm(shift)
            print(f"{name}: judged at {target}", flush=True)
            ranks[column] = self._rank1(self._identity.embed(pictures, self._points))
        return _figures(ages, shifts, ranks, self.original_ages)

    def _judged_ages(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.concatenate([self._age.ages(picture[None]) for picture in pictures])

    def _rank1(self, embedded: NDArray[np.float32]) -> float:
        hits = []
        for gallery in self._galleries:
            nearest = (embedded[gallery] @ self._embedded[gallery].T).argmax(axis=1)
            hits.append(nearest == np.arange(len(gallery)))
        return float(np.concatenate(hits).mean())


def _galleries(embedded: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    kept: list[int] = []
    for number in range(len(embedded)):
        if not kept or (embedded[kept] @ embedded[number]).max() <= DUPLICATE_COSINE:
            kept.append(number)
    order = np.random.default_rng(0).permutation(kept)
    size = min(GALLERY, len(order))
    return [order[i : i + size] for i in range(0, len(order) - size + 1, size)]


def _mean_lab(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    return lab_from_display(picture[inside] / 255.0).mean(axis=0)


def _figures(
    ages: NDArray[np.float64],
    shifts: NDArray[np.float64],
    ranks: NDArray[np.float64],
    originals: NDArray[np.float32],
) -> dict[str, Any]:
    asked = np.broadcast_to(np.array(TARGETS, float), ages.shape)
    move = asked - originals[:, None]
    far = np.abs(move) >= 10
    right = np.sign(ages - originals[:, None]) == np.sign(move)
    return {
        "spearman": round(float(spearmanr(asked.ravel(), ages.ravel())[0]), 3),
        "direction_right": round(float((ages[:, -1] > ages[:, 0]).mean()), 4),
        "moved_right": round(float(right[far].mean()), 4),
        "judged_age": {
            str(t): round(float(a), 1) for t, a in zip(TARGETS, ages.mean(0), strict=True)
        },
        "rank1": {str(t): round(float(r), 3) for t, r in zip(TARGETS, ranks, strict=True)},
        "rank1_mean": round(float(ranks.mean()), 3),
        "rank1_min": round(float(ranks.min()), 3),
        "colour_shift": {
            str(t): round(float(s), 2) for t, s in zip(TARGETS, shifts.mean(0), strict=True)
        },
        "colour_shift_mean": round(float(shifts.mean()), 2),
    }


def milliseconds(prior: Prior) -> dict[str, float]:
    """Measures encode + two decodes + offset of one crop, best of several, by precision."""
    crop = torch.zeros(1, 3, prior.config.crop_size, prior.config.crop_size)
    ages = torch.tensor([40.0]), torch.tensor([70.0])
    torch.set_num_threads(os.cpu_count() or 1)
    figures = {}
    for precision in ("float32", "bfloat16"):
        best = float("inf")
        for _ in range(12):
            start = time.perf_counter()
            with (
                torch.inference_mode(),
                torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
            ):
                prior.change(crop, *ages)
            best = min(best, time.perf_counter() - start)
        figures[precision] = round(best * 1000, 1)
    return figures


def show(figures: dict[str, dict[str, Any]]) -> None:
    """Prints the methods side by side."""
    table = Table(
        "method",
        "Spearman",
        "80 > 20",
        "moved right",
        "rank-1 mean (min)",
        "colour mean (max)",
        "judged 20 / 50 / 80",
    )
    for name, row in figures.items():
        judged = row["judged_age"]
        table.add_row(
            name,
            f"{row['spearman']:.3f}",
            f"{row['direction_right']:.1%}",
            f"{row['moved_right']:.1%}",
            f"{row['rank1_mean']:.3f} ({row['rank1_min']:.3f})",
            f"{row['colour_shift_mean']:.2f} ({max(row['colour_shift'].values()):.2f})",
            f"{judged['20']:.0f} / {judged['50']:.0f} / {judged['80']:.0f}",
        )
    Console().print(table)


_SHARED: dict[str, Any] = {}


def _judge(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = _SHARED["bench"].judge(_SHARED["methods"][name], name)
    return figures


def main() -> None:
    """Judges the prior and the baseline, prints the table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--prior", type=Path, default=DEFAULT_PRIOR)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--limit", type=int, default=10**9)
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos, _ = find_photos(options.data)
    faces = read_held_out(photos, fold=options.fold, limit=options.limit)
    bench = Bench(faces, *load_judges(options.judges))
    prior = load_prior(options.prior)
    methods: dict[str, Changes] = {
        "prior": PriorChanges(prior, faces, matte="crop"),
        "prior, face matte": PriorChanges(prior, faces, matte="face"),
    }
    if not options.no_baseline:
        methods["pixel means x 1.5"] = PixelMeanChanges(photos, faces, gain=1.5)
    # A process a method: forked, so that pictures, codes and judges are shared and not sent.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        _SHARED.update(bench=bench, methods=methods)
        figures = dict(zip(methods, pool.map(_judge, methods), strict=True))
    show(figures)
    if not options.no_record:
        timing = milliseconds(prior)
        facts = {
            "prior": prior.config.name,
            "digest": prior.digest,
            "faces": len(faces),
            "fold": options.fold,
            "milliseconds_per_crop": timing,
            "methods": figures,
        }
        print(f"wrote {record('prior', facts)}")


if __name__ == "__main__":
    main()
