"""Photographs of an actor whose ageing is known, made from two real portraits.

The first portrait is the actor at its own age; over the years the face drifts towards the second's
features, besides ageing as the prior has it. Every photograph is taken a little differently:
turned, nearer or farther, lighter or darker, warmer or cooler, with grain.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.ageing.prior import Prior
from models.ageing.synthetic_actor import SyntheticActor
from reage.compositing import Layer, composite
from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.geometry import Similarity
from reage.image import Image
from reage.photograph import read_photograph
from reage.storage.local import atomic_file
from tasks.crops import crop_from_picture, crop_from_synthesis, to_tensor
from tasks.gpu import device, loaded_prior
from tasks.portraits import aligned_crop
from tasks.refs import PriorRef

DRIFT = 1.0
_Face = tuple[NDArray[np.float32], NDArray[np.float64]]  # pixels and landmarks
_FEATHER = 0.25
_BORDER = cv2.BORDER_REPLICATE
_TURN_DEG, _ZOOM, _SHIFT_PX = 7.0, 0.12, 10.0
_EXPOSURE, _GAMMA, _TINT, _GRAIN = 0.12, 0.15, 0.03, 0.012


def write_photographs(
    portrait: Path,
    other: Path,
    folder: Path,
    prior: PriorRef,
    *,
    ages: Sequence[int],
    seed: int = 0,
) -> None:
    """Writes one PNG an age, `{age}_{n}.png`; files that are there already stay.

    Args:
        portrait: The actor.
        other: Who the actor's features drift towards.
        folder: Where to.
        prior: By which the actor ages.
        ages: Years; one may occur several times.
        seed: Of how the photographs are taken.

    Raises:
        FaceError: A portrait shows no face.
    """
    network = loaded_prior(prior)
    pixels, landmarks = _portrait(portrait)
    actor = _between(network, (pixels, landmarks), _portrait(other), amount=DRIFT)
    back = crop_from_picture(landmarks, network.alignment).inverse() @ crop_from_synthesis(network)
    folder.mkdir(parents=True, exist_ok=True)
    for number, years in enumerate(ages):
        target = folder / f"{years}_{number:03d}.png"
        if target.is_file():
            continue
        change = actor.changes(torch.tensor([float(years)], device=device()))[0]
        aged = _aged(pixels, change, back, landmarks)
        taken = _taken(aged, np.random.default_rng([seed, number]))
        with atomic_file(target, place=str(target)) as partial:
            PillowImage.fromarray(taken).save(partial, format="PNG")


def actor_between(
    portrait: Path, other: Path, prior: PriorRef, *, amount: float = DRIFT
) -> SyntheticActor:
    """Makes the actor alone; arguments and errors as of `write_photographs`.

    `amount` is the size of the drift, see `SyntheticActor.between`.
    """
    return _between(loaded_prior(prior), _portrait(portrait), _portrait(other), amount=amount)


def _between(network: Prior, face: _Face, other: _Face, *, amount: float) -> SyntheticActor:
    own, towards = (to_tensor(aligned_crop(*each, network)[None]) for each in (face, other))
    age = float(network.estimate_age(own)[0])
    return SyntheticActor.between(network, own, [towards], age=age, amount=amount)


def _portrait(path: Path) -> _Face:
    """Returns pixels (H, W, 3), 0-1, and the landmarks of the largest face."""
    photograph = read_photograph(path)
    with FaceFinder() as finder:
        faces = finder.detect(photograph.display)
    if not faces:
        raise FaceError(f"{path}: faces: got none, expected a portrait")
    largest = max(faces, key=lambda face: face.box[2] - face.box[0])
    return photograph.pixels, largest.landmarks


def _aged(
    pixels: NDArray[np.float32],
    change: torch.Tensor,
    portrait_from_crop: Similarity,
    landmarks: NDArray[np.float64],
) -> NDArray[np.float32]:
    layer = Layer(
        change=np.ascontiguousarray(change.permute(1, 2, 0).cpu().numpy()),
        plate_from_crop=portrait_from_crop,
        landmarks=landmarks,
        opacity=1.0,
        feather=_FEATHER,
        expand=0.0,
    )
    result, _ = composite(Image(pixels, "srgb", 8), [layer])
    return result.pixels


def _taken(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One way of taking the picture, uint8, (H, W, 3)."""
    height, width = pixels.shape[:2]
    centre = np.array([width / 2, height / 2])
    spin = Similarity.from_parts(
        scale=float(np.exp(rng.uniform(-_ZOOM, _ZOOM))),
        angle_deg=float(rng.uniform(-_TURN_DEG, _TURN_DEG)),
        shift=np.zeros(2),
    )
    moved = rng.uniform(-_SHIFT_PX, _SHIFT_PX, 2) + centre - spin.apply(centre[None])[0]
    shift = Similarity.from_parts(scale=1.0, angle_deg=0.0, shift=moved)
    framed = cv2.warpAffine(
        pixels, (shift @ spin).matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=_BORDER
    ).clip(0.0, 1.0)
    lit = framed ** np.exp(rng.uniform(-_GAMMA, _GAMMA)) * (1 + rng.uniform(-_EXPOSURE, _EXPOSURE))
    lit = lit * (1 + rng.uniform(-_TINT, _TINT, 3)) + rng.normal(0, _GRAIN, framed.shape)
    return np.rint(np.clip(lit, 0.0, 1.0) * 255).astype(np.uint8)
