"""The word by which an operation with two implementations is told which one to use."""

from typing import Literal, get_args

Implementation = Literal["fast", "reference"]


def check_implementation(place: str, value: str) -> None:
    """Checks the name of an implementation.

    Raises:
        ValueError: `value` is neither "fast" nor "reference".
    """
    if value not in get_args(Implementation):
        raise ValueError(
            f"{place}: implementation: got {value!r}, expected one of {get_args(Implementation)}"
        )
