"""Pointers that travel between the tasks of a night; see refs.py for what a ref is."""

from dataclasses import dataclass

from reage.registry.buffers import BufferRecord


@dataclass(frozen=True, kw_only=True)
class BufferRef:
    """A replay buffer in the registry.

    Attributes:
        actor: Whose photographs it holds.
        version: Of the adapter that it goes with.
        digest: SHA-256 of its description.
    """

    actor: str
    version: str
    digest: str

    @classmethod
    def of(cls, record: BufferRecord) -> "BufferRef":
        """Points to a buffer that was found in the registry."""
        return cls(actor=record.actor, version=record.version, digest=record.digest)


@dataclass(frozen=True, kw_only=True)
class ArrivalsRef:
    """Photographs that no night has seen yet: `photographs`, SHA-256 by name, in one JSON file.

    Attributes:
        path: Of the file.
        digest: Content key of the names and digests.
        num_new: How many they are.
        num_left_alone: Further ones that a rollback told nights to leave alone.
        conditions: Content key of what decides on their refusal besides the photographs.
    """

    path: str
    digest: str
    num_new: int
    num_left_alone: int
    conditions: str


@dataclass(frozen=True, kw_only=True)
class IncrementRef:
    """The photographs of one increment: the columns of `Faces` and `is_held_out`, in one .npz file.

    Attributes:
        path: Of the file.
        digest: Content key of the photographs, their labels, the prior and what is held out.
        number: From 1.
        num_learnt: Photographs to learn from.
        num_held_out: The others.
        min_age: Of all its photographs, years.
        max_age: Of all its photographs, years.
    """

    path: str
    digest: str
    number: int
    num_learnt: int
    num_held_out: int
    min_age: float
    max_age: float


@dataclass(frozen=True, kw_only=True)
class ExaminationRef:
    """Figures of an update: `examination.json`, a list of `ExaminedFace`, and `strip.png`.

    Attributes:
        folder: Where they lie.
        digest: Content key of adapters and held-out photographs.
    """

    folder: str
    digest: str
