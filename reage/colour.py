"""Colourspaces: what a plate's numbers mean, the view a network sees, and the way back.

The display view is sRGB-encoded BT.709. For display-referred plates (`rec709`, `srgb`) the code
values are the view, as they are. For scene-linear plates the view is the sRGB curve between 0 and
1; below 0 its straight toe goes on, and above 1 it goes on as a logarithm of the same value and
slope. The curve is therefore smooth, strictly rising and invertible over all finite values: nothing
clips, a highlight of 16 is shown at 2.2, and an equal step of the view in a highlight is an equal
ratio of light. Camera logs and everything else that a studio names come from an OpenColorIO
configuration (colour_config.py), by way of the same linear light; an image says by how many stops
it is brightened before it is looked at.

Source: IEC 61966-2-1 (sRGB); ITU-R BT.709-6; SMPTE ST 2065-1 and AMPAS S-2014-004 (AP1, ACES
white); Bradford adaptation as in CIE 15; CIELAB as in CIE 15:2004.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour_config import (
    ConfigColourspace,
    config_place,
    find_config_colourspace,
    in_config,
    is_of_config,
)
from reage.errors import ColourError
from reage.image import DISPLAY_REFERRED, Image

Matrix = NDArray[np.float64]
Pixels = NDArray[np.float32]

_BT709_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_AP1_PRIMARIES = ((0.713, 0.293), (0.165, 0.830), (0.128, 0.044))
_BT709_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_D65 = (0.3127, 0.3290)
_ACES_WHITE = (0.32168, 0.33767)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# Derivative of the sRGB curve at linear 1.0, where the logarithm takes over.
_LOG_SLOPE = 1.055 / 2.4
_TOE_END_LINEAR = 0.0031308
_TOE_END_ENCODED = 12.92 * _TOE_END_LINEAR


def _xyz_of_white(chromaticity: tuple[float, float]) -> Matrix:
    x, y = chromaticity
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def _xyz_from_rgb(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> Matrix:
    """Builds the 3x3 matrix from chromaticities (SMPTE RP 177)."""
    columns = np.stack([_xyz_of_white(primary) for primary in primaries], axis=1)
    return columns * np.linalg.solve(columns, _xyz_of_white(white))


def _adapted(source_white: tuple[float, float], target_white: tuple[float, float]) -> Matrix:
    """Builds the Bradford matrix that takes XYZ under one white to XYZ under another."""
    gains = (_BRADFORD @ _xyz_of_white(target_white)) / (_BRADFORD @ _xyz_of_white(source_white))
    return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD


XYZ_FROM_REC709 = _xyz_from_rgb(_BT709_PRIMARIES, _D65)
REC709_FROM_ACESCG = (
    np.linalg.inv(XYZ_FROM_REC709)
    @ _adapted(_ACES_WHITE, _D65)
    @ _xyz_from_rgb(_AP1_PRIMARIES, _ACES_WHITE)
)


@dataclass(frozen=True, eq=False)
class Colourspace:
    """What the numbers of a plate mean.

    Attributes:
        name: As manifests write it.
        is_display_referred: The numbers are meant for a screen and are the view as they are.
        rec709_from_own: Linear BT.709 from this space's linear RGB, float64, (3, 3).
    """

    name: str
    is_display_referred: bool
    rec709_from_own: Matrix

    @property
    def is_linear(self) -> bool:
        """Proportional to light."""
        return not self.is_display_referred

    def to_rec709(self, pixels: Pixels, *, exposure: float) -> Pixels:
        """Returns linear BT.709, `exposure` stops brighter, like (H, W, 3)."""
        return _transformed(pixels, self.rec709_from_own * 2.0**exposure)

    def own_step(self, before: Pixels, after: Pixels, *, exposure: float) -> Pixels:
        """Returns the step of own numbers from one linear BT.709 picture to another."""
        own_from_rec709 = np.linalg.inv(self.rec709_from_own) * 2.0**-exposure
        return _transformed(after - before, own_from_rec709)


COLOURSPACES: dict[str, Colourspace] = {
    "rec709": Colourspace("rec709", True, np.eye(3)),
    "srgb": Colourspace("srgb", True, np.eye(3)),
    "linear_rec709": Colourspace("linear_rec709", False, np.eye(3)),
    "linear_srgb": Colourspace("linear_srgb", False, np.eye(3)),  # the same under its other name
    "acescg": Colourspace("acescg", False, REC709_FROM_ACESCG),
}
assert {name for name, space in COLOURSPACES.items() if space.is_display_referred} == (
    DISPLAY_REFERRED
)


def name_colourspace(name: str, *, ocio: str | None = None) -> str:
    """Returns the name by which images carry a colourspace that a manifest names.

    Args:
        name: One of `COLOURSPACES`, or a colourspace of an OpenColorIO configuration.
        ocio: The configuration's place; when it is stated, every name is one of its own. Else
            other names than those of `COLOURSPACES` are looked up in `$OCIO`, or in the built-in
            ACES configuration `colour_config.DEFAULT_CONFIG`.

    Raises:
        ColourError: There is no such colourspace or configuration.
    """
    if ocio is None and name in COLOURSPACES:
        return name
    try:
        return in_config(name, config_place(ocio))
    except ColourError as error:
        own = f", or {', '.join(COLOURSPACES)}" if ocio is None else ""
        raise ColourError(f"{error}{own}") from None


def find_colourspace(name: str) -> Colourspace | ConfigColourspace:
    """Looks a colourspace up by the name that images carry.

    Raises:
        ColourError: No such colourspace, or its configuration cannot be read.
    """
    if is_of_config(name):
        return find_config_colourspace(name)
    if name not in COLOURSPACES:
        raise ColourError(f"colourspace: got {name!r}, expected one of {', '.join(COLOURSPACES)}")
    return COLOURSPACES[name]


def encode_display(linear: Pixels) -> Pixels:
    """Takes linear light to the display view; see the module text for the curve.

    Args:
        linear: float32, any shape, any finite value; untouched.
    """
    middle = np.clip(linear, _TOE_END_LINEAR, 1.0)
    encoded = np.power(middle, np.float32(1 / 2.4))
    encoded *= np.float32(1.055)
    encoded -= np.float32(0.055)
    toe = linear <= _TOE_END_LINEAR
    encoded[toe] = linear[toe] * np.float32(12.92)
    bright = linear > 1.0
    if bright.any():
        encoded[bright] = 1.0 + np.float32(_LOG_SLOPE) * np.log(linear[bright])
    return encoded


def decode_display(encoded: Pixels) -> Pixels:
    """Undoes `encode_display`."""
    middle = np.clip(encoded, _TOE_END_ENCODED, 1.0)
    middle += np.float32(0.055)
    middle *= np.float32(1 / 1.055)
    linear = np.power(middle, np.float32(2.4))
    toe = encoded <= _TOE_END_ENCODED
    linear[toe] = encoded[toe] * np.float32(1 / 12.92)
    bright = encoded > 1.0
    if bright.any():
        linear[bright] = np.exp((encoded[bright] - 1.0) / np.float32(_LOG_SLOPE))
    return linear


def to_display(image: Image) -> Pixels:
    """Shows an image as the detector and the network see it: sRGB-like, about 0-1.

    Args:
        image: Any colourspace. Its exposure, in stops, is added before the curve; it must be 0 for
            display-referred ones, whose codes are the view.

    Returns:
        float32, (H, W, 3); the caller's own array. Values outside 0-1 are kept.

    Raises:
        ColourError: The colourspace is unknown, or exposure is asked of a display-referred image.
    """
    space = find_colourspace(image.colourspace)
    if space.is_display_referred:
        _refuse_exposure(image.exposure, space)
        return image.pixels.copy()
    return encode_display(space.to_rec709(image.pixels, exposure=image.exposure))


def add_display_change(plate: Image, change: Pixels, matte: Pixels) -> Image:
    """Adds a change made in the display view to a plate, in the plate's own colourspace.

    The result is `plate + (linear(view + change) - linear(view))`, so that a small change costs no
    more precision than its own size and grain and HDR values stay as they are.

    Args:
        plate: Any colourspace; its exposure as when the change was made.
        change: float32, (H, W, 3), display units (1 is black to white).
        matte: float32, (H, W), 0-1; how much of the change is applied.

    Returns:
        An image like `plate`. Where the matte is 0, or all three channels of the change are 0, the
        plate's pixel, bit for bit.

    Raises:
        ValueError: The shapes differ.
        ColourError: As `to_display`.
    """
    _check_same_size(plate, change, matte)
    space = find_colourspace(plate.colourspace)
    if space.is_display_referred:
        _refuse_exposure(plate.exposure, space)
    active = (matte != 0) & (change != 0).any(axis=2)
    pixels = plate.pixels.copy()
    box = _bounding_box(active)
    if box is None:
        return plate.with_pixels(pixels)
    inside = active[box][..., None]
    step = change[box] * matte[box][..., None]
    before = np.ascontiguousarray(plate.pixels[box])
    if not space.is_display_referred:
        view = encode_display(space.to_rec709(before, exposure=plate.exposure))
        step = space.own_step(
            decode_display(view), decode_display(view + step), exposure=plate.exposure
        )
    np.add(before, step, out=pixels[box], where=inside)
    return plate.with_pixels(pixels)


def _transformed(pixels: Pixels, matrix: Matrix) -> Pixels:
    if np.array_equal(matrix, np.eye(3)):
        return pixels
    return np.asarray(cv2.transform(pixels, matrix), dtype=np.float32)


def _bounding_box(active: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    rows = np.flatnonzero(active.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(active.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _check_same_size(plate: Image, change: Pixels, matte: Pixels) -> None:
    size = (plate.height, plate.width)
    if change.shape != (*size, 3):
        raise ValueError(f"change: got shape {change.shape}, expected {(*size, 3)} as the plate")
    if matte.shape != size:
        raise ValueError(f"matte: got shape {matte.shape}, expected {size} as the plate")


def _refuse_exposure(exposure: float, space: Colourspace | ConfigColourspace) -> None:
    if exposure != 0:
        raise ColourError(
            f"exposure: got {exposure:g} stops for {space.name}, expected 0; "
            "exposure applies to scene-referred colourspaces only"
        )


def luma(picture: NDArray[np.floating]) -> Pixels:
    """Returns the BT.709 luma of a display-referred picture, (..., 3) to float32 (...)."""
    weighed = picture.astype(np.float32, copy=False) @ _BT709_LUMA
    return np.ascontiguousarray(weighed, np.float32)


def lab_from_display(display: NDArray[np.floating]) -> NDArray[np.float64]:
    """Takes the display view to CIELAB under D65.

    Args:
        display: sRGB-encoded RGB, (..., 3), about 0-1; values above 1 follow the view's curve.

    Returns:
        L* (0-100 for 0-1 input), a*, b*, float64, (..., 3).
    """
    linear = decode_display(np.asarray(display, dtype=np.float32)).astype(np.float64)
    ratio = (linear @ XYZ_FROM_REC709.T) / _xyz_of_white(_D65)
    epsilon, kappa = 216 / 24389, 24389 / 27
    root = np.where(ratio > epsilon, np.cbrt(ratio), (kappa * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e76(first_lab: NDArray[np.float64], second_lab: NDArray[np.float64]) -> NDArray:
    """Measures the distance of colours in CIELAB (1976).

    Args:
        first_lab: (..., 3).
        second_lab: Broadcastable to the first.

    Returns:
        float64, (...); 2.3 is about one just noticeable difference.
    """
    return np.linalg.norm(np.asarray(first_lab) - np.asarray(second_lab), axis=-1)
