"""What a shot's quality figures mean: pass or needs review, and which frames to look at.

Knows nothing of files and pages (qc_page.py).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reage.qc import (
    ActorQC,
    FaceFrame,
    QCReport,
    QCThresholds,
    change_of,
    excess_of,
    known,
    sharpness_of,
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`reasons` is empty exactly when the shot passes."""

    reasons: tuple[str, ...]

    @property
    def is_pass(self) -> bool:
        """Nothing needs a person's eye beyond the usual."""
        return not self.reasons

    @property
    def status(self) -> str:
        """`pass` or `needs review`."""
        return "pass" if self.is_pass else "needs review"


def judge_report(report: QCReport) -> Verdict:
    """Returns pass, or what needs review and why, in words."""
    reasons = _integrity_reasons(report)
    for actor in report.actors:
        reasons += _actor_reasons(actor, report.thresholds)
    return Verdict(reasons=tuple(reasons))


def worst_frames(
    report: QCReport, *, count: int = 4, min_distance: int = 3
) -> list[tuple[int, str]]:
    """Returns frame numbers worth a look, worst first, each with its figures in words.

    Frames closer together than `min_distance` show the same thing; only the worst of them is taken.
    """
    scored: dict[int, tuple[float, list[str]]] = {}
    for actor in report.actors:
        for frame in actor.frames:
            score, words = _badness(frame, report.thresholds)
            so_far = scored.get(frame.frame_number, (0.0, []))
            scored[frame.frame_number] = (max(score, so_far[0]), [*so_far[1], *words])
    for check in report.integrity:
        if check.outside_matte_difference > 0 or check.num_nonfinite:
            words = ["changed outside the matte" if check.outside_matte_difference else "NaN"]
            scored[check.frame_number] = (math.inf, words)
    chosen: list[tuple[int, str]] = []
    for number, (score, words) in sorted(scored.items(), key=lambda item: (-item[1][0], item[0])):
        is_apart = all(abs(number - other) >= min_distance for other, _ in chosen)
        if score > 0 and is_apart and len(chosen) < count:
            chosen.append((number, ", ".join(words)))
    return chosen


def _integrity_reasons(report: QCReport) -> list[str]:
    reasons = []
    missing = report.missing_frames()
    if missing:
        reasons.append(f"{frames_in_words(missing)} missing")
    changed = [f.frame_number for f in report.integrity if f.outside_matte_difference != 0]
    if changed:
        reasons.append(f"the plate was changed outside the matte in {frames_in_words(changed)}")
    broken = [f.frame_number for f in report.integrity if f.num_nonfinite]
    if broken:
        reasons.append(f"pixels that are not numbers in {frames_in_words(broken)}")
    return reasons


def _actor_reasons(actor: ActorQC, limits: QCThresholds) -> list[str]:
    if not any(frame.is_visible for frame in actor.frames):
        return [f"{actor.actor}: the effect is visible in no frame"]
    reasons = []
    for figure in _figures(limits):
        mean = actor.mean(figure.pick)
        if mean is None:
            reasons.append(f"{actor.actor}: {figure.name} was not measured")
        elif mean > figure.limit if figure.is_high_bad else mean < figure.limit:
            worst = actor.worst(figure.pick, is_high_bad=figure.is_high_bad)
            assert worst is not None
            reasons.append(
                f"{actor.actor}: {figure.name} is {figure.form.format(mean)} on average, expected "
                f"at {'most' if figure.is_high_bad else 'least'} "
                f"{figure.form.format(figure.limit)}; worst at frame {worst.frame_number}"
                f"{figure.cure(actor)}"
            )
    jump = actor.worst(change_of)
    if jump is not None and known(change_of(jump)) > limits.max_change_residual:
        reasons.append(
            f"{actor.actor}: the change jumps at frame {jump.frame_number} by "
            f"{known(change_of(jump)):.1%} of full scale, expected at most "
            f"{limits.max_change_residual:.1%}"
        )
    return reasons + _track_reasons(actor, limits)


