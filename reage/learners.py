"""What of a person's model a night updates.

MyTimeMachine's adapter network, all weights of the prior's decoder, or low-rank weights added to
them.
"""

from typing import Literal, get_args

LearnerKind = Literal["adapter", "generator", "low_rank"]
LEARNER_KINDS: tuple[LearnerKind, ...] = get_args(LearnerKind)
