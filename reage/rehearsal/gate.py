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
    barrier: float | None = None,
) -> Verdict:
    """Holds the forgetting of every earlier increment, and the barrier, against the tolerance.

    Args:
        records: Of all increments, the new one last, as they were before this examination.
        faces: Examined under the adapter before and after the update.
        tolerance: By figure; no `barrier` in it tolerates any.
        barrier: On the way from the version before, in parts of the worse end's loss; None where
            there is no version before.
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
    most = tolerance.get("barrier")
    if barrier is not None and most is not None and barrier > most:
        reasons.append(
            f"barrier: got a loss {barrier:.3f} above the worse end's on the way from the version "
            f"before, expected at most {most:g}"
        )
    return Verdict(tuple(reasons))
