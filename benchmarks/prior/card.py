"""The part of a prior's model card that the benchmark writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.prior.measures import METHODS
from benchmarks.prior.tables import GROUP_FIGURES, written
from benchmarks.prior.targets import TIERS, met
from reage.markdown import table
from tasks.prior_card import CARD_NAME, JUDGED, JUDGED_END


def card_section(facts: Mapping[str, Any]) -> str:
    """Returns the figures of a record as Markdown, without the marker lines."""
    prior = facts["methods"][METHODS["crop"]]
    judged = " / ".join(f"{age:.0f}" for age in prior["judged_age"].values())
    targets = table(
        ["target", "value", *(f"{tier} tier" for tier in TIERS)],
        [
            [row["what"], row["written"], *(f"{row[t]['wanted']}: {met(row[t])}" for t in TIERS)]
            for row in facts["targets"]
        ],
    )
    moves = table(
        ["rank-1 by move, years", *prior["rank1_by_move"]],
        [["prior", *(written(move["mean"]) for move in prior["rank1_by_move"].values())]],
    )
    groups = [_groups(kind, told) for kind, told in facts["by_group"].items()]
    lines = [
        f"{facts['faces']} held-out faces, targets 20, 30 ... 80, judged by networks of others "
        f"(`make bench-prior`). {facts['date']}, commit {facts['commit']}, {facts['machine']}. "
        f"Weights {facts['digest'][:12]}.",
        targets,
        f"Judged age at 20 / 30 / ... / 80: {judged}. FID (features of a face recogniser, so few "
        f"faces that it compares with no published figure): decoded {facts['fid']['decoded']}, "
        f"outputs {facts['fid']['outputs_mean']}.",
        moves,
        *groups,
    ]
    return "\n\n".join(lines)


def _groups(kind: str, told: Mapping[str, Any]) -> str:
    rows = [[name, *map(written, told[name].values())] for name in GROUP_FIGURES]
    return table([kind, *(f"{name} ({count})" for name, count in told["faces"].items())], rows)


def with_section(card: str, section: str) -> str:
    """Returns a card with what stands between its marker lines replaced.

    Raises:
        ValueError: It has not both marker lines, in order.
    """
    before, begin, rest = card.partition(JUDGED)
    _, end, after = rest.partition(JUDGED_END)
    if not begin or not end:
        raise ValueError(
            f"{CARD_NAME}: got no section, expected the lines {JUDGED} and {JUDGED_END}"
        )
    return f"{before}{JUDGED}\n\n{section}\n\n{JUDGED_END}{after}"


def rewrite_card(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Writes the figures into the model card of a prior's folder; returns its path."""
    path = folder / CARD_NAME
    path.write_text(with_section(path.read_text(), card_section(facts)))
    return path
