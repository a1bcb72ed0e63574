"""The one door to photographs: any still that a studio has, as upright sRGB pixels and its date.

JPEG, PNG, TIFF, WebP, BMP and HEIF; grey, palette, alpha, CMYK and 16 bits a channel; embedded
colour profiles are converted to sRGB, and the camera's orientation is applied. Bounds on bytes and
pixels keep one file from filling the memory. Knows nothing of faces or ages.

Sources: Exif 3.0, tags 0x0112 (orientation) and 0x9003 (date taken); ICC.1:2022.
"""

import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps

from reage.errors import PhotographError
from reage.storage.local import local_errors

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif"}
)
MAX_BYTES = 512 << 20
MAX_PIXELS = 170_000_000  # a little more than the largest camera back
SMALLEST_SIDE = 16

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "HEIF")
_PLAIN = {"1": "L", "P": "RGBA", "PA": "RGBA", "YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA"}
_KEPT = ("L", "LA", "RGB", "RGBA", "CMYK")
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
_PROFILED = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
_ORIENTATION, _EXIF_FOLDER, _DATE_TAKEN = 0x0112, 0x8769, 0x9003
_DATE = re.compile(r"(\d{4})[:\-./](\d{2})[:\-./](\d{2})(?:[ T]|$)")
_CLASSIC_TIFF = 42
_FIRST_PHOTOGRAPH = 1839
_BEHIND_ALPHA = np.float32(0.5)

# What decoders raise on a damaged file, according to where in it the damage is.
_DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, RuntimeError, LookupError,
    ArithmeticError, MemoryError, struct.error, PillowImage.DecompressionBombError,
)  # fmt: skip

pillow_heif.register_heif_opener()
# The bound on pixels is ours; the library would only say that it wondered.
warnings.filterwarnings("ignore", category=PillowImage.DecompressionBombWarning)


@dataclass(frozen=True, eq=False)
class Photograph:
    """A still as a screen shows it.

    Attributes:
        pixels: sRGB, float32, (H, W, 3), 0-1, upright; transparent parts lie over mid-grey.
        size: (w, h) of the file's picture, upright, px; `pixels` may be a reduction of it.
        taken: Day on which the camera says it was taken, None when it does not.
    """

    pixels: NDArray[np.float32]
    size: tuple[int, int]
    taken: date | None

    @property
    def display(self) -> NDArray[np.uint8]:
        """The pixels in 8 bits, (H, W, 3), for detectors."""
        return np.rint(self.pixels * np.float32(255)).astype(np.uint8)


def read_photograph(path: Path, *, longest_side: int | None = None) -> Photograph:
    """Reads a photograph from a file.

    Args:
        path: Its suffix does not matter.
        longest_side: Bound on width and height, px: a larger picture is reduced by the smallest
            whole number that brings it within; None keeps every pixel.

    Raises:
        PhotographError: The file is damaged, no photograph, or beyond the bounds.
        StorageError: The file cannot be read.
    """
    return decode_photograph(read_file(path), place=str(path), longest_side=longest_side)


def read_file(path: Path) -> bytes:
    """Returns a photograph's bytes, at most MAX_BYTES; raises as `read_photograph` does."""
    with local_errors(str(path), "read"):
        if path.stat().st_size > MAX_BYTES:
            raise PhotographError(
                f"{path}: size: got {path.stat().st_size} bytes, expected at most {MAX_BYTES}; "
                "save it smaller"
            )
        return path.read_bytes()


def decode_photograph(data: bytes, *, place: str, longest_side: int | None = None) -> Photograph:
    """Decodes a photograph; arguments and errors as of `read_photograph`.

    Args:
        data: The bytes of the file.
        place: What errors call it.
        longest_side: Bound on width and height, px.
    """
    if longest_side is not None and longest_side < SMALLEST_SIDE:
        raise ValueError(f"longest_side: got {longest_side}, expected at least {SMALLEST_SIDE}")
    with _opened(data, place) as picture:
        is_deep = _is_deep(picture)
        taken, orientation = _taken(picture), int(_exif(picture).get(_ORIENTATION, 1))
        size = picture.size if orientation < 5 else (picture.height, picture.width)
        if is_deep:
            pixels = _deep_pixels(picture, data, orientation, longest_side, place)
        else:
            pixels = _pixels(picture, longest_side, place)
    return Photograph(np.ascontiguousarray(np.clip(pixels, 0.0, 1.0), np.float32), size, taken)


