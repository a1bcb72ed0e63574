"""Strengths that look even: a monotone course along a line, found from a few pictures.

Moving evenly along a line need not look even. Distances of what is seen are measured at evenly
spaced places, and the course goes to where they are evenly spaced instead. Ends stay ends.

Shapes: P places of the line, evenly spaced from 0 to 1; N pictures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NOTHING = 1e-3  # added up over pictures: below, all that differs is rounding


def relative_distance(apart: ArrayLike) -> NDArray[np.float64]:
    """Returns how much of all the change is seen at each place, (P,), 0 to 1 at the ends.

    Args:
        apart: Distances from what is seen at the start, (P, N), the first row 0. They should add up
            along a way, as a distance does and its square does not. Pictures weigh by how far they
            change.
    """
    total = np.asarray(apart, np.float64).sum(axis=1)
    if not total[-1] > _NOTHING:
        return np.linspace(0, 1, len(total))
    return np.asarray(total / total[-1])


def even_course(apart: ArrayLike) -> tuple[float, ...]:
    """Returns the place for each of P evenly spaced strengths, rising from exactly 0 to exactly 1.

    Where distances do not rise all the way, the course passes over what goes back.

    Args:
        apart: As of `relative_distance`.
    """
    seen = np.clip(np.maximum.accumulate(relative_distance(apart)), 0, 1)
    places = np.linspace(0, 1, len(seen))
    course = np.interp(places, seen, places)
    return (0.0, *(round(float(place), 4) for place in course[1:-1]), 1.0)


def place_at(course: Sequence[float], strengths: ArrayLike) -> NDArray[np.float64]:
    """Returns where on the line strengths of 0-1 lie, 0-1; an empty course is the line's own.

    Args:
        course: Places of evenly spaced strengths, as of `even_course`.
        strengths: Of any shape.
    """
    asked = np.asarray(strengths, np.float64)
    if not len(course):
        return asked
    return np.asarray(np.interp(asked, np.linspace(0, 1, len(course)), course))


def departure(apart: ArrayLike, course: Sequence[float] = ()) -> float:
    """Returns how far what is seen departs from a straight line over the strength, at most, 0-1.

    Args:
        apart: As of `relative_distance`.
        course: As of `place_at`.
    """
    seen = relative_distance(apart)
    places = np.linspace(0, 1, len(seen))
    return float(np.abs(np.interp(place_at(course, places), places, seen) - places).max())
