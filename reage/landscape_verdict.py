"""What a version's landscape means: sound, or what is wrong with it, in words.

Knows nothing of networks, files and pages.
"""

from dataclasses import dataclass

from reage.landscape_report import LandscapeReport, Way

_SOUND = "sound"
_UNDER_TRAINED = "under-trained"
_OTHER_FACE = "learnt from another face"
_BIASES = "biases out of step"
_BARRIER = "behind a barrier"
_WORSE = "worse than the version before"


@dataclass(frozen=True, kw_only=True)
class LandscapeLimits:
    """From where on a figure speaks against a version, or is worth a note.

    Attributes:
        lost_likeness: Cosine that may be lost on a way.
        still_falling: See `Way.still_falling`: a straight slope goes on by 0.05, a way that ends
            at rest by nothing.
        fall: Part of the loss that a training takes away at least.
        bias_harm: How much lower the loss may be with the biases of the start, in parts.
        barrier: See `Way.barrier`.
        plateau: Part of the way that may change nothing.
        wavering: See `Way.wavering`.
        departure: Of a strength from looking even.
    """

    lost_likeness: float = 0.02
    still_falling: float = 0.01
    fall: float = 0.1
    bias_harm: float = 0.1
    barrier: float = 0.05
    plateau: float = 0.5
    wavering: float = 0.3
    departure: float = 0.05


@dataclass(frozen=True, kw_only=True)
class LandscapeVerdict:
    """What was found.

    Attributes:
        kinds: What speaks against the version, in a few words each; none where it is sound.
        reasons: The same in sentences, with figures.
        notes: What is worth knowing and speaks against nothing.
    """

    kinds: tuple[str, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing speaks against the version."""
        return not self.kinds

    @property
    def headline(self) -> str:
        """The verdict in a few words."""
        return ", ".join(self.kinds) or _SOUND


def judge_landscape(
    report: LandscapeReport, limits: LandscapeLimits | None = None
) -> LandscapeVerdict:
    """Returns what a landscape says of its version."""
    limits = limits or LandscapeLimits()
    found = [*_own_faults(report, limits), *_faults_of_update(report, limits)]
    return LandscapeVerdict(
        kinds=tuple(kind for kind, _ in found),
        reasons=tuple(sentence for _, sentence in found),
        notes=tuple(_notes(report, limits)),
    )


def _own_faults(report: LandscapeReport, limits: LandscapeLimits) -> list[tuple[str, str]]:
    """What is wrong with the version itself; one fault explains the others, so the first is told.

    Biases come first: taken back to their start they cost a sound version a little, and no other
    fault gains as much by it.
    """
    way, bare = report.from_start, report.without_biases
    start, end = way.total[0], way.total[-1]
    gain = 1 - bare.total / end
    if gain > limits.bias_harm and bare.total < start:
        return [
            (
                _BIASES,
                f"with the biases of its start the loss would be {gain:.0%} lower: its biases do "
                "not belong to its weights; restore the file or train it again",
            )
        ]
    lost = way.likeness[0] - way.likeness[-1]
    if lost > limits.lost_likeness or end > start:
        return [
            (
                _OTHER_FACE,
                f"likeness to the {report.num_photographs} photographs goes from "
                f"{way.likeness[0]:.2f} to {way.likeness[-1]:.2f} and the loss from {start:.3g} to "
                f"{end:.3g}: the general prior is nearer to this face; look at what it was trained "
                "on",
            )
        ]
    if start - end < limits.fall * start:
        return [
            (
                _UNDER_TRAINED,
                f"the loss falls by {1 - end / start:.0%} only, from {start:.3g} to {end:.3g}: it "
                f"has hardly left the general prior; train longer than its {report.steps} steps",
            )
        ]
    if way.still_falling > limits.still_falling:
        return [
            (
                _UNDER_TRAINED,
                "the loss does not end at rest: a twentieth of the way further on it would fall by "
                f"another {way.still_falling:.1%} of what it has; train longer than its "
                f"{report.steps} steps",
            )
        ]
    return []


def _faults_of_update(report: LandscapeReport, limits: LandscapeLimits) -> list[tuple[str, str]]:
    way, found = report.from_previous, []
    if way is None:
        return []
    if way.barrier > limits.barrier:
        found.append(
            (
                _BARRIER,
                f"between {way.begins} and {way.ends} the loss rises {way.barrier:.0%} above the "
                f"worse of both (up to {limits.barrier:.0%} is let pass): the update went "
                "elsewhere instead of on",
            )
        )
    lost = way.likeness[0] - way.likeness[-1]
    if lost > limits.lost_likeness:
        found.append(
            (
                _WORSE,
                f"likeness falls from {way.likeness[0]:.2f} in {way.begins} to "
                f"{way.likeness[-1]:.2f}",
            )
        )
    return found


def _notes(report: LandscapeReport, limits: LandscapeLimits) -> list[str]:
    way, update, notes = report.from_start, report.from_previous, []
    if way.plateau > limits.plateau:
        notes.append(
            f"a long plateau: over the first {way.plateau:.0%} of the way the loss stays within "
            "5 % of where it began"
        )
    for each in (way, update):
        if each is not None and (words := _wavering_in_words(each, limits)):
            notes.append(words)
    if update is not None and update.barrier <= limits.barrier:
        notes.append(f"connected to {update.begins}: no barrier above {limits.barrier:.0%}")
    slider = report.slider
    if slider.departure is None:
        notes.append("its strength was not measured: between 0 and 1 it is followed as it is")
    elif slider.departure > limits.departure:
        notes.append(
            f"its strength looks uneven: up to {slider.departure:.0%} away from a straight line"
        )
    if not report.is_own_collection:
        notes.append("judged on other photographs than it was trained on")
    return notes


def _wavering_in_words(way: Way, limits: LandscapeLimits) -> str:
    worst = sorted(way.wavering.items(), key=lambda item: -item[1])
    named = [f"{name.replace('_', ' ')} ({back:.0%})" for name, back in worst
             if back > limits.wavering]  # fmt: skip
    if not named:
        return ""
    return f"from {way.begins} on, terms that go back on the way: {', '.join(named)} of their span"
