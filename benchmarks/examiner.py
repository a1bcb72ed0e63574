"""What judges say of faces that were shown at other ages.

Shapes: A target ages, R crop size, K references.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.judges import CropJudge
from benchmarks.sitting import TARGETS, Portrait, Sitting
from models.ageing.compact_prior import CompactPrior
from models.ageing.personal_pass import Personal, PhotoBatch
from models.training import pictures

_DECODED_AT_ONCE = 4


class Examiner:
    """Judges what a method makes of the photographs of one sitting that are asked.

    Args of the constructor:
        identity, age: Networks by others, see `benchmarks.judges.load_judges`.
        align: Takes five points (5, 2) to the identity judge's crop, (2, 3).
    """

    def __init__(
        self, prior: CompactPrior, sitting: Sitting, identity: Any, age: Any, align: Any
    ) -> None:
        self._prior, self._sitting = prior, sitting
        self._judge, self._age = CropJudge(identity, align, prior.alignment), age
        self._references = {
            target: [embed(faces) for embed in self._embedders]
            for target, faces in sitting.references.items()
        }

    @property
    def _embedders(self) -> tuple[Callable[[NDArray[np.uint8]], NDArray[np.float32]], ...]:
        return self._judge.embed, self._by_own

    @torch.no_grad()
    def _by_own(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._prior.embed(_to_crops(faces)).numpy()

    @torch.no_grad()
    def faces(self, personal: Personal, portrait: Portrait) -> NDArray[np.uint8]:
        """Returns a photograph as it is decoded at every target age, uint8, (A, R, R, 3)."""
        photos = _at_all_ages(portrait)
        return pictures(self._decoded(personal(photos, _targets()).personal))

    @torch.no_grad()
    def changed(self, personal: Personal, portrait: Portrait) -> NDArray[np.uint8]:
        """Returns a photograph with its change to every target age, as a shot would have it."""
        photos = _at_all_ages(portrait)
        before, after = (
            self._decoded(personal(photos, ages).personal) for ages in (photos.ages, _targets())
        )
        return pictures(photos.crops + 2 * self._prior.difference(before, after, photos.crops))

    def _decoded(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.cat([self._prior.decode(w) for w in latents.split(_DECODED_AT_ONCE)])

    def true_faces(self) -> NDArray[np.uint8]:
        """Returns the first of the person's own photographs at every target age."""
        return self._sitting.truth[0]

    def examine(self, personal: Personal) -> dict[str, list[float]]:
        """Returns figures by target age, means over the photographs that are asked.

        `likeness`: best cosine with references of the age, by the judge, not a number where there
        are none; `likeness_own`: by the prior's embedder; `age_error`: years between judged and
        asked age.
        """
        return self._means([self.faces(personal, portrait) for portrait in self._sitting.asked])

    def truth(self) -> dict[str, list[float]]:
        """Returns the same figures of the person's own photographs at the target ages."""
        return self._means(list(self._sitting.truth))

    def judged_embeddings(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the judge's unit embeddings (N, E) of faces (N, R, R, 3)."""
        return self._judge.embed(faces)

    def judged(self, faces: NDArray[np.uint8], ages: NDArray[np.int64]) -> tuple[float, float]:
        """Returns mean likeness and age error, years, of faces (N, R, R, 3) asked for at ages.

        Likeness is the best cosine with references of the age, by the judge; ages (N,) are target
        ages of the sitting.
        """
        own = self._judge.embed(faces)
        best = [
            float((self._references[int(age)][0] @ face).max())
            for age, face in zip(ages, own, strict=True)
        ]
        return float(np.mean(best)), float(np.abs(self._age.ages(faces) - ages).mean())

    def _means(self, shown: list[NDArray[np.uint8]]) -> dict[str, list[float]]:
        rows = [self._figures(faces) for faces in shown]
        return {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in rows[0]}

    def _figures(self, faces: NDArray[np.uint8]) -> dict[str, NDArray[np.floating]]:
        judged, own = (embed(faces) for embed in self._embedders)
        return {
            "likeness": self._best(judged, 0),
            "likeness_own": self._best(own, 1),
            "age_error": np.abs(self._age.ages(faces) - np.array(TARGETS)),
        }

    def _best(self, embeddings: NDArray[np.float32], embedder: int) -> NDArray[np.floating]:
        return np.array(
            [
                float((self._references[target][embedder] @ face).max())
                if target in self._references
                else np.nan
                for target, face in zip(TARGETS, embeddings, strict=True)
            ]
        )


def _targets() -> torch.Tensor:
    return torch.tensor([float(target) for target in TARGETS])


def _at_all_ages(portrait: Portrait) -> PhotoBatch:
    """Returns a photograph as often as there are target ages."""
    count = len(TARGETS)
    crops = _to_crops(portrait.crop[None]).expand(count, -1, -1, -1)
    return PhotoBatch(crops=crops, ages=torch.full((count,), portrait.age))


def _to_crops(faces: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1
