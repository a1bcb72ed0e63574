"""Contact sheets of a prior in training: what it makes, so far, of faces it is not trained on.

A sheet is made by copies of the networks, so that nothing of the training is touched.

Shapes: N faces shown, A ages, R crop size.
"""

import copy
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import nn

from models.ageing.compact_prior import CompactPrior
from models.training import pictures, to_crops
from reage.age_strip import StripRow, compose_strip
from reage.face_set import FaceSet
from reage.posed_faces import PosedFaceSet

AGES = (25.0, 40.0, 55.0, 70.0, 80.0)
NUM_FACES = 8


def shown_rows(faces: FaceSet | PosedFaceSet, count: int = NUM_FACES) -> NDArray[np.int64]:
    """Returns the rows of the faces to show: of validation, spread over age, always the same.

    Of training where there are none of validation.
    """
    rows = faces.validation if len(faces.validation) else faces.training
    order = rows[np.lexsort((faces.names[rows], faces.ages[rows]))]
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return order[places]


class PriorPreview:
    """Draws one stage's sheets, `previews/<stage>-<step>.png`.

    Args of the constructor:
        prior: Whose networks that are not in training are used as they are when this is made.
        faces: Some of which are shown.
        folder: Of the checkpoints; the sheets lie in `previews` inside.
        ages: To show the faces at; none shows the reconstruction alone.
    """

    def __init__(
        self, prior: CompactPrior, faces: FaceSet, folder: Path, *, ages: Sequence[float] = ()
    ) -> None:
        config = prior.config
        self._prior = copy.deepcopy(prior).cpu().eval().requires_grad_(False)
        self._ages = [age for age in ages if config.min_age <= age <= config.max_age]
        self._rows = shown_rows(faces)
        self._faces, self._folder = faces, folder / "previews"

    def draw(self, networks: nn.Module, stage: str, step: int) -> Path:
        """Draws a sheet and returns its path.

        Args:
            networks: A ModuleDict of those in training, by the prior's names for them.
            stage: Its name.
            step: How many steps are done.
        """
        for name, network in networks.named_children():
            self._prior.get_submodule(name).load_state_dict(network.state_dict())
        sheet = compose_strip(
            self._strip_rows(), headings=["reconstruction", *(f"{age:g}" for age in self._ages)]
        )
        path = self._folder / f"{stage}-{step:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        PillowImage.fromarray(sheet).save(temporary, format="PNG")
        os.replace(temporary, path)
        return path

    @torch.no_grad()
    def _strip_rows(self) -> list[StripRow]:
        prior, faces = self._prior, self._faces
        crops = to_crops(faces.crops[self._rows])
        source_ages = prior.estimate_age(crops)
        made = [prior.decode(prior.encode(crops))]
        for age in self._ages:
            change = prior.change(crops, source_ages, torch.full_like(source_ages, age))
            made.append(crops + 2 * change)  # display units to [-1, 1]
        shown = np.stack([pictures(crops) for crops in made], axis=1)
        return [
            StripRow(label=self._label(row), source=faces.crops[row], faces=faces_of_row)
            for row, faces_of_row in zip(self._rows, shown, strict=True)
        ]

    def _label(self, row: int) -> str:
        age = self._faces.ages[row]
        return f"age {age}" if self._faces.folds[row] <= 1 else f"{age}, trained on"
