"""What a version of an actor's adapter rests on: trained, updated at night, or published.

Plain values, kept with the version and shown on its card.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from reage.learners import LearnerKind
from reage.registry.weights import RIGHTS


@dataclass(frozen=True, kw_only=True)
class AdapterFacts(ABC):
    """What any adapter rests on.

    Attributes:
        kind: Of the weights, as the entry's description states it.
        origin: Where such adapters come from, in a word.
        prior_name: As manifests name the prior.
        prior_digest: SHA-256 (hex) of the prior's weights.
        licence: On what terms the weights may be used.
        consent_document: Id of the document that allowed learning from the actor.
        network: Sizes of the network, as its config has them; empty where they are the prior's.
    """

    kind: ClassVar[str]
    origin: ClassVar[str]

    prior_name: str
    prior_digest: str
    licence: str
    consent_document: str
    network: Mapping[str, Any]

    @abstractmethod
    def card_lines(self) -> list[str]:
        """Returns what the card says of where the adapter comes from."""


@dataclass(frozen=True, kw_only=True)
class TrainedFacts(AdapterFacts):
    """Of an adapter trained on the actor's collection; its terms are the prior's.

    Attributes:
        collection_digest: Content key of the photographs and their ages.
        num_photographs: How many were learnt from.
        min_age: Youngest age among them, years.
        max_age: Oldest.
        recipe: Settings of the training.
        metrics: Figures of the training, by name.
        strength_course: Where on the line from the prior (0) to the adapter (1) evenly spaced
            strengths lie, so that they look even; empty in versions from before it was measured.
    """

    kind: ClassVar[str] = "adapter"
    origin: ClassVar[str] = "trained"

    collection_digest: str
    num_photographs: int
    min_age: float
    max_age: float
    recipe: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    strength_course: Sequence[float] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength_course", tuple(self.strength_course))

    def card_lines(self) -> list[str]:
        """Returns what was learnt from, and the figures of the training."""
        return [
            f"- learnt from {self.num_photographs} photographs, ages {self.min_age:g} to "
            f"{self.max_age:g}; collection {self.collection_digest}",
            *(f"- {name}: {value:g}" for name, value in sorted(self.metrics.items())),
        ]


@dataclass(frozen=True, kw_only=True)
class UpdatedFacts(TrainedFacts):
    """Of an adapter that a night made of an earlier version and new photographs.

    Of the trained facts, `num_photographs` are the new ones that were learnt from, the ages cover
    every increment so far, and `metrics` are figures of the examination.

    Attributes:
        parent: Version that was learnt on from; empty for a first one.
        increment: Which increment the new photographs are, from 1.
        num_rehearsed: Earlier photographs that were rehearsed.
        buffer_digest: SHA-256 (hex) of the description of the replay buffer that goes with it.
        learner: What of the person's model was learnt.
    """

    kind: ClassVar[str] = "adapter-update"
    origin: ClassVar[str] = "nightly"

    parent: str
    increment: int
    num_rehearsed: int
    buffer_digest: str
    learner: LearnerKind = "adapter"

    def card_lines(self) -> list[str]:
        """Returns what it came of, what was learnt from and rehearsed, and the figures."""
        began = f"increment {self.increment}, " + (
            f"learnt on from {self.parent}" if self.parent else "the first"
        )
        return [
            f"- learner: {self.learner}",
            f"- {began}; {self.num_rehearsed} earlier photographs rehearsed",
            *super().card_lines(),
            f"- replay buffer: SHA-256 {self.buffer_digest}",
        ]


@dataclass(frozen=True, kw_only=True)
class Face3DFacts(TrainedFacts):
    """Of low-rank weights over a 3D prior, trained on the actor's collection, and their anchors.

    Attributes:
        photographs: Their names, in order of age, which is the anchors'; empty in versions from
            before they were kept.
    """

    kind: ClassVar[str] = "face3d"
    origin: ClassVar[str] = "trained in 3D"

    photographs: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "photographs", tuple(self.photographs))


@dataclass(frozen=True, kw_only=True)
class PublishedFacts(AdapterFacts):
    """Of a published MyTimeMachine checkpoint, kept as what it adds to the prior.

    Attributes:
        source: Name of the file that it came from.
        source_digest: SHA-256 (hex) of that file.
    """

    kind: ClassVar[str] = "mytm"
    origin: ClassVar[str] = "published"

    source: str
    source_digest: str

    def card_lines(self) -> list[str]:
        """Returns the file, what of it is kept, and what is not known."""
        return [
            f"- imported from {self.source}, SHA-256 {self.source_digest}; Reage does not know "
            "what it was learnt from",
            "- holds the adapter network, and what of picture encoder, decoder and mean latent is "
            "not the prior's; the age encoder is the prior's",
            f"- {RIGHTS}",
        ]
