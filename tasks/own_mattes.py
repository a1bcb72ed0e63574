"""Reading an artist's own mattes, which lie over the plate frame by frame.

Holds no task: it is what tasks share that limit a change or hold it back.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reage.anamorphic import matte_to_square_pixels
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import PlateInfo, plate_digest, probe, read_frames
from reage.workspace import Workspace
from tasks.fetching import local_path


def find_matte(
    place: str | None, plate: PlateInfo, frames: FrameRange, workspace: Workspace
) -> PlateInfo | None:
    """Opens a matte; a movie begins with the plate, a sequence has its own numbers.

    Args:
        place: As `local_path`; None gives None.
        plate: That it lies over.
        frames: That it has to have.
        workspace: Where copies are kept.

    Raises:
        PlateError: It cannot be read, lacks frames, or is of another size than the plate.
    """
    if place is None:
        return None
    path = local_path(place, workspace)
    info = probe(
        path, first_frame=plate.frames.first, frame_rate=plate.frame_rate, frames=frames
    ).laid_on(plate)
    info = replace(info, pixel_aspect=plate.pixel_aspect)
    if frames.first not in info.frames or frames.last not in info.frames:
        raise PlateError(
            f"{path}: frames: got {info.frames}, expected {frames} as in the shot; "
            "render the matte for the plate's whole frame range"
        )
    if (info.width, info.height) != (plate.width, plate.height):
        raise PlateError(
            f"{path}: size: got {info.width}x{info.height}, expected "
            f"{plate.width}x{plate.height} as the plate"
        )
    return info


def matte_digest(matte: PlateInfo | None, frames: FrameRange) -> str | None:
    """Returns what results depend on of a matte."""
    return None if matte is None else plate_digest(matte, frames)


def coverage(matte: PlateInfo, frames: FrameRange) -> Iterator[NDArray[np.float32]]:
    """Yields a matte of each frame at square pixels, (H, W), 0-1: the mean of its channels."""
    for _, image in read_frames(matte, frames, colourspace="srgb"):
        mean = image.pixels.mean(axis=2).clip(0.0, 1.0)
        yield matte_to_square_pixels(mean, matte.pixel_aspect)
