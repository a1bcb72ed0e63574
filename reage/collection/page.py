"""The report of a collection as one self-contained page: what was accepted, what was not, and why.

As the QC page it needs nothing but itself, and everything that came from a file's name is escaped.
"""

from pathlib import Path

from reage.collection.report import CollectionReport
from reage.collection.sheet import age_caption
from reage.pages import page_template
from reage.qc_page import data_uri
from reage.storage.local import atomic_file

_PREVIEW_PX, _THUMBNAIL_PX = 128, 200
_SHOWN_WARNINGS = 5  # more are folded away: the faces come first


def write_collection_page(report: CollectionReport, path: Path) -> None:
    """Writes the page; it appears whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    page = render_collection_page(report)
    with atomic_file(path, place=str(path)) as partial:
        partial.write_text(page, encoding="utf-8")


def render_collection_page(report: CollectionReport) -> str:
    """Returns the page as HTML."""
    return page_template("collection.html").render(
        report=report,
        shown_warnings=_SHOWN_WARNINGS,
        accepted=[
            {
                "photo": photo,
                "age": age_caption(photo),
                "picture": data_uri(photo.preview, width=_PREVIEW_PX),
            }
            for photo in report.accepted
        ],
        refused=[
            {
                "refusal": photo.refusal,
                "picture": None
                if photo.thumbnail is None
                else data_uri(photo.thumbnail, width=_THUMBNAIL_PX),
            }
            for photo in report.refused
        ],
    )
