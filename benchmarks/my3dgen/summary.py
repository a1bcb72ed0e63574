"""What the rows of `make bench-my3dgen` come to: means, spreads, and whether targets are met."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.my3dgen.rows import FULL, FULL_SLOW

MEASURES = ("likeness", "perceptual", "psnr")
LARGEST_LOSS = 0.03  # of likeness, rank 1 against full fine-tuning


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns a line for every kind, number of photographs and way: means and spreads."""
    groups: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["photographs"], row["way"]), []).append(row)
    lines = []
    for (kind, photographs, way), own in groups.items():
        line = {"kind": kind, "photographs": photographs, "way": way, "numbers": own[0]["numbers"]}
        for name in (*MEASURES, "processor_seconds"):
            values = [float(row[name]) for row in own]
            line[name] = round(statistics.fmean(values), 4)
            line[f"{name}_spread"] = round(statistics.pstdev(values), 4)
        lines.append(line)
    return lines


def verdicts(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns, by kind and number of photographs, rank 1 against the better full fine-tuning."""
    found = []
    for kind, photographs in dict.fromkeys((x["kind"], x["photographs"]) for x in lines):
        own = {
            x["way"]: x["likeness"]
            for x in lines
            if (x["kind"], x["photographs"]) == (kind, photographs)
        }
        best = max(own[FULL], own[FULL_SLOW])
        found.append(
            {
                "kind": kind,
                "photographs": photographs,
                "rank_1": own["rank 1"],
                "full": best,
                "within_3_percent": own["rank 1"] >= (1 - LARGEST_LOSS) * best,
                "better": own["rank 1"] > best,
            }
        )
    return found


def printed(figures: Mapping[str, Any], console: Console) -> None:
    """Prints the table and the verdicts."""
    columns = ("hidden change", "photographs", "way", "numbers", *MEASURES, "s")
    table = Table(*columns, box=None, pad_edge=False)
    for line in figures["summary"]:
        measures = [f"{line[name]:.3f} ± {line[f'{name}_spread']:.3f}" for name in MEASURES]
        table.add_row(
            line["kind"],
            str(line["photographs"]),
            line["way"],
            f"{line['numbers']:,}",
            *measures,
            f"{line['processor_seconds']:.0f}",
        )
    console.print(table)
    for verdict in figures["verdicts"]:
        console.print(verdict)
