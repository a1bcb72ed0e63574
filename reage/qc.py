"""Quality control of a re-aged shot: what was measured, frame by frame, and by what it is judged.

Knows nothing of how the figures were made (flicker.py, the networks), of what they mean together
(qc_verdict.py) nor of files and pages (qc_page.py).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from reage.flicker import FrameFlicker
from reage.framerange import FrameRange
from reage.image import Image
from reage.takes import ActorTake

_VISIBLE_FADE = 0.5  # below this the effect is mostly faded out and its age says little


@dataclass(frozen=True, kw_only=True)
class QCThresholds:
    """Where a supervisor is asked to look; means are over frames in which the effect is visible.

    Attributes:
        max_age_error: Mean of |measured - asked|, years.
        min_identity: Mean cosine of the plate's and the output's identity embeddings.
        max_flicker_excess: Mean excess of the output's flicker over the plate's.
        max_change_residual: Change residual of a single frame, display units.
        min_sharpness_kept: Mean energy of fine detail, output over plate.
        max_bridged_share: Share of frames whose face was bridged or lost.
        max_faded_share: Share of frames in which the effect is faded to less than a half.
    """

    max_age_error: float = 10.0
    min_identity: float = 0.5
    max_flicker_excess: float = 0.25
    max_change_residual: float = 0.02
    min_sharpness_kept: float = 0.6
    max_bridged_share: float = 0.1
    max_faded_share: float = 0.25


@dataclass(frozen=True, kw_only=True)
class FrameIntegrity:
    """What must hold of every delivered frame, whatever it shows.

    Attributes:
        frame_number: Studio frame number.
        outside_matte_difference: Largest |output - plate| where all mattes are 0; must be 0.
        num_nonfinite: NaN or infinite values that the plate does not have; must be 0.
        matte_coverage: Part of the picture that the matte covers, 0-1; None where not measured.
    """

    frame_number: int
    outside_matte_difference: float
    num_nonfinite: int
    matte_coverage: float | None = None


@dataclass(frozen=True, kw_only=True)
class FaceFrame:
    """One actor in one frame. A figure that is not a number counts as not measured.

    Attributes:
        frame_number: Studio frame number.
        source_age: Years before.
        target_age: Years asked for, the strength included.
        measured_age: Apparent age of the output, years; None where it was not measured.
        identity: Cosine of the plate's and the output's identity embeddings; None as above.
        presence: Confidence of the track, 0-1; 0 is lost.
        fade: How much of the effect is applied, 0-1.
        is_bridged: The face was not seen here; its place comes from its neighbours in time.
        is_cast: The actor is in this frame's take.
        flicker: Against the frame before; None where it was not measured.
        held_back: Share of the face's matte that something is in front of, 0-1; None where nothing
            was looked for.
    """

    frame_number: int
    source_age: float
    target_age: float
    measured_age: float | None = None
    identity: float | None = None
    presence: float = 1.0
    fade: float = 1.0
    is_bridged: bool = False
    is_cast: bool = True
    flicker: FrameFlicker | None = None
    held_back: float | None = None

    def __post_init__(self) -> None:
        for name in ("measured_age", "identity"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                object.__setattr__(self, name, None)

    @property
    def is_visible(self) -> bool:
        """The effect is more there than not."""
        return self.fade >= _VISIBLE_FADE

    @property
    def age_error(self) -> float | None:
        """Returns |measured - asked| in years."""
        return None if self.measured_age is None else abs(self.measured_age - self.target_age)


@dataclass(frozen=True, kw_only=True)
class ActorQC:
    """One actor over the shot.

    Attributes:
        actor: Name of the actor's manifest.
        consent_document: Identifier of the consent record.
        frames: In order.
        adapter: Version of the adapter, or `none`.
        track: Which face, and how it was chosen, in words.
        takes: Which face it is in each take of the plate, and how that was decided.
        consent_terms: What the consent record covers, in words.
    """

    actor: str
    consent_document: str
    frames: tuple[FaceFrame, ...]
    adapter: str = "none"
    track: str = ""
    takes: tuple[ActorTake, ...] = ()
    consent_terms: str = ""

    def mean(self, pick: Callable[[FaceFrame], float | None]) -> float | None:
        """Returns the mean of a figure over frames in which the effect is visible."""
        values = [v for f in self.frames if f.is_visible and (v := pick(f)) is not None]
        return sum(values) / len(values) if values else None

    def worst(
        self, pick: Callable[[FaceFrame], float | None], *, is_high_bad: bool = True
    ) -> FaceFrame | None:
        """Returns the visible frame with the worst figure."""
        candidates = [f for f in self.frames if f.is_visible and pick(f) is not None]
        if not candidates:
            return None
        choose = max if is_high_bad else min
        return choose(candidates, key=lambda frame: known(pick(frame)))

    @property
    def cast_frames(self) -> tuple[FaceFrame, ...]:
        """Those of takes with the actor."""
        return tuple(frame for frame in self.frames if frame.is_cast)


@dataclass(frozen=True, kw_only=True)
class PriorCard:
    """The prior's model card in a line or two."""

    name: str
    digest: str
    licence: str
    min_age: float
    max_age: float
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class QCReport:
    """Everything the report says.

    Attributes:
        show: Name of the show.
        shot_code: As `sq010_sh0040`.
        version: As `v003`.
        created: ISO date.
        frames: Frames that must be there.
        frame_rate: Frames per second.
        integrity: One entry for each frame delivered.
        actors: Who was re-aged.
        prior: What did it.
        versions: Software, by name.
        digests: SHA-256 of what went in, by name.
        outputs: SHA-256 of what came out, by name; of an image sequence over those of its frames.
        colour: What the plate's numbers were taken to mean, in words.
        thresholds: What the verdict is measured by.
    """

    show: str
    shot_code: str
    version: str
    created: str
    frames: FrameRange
    frame_rate: Fraction
    integrity: tuple[FrameIntegrity, ...]
    actors: tuple[ActorQC, ...]
    prior: PriorCard
    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    colour: str = ""
    thresholds: QCThresholds = field(default_factory=QCThresholds)

    def missing_frames(self) -> list[int]:
        """Returns the frame numbers that were expected and not delivered."""
        return sorted(set(self.frames) - {frame.frame_number for frame in self.integrity})


