"""From nights to defaults: what each condition forgets, and what a tolerance lets through."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.tolerances.nights import CONDITIONS
from reage.manifest.nightly import Tolerance
from reage.rehearsal.examination import FIGURES

Row = Mapping[str, Any]  # person, and forgotten by condition: a list of nights


def worst_of(night: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Returns the most that was forgotten of any earlier increment, by figure."""
    return {name: max(values) for name, values in night.items()}


def passes(night: Mapping[str, Sequence[float]], tolerance: Tolerance) -> bool:
    """Says whether the gate lets a night through."""
    limits = tolerance.model_dump()
    return all(value <= limits[name] for name, value in worst_of(night).items())


def summarise(rows: Sequence[Row], tolerance: Tolerance) -> dict[str, Any]:
    """Returns, by condition, nights, what was forgotten at least and at most, and what passes."""
    found = {}
    for condition in CONDITIONS:
        nights = [night for row in rows for night in row["forgotten"][condition]]
        worst = [worst_of(night) for night in nights]
        found[condition] = {
            "nights": len(nights),
            "passes": sum(passes(night, tolerance) for night in nights),
            "forgotten": {
                name: {
                    "least": round(float(min(w[name] for w in worst)), 4),
                    "median": round(float(np.median([w[name] for w in worst])), 4),
                    "most": round(float(max(w[name] for w in worst)), 4),
                }
                for name in FIGURES
            },
        }
    return found


def table_of(summary: Mapping[str, Any], tolerance: Tolerance) -> str:
    """Returns the summary as Markdown."""
    limits = tolerance.model_dump()
    titles = ["the night's update", "nights", *FIGURES, "let through"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for condition, found in summary.items():
        cells = [
            f"{f['median']:+.3f} ({f['least']:+.3f} to {f['most']:+.3f})"
            for f in (found["forgotten"][name] for name in FIGURES)
        ]
        lines.append(_line([condition, str(found["nights"]), *cells, str(found["passes"])]))
    lines.append(_line(["**default tolerance**", "", *(f"{limits[n]:g}" for n in FIGURES), ""]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
