"""OpenEXR: frames with everything that is in them, read whole and written whole.

A file holds more than a picture: other channels (alpha, depth, ids, layers), other parts, a data
window that need not be the display window, metadata. All of it is read, and all of it goes into the
master that is made from it, bit for bit; only the picture changes, where the matte says so. Float
stays float and half stays half. Deep pixels are refused.

The one door to the OpenEXR package. Source: openexr.com, "Technical Introduction to OpenEXR".
"""

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from reage.errors import PlateError, StorageError
from reage.exr_structure import whats_wrong
from reage.geometry import Roi

Channels = Mapping[str, NDArray]
Pixels = NDArray[np.float32]

_FAULTS = (RuntimeError, ValueError, TypeError, KeyError, OSError)
_LARGEST_HALF = np.float32(65504)
# What describes the storage of a file or its former picture rather than the picture itself.
_NOT_CARRIED = frozenset({"channels", "chunkCount", "lineOrder", "preview", "tiles", "type"})


@dataclass(frozen=True)
class ExrWindows:
    """Where a file's picture lies, in its own pixel coordinates.

    Attributes:
        data: The pixels that are stored.
        display: The picture that is meant to be seen.
    """

    data: Roi
    display: Roi


@dataclass(frozen=True, eq=False)
class ExrPart:
    """One part of a file.

    Attributes:
        header: Its attributes by name, as the OpenEXR package represents them.
        channels: By name, float16, float32 or uint32, (h, w) of the data window.
    """

    header: Mapping[str, Any]
    channels: Channels

    @property
    def windows(self) -> ExrWindows:
        """Data and display window."""
        return _windows(self.header)


@dataclass(frozen=True, eq=False)
class ExrFrame:
    """A file, read.

    Attributes:
        parts: Usually one.
        picture_index: Which part holds the picture.
        colour_names: The channels of it that are R, G and B; one name three times for a grey one.
    """

    parts: tuple[ExrPart, ...]
    picture_index: int
    colour_names: tuple[str, str, str]

    @property
    def picture(self) -> ExrPart:
        """The part that holds the picture."""
        return self.parts[self.picture_index]

    @property
    def is_half(self) -> bool:
        """Whether the picture's channels are all half floats."""
        return all(self.picture.channels[n].dtype == np.float16 for n in self.colour_names)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height."""
        stated = float(self.picture.header.get("pixelAspectRatio", 1.0))
        return Fraction(stated).limit_denominator(1000) if stated > 0 else Fraction(1)

    @property
    def frame_rate(self) -> Fraction | None:
        """What the header says, frames a second."""
        stated = self.picture.header.get("framesPerSecond")
        return stated if isinstance(stated, Fraction) and stated > 0 else None

    @property
    def timecode(self) -> str | None:
        """HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame; None where the header has none."""
        code = self.picture.header.get("timeCode")
        if not isinstance(code, OpenEXR.TimeCode):
            return None
        separator = ";" if code.dropFrame else ":"
        return f"{code.hours:02d}:{code.minutes:02d}:{code.seconds:02d}{separator}{code.frame:02d}"

    def pixels(self, canvas: Roi) -> Pixels:
        """Returns the picture on a canvas, float32, (canvas.height, canvas.width, 3).

        Args:
            canvas: In the file's pixel coordinates; what lies outside the data window is 0.
        """
        window = self.picture.windows.data
        shared = window.common(canvas)
        whole = np.zeros((canvas.height, canvas.width, 3), np.float32)
        inside, stored = whole[shared.within(canvas).slices], shared.within(window).slices
        for index, name in enumerate(self.colour_names):
            inside[..., index] = self.picture.channels[name][stored]
        return whole

    def with_attributes(self, attributes: Mapping[str, Any]) -> "ExrFrame":
        """Returns the frame with attributes added to its picture's."""
        return self._with_picture_part(
            replace(self.picture, header={**self.picture.header, **attributes})
        )

    def _with_picture_part(self, part: ExrPart) -> "ExrFrame":
        parts = list(self.parts)
        parts[self.picture_index] = part
        return replace(self, parts=tuple(parts))

    def with_change(
        self, result: Pixels, *, plate: Pixels, matte: Pixels, canvas: Roi
    ) -> "ExrFrame":
        """Returns the frame with a changed picture, a layer `matte.A` and layers `delta.R/G/B`.

        Args:
            result: (canvas.height, canvas.width, 3).
            plate: Likewise, as `pixels` gave it.
            matte: (canvas.height, canvas.width), 0-1. Where it is 0, this frame's pixel stays.
            canvas: As `pixels` was given, the data window inside it.
        """
        here = self.picture.windows.data.within(canvas).slices
        inside, cover = matte[here] > 0, matte[here]
        channels = dict(self.picture.channels)
        with np.errstate(invalid="ignore"):  # infinities of the plate
            step = np.where(inside[..., None], result[here] - plate[here], np.float32(0))
        delta, matte_layer = _free_layer("delta", channels), _free_layer("matte", channels)
        for index, name in enumerate(dict.fromkeys(self.colour_names)):
            before = channels[name]
            after = _as_stored(result[here][..., index], before.dtype)
            channels[name] = np.where(inside, after, before)
        for index, letter in enumerate("RGB"):
            channels[f"{delta}.{letter}"] = _as_stored(step[..., index], np.dtype(np.float16))
        channels[f"{matte_layer}.A"] = _as_stored(cover, np.dtype(np.float16))
        return self._with_picture_part(replace(self.picture, channels=channels))


