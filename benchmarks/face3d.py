"""Judges a 3D prior on held-out faces: does a turned face stay its person, and is depth a face's?

The encoder's codes are turned as they are, without projection or tuning: what the prior alone can
do. Run by `make bench-face3d`; needs the data and the judges, which are no part of the project.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.held_out import FIVE_POINTS, crc
from benchmarks.judges import judge_alignment, load_judges
from benchmarks.prior.card import with_section
from benchmarks.record import record
from models.eg3d.generator import Identity
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import load_face3d_prior
from models.training import pictures, to_crops
from reage.head.camera import HeadCamera, PosedFace
from reage.labelled_faces import find_photos
from reage.markdown import table
from reage.registry.triplane_priors import find_triplane_prior
from tasks.posed_faces import pose_chunk
from tasks.prior_card import CARD_NAME

PEOPLE, HELD_OUT, TURNS = 100, 0, (-20.0, 0.0, 20.0)
WANTED = 0.7  # share of faces found again at a turn
SAME = 0.5  # likeness above which two photographs may show one person
NOSE, SIDES, EYES = 4, (234, 454), (33, 263)


def main() -> None:
    """Judges, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--prior", default=None)
    parser.add_argument("--card", action="store_true", help="write it into the prior's card")
    asked = parser.parse_args()
    found = find_triplane_prior(asked.prior)
    prior = load_face3d_prior(found.folder)
    identity, _ = load_judges(asked.judges)
    align = judge_alignment(asked.judges)
    faces = held_out_faces(asked.data, prior.config.crop_size)
    crops, posed = np.stack([crop for crop, _ in faces]), [face for _, face in faces]

    def embedded(shown: NDArray[np.uint8], cameras: list[HeadCamera]) -> NDArray[np.float32]:
        cut = [
            cv2.warpAffine(picture, align(five_points(face, camera, len(picture))), (96, 112))
            for picture, face, camera in zip(shown, posed, cameras, strict=True)
        ]
        return np.asarray(identity.embed_crops(np.stack(cut)))

    originals = embedded(crops, [face.camera for face in posed])
    kept = different_people(originals)
    heads = drawn_heads(prior, crops)
    figures: dict[str, Any] = {"prior": found.digest[:12], "people": len(kept)}
    for turn in TURNS:
        cameras = [HeadCamera.towards(turn, 0.0) for _ in posed]
        turned = embedded(render(prior, heads, cameras), cameras)
        likeness = turned[kept] @ originals[kept].T
        nearest = likeness.argmax(axis=1) == np.arange(len(kept))
        figures[f"rank1_at_{turn:+g}"] = round(float(nearest.mean()), 3)
        figures[f"likeness_at_{turn:+g}"] = round(float(np.diag(likeness).mean()), 3)
    figures |= depth_order(prior, heads, posed)
    record("face3d", figures)
    if asked.card:
        rewrite_card(found.folder, figures)
    print("\n".join(f"{name:>24}: {value}" for name, value in figures.items()))


def held_out_faces(data: Path, size: int) -> list[tuple[NDArray[np.uint8], PosedFace]]:
    """Returns crops and cameras of held-out photographs, in the order of their names' CRC-32."""
    photos = [photo for photo in find_photos(data)[0] if photo.fold == HELD_OUT]
    chosen = sorted(photos, key=lambda photo: crc(photo.name))[: PEOPLE * 6 // 5]
    return [(face[0], face[1]) for face in pose_chunk(chosen, size) if face is not None]


def different_people(embeddings: NDArray[np.float32]) -> list[int]:
    """Returns the rows of the first PEOPLE who are not like anyone before them."""
    kept: list[int] = []
    for row, own in enumerate(embeddings):
        if len(kept) < PEOPLE and all(own @ embeddings[other] < SAME for other in kept):
            kept.append(row)
    return kept


def five_points(face: PosedFace, camera: HeadCamera, size: int) -> NDArray[np.float64]:
    """Returns where a camera sees eyes, nose and mouth corners, (5, 2) pixels."""
    places, _ = camera.project(face.skin)
    return np.array([places[list(pair)].mean(axis=0) for pair in FIVE_POINTS]) * size - 0.5


@torch.no_grad()
def drawn_heads(prior: Face3DPrior, crops: NDArray[np.uint8]) -> list[Identity]:
    """Returns the heads of photographed faces (N, R, R, 3), one identity each."""
    return [prior.generator.identity(prior.encode(to_crops(crop[None]))) for crop in crops]


@torch.no_grad()
def render(
    prior: Face3DPrior, heads: list[Identity], cameras: list[HeadCamera]
) -> NDArray[np.uint8]:
    """Returns what cameras see of heads, uint8, (N, R, R, 3)."""
    seen = []
    for head, camera in zip(heads, cameras, strict=True):
        label = torch.from_numpy(camera.label)[None]
        seen.append(pictures(prior.generator.view(head, label, sampling="even"))[0])
    return np.stack(seen)


@torch.no_grad()
def depth_order(
    prior: Face3DPrior, heads: list[Identity], posed: list[PosedFace]
) -> dict[str, float]:
    """Returns the shares of faces whose nose is nearest, and whose sides lie behind the eyes."""
    camera = HeadCamera.towards(0.0, 0.0)
    label, nose_first, sides_last = torch.from_numpy(camera.label)[None], [], []
    for head, face in zip(heads, posed, strict=True):
        depth = prior.generator.render(head, label, sampling="even").depth[0, 0].numpy()
        places, _ = camera.project(face.skin)
        column, row = np.clip(places * len(depth), 0, len(depth) - 1).astype(int).T
        at = depth[row, column]
        nose_first.append(at[NOSE] <= min(at[list(SIDES + EYES)]))
        sides_last.append(min(at[list(SIDES)]) > max(at[list(EYES)]))
    return {
        "nose_nearest": round(float(np.mean(nose_first)), 3),
        "sides_behind_eyes": round(float(np.mean(sides_last)), 3),
    }


def rewrite_card(folder: Path, figures: Mapping[str, Any]) -> None:
    """Writes the figures into the model card of a prior's folder."""
    rows = [[name.replace("_", " "), str(value)] for name, value in figures.items()]
    section = (
        f"`make bench-face3d`, held-out people, the encoder's codes as they are. "
        f"Turns in degrees; asked of rank-1 among 100: {WANTED:g}.\n\n"
        + table(("what", "figure"), rows)
    )
    path = folder / CARD_NAME
    path.write_text(with_section(path.read_text(encoding="utf-8"), section), encoding="utf-8")


if __name__ == "__main__":
    main()
