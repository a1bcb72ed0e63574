"""Prints what was measured of a prior: methods, moves, groups, realism by age."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.prior.measures import METHODS, MOVES

GROUP_FIGURES = ("spearman", "age_gain", "rank1", "colour_shift", "gender_kept")
Facts = Mapping[str, Any]


def show_all(facts: Facts) -> None:
    """Prints every table but the targets'."""
    console = Console()
    console.print(methods_table(facts["methods"]))
    console.print(moves_table(facts["methods"]))
    for kind, told in facts["by_group"].items():
        console.print(groups_table(kind, told))
    console.print(kid_table(facts["kid"]))
    judge = facts["gender_judge"]
    console.print(f"gender judge meets {judge['accuracy']:.1%} of labels, logits {judge['logits']}")
    console.print(f"galleries of {facts['methods'][METHODS['crop']]['gallery']}")
    console.print(f"{facts['seconds']} s, {facts['processor_seconds']} s of processors")
    console.print(f"FID {facts['fid']}", f"reconstruction {facts['reconstruction']}", sep="\n")


def methods_table(methods: Facts) -> Table:
    """Returns the methods side by side."""
    table = Table(
        "method",
        "Spearman",
        "80 > 20",
        "moved right",
        "rank-1 mean (min)",
        "colour mean (max)",
        "gender kept",
        "judged 20 / 30 / ... / 80",
    )
    for name, row in methods.items():
        table.add_row(
            name,
            written(row["spearman"]),
            written(row["direction_right"]),
            written(row["moved_right"]),
            f"{written(row['rank1_mean'])} ({written(row['rank1_min'])})",
            f"{row['colour_shift_mean']:.2f} ({max(row['colour_shift'].values()):.2f})",
            written(row["gender_kept_mean"]),
            " / ".join(f"{age:.0f}" for age in row["judged_age"].values()),
        )
    return table


def moves_table(methods: Facts) -> Table:
    """Returns rank-1 by the size of the move, with how many it was counted on."""
    table = Table("rank-1 by move", *MOVES)
    for name, row in methods.items():
        moves = row["rank1_by_move"].values()
        table.add_row(name, *(f"{written(m['mean'])} ({m['count']})" for m in moves))
    return table


def groups_table(kind: str, told: Facts) -> Table:
    """Returns figures by group."""
    names = [f"{name} ({count})" for name, count in told["faces"].items()]
    table = Table(kind, *names)
    for figure in GROUP_FIGURES:
        table.add_row(figure, *(written(value) for value in told[figure].values()))
    return table


def kid_table(kid: Facts) -> Table:
    """Returns KID by age: outputs and the same people unedited, against real faces."""
    table = Table("KID at", "people", "real", "outputs", "unedited", "ratio")
    for target, age in kid["by_age"].items():
        table.add_row(
            target,
            str(age["people"]),
            f"{age['real']} (+-{age['window_years']} years)",
            f"{age['edited']:.4f} +- {age['edited_error']:.4f}",
            f"{age['unedited']:.4f} +- {age['unedited_error']:.4f}",
            f"{written(age['ratio'])} +- {written(age['ratio_error'])}",
        )
    return table


def written(value: float | None) -> str:
    """Returns a figure with three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"
