"""Whether an update may be published: what it forgot, held against the manifest's tolerance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reage.rehearsal.examination import ExaminedFace, IncrementRecord, updated_records


@dataclass(frozen=True)
class Verdict:
    """The judgement: why an update is refused, one sentence each; none when it passes."""

    reasons: tuple[str, ...]

    @property
    def is_pass(self) -> bool:
        """Whether nothing is against publishing it."""
        return not self.reasons


def judge_update(
    records: Sequence[IncrementRecord],
    faces: Sequence[ExaminedFace],
    tolerance: Mapping[str, float],
) -> Verdict:
    """Holds the forgetting of every earlier increment against the tolerance.

    Args:
        records: Of all increments, the new one last, as they were before this examination.
        faces: Examined under the adapter before and after the update.
        tolerance: By figure.
    """
    reasons = []
    for before, after in zip(records[:-1], updated_records(records, faces)[:-1], strict=True):
        for name, forgotten in after.forgetting().items():
            if forgotten > tolerance[name]:
                reasons.append(
                    f"increment {after.number} ({before.day}): {name}: got "
                    f"{after.last[name]:.3f}, {forgotten:.3f} worse than its best before "
                    f"({after.best[name]:.3f}), expected at most {tolerance[name]:g}"
                )
    return Verdict(tuple(reasons))
