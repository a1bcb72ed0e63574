"""From photographs to what networks say of the faces in them, in the prior's own alignment.

Holds no task: it is what tasks share that look at photographs of an actor.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.ageing.prior import Prior
from reage.collection.ages import DatedPhoto, Refusal, unreadable
from reage.collection.portrait_measures import (
    HASH_SIDE,
    FaceMeasures,
    hash_of,
    measure_face,
    upright_luma,
)
from reage.contact_sheet import resized
from reage.errors import FaceError, PhotographError
from reage.faces import FaceFinder
from reage.geometry import Similarity, warp_to_crop
from reage.photograph import Photograph, decode_photograph, read_file, read_photograph
from reage.workspace import Step, Workspace
from tasks.crops import Crop, crop_from_picture, to_tensor
from tasks.gpu import loaded_prior
from tasks.refs import PriorRef

Report = Callable[[str, int, int], None]

_MOST_WORKERS = 8
_MOST_FACES = 8  # of a photograph, the largest: the actor is not the ninth in a crowd
_PREVIEW_PX, _THUMBNAIL_PX = 192, 256
_MEASURES = tuple(field.name for field in fields(FaceMeasures))
_LEAST_SIDE = 2048  # px: faces of 1/40 of it are found, and few photographs are reduced much


def longest_side(prior: Prior) -> int:
    """Returns the size photographs are reduced to, px: a face of a quarter of it fills a crop."""
    return max(_LEAST_SIDE, 4 * prior.alignment.size)


def aligned_crop(pixels: NDArray[np.float32], landmarks: NDArray[np.float64], prior: Prior) -> Crop:
    """Cuts a face out of a photograph as the prior wants it.

    Args:
        pixels: sRGB, float32, (H, W, 3), 0-1.
        landmarks: (478, 2), its pixels.
        prior: Declares the alignment.

    Returns:
        Float32, (R, R, 3), 0-1.
    """
    alignment = prior.alignment
    crop_from_photograph = crop_from_picture(landmarks, alignment)
    return warp_to_crop(pixels, crop_from_photograph, (alignment.size, alignment.size))


@torch.inference_mode()
def read_crops(
    crops: Sequence[Crop], prior: Prior
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns unit identity embeddings (N, E) and apparent ages (N,), years, of N crops."""
    tensor = to_tensor(np.stack(crops))
    embeddings = prior.embed(tensor).float().cpu().numpy()
    return embeddings, prior.estimate_age(tensor).float().cpu().numpy()


@torch.inference_mode()
def mean_embedding(prior: Prior, crops: Sequence[Crop]) -> NDArray[np.float32]:
    """Returns the mean identity embedding of the crops, unit, (E,)."""
    mean = prior.embed(to_tensor(np.stack(crops))).float().mean(dim=0)
    return torch.nn.functional.normalize(mean, dim=0).cpu().numpy()


def reference_embedding(references: Sequence[str], prior: Prior) -> NDArray[np.float32]:
    """Returns the mean identity embedding (E,) of the largest face of each reference photograph.

    Raises:
        FaceError: None of them shows a face.
        PhotographError: One of them cannot be read.
    """
    crops = []
    with FaceFinder() as finder:
        for path in references:
            photograph = read_photograph(Path(path), longest_side=longest_side(prior))
            faces = finder.detect(photograph.display)
            if faces:
                largest = max(faces, key=lambda face: face.box[2] - face.box[0])
                crops.append(aligned_crop(photograph.pixels, largest.landmarks, prior))
    if not crops:
        raise FaceError(
            f"references: faces: got none in {len(references)} photograph(s), expected one in "
            "each; give photographs that show the actor's face"
        )
    return mean_embedding(prior, crops)


@dataclass(frozen=True, eq=False)
class SeenFaces:
    """The faces of one photograph as they were written to its .npz file; F may be 0.

    Attributes:
        path: Of the file.
        measures: Of each face, the largest first.
        embeddings: float32, (F, E).
        hashes: bool, (F, 16, 16).
        apparent_ages: float32, (F,), years.
    """

    path: Path
    measures: tuple[FaceMeasures, ...]
    embeddings: NDArray[np.float32]
    hashes: NDArray[np.bool_]
    apparent_ages: NDArray[np.float32]

    def picture(self, name: str, face: int) -> NDArray[np.uint8]:
        """Returns a face's `crops` (R, R, 3) or `previews` (192, 192, 3)."""
        with np.load(self.path, allow_pickle=False) as arrays:
            return np.asarray(arrays[name][face])

    def thumbnail(self) -> NDArray[np.uint8]:
        """Returns the whole photograph, small, uint8, (h, w, 3)."""
        with np.load(self.path, allow_pickle=False) as arrays:
            return np.asarray(arrays["thumbnail"])