def check_frame(
    frame_number: int, plate: Image, output: Image, matte: NDArray[np.floating]
) -> FrameIntegrity:
    """Checks that the output is the plate outside the matte and holds no new NaN or infinity.

    Args:
        frame_number: Studio frame number.
        plate: As read.
        output: As composited, before any lossy encoding.
        matte: Union of all actors' mattes, (H, W); 0 is outside.
    """
    outside = matte == 0
    before, after = plate.pixels, output.pixels
    is_same = (before == after) | (np.isnan(before) & np.isnan(after))
    changed = outside & ~is_same.all(axis=2)
    difference = 0.0
    if changed.any():
        # A NaN that appears from nowhere is a difference without bound.
        steps = np.abs(after[changed] - before[changed])
        difference = float(np.max(np.where(np.isnan(steps), np.inf, steps)))
    new_nonfinite = ~np.isfinite(after) & np.isfinite(before)
    return FrameIntegrity(
        frame_number=frame_number,
        outside_matte_difference=difference,
        num_nonfinite=int(new_nonfinite.sum()),
        matte_coverage=float(matte.mean()),
    )


def excess_of(frame: FaceFrame) -> float | None:
    """Returns the frame's excess of flicker."""
    return None if frame.flicker is None else frame.flicker.excess


def change_of(frame: FaceFrame) -> float | None:
    """Returns the frame's change residual."""
    return None if frame.flicker is None else frame.flicker.change_residual


def sharpness_of(frame: FaceFrame) -> float | None:
    """Returns how much of the frame's fine detail was kept."""
    return None if frame.flicker is None else frame.flicker.sharpness_kept


def known(value: float | None) -> float:
    """Returns a figure that the caller knows to be there."""
    assert value is not None
    return value
