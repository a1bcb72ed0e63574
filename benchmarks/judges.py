"""Judges by others, loaded from a folder: identity, apparent age and apparent gender.

The folder holds judge.py (`Judge`) and judge_age.py (`AgeJudge`) with their weights. They are no
part of the project, and nothing is trained or chosen by them.

Shapes: N pictures, E embedding size.
"""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.prior import TemplateAlignment

Picture = NDArray[np.uint8]

_BATCH = 64
_SIDE = 112  # pixels that the age judge sees a face at
_CROP_POINTS = ((33, 133), (362, 263), (4, 4), (61, 61), (291, 291))  # mesh, ends averaged


def load_judges(folder: Path) -> tuple[Any, Any]:
    """Returns the identity judge and the age judge of a folder."""
    identity = _module(folder / "judge.py").Judge()
    return identity, _module(folder / "judge_age.py").AgeJudge()


def judge_alignment(folder: Path) -> Any:
    """Returns what takes five points (5, 2) to the identity judge's crop, as (2, 3)."""
    return _module(folder / "judge.py").similarity_to_template


class CropJudge:
    """The identity judge, looking at crops that lie as a prior wants them.

    Args of the constructor:
        identity: See `load_judges`.
        align: See `judge_alignment`.
        alignment: Of the crops.
    """

    def __init__(self, identity: Any, align: Any, alignment: TemplateAlignment) -> None:
        places = dict(zip(alignment.landmark_indices, alignment.template, strict=True))
        five = [np.mean([places[a], places[b]], axis=0) for a, b in _CROP_POINTS]
        self._identity, self._to_judge = identity, align(np.array(five))

    def embed(self, faces: Picture) -> NDArray[np.float32]:
        """Returns unit identity embeddings (N, E) of crops (N, R, R, 3)."""
        cut = [
            cv2.warpAffine(
                face, self._to_judge, (96, 112), flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for face in faces
        ]  # fmt: skip
        return np.asarray(self._identity.embed_crops(np.stack(cut)))


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"judges_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path}: got no such file, expected a judge")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Jury:
    """Both judges of a folder, asked in batches."""

    def __init__(self, folder: Path) -> None:
        self._identity, self._age = load_judges(folder)
        self._age_module = sys.modules[type(self._age).__module__]

    def embed(self, pictures: Sequence[Picture], points: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Returns unit identity embeddings (N, E) of RGB pictures with five points (5, 2) each."""
        parts = [
            self._identity.embed(pictures[i : i + _BATCH], points[i : i + _BATCH])
            for i in range(0, len(pictures), _BATCH)
        ]
        return np.concatenate(parts)

    def ages_and_genders(
        self, pictures: Sequence[Picture]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Reads apparent age, years, and which of two gender logits is larger, both (N,).

        Which logit means which gender the judge does not say; see `gender_names`.
        """
        ages, genders = np.zeros(len(pictures), np.float32), np.zeros(len(pictures), np.int64)
        for rows in _of_one_size(pictures):
            pooled = self._pooled(np.stack([pictures[row] for row in rows]))
            ages[rows] = self._head(pooled, "age")[:, 0]
            genders[rows] = self._head(pooled, "gender").argmax(axis=1)
        return ages, genders

    def check(self, picture: Picture) -> None:
        """Raises ValueError unless the age is the one that the judge itself reads."""
        own, ours = self._age.ages(picture[None]), self.ages_and_genders([picture])[0]
        if not np.allclose(own, ours, atol=1e-3):
            raise ValueError(
                f"judge_age.py: AgeJudge.ages: got {own[0]:.3f}, expected {ours[0]:.3f}"
            )

    def _head(self, pooled: Tensor, name: str) -> NDArray[np.float32]:
        weights = self._age.p
        return (pooled @ weights[f"fc/{name}/weights"] + weights[f"fc/{name}/bias"]).numpy()

    @torch.inference_mode()
    def _pooled(self, crops: Picture) -> Tensor:
        """The features that all heads read: `AgeJudge.ages` up to its last line."""
        judge, F = self._age, torch.nn.functional
        x = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        x = F.interpolate(x, size=_SIDE, mode="bilinear", antialias=True, align_corners=False)
        x = F.relu(judge._conv((x - self._age_module._MEAN) / 255, "entry_flow/conv_in", 2))
        x = judge._reduction(x, "entry_flow/reduction_block_0", False)
        x = judge._reduction(x, "entry_flow/reduction_block_1")
        for block in range(2):
            x = judge._main(x, f"middle_flow/main_block_{block}")
        x = judge._separable(judge._reduction(x, "exit_flow/reduction_block"), _LAST)
        return F.avg_pool2d(F.relu(x), 7, 2).flatten(1)


_LAST = "exit_flow/separable_conv"


def _of_one_size(pictures: Sequence[Picture]) -> list[list[int]]:
    """Rows of pictures that can be stacked, in batches."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for row, picture in enumerate(pictures):
        by_size.setdefault(picture.shape, []).append(row)
    return [rows[i : i + _BATCH] for rows in by_size.values() for i in range(0, len(rows), _BATCH)]


def gender_names(
    judged: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float]:
    """Decides which logit means which gender, by which way round the labels are met more often.

    Args:
        judged: The larger logit, 0 or 1, (N,).
        labels: 0 male, 1 female, anything else unknown, (N,).

    Returns:
        The label that each logit stands for, (2,), and the share of labels met, 0.5-1.
    """
    known = np.isin(labels, (0, 1))
    met = float((judged[known] == labels[known]).mean()) if known.any() else 0.5
    return (np.array([0, 1]), met) if met >= 0.5 else (np.array([1, 0]), 1 - met)