def write_faces(photograph: Photograph, finder: FaceFinder, prior: Prior, path: Path) -> None:
    """Finds, measures, aligns and embeds the faces of a photograph; `load_faces` reads them."""
    display = photograph.display
    faces = finder.detect(display)[:_MOST_FACES]
    crops = [aligned_crop(photograph.pixels, face.landmarks, prior) for face in faces]
    embeddings, ages = read_crops(crops, prior) if crops else (np.zeros((0, 0)), np.zeros(0))
    measures = [measure_face(photograph.pixels, face) for face in faces]
    lumas = [upright_luma(photograph.pixels, face.landmarks) for face in faces]
    size = prior.alignment.size
    with path.open("wb") as file:
        np.savez(
            file,
            measures=np.array([astuple(m) for m in measures]).reshape(-1, len(_MEASURES)),
            embeddings=embeddings.astype(np.float32),
            hashes=np.array([hash_of(luma) for luma in lumas], bool).reshape(
                -1, HASH_SIDE, HASH_SIDE
            ),
            apparent_ages=ages.astype(np.float32),
            crops=_codes(crops, size),
            previews=_codes(
                [_preview(photograph.pixels, f.landmarks, prior) for f in faces], _PREVIEW_PX
            ),
            thumbnail=_thumbnail(display),
        )


def load_faces(path: Path) -> SeenFaces:
    """Reads what `write_faces` wrote, without its pictures."""
    with np.load(path, allow_pickle=False) as arrays:
        return SeenFaces(
            path=path,
            measures=tuple(
                FaceMeasures(**dict(zip(_MEASURES, map(float, row), strict=True)))
                for row in arrays["measures"]
            ),
            embeddings=arrays["embeddings"],
            hashes=arrays["hashes"],
            apparent_ages=arrays["apparent_ages"],
        )


def _codes(pictures: Sequence[Crop], size: int) -> NDArray[np.uint8]:
    stacked = np.array(pictures, np.float32).reshape(-1, size, size, 3)
    return np.rint(np.clip(stacked, 0.0, 1.0) * 255).astype(np.uint8)


def _preview(pixels: NDArray[np.float32], landmarks: NDArray[np.float64], prior: Prior) -> Crop:
    """The framing of the aligned crop at a size that people can judge."""
    scale = _PREVIEW_PX / prior.alignment.size
    offset = (scale - 1) / 2
    larger = Similarity(np.array([[scale, 0.0, offset], [0.0, scale, offset]]))
    preview_from_photograph = larger @ crop_from_picture(landmarks, prior.alignment)
    return warp_to_crop(pixels, preview_from_photograph, (_PREVIEW_PX, _PREVIEW_PX))


def _thumbnail(display: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = display.shape[:2]
    scale = min(_THUMBNAIL_PX / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return resized(display, size)


def look_at_all(
    entries: Sequence[DatedPhoto], prior: PriorRef, workspace: Workspace, report: Report
) -> tuple[dict[str, SeenFaces], list[Refusal]]:
    """Looks at the photographs not seen before, several at once.

    Args:
        entries: Photographs of different digests.
        prior: In whose alignment crops are made, and which tells likeness and age.
        workspace: Holds a step for each photograph seen.
        report: Told of progress.

    Returns:
        The faces of every readable photograph by its digest, and a refusal of each other one.
    """
    inputs = {"prior": prior.content, "alignment": loaded_prior(prior).alignment}

    def find(entry: DatedPhoto) -> Step | None:
        return workspace.find("photograph", photograph=entry.digest, **inputs)

    found = {entry.digest: find(entry) for entry in entries}
    unseen = [entry for entry in entries if found[entry.digest] is None]
    refused = []
    report("photographs", len(entries) - len(unseen), len(entries))
    num_workers = min(len(os.sched_getaffinity(0)), _MOST_WORKERS, len(unseen))
    with ExitStack() as stack:
        finders: SimpleQueue[FaceFinder] = SimpleQueue()
        for _ in range(num_workers):
            finders.put(stack.enter_context(FaceFinder()))
        pool = stack.enter_context(ThreadPoolExecutor(max(num_workers, 1), "photograph"))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        look = partial(_look_at, prior=prior, inputs=inputs, workspace=workspace, finders=finders)
        for number, (entry, done) in enumerate(
            zip(unseen, pool.map(look, unseen), strict=True), start=len(entries) - len(unseen) + 1
        ):
            if isinstance(done, Refusal):
                refused.append(done)
            else:
                found[entry.digest] = done
            report("photographs", number, len(entries))
    seen = {
        digest: load_faces(step.folder / "faces.npz")
        for digest, step in found.items()
        if step is not None
    }
    return seen, refused


def _look_at(
    entry: DatedPhoto,
    *,
    prior: PriorRef,
    inputs: dict[str, Any],
    workspace: Workspace,
    finders: "SimpleQueue[FaceFinder]",
) -> Step | Refusal:
    network = loaded_prior(prior)

    def produce(folder: Path) -> dict[str, Any]:
        photograph = decode_photograph(
            read_file(entry.photo.path),
            place=entry.photo.name,
            longest_side=longest_side(network),
        )
        finder = finders.get()
        try:
            write_faces(photograph, finder, network, folder / "faces.npz")
        finally:
            finders.put(finder)
        return {}

    try:
        return workspace.step("photograph", produce, photograph=entry.digest, **inputs)
    except PhotographError as error:
        return unreadable(entry.photo, error)
