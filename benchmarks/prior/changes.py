"""What re-ages photographs in a benchmark of priors: a prior's changes, or those of mean pictures.

A prior re-ages from the age that it reads off a face itself; the change is warped back and added to
the photograph at its own size, wherever the crop is (`crop`) or inside the pipeline's face matte
(`face`).

Shapes: N faces, S crop size in pixels, A ages 0-119.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.held_out import HeldOutFace
from models.ageing.prior import Prior, TemplateAlignment
from reage.geometry import Similarity, warp_to_plate
from reage.labelled_faces import LabelledPhoto, align_crop
from reage.matte import face_matte
from tasks.crops import face_in_crop

BATCH = 16
Picture = NDArray[np.uint8]
Change = NDArray[np.float32]


def template_of(prior: Prior) -> TemplateAlignment:
    """Returns how the prior's crops are aligned; raises TypeError where it is by no template."""
    if not isinstance(prior.alignment, TemplateAlignment):
        raise TypeError(f"prior: alignment: got {prior.alignment}, expected a TemplateAlignment")
    return prior.alignment


class PriorChanges:
    """What a prior changes in each of some faces, with ages and codes read once.

    Attributes:
        crops: float32, (N, S, S, 3), display units 0-1.
        decoded: The same, synthesised at the face's own age.
        source_ages: Years, (N,), as the prior reads them.
        crop_from_picture: N similarities.
    """

    def __init__(self, prior: Prior, faces: Sequence[HeldOutFace]) -> None:
        self._prior, self._faces = prior, faces
        aligned = [aligned_crop(face, template_of(prior)) for face in faces]
        self.crop_from_picture = [similarity for _, similarity in aligned]
        self.crops = np.stack([crop for crop, _ in aligned])
        told = zip(faces, self.crop_from_picture, strict=True)
        mattes = [face_in_crop(f.landmarks, place, self.crops.shape[1]) for f, place in told]
        self._mattes = torch.from_numpy(np.stack(mattes)[:, None])
        self._crops = (torch.from_numpy(self.crops).permute(0, 3, 1, 2) * 2 - 1).contiguous()
        with torch.inference_mode():
            chunks = self._crops.split(BATCH)
            ages = torch.cat([prior.estimate_age(c) for c in chunks])
            self._codes = torch.cat([prior.encode(c) for c in chunks])
            self._sources = torch.cat(
                [
                    self._decoded_at(number, ages.split(BATCH)[number], None)
                    for number in range(len(chunks))
                ]
            )
        self._ages, self.source_ages = ages, ages.numpy()
        self.decoded = np.clip(self._sources.permute(0, 2, 3, 1).numpy() / 2 + 0.5, 0, 1)

    @torch.inference_mode()
    def at(self, target_age: float) -> Change:
        """Returns the change of every crop, (N, S, S, 3), display units."""
        parts = []
        for number, ages in enumerate(self._ages.split(BATCH)):
            aged = self._decoded_at(number, ages, target_age)
            sources = self._sources.split(BATCH)[number]
            crops = self._crops.split(BATCH)[number]
            mattes = self._mattes.split(BATCH)[number]
            parts.append(self._prior.difference(sources, aged, crops, mattes))
        return np.ascontiguousarray(torch.cat(parts).permute(0, 2, 3, 1).numpy())

    def _decoded_at(self, number: int, ages: Tensor, target_age: float | None) -> Tensor:
        """Synthesises a chunk at an age, or at the faces' own ages."""
        crops, codes = self._crops.split(BATCH)[number], self._codes.split(BATCH)[number]
        if target_age is None:
            offset = self._prior.source_offset(crops, codes, ages)
        else:
            target = torch.full_like(ages, target_age)
            offset = self._prior.ageing_offset(crops, codes, ages, target)
        return self._prior.decode(codes + offset).float()

    def pictures(self, changes: Change, *, matte: str) -> list[Picture]:
        """Returns the photographs with changes (N, S, S, 3) of their crops added."""
        told = zip(self._faces, changes, self.crop_from_picture, strict=True)
        return [
            applied(face.picture, self._in_picture(face, change, place, matte))
            for face, change, place in told
        ]

    def _in_picture(
        self, face: HeldOutFace, change: Change, crop_from_picture: Similarity, matte: str
    ) -> Change:
        full = warp_to_plate(change, crop_from_picture.inverse(), face.size).full(face.size)
        if matte == "face":
            full = full * face_matte(face.landmarks, face.size).full(face.size)[..., None]
        return full


def aligned_crop(
    face: HeldOutFace, alignment: TemplateAlignment
) -> tuple[NDArray[np.float32], Similarity]:
    """Returns a face's crop, float32, (S, S, 3), 0-1, and crop_from_picture."""
    return align_crop(
        face.picture,
        face.landmarks,
        template=np.array(alignment.template),
        indices=np.array(alignment.landmark_indices),
        size=alignment.size,
    )


def applied(picture: Picture, change: Change) -> Picture:
    """Adds a change in display units to a picture."""
    return np.clip(np.rint(picture + change * 255), 0, 255).astype(np.uint8)


class PixelMeans:
    """The baseline: gain x difference of mean pictures by age and gender (Burt & Perrett 1995).

    Args of the constructor:
        sums: (2, A, S, S, 3) of pictures 0-1 by gender and age, see `pixel_sums`.
        counts: (2, A).
    """

    SIZE, SPREAD_YEARS, AGES = 128, 5.0, 120

    def __init__(
        self, sums: NDArray[np.floating], counts: NDArray[np.floating], *, gain: float
    ) -> None:
        self._gain = gain
        years = np.arange(self.AGES)
        kernel = np.exp(-0.5 * ((years[:, None] - years) / self.SPREAD_YEARS) ** 2)
        total = np.einsum("ab,gbn->gan", kernel, sums.reshape(2, self.AGES, -1), optimize=True)
        means = total / (counts @ kernel.T + 1e-6)[..., None]
        self._means = means.reshape(sums.shape).astype(np.float32)

    def pictures(self, faces: Sequence[HeldOutFace], target_age: float) -> list[Picture]:
        """Returns the photographs of faces as they look at an age by their labels' means."""
        pictures = []
        for face in faces:
            means = self._means[max(face.photo.gender, 0)]
            change = self._gain * (means[int(target_age)] - means[face.photo.age])
            full = cv2.resize(change, face.size, interpolation=cv2.INTER_CUBIC)
            pictures.append(applied(face.picture, full))
        return pictures


def pixel_sums(
    photos: Sequence[LabelledPhoto],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Adds up photographs by gender and age: (2, A, S, S, 3), 0-1, and counts (2, A)."""
    size = PixelMeans.SIZE
    sums = np.zeros((2, PixelMeans.AGES, size, size, 3), np.float32)
    counts = np.zeros((2, PixelMeans.AGES), np.float32)
    for photo in photos:
        if photo.gender in (0, 1):
            small = cv2.resize(photo.read(), (size, size), interpolation=cv2.INTER_AREA)
            sums[photo.gender, photo.age] += small / np.float32(255)
            counts[photo.gender, photo.age] += 1
    return sums, counts
