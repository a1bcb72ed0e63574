"""Templates of the self-contained pages that people read: nothing but themselves is needed.

Whatever comes from a file's name or a manifest is escaped, and a value that is missing is an error.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


@cache
def page_template(name: str) -> Template:
    """Returns a page of `reage/templates`, as `qc.html`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
