"""The recipe of a compact prior: every number that a training run depends on.

A recipe is read from JSON (configs/prior/*.json); keys that it leaves out have the values below.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from models.ageing.compact_prior import CompactConfig, config_from_dict
from models.ageing.prior_files import tuples

PHOTOGRAPHIC, SECOND_RECOGNISED = "photographic", "second recognised"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training loop: how many steps of how many crops, at which learning rate."""

    steps: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"Stage.{name}: got {getattr(self, name)}, expected above 0")


@dataclass(frozen=True, kw_only=True)
class SizedStage(Stage):
    """A phase of a stage that grows: `size` is that of the pictures made, pixels; None is full."""

    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class PathSettings:
    """How the conditional means are taken and how far along them a face is moved."""

    spread_years: float = 5.0
    shrinkage: float = 40.0
    gain: float = 1.5
    rejuvenation_gain: float = 1.0
    tint_gain: float = 1.0
    neutral_colour: bool = True


@dataclass(frozen=True, kw_only=True)
class GameSettings(Stage):
    """What stages against discriminators share: rates, weights of the terms, ages that are drawn.

    The discriminators are the faster players.
    """

    warm_up: int = 60  # steps in which the discriminators learn alone
    trunk_rate: float = 8e-4
    head_rate: float = 2e-3
    adversarial: float = 0.5
    extent: float = 0.3
    variation: float = 0.5
    colour: float = 4.0
    free_shift: float = 0.01  # of a channel's mean, display units, that goes nearly unpunished
    chroma: float = 3.0
    identity: float = 0.3
    symmetry: float = 1.5
    eyes: float = 0.6
    surroundings: float = 0.0  # of change beside the face, as a darkened background
    young_share: float = 0.35  # of targets drawn below `young_age` only
    young_age: float = 35.0
    source_flatten: float = 0.5  # of the faces changed: 0 ages as they come, 1 all alike
    min_target: float = 18.0
    max_target: float = 85.0
    wrong_age_years: float = 12.0


@dataclass(frozen=True, kw_only=True)
class AdversarySettings(GameSettings, SizedStage):
    """A phase of the adversarial stage; `learning_rate` is the encoder's and the synthesis'."""

    seen_size: int | None = None  # pixels that the discriminator is shown; None is all there are
    personal_rate: float = 3e-4
    reconstruction: float = 1.0
    features: float = 0.15


@dataclass(frozen=True, kw_only=True)
class FinishSettings(GameSettings):
    """A phase of the finishing stage, in which only the finish learns, with `learning_rate`."""

    seen_size: int = 64  # pixels of the whole crops that a discriminator is shown
    fine: float = 1.0  # of the second discriminator's score, which is shown windows at full size
    likeness_to_decoded: float = 0.1  # seen from afar: a person's own way of ageing
    mismatched: float = 0.25  # of photographs with a wrong age among the negatives
    recognised: float = 0.0  # how others' recogniser meets re-aged faces; above 0 needs one
    recognised_features: float = 0.0  # the same, of the features that lead to its embeddings
    known_again: float = 0.0  # that it knows a re-aged face again among others
    photographic: float = 0.0  # how a network that names all things meets them; above 0 needs one
    second_recognised: float = 0.0  # how a second recogniser meets them; above 0 needs one
    rejuvenation_gain: float | None = None  # of moves to a younger age; None is the path's

    @property
    def by_onlooker(self) -> dict[str, float]:
        """Weights of what networks beside the recogniser say, by the term's name."""
        return {PHOTOGRAPHIC: self.photographic, SECOND_RECOGNISED: self.second_recognised}

    @property
    def needs_recogniser(self) -> bool:
        """Whether the phase asks what a face recogniser by others says."""
        return max(self.recognised, self.recognised_features, self.known_again) > 0 or (
            self.needs_viewer or self.needs_second
        )

    @property
    def needs_viewer(self) -> bool:
        """Whether the phase asks what a network of all things, by others, sees."""
        return self.photographic > 0

    @property
    def needs_second(self) -> bool:
        """Whether the phase asks what a second recogniser by others says."""
        return self.second_recognised > 0


@dataclass(frozen=True, kw_only=True)
class RecognitionSettings:
    """Whom a face recogniser by others compares re-aged faces with."""

    num_real: int = 7000  # real faces, drawn with all ages alike
    real_years: float = 3.0  # standard deviation of nearness in age to those
    num_remembered: int = 4000  # re-aged faces, the last ones
    num_fewest: int = 600  # remembered ones, before which nothing is compared
    remembered_years: float = 5.0  # standard deviation of nearness in age to those
    source_years: float = 10.0  # standard deviation of nearness in the age they were re-aged from
    far_years: float = 10.0  # of ageing, up to which a face counts less
    temperature: float = 0.1  # of the cosines by which a face is known among the real ones
    same_photograph: float = 0.8  # cosine above which a real face is the photograph itself

    def __post_init__(self) -> None:
        if not 1 <= self.num_fewest <= self.num_remembered or self.num_real < 1:
            raise ValueError(
                f"RecognitionSettings: sizes: got {self}, expected at least 1 real face, and the "
                "fewest between 1 and those remembered"
            )


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """Between which gains, and by which faces, moves are set once all is trained."""

    targets: tuple[float, ...] = (20.0, 30.0, 40.0)  # years asked for; none leaves the gain alone
    older_targets: tuple[float, ...] = (60.0, 70.0, 80.0)  # the same of moves to an older age
    apart_years: float = 10.0  # of the faces moved, at least
    near_years: float = 3.0  # of the real faces that they are told against
    num_faces: int = 500  # validation faces, at most, of either kind
    least: float = 0.75  # of the path's gain, for older moves of 1
    most: float = 1.25  # from there on faces move away from real ones again (docs/prior.md)

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.most or self.num_faces < 1:
            raise ValueError(
                f"CalibrationSettings: got {self}, expected 0 < least <= most and at least 1 face"
            )


