"""What became of one night: a result for each actor, as pages and tables show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from reage.rehearsal.examination import (
    ExaminedFace,
    IncrementRecord,
    mean_forgetting,
    updated_records,
)

Outcome = Literal[
    "updated", "nothing new", "waiting", "none fit", "refused", "stopped", "left alone", "failed"
]
# What needs no one's attention, what does, and what cannot go on.
TONES: dict[Outcome, Literal["good", "quiet", "bad"]] = {
    "updated": "good",
    "nothing new": "quiet",
    "waiting": "quiet",
    "none fit": "quiet",
    "left alone": "quiet",
    "refused": "bad",
    "stopped": "bad",
    "failed": "bad",
}


@dataclass(frozen=True, kw_only=True)
class ActorNight:
    """What became of one actor.

    Attributes:
        actor: As manifests name them; the manifest's path where it could not be read.
        outcome: In a word or two.
        detail: A sentence.
        before: Version that was the latest; empty for none.
        after: Version that is the latest now; empty for none.
        offered: Version that the update was examined as, published or not; empty for none.
        repaired: What a killed night had left to be done, a sentence; empty for nothing.
        num_new: Photographs that came.
        num_left_alone: Photographs that a rollback set aside.
        num_rehearsed: Earlier photographs that were rehearsed.
        report: Folder of the report of what came; empty where nothing did.
        strip: Picture of the same faces under the old and the new version; empty for none.
        landscape: Page of what lies between the old version and the new; empty for none.
        diagnosis: What it says of the new one, in a few words; empty for none.
        records: Of all increments, the new one last, as they were before the examination.
        faces: What was examined.
        reasons: Why the update was refused.
    """

    actor: str
    outcome: Outcome
    detail: str
    before: str = ""
    after: str = ""
    offered: str = ""
    repaired: str = ""
    num_new: int = 0
    num_left_alone: int = 0
    num_rehearsed: int = 0
    report: str = ""
    strip: str = ""
    landscape: str = ""
    diagnosis: str = ""
    records: tuple[IncrementRecord, ...] = ()
    faces: tuple[ExaminedFace, ...] = field(default=(), repr=False)
    reasons: tuple[str, ...] = ()

    @property
    def examined(self) -> list[IncrementRecord]:
        """The records after the examination."""
        return updated_records(self.records, self.faces)

    @property
    def forgetting(self) -> dict[str, float]:
        """Mean forgetting of the earlier increments after the update, by figure."""
        return mean_forgetting(self.examined)

    def row(self) -> dict[str, str]:
        """Returns the night of this actor as a row of a table."""
        forgotten = self.forgetting.get("likeness", self.forgetting.get("identity"))
        return {
            "actor": self.actor,
            "outcome": self.outcome,
            "version": self.after or self.before or "none",
            "new": str(self.num_new),
            "forgetting": "" if forgotten is None else f"{forgotten:+.3f}",
            "detail": self.detail,
        }


@dataclass(frozen=True, kw_only=True)
class Night:
    """All actors of one night, in order of their manifests.

    Attributes:
        day: On which it began.
        actors: What became of each.
        page: Where people see it.
    """

    day: str
    actors: tuple[ActorNight, ...]
    page: str = ""

    @property
    def headline(self) -> str:
        """The night in a line."""
        counts: dict[str, int] = {}
        for night in self.actors:
            counts[night.outcome] = counts.get(night.outcome, 0) + 1
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        return f"{len(self.actors)} actor{'' if len(self.actors) == 1 else 's'}: {said or 'none'}"

    def failures(self) -> Sequence[ActorNight]:
        """Returns the actors whose update failed."""
        return [night for night in self.actors if night.outcome == "failed"]
