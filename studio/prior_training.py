"""Training a prior from the command line, an ageing one or a 3D one, and saying where it lies."""

from pathlib import Path

from rich.console import Console

from reage.labelled_faces import find_photos


def run_prior_training(
    folder: Path,
    *,
    config: Path | None,
    name: str,
    recogniser: Path | None,
    viewer: Path | None,
    second_recogniser: Path | None,
    start: str | None,
    work: Path,
    console: Console,
) -> str:
    """Runs the training of an ageing prior on this machine; prints and returns its folder.

    Raises:
        ReageError: There are no labelled photographs, or whatever the flow reports.
    """
    _check_photographs(folder, work / "priors" / name)
    from flows.train_prior import train_prior

    registered = train_prior(
        str(folder),
        _text(config),
        name,
        str(work),
        recogniser=_text(recogniser),
        viewer=_text(viewer),
        second_recogniser=_text(second_recogniser),
        start=start,
    )
    console.print(registered, soft_wrap=True)
    console.print(f"  use it with `prior: {name}` in a shot manifest", highlight=False)
    console.print(f"  read its card: reage weights inspect {name}", highlight=False)
    return registered


def run_face3d_prior_training(
    folder: Path, *, config: Path | None, name: str, work: Path, console: Console
) -> str:
    """Runs the training of a 3D prior on this machine; prints and returns its folder.

    Raises:
        ReageError: There are no labelled photographs, or whatever the flow reports.
    """
    _check_photographs(folder, work / "priors3d" / name)
    from flows.train_face3d_prior import train_face3d_prior

    registered = train_face3d_prior(str(folder), _text(config), name, str(work))
    console.print(registered, soft_wrap=True)
    console.print(f"  read its card: reage weights inspect {name} --face3d", highlight=False)
    return registered


def _check_photographs(folder: Path, place: Path) -> None:
    """Tells what is wrong with a folder before a server is started, unless its faces were read."""
    if not (place / "faces.npz").is_file():
        find_photos(folder)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
