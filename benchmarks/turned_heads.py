"""Held-out people seen from other cameras, and the identity judge that is to know them again.

Shapes: N people, R crop size, E embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.held_out import FIVE_POINTS, TEST_FOLD, first_in_fold
from benchmarks.judges import judge_alignment, load_judges
from models.eg3d.generator import Identity, TriPlaneGenerator
from models.training import pictures
from reage.head.camera import HeadCamera, PosedFace
from reage.labelled_faces import find_photos
from tasks.posed_faces import pose_chunk

PEOPLE, TURNS = 100, (-20.0, 0.0, 20.0)
WANTED = 0.7  # share of faces found again at a turn
SAME = 0.5  # likeness above which two photographs may show one person


@dataclass(frozen=True, eq=False)
class People:
    """Different people, one photograph each.

    Attributes:
        crops: uint8, (N, R, R, 3).
        posed: Their cameras and landmarks.
        originals: Unit identity embeddings of the photographs, (N, E).
    """

    crops: NDArray[np.uint8]
    posed: list[PosedFace]
    originals: NDArray[np.float32]


class TurnedJudge:
    """The identity judge of a folder, looking at faces through the cameras that see them."""

    def __init__(self, judges: Path) -> None:
        self._identity, _ = load_judges(judges)
        self._align: Any = judge_alignment(judges)

    def embedded(
        self,
        shown: NDArray[np.uint8],
        posed: Sequence[PosedFace],
        cameras: Sequence[HeadCamera],
    ) -> NDArray[np.float32]:
        """Returns unit embeddings (N, E) of pictures (N, R, R, 3) of faces by cameras."""
        cut = [
            cv2.warpAffine(picture, self._align(five_points(face, view, len(picture))), (96, 112))
            for picture, face, view in zip(shown, posed, cameras, strict=True)
        ]
        return np.asarray(self._identity.embed_crops(np.stack(cut)))

    def people(self, data: Path, size: int, *, count: int = PEOPLE) -> People:
        """Returns the first held-out people who are not like anyone before them.

        Photographs are taken in the order of their names' CRC-32; crops have `size` pixels.
        """
        chosen = first_in_fold(find_photos(data)[0], TEST_FOLD, count=count * 6 // 5)
        faces = [face for face in pose_chunk(chosen, size) if face is not None]
        crops, posed = np.stack([face[0] for face in faces]), [face[1] for face in faces]
        embedded = self.embedded(crops, posed, [face.camera for face in posed])
        kept = different_people(embedded, count)
        return People(crops[kept], [posed[row] for row in kept], embedded[kept])

    def figures(
        self, people: People, turned: Sequence[NDArray[np.uint8]], rows: slice = slice(None)
    ) -> dict[str, float]:
        """Returns how many people are found again among all, and how like themselves they are.

        Args:
            people: All of them.
            turned: Pictures (n, R, R, 3) of some at each of TURNS.
            rows: Who these are.
        """
        own, posed = people.originals[rows], people.posed[rows]
        found: dict[str, float] = {}
        for turn, shown in zip(TURNS, turned, strict=True):
            seen = self.embedded(shown, posed, [HeadCamera.towards(turn, 0.0)] * len(posed))
            nearest = (seen @ people.originals.T).argmax(axis=1)
            wanted = np.arange(len(people.originals))[rows]
            found[f"rank1_at_{turn:+g}"] = round(float((nearest == wanted).mean()), 3)
            found[f"likeness_at_{turn:+g}"] = round(float((seen * own).sum(axis=1).mean()), 3)
        return found


def different_people(embeddings: NDArray[np.float32], count: int) -> list[int]:
    """Returns the rows of the first `count` who are not like anyone before them."""
    kept: list[int] = []
    for row, own in enumerate(embeddings):
        if len(kept) < count and all(own @ embeddings[other] < SAME for other in kept):
            kept.append(row)
    return kept


def five_points(face: PosedFace, camera: HeadCamera, size: int) -> NDArray[np.float64]:
    """Returns where a camera sees eyes, nose and mouth corners, (5, 2) pixels."""
    places, _ = camera.project(face.skin)
    return np.array([places[list(pair)].mean(axis=0) for pair in FIVE_POINTS]) * size - 0.5


@torch.no_grad()
def turned_views(generator: TriPlaneGenerator, head: Identity) -> list[NDArray[np.uint8]]:
    """Returns a head seen from each of TURNS, uint8, (R, R, 3)."""
    labels = [torch.from_numpy(HeadCamera.towards(turn, 0.0).label)[None] for turn in TURNS]
    return [pictures(generator.view(head, label, sampling="even"))[0] for label in labels]
