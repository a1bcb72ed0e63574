"""Judges a 3D prior on held-out faces that are inverted by optimisation: photographs found again.

Beside the encoder's codes as they are: the codes descended from there by the projector, and the
prior tuned on each photograph by low-rank weights around that pivot, both as `reage train ACTOR
--kind face3d` does it, of one photograph. Each is turned, and known again or not among all people.
Run by `make bench-inversion`; its figures stand beside those of `benchmarks.face3d`.
Source: Roich et al. 2022, "Pivotal Tuning for Latent-based Editing of Real Images".

Shapes: N people, B a few of them, R crop size, L style layers, D latent size.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from torch import Tensor

from benchmarks.face3d import INVERTED, NAME
from benchmarks.record import RESULTS, described, write
from benchmarks.turned_heads import TURNS, WANTED, People, TurnedJudge, turned_views
from models.ageing.personal_pass import PhotoBatch
from models.continual.rehearsal import learn_increment
from models.face3d.personal import PersonalFace
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import load_face3d_prior
from models.face3d.projection import Perceptual, project
from models.face3d.recipe import Face3DRecipe
from models.lora.adapter import LowRankAdapter
from models.lora.inject import inject
from models.training import to_crops
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import find_triplane_prior
from tasks.critics import loaded_critics
from tasks.face3d_refs import Face3DPriorRef
from tasks.face3d_training import face3d_recipe
from tasks.refs import PriorRef

WAYS = ("encoder", "projected", "tuned")
_AT_ONCE = 5  # photographs that are projected together


@dataclass(frozen=True, eq=False)
class Inverter:
    """What photographs are inverted with."""

    prior: Face3DPrior
    apart: Perceptual
    recipe: Face3DRecipe

    def projected(self, crops: Tensor, cameras: Tensor) -> Tensor:
        """Returns the anchors (B, L, D) of photographs (B, 3, R, R), from the encoder's codes."""
        return project(
            self.prior.generator,
            crops,
            cameras,
            perceptual=self.apart,
            recipe=self.recipe.projection,
            start=self.prior.encode(crops),
        )

    def tuned(self, photo: PhotoBatch) -> LowRankAdapter:
        """Returns low-rank weights trained on one photograph around its anchor."""
        chance = torch.Generator().manual_seed(self.recipe.seed)
        generator = self.prior.generator
        adapter = LowRankAdapter(generator, self.recipe.low_rank, rng=chance)
        learner = PersonalFace.low_rank(generator, adapter, perceptual=self.apart)
        with tempfile.TemporaryDirectory() as folder:
            learn_increment(
                learner,
                photo,
                None,
                self.recipe.update(),
                checkpoint=Path(folder) / "face.pt",
                report=lambda *_: None,
            )
        return adapter

    def turned(self, photo: PhotoBatch) -> list[list[NDArray[np.uint8]]]:
        """Returns the three ways' heads at every turn, of one photograph with its anchor."""
        assert photo.codes is not None
        generator = self.prior.generator
        with torch.no_grad():
            codes = [self.prior.encode(photo.crops), photo.codes]
            views = [turned_views(generator, generator.identity(code)) for code in codes]
        with inject(generator, self.tuned(photo)), torch.no_grad():
            views.append(turned_views(generator, generator.identity(photo.codes)))
        return views


def main() -> None:
    """Inverts, judges, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--prior", default=None)
    parser.add_argument("--faces", type=int, default=30, help="that are inverted, of all people")
    parser.add_argument("--project-steps", type=int, default=None, help="instead of the recipe's")
    parser.add_argument("--tune-steps", type=int, default=100)
    parser.add_argument("--sheet", type=Path, default=None, help="picture for people to look at")
    asked = parser.parse_args()
    found = find_triplane_prior(asked.prior)
    inverter = _inverter(Face3DPriorRef.of(found), asked.project_steps, asked.tune_steps)
    judge = TurnedJudge(asked.judges)
    people = judge.people(asked.data, inverter.prior.config.crop_size)
    started = time.process_time()
    turned = inverted_heads(inverter, people, asked.faces)
    figures: dict[str, Any] = {
        "prior": found.digest[:12],
        "people": len(people.posed),
        "faces": asked.faces,
        "rank": inverter.recipe.low_rank.rank,
        "project_steps": inverter.recipe.projection.steps,
        "tune_steps": inverter.recipe.steps,
        "cpu_seconds_a_face": round((time.process_time() - started) / asked.faces, 1),
        "wanted_rank1": WANTED,
    }
    for way, pictures in zip(WAYS, turned, strict=True):
        figures[way] = judge.figures(people, pictures, slice(asked.faces))
    _recorded(figures)
    if asked.sheet is not None:
        _sheet(people, turned).save(asked.sheet)
    print(json.dumps(figures, indent=1))


def inverted_heads(inverter: Inverter, people: People, count: int) -> list[list[NDArray[np.uint8]]]:
    """Returns pictures (count, R, R, 3) of the first people, by way and by turn."""
    crops = to_crops(people.crops[:count]).contiguous()
    cameras = torch.from_numpy(np.stack([face.camera.label for face in people.posed[:count]]))
    few = range(0, count, _AT_ONCE)
    codes = [
        inverter.projected(crops[first : first + _AT_ONCE], cameras[first : first + _AT_ONCE])
        for first in track(few, "projected")
    ]
    photos = PhotoBatch(
        crops=crops, ages=torch.zeros(count), codes=torch.cat(codes), cameras=cameras
    )
    rows = torch.arange(count).split(1)
    seen = [inverter.turned(photos.rows(row)) for row in track(rows, "tuned")]
    return [
        [np.stack([views[way][turn] for views in seen]) for turn in range(len(TURNS))]
        for way in range(len(WAYS))
    ]


def _inverter(pointed: Face3DPriorRef, project_steps: int | None, tune_steps: int) -> Inverter:
    recipe = replace(face3d_recipe(pointed), steps=tune_steps, batch_size=1)
    if project_steps is not None:
        recipe = replace(recipe, projection=replace(recipe.projection, steps=project_steps))
    apart = loaded_critics(PriorRef.of(find_prior()), None).perceptual
    return Inverter(load_face3d_prior(Path(pointed.folder)), apart, recipe)


def _recorded(figures: dict[str, Any]) -> None:
    path = RESULTS / f"{NAME}.json"
    known = json.loads(path.read_text()) if path.is_file() else described(NAME, {})
    inverted = {key: value for key, value in described("", figures).items() if key != "benchmark"}
    write(NAME, known | {INVERTED: inverted})


def _sheet(people: People, turned: list[list[NDArray[np.uint8]]]) -> Image.Image:
    """Returns a row a person: the photograph, then every way at every turn."""
    shown = min(8, len(turned[0][0]))
    columns = [people.crops, *(pictures for way in turned for pictures in way)]
    rows = [np.concatenate([column[row] for column in columns], axis=1) for row in range(shown)]
    return Image.fromarray(np.concatenate(rows))


if __name__ == "__main__":
    main()
