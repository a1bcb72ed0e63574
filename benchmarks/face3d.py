"""Judges a 3D prior on held-out faces: does a turned face stay its person, and is depth a face's?

The encoder's codes are turned as they are, without projection or tuning: what the prior alone can
do. Run by `make bench-face3d`; needs the data and the judges, which are no part of the project.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.prior.card import with_section
from benchmarks.record import RESULTS, record
from benchmarks.turned_heads import PEOPLE, TURNS, WANTED, TurnedJudge, turned_views
from models.eg3d.generator import Identity
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import load_face3d_prior
from models.training import to_crops
from reage.head.camera import HeadCamera, PosedFace
from reage.markdown import table
from reage.registry.triplane_priors import find_triplane_prior
from tasks.prior_card import CARD_NAME

NAME, INVERTED = "face3d", "inverted"
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
    prior, judge = load_face3d_prior(found.folder), TurnedJudge(asked.judges)
    people = judge.people(asked.data, prior.config.crop_size)
    heads = drawn_heads(prior, people.crops)
    seen = [turned_views(prior.generator, head) for head in heads]
    turned = [np.stack([views[turn] for views in seen]) for turn in range(len(TURNS))]
    figures: dict[str, Any] = {"prior": found.digest[:12], "people": len(people.posed)}
    figures |= judge.figures(people, turned)
    figures |= depth_order(prior, heads, people.posed)
    record(NAME, figures | recorded_inversion())
    if asked.card:
        rewrite_card(found.folder, figures)
    print("\n".join(f"{name:>24}: {value}" for name, value in figures.items()))


def recorded_inversion() -> dict[str, Any]:
    """Returns what `benchmarks.face3d_inverted` has recorded beside these figures."""
    path = RESULTS / f"{NAME}.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    return {INVERTED: known[INVERTED]} if INVERTED in known else {}


@torch.no_grad()
def drawn_heads(prior: Face3DPrior, crops: NDArray[np.uint8]) -> list[Identity]:
    """Returns the heads of photographed faces (N, R, R, 3), one identity each."""
    return [prior.generator.identity(prior.encode(to_crops(crop[None]))) for crop in crops]


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
        f"Turns in degrees; asked of rank-1 among {PEOPLE}: {WANTED:g}.\n\n"
        + table(("what", "figure"), rows)
    )
    path = folder / CARD_NAME
    path.write_text(with_section(path.read_text(encoding="utf-8"), section), encoding="utf-8")


if __name__ == "__main__":
    main()