def new_frame(
    pixels: Pixels,
    *,
    is_half: bool,
    pixel_aspect: Fraction = Fraction(1),
    alpha: Pixels | None = None,
) -> ExrFrame:
    """Makes a frame of three channels, or four, whose data window is its display window.

    Args:
        pixels: (H, W, 3).
        is_half: Half floats, else float32.
        pixel_aspect: Width of a pixel over its height.
        alpha: Coverage, (H, W), by which the pixels are premultiplied; None for no channel A.
    """
    dtype = np.dtype(np.float16 if is_half else np.float32)
    channels = {name: _as_stored(pixels[..., i], dtype) for i, name in enumerate("RGB")}
    if alpha is not None:
        channels["A"] = _as_stored(alpha, dtype)
    window = _box(Roi(0, 0, pixels.shape[1], pixels.shape[0]))
    header = {
        "dataWindow": window,
        "displayWindow": window,
        "pixelAspectRatio": float(pixel_aspect),
    }
    return ExrFrame((ExrPart(header, channels),), 0, ("R", "G", "B"))


def timing_attributes(frame_rate: Fraction, timecode: str | None) -> dict[str, Any]:
    """Returns the standard attributes `framesPerSecond` and, with a timecode, `timeCode`."""
    attributes: dict[str, Any] = {"framesPerSecond": frame_rate}
    if timecode is not None:
        code = OpenEXR.TimeCode()
        code.hours, code.minutes, code.seconds = (int(timecode[i : i + 2]) for i in (0, 3, 6))
        code.frame, code.dropFrame = int(timecode[9:]), timecode[8] in ";."
        attributes["timeCode"] = code
    return attributes


def read_exr(path: Path) -> ExrFrame:
    """Reads a file.

    Raises:
        PlateError: Not a whole OpenEXR file, a deep one, or one without a picture.
    """
    num_parts = len(_headers(path))
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            parts = tuple(_part_of(part) for part in file.parts)
    except _FAULTS as error:
        raise _damaged(path, str(error)) from error
    if len(parts) < num_parts:  # OpenEXR drops a part that it cannot decode, with a warning
        raise _damaged(path, "data that do not decode")
    return ExrFrame(parts, *_find_picture(path, [part.channels for part in parts]))


def read_exr_windows(path: Path) -> ExrWindows:
    """Reads where the picture of a file lies, from its header alone; a third of a millisecond.

    Raises:
        PlateError: As `read_exr`.
    """
    headers = _headers(path)
    index, _ = _find_picture(path, [[c.name for c in header["channels"]] for header in headers])
    return _windows(headers[index])