def date_taken(data: bytes, *, place: str) -> date | None:
    """Returns the day on which the camera says it was taken, without decoding the picture.

    Raises:
        PhotographError: The data is no photograph or beyond the bounds.
    """
    with _opened(data, place) as picture:
        return _taken(picture)


@contextmanager
def _opened(data: bytes, place: str) -> Iterator[PillowImage.Image]:
    """Opens a picture within bounds; whatever its damage makes a decoder raise is one sentence."""
    try:
        with PillowImage.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_bounds(picture, place)
            yield picture
    except PhotographError:
        raise
    except PillowImage.UnidentifiedImageError:
        raise PhotographError(
            f"{place}: picture: got {len(data)} bytes of no known kind, expected JPEG, PNG, TIFF, "
            "WebP, BMP or HEIF; export it as one of these"
        ) from None
    except PillowImage.DecompressionBombError as error:
        raise PhotographError(
            f"{place}: size: got more than {MAX_PIXELS} pixels, expected at most as many; "
            "save it smaller"
        ) from error
    except _DAMAGE as error:
        raise PhotographError(
            f"{place}: picture: got a damaged file ({_first_line(error)}), expected a whole one; "
            "fetch it again or export it anew"
        ) from error


def _check_bounds(picture: PillowImage.Image, place: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise PhotographError(
            f"{place}: size: got {width} x {height} pixels, expected at most {MAX_PIXELS} in all; "
            "save it smaller"
        )
    if min(width, height) < SMALLEST_SIDE:
        raise PhotographError(
            f"{place}: size: got {width} x {height} pixels, expected at least {SMALLEST_SIDE} "
            "a side"
        )


def _taken(picture: PillowImage.Image) -> date | None:
    # Only when the shutter fell: the other dates are of scanning and of the last change.
    found = _DATE.match(str(_exif(picture).get_ifd(_EXIF_FOLDER).get(_DATE_TAKEN, "")).strip())
    if found is None:
        return None
    try:
        taken = date(*(int(part) for part in found.groups()))
    except ValueError:  # 0000:00:00, or a 31st of June
        return None
    return taken if taken.year >= _FIRST_PHOTOGRAPH else None


def _exif(picture: PillowImage.Image) -> PillowImage.Exif:
    """Returns what stands before the pixels; the library would decode a PNG to look behind them."""
    is_known = "exif" in picture.info or "Raw profile type exif" in picture.info
    return PillowImage.Exif() if picture.format == "PNG" and not is_known else picture.getexif()


def _is_deep(picture: PillowImage.Image) -> bool:
    """Whether the file holds 16 bits a channel of grey or RGB."""
    if picture.mode in _DEEP_GREY:
        return True
    tiles = getattr(picture, "tile", [])  # of pictures that come from a file
    coded = str(tiles[0].args) if tiles else ""
    return picture.mode in ("RGB", "RGBA", "LA") and ";16" in coded


def _pixels(
    picture: PillowImage.Image, longest_side: int | None, place: str
) -> NDArray[np.floating]:
    """Reads 8 bits a channel: reduced, upright, sRGB, without alpha; (H, W, 3), 0-1."""
    profile = picture.info.get("icc_profile")
    if longest_side is not None:
        factor = _factor(picture.size, longest_side)
        picture.draft(picture.mode, (picture.width // factor, picture.height // factor))
    picture.load()
    has_key = "transparency" in picture.info  # a transparent colour, in place of a channel
    mode = "RGBA" if has_key else _PLAIN.get(picture.mode, picture.mode)
    if mode not in _KEPT:
        raise PhotographError(
            f"{place}: picture: got colour mode {picture.mode}, expected grey, RGB or CMYK of 8 or "
            "16 bits; export it as one of these"
        )
    if picture.mode != mode:
        picture = picture.convert(mode)
    if longest_side is not None:
        picture = picture.reduce(_factor(picture.size, longest_side))
    ImageOps.exif_transpose(picture, in_place=True)
    alpha = None
    if mode in ("LA", "RGBA"):
        alpha = np.asarray(picture.getchannel("A"), np.float32) / np.float32(255)
        picture = picture.convert(mode.removesuffix("A"))
    srgb = np.asarray(_to_srgb(picture, profile, place), np.float32) / np.float32(255)
    return _flattened(srgb, alpha)


def _deep_pixels(
    picture: PillowImage.Image,
    data: bytes,
    orientation: int,
    longest_side: int | None,
    place: str,
) -> NDArray[np.floating]:
    """Reads 16 bits a channel, as `_pixels` does; the image library would cut colour to 8."""
    as_stored = _without_orientation(data) if picture.format == "TIFF" else data
    codes = cv2.imdecode(np.frombuffer(as_stored, np.uint8), cv2.IMREAD_UNCHANGED)
    if codes is None or codes.dtype != np.uint16:
        logger.warning("16-bit picture read with 8 place=%s", place)
        return _pixels(picture.convert("RGB"), longest_side, place)
    deep = codes.astype(np.float32) / np.float32(65535)
    if deep.ndim == 2:
        deep = np.repeat(deep[..., None], 3, axis=2)
    if longest_side is not None:
        deep = _reduced(deep, _factor(picture.size, longest_side))
    deep = _turned(deep, orientation)
    alpha = deep[..., 3] if deep.shape[2] == 4 else None
    rgb = np.ascontiguousarray(deep[..., 2::-1])
    profile = picture.info.get("icc_profile")
    # Profiles are applied to 8 bits; what the rounding to them left out is added back.
    rounded = np.rint(rgb * np.float32(255)).astype(np.uint8)
    shallow = PillowImage.fromarray(rounded)
    if picture.mode.startswith(("I", "L")):
        shallow = shallow.convert("L")
    converted = np.asarray(_to_srgb(shallow, profile, place), np.float32)
    remainder = rgb - rounded.astype(np.float32) / np.float32(255)
    return _flattened(converted / np.float32(255) + remainder, alpha)


def _without_orientation(data: bytes) -> bytes:
    """Returns a TIFF that says it is upright, as OpenCV fails on those that are not.

    Source: TIFF 6.0, section 2 (image file directory).
    """
    order = "<" if data[:2] == b"II" else ">"
    kind, directory = struct.unpack_from(f"{order}HI", data, 2)
    if kind != _CLASSIC_TIFF:
        return data
    (num_entries,) = struct.unpack_from(f"{order}H", data, directory)
    for entry in range(directory + 2, directory + 2 + 12 * num_entries, 12):
        if struct.unpack_from(f"{order}H", data, entry) == (_ORIENTATION,):
            return data[: entry + 8] + struct.pack(f"{order}HH", 1, 0) + data[entry + 12 :]
    return data


def _factor(size: tuple[int, int], longest_side: int) -> int:
    return max(-(-max(size) // longest_side), 1)


def _reduced(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    if factor == 1:
        return pixels
    height, width = (-(-side // factor) for side in pixels.shape[:2])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _turned(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Turns an (H, W, C) picture upright, according to its Exif orientation, 1-8."""
    if orientation >= 5:  # stored with rows and columns exchanged
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _to_srgb(picture: PillowImage.Image, profile: bytes | None, place: str) -> PillowImage.Image:
    """Converts L, RGB or CMYK to RGB, by the embedded profile where there is a fitting one."""
    if profile is not None:
        try:
            transform = _transform(bytes(profile), picture.mode)
            if transform is not None:
                return _applied(transform, picture)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            logger.warning("colour profile ignored place=%s error=%s", place, _first_line(error))
    elif picture.mode == "CMYK":
        logger.warning("CMYK without a colour profile, its colours are a guess place=%s", place)
    return picture.convert("RGB")


def _applied(
    transform: ImageCms.ImageCmsTransform, picture: PillowImage.Image
) -> PillowImage.Image:
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None, "only None when done in place"
    return converted


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns what takes a mode to sRGB, None where the profile says sRGB already."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space
    if space != _PROFILED[mode]:
        raise ValueError(f"got a profile for {space.strip()}, expected {_PROFILED[mode].strip()}")
    if (source.profile.profile_description or "").strip().startswith("sRGB"):
        return None
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _flattened(
    rgb: NDArray[np.floating], alpha: NDArray[np.float32] | None
) -> NDArray[np.floating]:
    if alpha is None:
        return rgb
    return _BEHIND_ALPHA + alpha[..., None] * (rgb - _BEHIND_ALPHA)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
