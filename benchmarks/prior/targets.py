"""What a prior has to reach, for the small tier and the large, and whether it does.

Knows the record's layout and no measurement; see figures.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.prior.measures import METHODS

TIERS = ("small", "large")
AGES_JUDGED = ("30", "50", "70")
RESOLVED_ERRORS = 2  # an unedited KID below this many of its standard errors tells nothing

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One figure with its bounds.

    Attributes:
        what: In words.
        value: Reads it off the record; None where it was not measured.
        small, large: The bounds of the tiers.
        at_least: Whether more is better.
        form: How it is written, a format specification.
        unit: Written after it.
    """

    what: str
    value: Callable[[Facts], float | None]
    small: float
    large: float
    at_least: bool
    form: str = ".2f"
    unit: str = ""

    def written(self, value: float | None) -> str:
        """Returns a value of it as a reader wants it."""
        return "not measured" if value is None else f"{value:{self.form}}{self.unit}"

    def is_met(self, value: float | None, tier: str) -> bool:
        """Whether a value reaches the bound of a tier; what was not measured does not."""
        bound = float(getattr(self, tier))
        if value is None:
            return False
        return value >= bound if self.at_least else value <= bound


def _prior(facts: Facts) -> Any:
    return facts["methods"][METHODS["crop"]]


def _age_miss(facts: Facts) -> float:
    judged = _prior(facts)["judged_age"]
    return max(abs(judged[age] - float(age)) for age in AGES_JUDGED)


def _worst_kid_ratio(facts: Facts) -> float | None:
    told = [age["ratio"] for age in facts["kid"]["by_age"].values() if is_resolved(age)]
    return max(told, default=None)


def is_resolved(age: Mapping[str, float | None]) -> bool:
    """Whether unedited faces of other ages can be told from real ones of an age at all."""
    unedited, error = age["unedited"], age["unedited_error"]
    if unedited is None or error is None or age["ratio"] is None:
        return False
    return unedited > RESOLVED_ERRORS * error


def _worse(kind: str) -> Callable[[Facts], float | None]:
    return lambda facts: facts["by_group"][kind]["worst"]["worse"]


TABLE = (
    Target("Spearman of asked and judged age", lambda f: _prior(f)["spearman"], 0.75, 0.85, True),
    Target("judged age at 30, 50, 70: furthest off", _age_miss, 8, 5, False, ".1f", " years"),
    Target(
        "judged older at 80 than at 20",
        lambda f: _prior(f)["direction_right"], 0.98, 0.98, True, ".1%",
    ),
    Target(
        "identity rank-1 of 100, moves up to 20 years",
        lambda f: _prior(f)["rank1_within_20"], 0.95, 0.95, True, ".1%",
    ),
    Target(
        "identity rank-1 of 100, moves of 35-45 years",
        lambda f: _prior(f)["rank1_by_move"]["35-45"]["mean"], 0.80, 0.85, True, ".1%",
    ),
    Target(
        "reconstruction at the own age, PSNR",
        lambda f: f["reconstruction"]["psnr_db"], 21, 23, True, ".1f", " dB",
    ),
    Target("KID to real faces of the age, of unedited: worst", _worst_kid_ratio, 0.5, 0.5, False),
    Target(
        "mean colour shift, CIELAB", lambda f: _prior(f)["colour_shift_mean"], 3, 3, False
    ),
    Target("worst group behind the groups' mean", _worse("groups"), 0.15, 0.15, False, ".1%"),
    Target("worst gender behind the genders' mean", _worse("genders"), 0.15, 0.15, False, ".1%"),
    Target("weights file", lambda f: f["weights_mb"], 48, 48, False, ".1f", " MB"),
    Target(
        "encode + decode of a crop",
        lambda f: f["milliseconds_per_crop"]["encode_decode_float32"],
        120, 120, False, ".0f", " ms",
    ),
)  # fmt: skip


def verdicts(facts: Facts) -> list[dict[str, Any]]:
    """Returns, for every target: what, value, value as written, and by tier wanted and met."""
    told = []
    for target in TABLE:
        value = target.value(facts)
        sign = "at least " if target.at_least else "at most "
        tiers = {
            tier: {
                "wanted": sign + target.written(getattr(target, tier)),
                "met": target.is_met(value, tier),
            }
            for tier in TIERS
        }
        told.append(
            {"what": target.what, "value": value, "written": target.written(value), **tiers}
        )
    return told


def show_targets(facts: Facts) -> None:
    """Prints the targets with what is met."""
    table = Table("target", "value", *(f"{tier} tier" for tier in TIERS), title="targets")
    for row in facts["targets"]:
        cells = [f"{met(row[tier])} ({row[tier]['wanted']})" for tier in TIERS]
        table.add_row(row["what"], row["written"], *cells)
    console = Console()
    console.print(table)
    for kind, told in facts["by_group"].items():
        worst = told["worst"]
        console.print(f"furthest behind of {kind}: {worst['group']} in {worst['figure']}")


def met(tier: Mapping[str, Any]) -> str:
    """Returns met or not met."""
    return "met" if tier["met"] else "not met"
