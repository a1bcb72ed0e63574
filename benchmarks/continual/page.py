"""The tables of docs/continual.md, written from the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.continual.judging import MEASURES
from benchmarks.continual.summary import TITLES, cell, recovered

PAGE = Path(__file__).parents[2] / "docs" / "continual.md"
_NAMES = {"none": "no rehearsal", "joint": "all at once"}


def fill_in(document: Mapping[str, Any], path: Path = PAGE) -> None:
    """Writes the record's tables into the page; raises ValueError when it has no marks for them."""
    fill_between("measured", measured(document), path)


def fill_between(mark: str, words: str, path: Path = PAGE) -> None:
    """Replaces what stands between `<!-- mark -->` and `<!-- /mark -->`.

    Raises:
        ValueError: The page has no marks.
    """
    text, begin, end = path.read_text(), f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if begin not in text or end not in text:
        raise ValueError(f"{path}: got no {begin} and {end}, expected both")
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{before}{begin}\n\n{words}\n\n{end}{after}")


def measured(document: Mapping[str, Any]) -> str:
    """Returns what was run, the tables and what explains them, as Markdown."""
    return "\n\n".join(
        [
            _run(document),
            _groups(document),
            _rivals(document),
            _explained(document["explained"]),
            _selection(document["selection"]),
        ]
    )


def _explained(found: Mapping[str, Any]) -> str:
    spread = found["within_to_between"].values()
    told = (
        ""
        if found["spearman"] is None
        else f"Over {found['pairs']} pairs, by how much `hull` has the lower score tells by rank "
        f"correlation {found['spearman']:+.2f} (p {found['p_spearman']:.3f}) by how much less of "
        "the distance it forgets. "
    )
    return (
        f"The hull score of what is kept, B = 3, mean over nights: {found['score']['hull']:.3f} of "
        f"`hull`, {found['score']['random']:.3f} of `random`, a ratio of "
        f"{found['score_ratio']:.3f}. {told}Codes of one increment lie "
        f"{min(spread):.2f} to {max(spread):.2f} times as far from its centre as centres of "
        "increments from one another's, by stream."
    )


def _run(document: Mapping[str, Any]) -> str:
    schooling = document["schooling"]
    return (
        f"{document['machine']}, one thread, {document['date']}: {document['rows']} rows on "
        f"{len(document['streams'])} streams ({', '.join(document['streams'])}), "
        f"{document['increments']} increments each, {document['pixels']} px, prior "
        f"{document['prior'][:8]}…, "
        f"{schooling['steps']} steps an increment at rate {schooling['learning_rate']}; "
        f"{document['processor_seconds'] / 60:.0f} processor minutes. Mean ± standard deviation "
        "over rows, all times 10. *Recovered* is the share of the gap between no rehearsal and all "
        "at once that the mean closes."
    )


def _groups(document: Mapping[str, Any]) -> str:
    titles = [f"{TITLES[m]}, {kind}" for m in MEASURES for kind in ("mean", "forgotten")]
    lines = [
        _line(["buffer", "rows", *titles, "recovered: distance, likeness"]),
        _line(["---"] * (len(titles) + 3)),
    ]
    groups = document["groups"]
    for name, group in groups.items():
        cells = [cell(group[m], kind) for m in MEASURES for kind in ("performance", "forgetting")]
        lines.append(_line([_name(name), str(group["rows"]), *cells, _recovered(groups, name)]))
    return "\n".join(lines)


def _recovered(groups: Mapping[str, Any], name: str) -> str:
    if name in _NAMES or not _NAMES.keys() <= groups.keys():
        return "-"
    shares = [f"{100 * recovered(groups, name, m):.0f} %" for m in ("distance", "likeness")]
    return ", ".join(shares)


def _rivals(document: Mapping[str, Any]) -> str:
    titles = ["forgetting, times 10", "B", "pairs", "hull", "random", "difference",
              "hull forgets less", "p, Wilcoxon", "p, t", "streams",
              "p, Wilcoxon of streams"]  # fmt: skip
    lines = [_line(titles), _line(["---"] * len(titles))]
    for size, measures in document["hull_against_random"].items():
        for measure, found in measures.items():
            if found["pairs"] < 2:
                continue
            numbers = [f"{10 * found[k]:.3f}" for k in ("hull", "random", "difference")]
            less = f"{found['hull_forgets_less']} of {found['pairs']}"
            tests = [f"{found[k]:.3f}" for k in ("p_wilcoxon", "p_t")]
            streams = f"{found['hull_forgets_less_by_stream']} of {found['streams']}"
            tests += [streams, _p(found["p_wilcoxon_by_stream"])]
            lines.append(
                _line([TITLES[measure], size, str(found["pairs"]), *numbers, less, *tests])
            )
    return "\n".join(lines)


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _selection(found: Mapping[str, Any]) -> str:
    titles = ["pool", "B", "authors' search, s", "ours, s", "our score to theirs", "worst",
              "better / worse / pools"]  # fmt: skip
    lines = [_line(titles), _line(["---"] * len(titles))]
    for size, row in found["nightly"].items():
        times = [f"{row[k]:.3f}" for k in ("seconds_authors", "seconds_ours")]
        ratios = [f"{row[k]:.3f}" for k in ("score_ratio", "worst_score_ratio")]
        count = f"{row['ours_better']} / {row['ours_worse']} / {row['pools']}"
        lines.append(_line(["a night's", size, *times, *ratios, count]))
    for size, row in found["10000 codes"].items():
        drawn = next(value for key, value in row.items() if key.startswith("score_authors_of"))
        times = [f"{row['seconds_authors_of_5000']} (scaled)", f"{row['seconds_ours']}"]
        ratio = f"{row['score_ours'] / drawn:.3f} (to 20 draws)"
        lines.append(_line(["10,000 codes", size, *times, ratio, "", ""]))
    return "\n".join(lines)


def _name(group: str) -> str:
    if group in _NAMES:
        return _NAMES[group]
    strategy, size = group.split("-")
    return f"{strategy}, B = {size}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