@dataclass(frozen=True, kw_only=True)
class _Figure:
    name: str
    pick: Callable[[FaceFrame], float | None]
    limit: float
    is_high_bad: bool
    form: str
    cure: Callable[[ActorQC], str] = lambda _: ""


def _figures(limits: QCThresholds) -> tuple[_Figure, ...]:
    return (
        _Figure(
            name="distance of the apparent age from the age asked",
            pick=lambda frame: frame.age_error,
            limit=limits.max_age_error,
            is_high_bad=True,
            form="{:.1f} years",
            cure=_age_cure,
        ),
        _Figure(
            name="identity similarity",
            pick=lambda frame: frame.identity,
            limit=limits.min_identity,
            is_high_bad=False,
            form="{:.2f}",
        ),
        _Figure(
            name="flicker in excess of the plate's",
            pick=excess_of,
            limit=limits.max_flicker_excess,
            is_high_bad=True,
            form="{:.0%}",
        ),
        _Figure(
            name="fine detail kept",
            pick=sharpness_of,
            limit=limits.min_sharpness_kept,
            is_high_bad=False,
            form="{:.0%}",
        ),
    )


def _age_cure(actor: ActorQC) -> str:
    """Says what age to ask for instead, where the face is off to one side on the whole."""
    asked = known(actor.mean(lambda frame: frame.target_age))
    read = known(actor.mean(lambda frame: frame.measured_age))
    if abs(read - asked) < 1:
        return ""
    direction = "an older" if read < asked else "a younger"
    return f"; it looks {read:.0f} where {asked:.0f} was asked: ask for {direction} face"


def _track_reasons(actor: ActorQC, limits: QCThresholds) -> list[str]:
    reasons = []
    frames = actor.cast_frames
    unseen = [f.frame_number for f in frames if f.is_bridged or f.presence == 0]
    if len(unseen) > limits.max_bridged_share * len(frames):
        reasons.append(f"{actor.actor}: the face was not seen in {frames_in_words(unseen)}")
    faded = [f.frame_number for f in frames if not f.is_visible]
    if len(faded) > limits.max_faded_share * len(frames):
        reasons.append(f"{actor.actor}: the effect is faded out in {frames_in_words(faded)}")
    doubtful = [take for take in actor.takes if take.is_doubtful]
    if doubtful:
        takes = ", ".join(f"{take.frames} ({take.in_words()})" for take in doubtful)
        known_ids = [take.track_id for take in actor.takes if take.has_actor]
        reasons.append(
            f"{actor.actor}: left out of frames {takes}; confirm with tracks: {known_ids} in the "
            "shot manifest, or add the track that is theirs"
        )
    return reasons


def _badness(frame: FaceFrame, limits: QCThresholds) -> tuple[float, list[str]]:
    """Returns the largest figure in units of its limit, and the two largest in words."""
    if not frame.is_visible:
        return (0.6, ["faded"]) if frame.fade > 0 else (0.0, [])
    figures: list[tuple[float, str]] = []
    if frame.age_error is not None and frame.measured_age is not None:
        words = f"age {frame.measured_age:.0f} for {frame.target_age:.0f}"
        figures.append((frame.age_error / limits.max_age_error, words))
    if frame.identity is not None:
        share = (1 - frame.identity) / max(1 - limits.min_identity, 1e-6)
        figures.append((share, f"identity {frame.identity:.2f}"))
    excess, change = excess_of(frame), change_of(frame)
    if excess is not None:
        figures.append((excess / limits.max_flicker_excess, f"flicker {excess:+.0%}"))
    if change is not None:
        figures.append((change / limits.max_change_residual, f"change jump {change:.1%}"))
    if frame.is_bridged:
        figures.append((1.0, "bridged"))
    figures.sort(key=lambda figure: -figure[0])
    return (figures[0][0], [w for _, w in figures[:2]]) if figures else (0.0, [])


def frames_in_words(numbers: Sequence[int]) -> str:
    """Returns `frame 1001` or `frames 1001-1004, 1010`; long lists end in a count."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs]
    shown = ", ".join(texts[:4]) + (f" and {len(texts) - 4} more spans" if len(texts) > 4 else "")
    return f"frame {shown}" if len(numbers) == 1 else f"frames {shown}"