PhaseT = TypeVar("PhaseT", bound=Stage)


class Position(NamedTuple, Generic[PhaseT]):
    """Where a step lies in a stage of several phases."""

    phase: PhaseT
    since: int  # steps into the phase
    remaining: int  # steps from the phase's start to the stage's end


class Phases(Generic[PhaseT]):
    """The phases of one stage, one after the other."""

    def __init__(self, phases: Sequence[PhaseT]) -> None:
        self._phases = phases
        self._starts = [0, *accumulate(phase.steps for phase in phases)]

    @property
    def steps(self) -> int:
        """Steps of the whole stage."""
        return self._starts[-1]

    def number(self, step: int) -> int:
        """Returns which phase a step lies in, the first being 1."""
        return bisect_right(self._starts, step)

    def at(self, step: int) -> Position[PhaseT]:
        """Returns the phase of a step that is counted from the stage's start."""
        current = self.number(step) - 1
        start = self._starts[current]
        return Position(self._phases[current], step - start, self.steps - start)


@dataclass(frozen=True, kw_only=True)
class PriorRecipe:
    """All of it. Stages run in the order of the fields; 0-19 folds are told by file name."""

    prior: CompactConfig
    seed: int = 0
    min_faces: int = 2000
    regressor: Stage = field(
        default_factory=lambda: Stage(steps=1600, batch_size=96, learning_rate=3e-3)
    )
    embedder: Stage = field(
        default_factory=lambda: Stage(steps=600, batch_size=96, learning_rate=2e-3)
    )
    autoencoder: tuple[SizedStage, ...] = (
        SizedStage(steps=1100, batch_size=32, learning_rate=3e-3),
    )
    path: PathSettings = field(default_factory=PathSettings)
    adversary: tuple[AdversarySettings, ...] = ()  # phases; none leaves the path alone
    windows: Stage = field(
        default_factory=lambda: Stage(steps=500, batch_size=48, learning_rate=1.5e-3)
    )
    finish: tuple[FinishSettings, ...] = ()  # phases; a prior without a finish has none
    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    witness: Stage = field(
        default_factory=lambda: Stage(steps=1500, batch_size=64, learning_rate=3e-3)
    )
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        if bool(self.finish) != bool(self.prior.finish_channels):
            raise ValueError(
                f"PriorRecipe.finish: got {len(self.finish)} phases and prior.finish_channels "
                f"{list(self.prior.finish_channels)}, expected both or neither"
            )

    @property
    def learnt_gain(self) -> float:
        """Of moves to a younger age, at which the last phase that learnt learnt."""
        last = self.finish[-1].rejuvenation_gain if self.finish else None
        return last or self.path.rejuvenation_gain

    @property
    def needs_recogniser(self) -> bool:
        """Whether a phase asks what a face recogniser by others says."""
        return any(phase.needs_recogniser for phase in self.finish)

    @property
    def needs_viewer(self) -> bool:
        """Whether a phase asks what a network of all things, by others, sees."""
        return any(phase.needs_viewer for phase in self.finish)

    @property
    def needs_second(self) -> bool:
        """Whether a phase asks what a second recogniser by others says."""
        return any(phase.needs_second for phase in self.finish)


def load_recipe(path: Path) -> PriorRecipe:
    """Reads a recipe from JSON.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no JSON object, or has a key or value that no recipe has.
    """
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        nested: dict[str, Any] = {
            "prior": config_from_dict,
            "regressor": lambda d: Stage(**d),
            "embedder": lambda d: Stage(**d),
            "autoencoder": lambda phases: tuple(SizedStage(**d) for d in phases),
            "path": lambda d: PathSettings(**d),
            "adversary": lambda phases: tuple(AdversarySettings(**d) for d in phases),
            "windows": lambda d: Stage(**d),
            "finish": lambda phases: tuple(FinishSettings(**d) for d in phases),
            "recognition": lambda d: RecognitionSettings(**d),
            "witness": lambda d: Stage(**d),
            "calibration": lambda d: CalibrationSettings(**tuples(d)),
        }
        built = {k: nested[k](v) if k in nested else v for k, v in plain.items()}
        return PriorRecipe(**built)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: got no JSON ({error}), expected a prior recipe") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: got {error}, expected a prior recipe") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def recipe_dict(recipe: PriorRecipe) -> dict[str, Any]:
    """Returns a recipe as plain JSON values."""
    return asdict(recipe)
