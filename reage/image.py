"""A picture in memory: float32 RGB with its colourspace and the depth of the plate it came from.

Knows nothing of files or codecs (video/), nor of what a colourspace means (colour.py).

Pixel values are the plate's own code values scaled so that full scale is 1.0 (integer plates), or
the file's own numbers (float plates). They are never clipped here: super-whites of a YUV plate and
HDR values of an EXR stay as they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reage.errors import ColourError

DISPLAY_REFERRED = frozenset({"rec709", "srgb"})


@dataclass(frozen=True, eq=False)
class Image:
    """One frame.

    Attributes:
        pixels: float32, (H, W, 3), C-contiguous, RGB, straight.
        colourspace: A name that `reage.colour.find_colourspace` knows.
        bit_depth: Bits a channel of the plate, or None when the plate stores floats.
        exposure: Stops by which it is brightened where it is looked at; the pixels are without.
    """

    pixels: NDArray[np.float32]
    colourspace: str
    bit_depth: int | None = None
    exposure: float = 0.0

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != np.float32 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"Image.pixels: got {pixels.dtype} {pixels.shape}, expected float32 (H, W, 3)"
            )
        if not pixels.flags.c_contiguous:
            object.__setattr__(self, "pixels", np.ascontiguousarray(pixels))

    @property
    def height(self) -> int:
        """Rows, px."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns, px."""
        return int(self.pixels.shape[1])

    @classmethod
    def from_integer(
        cls, codes: NDArray[np.integer], *, bit_depth: int = 16, colourspace: str = "rec709"
    ) -> "Image":
        """Makes an image from integer code values.

        Args:
            codes: Unsigned codes, (H, W, 3), 0 to 2**bit_depth - 1.
            bit_depth: 1-16; 16-bit codes survive `to_uint16` exactly.
            colourspace: What the codes mean.

        Raises:
            ValueError: The array is not integer, or the depth is outside 1-16.
        """
        if not np.issubdtype(codes.dtype, np.integer):
            raise ValueError(f"Image.from_integer: codes: got {codes.dtype}, expected integers")
        if not 1 <= bit_depth <= 16:
            raise ValueError(f"Image.from_integer: bit_depth: got {bit_depth}, expected 1-16")
        pixels = codes.astype(np.float32)
        pixels /= np.float32(2**bit_depth - 1)
        return cls(pixels, colourspace, bit_depth)

    def with_pixels(self, pixels: NDArray[np.float32]) -> "Image":
        """Returns an image like this one that holds other pixels, float32, (H, W, 3)."""
        return replace(self, pixels=pixels)

    def to_uint16(self) -> NDArray[np.uint16]:
        """Rounds to 16-bit codes, (H, W, 3); values outside 0-1 are clipped and NaN becomes 0."""
        return quantise(self.pixels, 65535).astype(np.uint16)

    def to_uint8(self) -> NDArray[np.uint8]:
        """Rounds to 8-bit codes, (H, W, 3), for previews and detection only.

        Raises:
            ColourError: The image is scene-linear; `reage.colour.to_display` comes first.
        """
        if self.colourspace not in DISPLAY_REFERRED:
            raise ColourError(
                f"Image.to_uint8: colourspace: got {self.colourspace!r}, expected a "
                "display-referred one (rec709, srgb); convert with to_display first"
            )
        return quantise(self.pixels, 255).astype(np.uint8)


def quantise(values: NDArray[np.float32], full_scale: int) -> NDArray[np.float32]:
    """Scales 0-1 floats to whole code values, still float32; clips, and turns NaN into 0.

    Args:
        values: Any shape; untouched.
        full_scale: The code of 1.0.
    """
    codes = values * np.float32(full_scale)
    np.rint(codes, out=codes)
    np.fmax(codes, np.float32(0), out=codes)  # fmax also answers 0 for NaN
    np.fmin(codes, np.float32(full_scale), out=codes)
    return codes
