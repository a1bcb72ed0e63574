"""What a writer is handed, checked and brought to the numbers that its format stores."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.errors import ColourError
from reage.image import Image

Picture = Image | NDArray[np.uint8] | NDArray[np.uint16]


def check_picture(
    path: Path, picture: Picture, *, width: int, height: int, colourspace: str
) -> None:
    """Checks that a picture fits the file it goes to.

    Raises:
        ColourError: The image is in another colourspace.
        ValueError: Another size, or neither an image nor 8- or 16-bit codes.
    """
    if isinstance(picture, Image):
        if picture.colourspace != colourspace:
            raise ColourError(
                f"{path}: colourspace: got {picture.colourspace!r}, expected {colourspace!r}; "
                "convert the image first"
            )
        shape: tuple[int, ...] = picture.pixels.shape
    elif picture.dtype in (np.uint8, np.uint16):
        shape = picture.shape
    else:
        raise ValueError(
            f"{path}: picture: got {picture.dtype}, expected an Image, uint8 or uint16"
        )
    if shape != (height, width, 3):
        raise ValueError(f"{path}: picture: got shape {shape}, expected {(height, width, 3)}")


def as_floats(picture: Picture) -> NDArray[np.float32]:
    """Returns the numbers of an image, or codes over full scale, float32, (H, W, 3)."""
    if isinstance(picture, Image):
        return picture.pixels
    full_scale = 255 if picture.dtype == np.uint8 else 65535
    return picture.astype(np.float32) / np.float32(full_scale)


def as_uint16(picture: Picture) -> NDArray[np.uint16]:
    """Returns 16-bit codes, (H, W, 3); exact for 8- and 16-bit codes."""
    if isinstance(picture, Image):
        return picture.to_uint16()
    if picture.dtype == np.uint8:
        return picture.astype(np.uint16) * np.uint16(257)
    return picture.astype(np.uint16, copy=False)
