"""What became of a collection: the photographs accepted and refused, and why, as data.

The page is drawn by page.py, the contact sheet by sheet.py.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.collection.ages import AgeSource, Refusal
from reage.collection.portrait_measures import FaceMeasures, PortraitLimits

SCHEMA_VERSION = 1
FEW_PHOTOGRAPHS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class AcceptedPhoto:
    """A photograph that is learnt from.

    Attributes:
        name: Within the collection.
        age: Years.
        age_source: Where the age comes from.
        apparent_age: What the prior's regressor reads from the face, years.
        similarity: Cosine to the actor's mean embedding.
        measures: How well the face is seen.
        preview: The aligned crop's framing, uint8, (P, P, 3).
    """

    name: str
    age: float
    age_source: AgeSource
    apparent_age: float
    similarity: float
    measures: FaceMeasures
    preview: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class RefusedPhoto:
    """A file that is not learnt from, and why; the thumbnail (h, w, 3) is None if unreadable."""

    refusal: Refusal
    thumbnail: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class CollectionReport:
    """Everything that people should see of a collection.

    Attributes:
        actor: Whose photographs they are.
        place: Folder or prefix they were taken from.
        prior: Name of the prior whose alignment they are in.
        chosen_by: How the actor was told from others.
        accepted: In order of age.
        refused: In order of reason and name.
        warnings: Contradictions and what else needs a look.
        limits: What was asked of a photograph.
    """

    actor: str
    place: str
    prior: str
    chosen_by: str
    accepted: tuple[AcceptedPhoto, ...]
    refused: tuple[RefusedPhoto, ...]
    warnings: tuple[str, ...]
    limits: PortraitLimits

    @property
    def num_estimated(self) -> int:
        """Photographs whose age nobody stated."""
        return sum(photo.age_source == "estimated" for photo in self.accepted)

    @property
    def headline(self) -> str:
        """The collection in a line: how many, of which ages, from where the ages are."""
        if not self.accepted:
            return "no photograph was accepted"
        ages = [photo.age for photo in self.accepted]
        sources = Counter(photo.age_source for photo in self.accepted)
        told = ", ".join(
            f"{count} {'' if source == 'estimated' else 'by '}{source}"
            for source, count in sources.most_common()
        )
        return (
            f"{len(ages)} photographs, ages {min(ages):.0f}-{max(ages):.0f} ({told}), "
            f"{len(self.refused)} refused, prior {self.prior}"
        )

    def reasons(self) -> Mapping[str, int]:
        """Returns how many files were refused for each reason, the most frequent first."""
        counted = Counter(photo.refusal.reason for photo in self.refused)
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def document(self) -> dict[str, Any]:
        """Returns the report as plain JSON values, without the pictures."""
        return {
            "schema_version": SCHEMA_VERSION,
            "actor": self.actor,
            "collection": self.place,
            "prior": self.prior,
            "chosen_by": self.chosen_by,
            "num_accepted": len(self.accepted),
            "num_estimated": self.num_estimated,
            "reasons": dict(self.reasons()),
            "accepted": [
                {
                    "name": photo.name,
                    "age": round(photo.age, 2),
                    "age_source": photo.age_source,
                    "apparent_age": round(photo.apparent_age, 1),
                    "similarity": round(photo.similarity, 3),
                    **{key: round(value, 3) for key, value in asdict(photo.measures).items()},
                }
                for photo in self.accepted
            ],
            "refused": [asdict(photo.refusal) for photo in self.refused],
            "warnings": list(self.warnings),
            "limits": asdict(self.limits),
        }
