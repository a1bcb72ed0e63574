"""What the tests of ageing ask for: sixteen frames, one take, an actor's entry."""

import numpy as np

from reage.defocus import BLURS_PX
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.takes import ActorTake

FRAMES = FrameRange(1001, 1016)
SHARP = np.repeat([-0.5 * BLURS_PX], len(FRAMES), axis=0)  # log ratios of fine to coarse features
TAKE = ActorTake(frames=FRAMES, track_id=0, decided_by="track id")
CURVE = {"keyframes": {1001: 30, 1016: 60}, "interpolation": "linear"}


def entry(target_age=70, *, source_age=40, **settings):
    fields = {"actor": "ada", "target_age": target_age, "source_age": source_age, **settings}
    return ActorInShot.model_validate(fields)