def write_exr(path: Path, frame: ExrFrame) -> None:
    """Writes a file, ZIP-compressed scanlines: whole, or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    parts = [_stored_part(part, is_alone=len(frame.parts) == 1) for part in frame.parts]
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        OpenEXR.File(parts).write(str(partial))
        fault = whats_wrong(partial)
        if fault is not None:
            raise RuntimeError(fault)
        os.replace(partial, path)
    except _FAULTS as error:
        raise StorageError(
            f"{path}: writing: got {str(error)[:120]}, expected to write the whole file; "
            "nothing of it was kept, make room or choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _headers(path: Path) -> list[dict[str, Any]]:
    """Reads the headers of a file that is all there."""
    try:
        fault = whats_wrong(path)
        if fault is not None:
            raise _damaged(path, fault)
        with OpenEXR.File(str(path), header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
    except PlateError:
        raise
    except _FAULTS as error:
        raise _damaged(path, getattr(error, "strerror", None) or str(error)) from error
    for header in headers:
        sparse = [c.name for c in header["channels"] if (c.xSampling, c.ySampling) != (1, 1)]
        if sparse:
            raise PlateError(
                f"{path}: channels: got {', '.join(sparse)} at less than full size, expected R, G "
                "and B of full size; convert the plate"
            )
        if header.get("type") in (OpenEXR.deepscanline, OpenEXR.deeptile):
            raise PlateError(
                f"{path}: frame: got deep pixels, expected flat ones; flatten the render"
            )
    if not headers:
        raise _damaged(path, "no picture")
    return headers


def _part_of(part: OpenEXR.Part) -> ExrPart:
    """Copies a part out of an open file, which takes its header along when it closes."""
    header = {
        name: tuple(np.array(corner) for corner in value) if name.endswith("Window") else value
        for name, value in part.header.items()
        if name not in _NOT_CARRIED
    }
    return ExrPart(header, {name: channel.pixels for name, channel in part.channels.items()})


def _find_picture(path: Path, parts: Sequence[Iterable[str]]) -> tuple[int, tuple[str, str, str]]:
    """Returns which part holds the picture, by the names of their channels, and which they are.

    Raises:
        PlateError: None does.
    """
    named = [list(names) for names in parts]
    for index, names in enumerate(named):
        if {"R", "G", "B"} <= set(names):
            return index, ("R", "G", "B")
    for index, names in enumerate(named):
        for grey in ("Y", "A", *(names if len(names) == 1 else ())):
            if grey in names:
                return index, (grey, grey, grey)
    known = sorted(name for names in named for name in names)
    raise PlateError(
        f"{path}: channels: got {', '.join(known) or 'none'}, expected R, G and B, or one "
        "grey channel"
    )


def _stored_part(part: ExrPart, *, is_alone: bool) -> OpenEXR.Part:
    header = {n: v for n, v in part.header.items() if not (isinstance(v, list) and not v)}
    name = str(header.get("name", ""))
    if is_alone:
        header.pop("name", None)
    header |= {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {name: np.ascontiguousarray(values) for name, values in part.channels.items()}
    return OpenEXR.Part(header, channels, name)


def _as_stored(values: Pixels, dtype: np.dtype) -> NDArray:
    """Rounds to a channel's own type; what is finite stays finite."""
    if dtype != np.float16:
        return values.astype(dtype)
    with np.errstate(over="ignore"):
        is_beyond = np.isfinite(values) & (np.abs(values) > _LARGEST_HALF)
        limited = np.clip(values, -_LARGEST_HALF, _LARGEST_HALF)
        return np.where(is_beyond, limited, values).astype(np.float16)


def _free_layer(name: str, channels: Channels) -> str:
    """Returns a layer's name, another one where the plate has a layer of that name already."""
    taken = {channel.rpartition(".")[0] for channel in channels}
    return f"reage_{name}" if name in taken else name


def _windows(header: Mapping[str, Any]) -> ExrWindows:
    data, display = (_roi(header[name]) for name in ("dataWindow", "displayWindow"))
    return ExrWindows(data, display)


def _roi(corners: tuple[NDArray[np.int32], NDArray[np.int32]]) -> Roi:
    (left, top), (right, bottom) = (tuple(map(int, corner)) for corner in corners)
    return Roi(left, top, right - left + 1, bottom - top + 1)


def _box(roi: Roi) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    last = (roi.left + roi.width - 1, roi.top + roi.height - 1)
    return np.array((roi.left, roi.top), np.int32), np.array(last, np.int32)


def _damaged(path: Path, what: str) -> PlateError:
    return PlateError(
        f"{path}: frame: got {what[:120]}, expected a whole OpenEXR file; "
        "it is damaged or cut short, copy it again"
    )
