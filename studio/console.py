"""Lines on the terminal in which only our own word is styled.

Paths and messages come from files and users: a bracket in them is a bracket, never markup.
"""

from rich.text import Text


def marked(mark: str, style: str, message: object) -> Text:
    """Returns `<mark> <message>` with the mark in a style of rich, the message as it is."""
    return Text.assemble((mark, style), " ", str(message))
