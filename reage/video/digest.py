"""Identifies a plate by its bytes, so that finished work is found again and stale work is not."""

import hashlib
from pathlib import Path

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video.info import PlateInfo
from reage.video.sequence import SequencePattern, check_no_frame_missing


def plate_digest(info: PlateInfo, frames: FrameRange) -> str:
    """Hashes a plate.

    Args:
        info: From `probe`.
        frames: Which frames count: for an image sequence the names and bytes of those files. A
            movie is hashed whole, whatever the range.

    Returns:
        SHA-256, lower-case hex.

    Raises:
        PlateError: A file cannot be read, or a frame is missing.
    """
    if info.kind == "movie":
        return _file_digest(Path(info.path))
    check_no_frame_missing(info.path, frames, missing=info.missing)
    pattern = SequencePattern.parse(info.path)
    whole = hashlib.sha256()
    for number in frames:
        path = pattern.path_of(number)
        whole.update(f"{path.name}\0{_file_digest(path)}\n".encode())
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PlateError(
            f"{path}: plate: got {error.strerror}, expected a file that can be read"
        ) from error
