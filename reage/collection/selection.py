"""Which photographs of a collection are learnt from: the actor's own, well seen, adult, once each.

Decides on measurements alone, so that it can be done anew whenever a photograph is added. Knows
nothing of pictures, networks or files.

F faces of one photograph, largest first; E embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.collection.ages import (
    AgeStatement,
    Refusal,
    contradictions,
    minor_refusal,
    serial_number_warning,
)
from reage.collection.consensus import Choice, choose_faces, near_duplicates
from reage.collection.portrait_measures import (
    FaceMeasures,
    PortraitLimits,
    fault_of,
    hash_distance,
)

_MAX_TWIN_YEARS = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenPhoto:
    """What was measured of a photograph.

    Attributes:
        name: Within the collection.
        statements: Of the actor's age, the most trusted first; without estimates.
        measures: Of each face, F.
        embeddings: float32, (F, E), unit.
        hashes: bool, (F, 16, 16).
        apparent_ages: float32, (F,), years.
    """

    name: str
    statements: tuple[AgeStatement, ...]
    measures: tuple[FaceMeasures, ...]
    embeddings: NDArray[np.float32]
    hashes: NDArray[np.bool_]
    apparent_ages: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SelectedPhoto:
    """A photograph that is learnt from: which face, how like the actor, and the age that counts."""

    photo: SeenPhoto
    face: int
    similarity: float
    label: AgeStatement

    @property
    def measures(self) -> FaceMeasures:
        """Of the actor's face."""
        return self.photo.measures[self.face]

    @property
    def apparent_age(self) -> float:
        """Of the actor's face, years."""
        return float(self.photo.apparent_ages[self.face])


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownFaces:
    """Faces of the actor that were learnt before, K.

    Attributes:
        names: Of their photographs.
        embeddings: float32, (K, E), unit.
        hashes: bool, (K, 16, 16).
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    hashes: NDArray[np.bool_]

    @property
    def reference(self) -> NDArray[np.float32]:
        """Their mean embedding, unit, (E,)."""
        mean = self.embeddings.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)

    def print_of(self, item: SelectedPhoto, limits: PortraitLimits) -> str | None:
        """Returns the name of the photograph that another is a print of, None of none."""
        similarity = self.embeddings @ item.photo.embeddings[item.face]
        for row in np.flatnonzero(similarity >= limits.duplicate_similarity):
            if (
                hash_distance(self.hashes[row], item.photo.hashes[item.face])
                <= limits.duplicate_bits
            ):
                return self.names[row]
        return None


@dataclass(frozen=True, eq=False)
class Selection:
    """The photographs accepted, in order of age; the others; and what else needs a look."""

    accepted: tuple[SelectedPhoto, ...]
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]


def select_photos(
    photos: Sequence[SeenPhoto],
    *,
    limits: PortraitLimits,
    reference: NDArray[np.float32] | None = None,
    known: KnownFaces | None = None,
) -> Selection:
    """Chooses the actor's face in every photograph and keeps those that are fit to learn from.

    Args:
        photos: Each with at least one face.
        limits: What is asked of a face.
        reference: Unit embedding (E,) of the actor; without one the faces that most photographs
            have in common are the actor's.
        known: Of the actor; the reference where there is no other, and no print of them is kept.
    """
    if reference is None and known is not None:
        reference = known.reference
    choices = _choices(photos, limits, reference)
    fit: list[SelectedPhoto] = []
    refused: list[Refusal] = []
    for photo, choice in zip(photos, choices, strict=True):
        found = _judged(photo, choice, limits)
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            fit.append(found)
    fit, prints = _without_known(fit, known, limits)
    refused += prints
    kept, twins, warnings = _without_twins(fit, limits)
    accepted = sorted(kept, key=lambda item: (item.label.age, item.photo.name))
    return Selection(tuple(accepted), tuple(refused + twins), tuple(warnings + _doubts(fit)))


def _choices(
    photos: Sequence[SeenPhoto], limits: PortraitLimits, reference: NDArray[np.float32] | None
) -> list[Choice]:
    """Chooses by the faces that are well seen, where a photograph has any; the others mislead."""
    rows = []
    for photo in photos:
        well_seen = [
            i for i, face in enumerate(photo.measures) if not fault_of(photo.name, face, limits)
        ]
        rows.append(well_seen or list(range(len(photo.measures))))
    embeddings = [photo.embeddings[chosen] for photo, chosen in zip(photos, rows, strict=True)]
    choices = choose_faces(embeddings, min_similarity=limits.min_similarity, reference=reference)
    return [
        Choice(chosen[choice.face], choice.similarity)
        for chosen, choice in zip(rows, choices, strict=True)
    ]


def _judged(photo: SeenPhoto, choice: Choice, limits: PortraitLimits) -> SelectedPhoto | Refusal:
    fault = fault_of(photo.name, photo.measures[choice.face], limits)
    if fault is not None:
        return fault
    if choice.similarity < limits.min_similarity:
        return Refusal(
            photo.name,
            "another person",
            f"got likeness {choice.similarity:.2f} to the actor, expected at least "
            f"{limits.min_similarity:g}",
        )
    estimate = AgeStatement(float(photo.apparent_ages[choice.face]), "estimated")
    label = photo.statements[0] if photo.statements else estimate
    minor = minor_refusal(photo.name, [label])
    return minor or SelectedPhoto(photo, choice.face, choice.similarity, label)


def _without_known(
    fit: Sequence[SelectedPhoto], known: KnownFaces | None, limits: PortraitLimits
) -> tuple[list[SelectedPhoto], list[Refusal]]:
    if known is None:
        return list(fit), []
    prints = {index: known.print_of(item, limits) for index, item in enumerate(fit)}
    refused = [
        Refusal(fit[i].photo.name, "near-duplicate", f"got another print of {name}, learnt before")
        for i, name in prints.items()
        if name is not None
    ]
    return [item for i, item in enumerate(fit) if prints[i] is None], refused


def _without_twins(
    fit: Sequence[SelectedPhoto], limits: PortraitLimits
) -> tuple[list[SelectedPhoto], list[Refusal], list[str]]:
    if not fit:
        return [], [], []
    twins = near_duplicates(
        np.stack([item.photo.embeddings[item.face] for item in fit]),
        [item.photo.hashes[item.face] for item in fit],
        [item.measures.sharpness for item in fit],
        min_similarity=limits.duplicate_similarity,
        max_bits=limits.duplicate_bits,
    )
    refused, warnings = [], []
    for index, kept in sorted(twins.items()):
        twin, other = fit[index], fit[kept]
        detail = f"got another print of {other.photo.name}, which is as sharp or sharper"
        refused.append(Refusal(twin.photo.name, "near-duplicate", detail))
        if abs(twin.label.age - other.label.age) > _MAX_TWIN_YEARS:
            warnings.append(
                f"{other.photo.name}: age: got {other.label.age:.4g} by {other.label.source}, but "
                f"{twin.label.age:.4g} by {twin.label.source} for {twin.photo.name}, a print of "
                "the same photograph"
            )
    return [item for i, item in enumerate(fit) if i not in twins], refused, warnings


def _doubts(fit: Sequence[SelectedPhoto]) -> list[str]:
    """Returns warnings about ages that contradict one another, or the face."""
    by_name = [(p.label.age, p.apparent_age) for p in fit if p.label.source == "name"]
    serial = serial_number_warning(by_name)
    found = [] if serial is None else [serial]
    for item in fit:
        estimate = None if serial is not None else item.apparent_age
        found += contradictions(item.photo.name, item.photo.statements, estimate=estimate)
    return found
