"""Small pieces of Markdown documents: tables, and values as people read them."""

from collections.abc import Sequence
from typing import Any


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table with a line of heads."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Returns a time as `1 h 02 min` or `3 min 04 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def figure(value: float | None, form: str) -> str:
    """Returns a figure in a format, `not told` where there is none."""
    return "not told" if value is None else format(value, form)


def dashed(sizes: Sequence[int]) -> str:
    """Returns sizes as `8-16-32`."""
    return "-".join(str(size) for size in sizes)
