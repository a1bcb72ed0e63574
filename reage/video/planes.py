"""Between a codec's planes and float32 RGB, without FFmpeg's scaler deciding anything.

Codes become floats by the matrix in the tags and are not clipped, so a YUV plate's super-whites
survive and an unchanged 4:4:4 pixel returns to its own code. Chroma is taken as sited with the left
luma sample (H.264, ProRes, DNxHR) and, for 4:2:0, between two lines.
"""

from functools import lru_cache

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reage.errors import PlateError
from reage.video.tags import ColourTags, codes_from_rgb, rgb_from_codes

Plane = NDArray[np.float32]

# Layouts that hold the same codes as a planar one, which FFmpeg rearranges without arithmetic.
_PLANAR_TWIN = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "p010le": "yuv420p10le",
    "p012le": "yuv420p12le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "p212le": "yuv422p12le",
    "p216le": "yuv422p16le",
    "y210le": "yuv422p10le",
    "y212le": "yuv422p12le",
    "xv30le": "yuv444p10le",
    "xv36le": "yuv444p12le",
    "v30xle": "yuv444p10le",
    "pal8": "rgb24",
    "monow": "gray",
    "monob": "gray",
    "x2rgb10le": "gbrp10le",
    "x2bgr10le": "gbrp10le",
    "rgbf16le": "gbrpf32le",
    "rgbf32le": "gbrpf32le",
    "rgbaf32le": "gbrapf32le",
    "rgbaf16le": "gbrapf16le",
}
# Channel order of packed RGB.
_PACKED = {
    "rgb24": (0, 1, 2),
    "bgr24": (2, 1, 0),
    "rgb48": (0, 1, 2),
    "bgr48": (2, 1, 0),
    "rgba": (0, 1, 2, -1),
    "bgra": (2, 1, 0, -1),
    "argb": (-1, 0, 1, 2),
    "abgr": (-1, 2, 1, 0),
    "rgb0": (0, 1, 2, -1),
    "bgr0": (2, 1, 0, -1),
    "0rgb": (-1, 0, 1, 2),
    "0bgr": (-1, 2, 1, 0),
    "rgba64": (0, 1, 2, -1),
    "bgra64": (2, 1, 0, -1),
}


def is_float_format(name: str) -> bool:
    """Whether a pixel format stores floating point."""
    return "f32" in name or "f16" in name


def is_rgb_format(video_format: av.VideoFormat) -> bool:
    """Whether a pixel format needs no matrix: RGB in any order, palette or greyscale."""
    return video_format.is_rgb or video_format.has_palette or len(_colours(video_format)) == 1


def bits_of(video_format: av.VideoFormat) -> int:
    """Returns the bits a channel of a pixel format."""
    if video_format.has_palette:
        return 8
    return max(component.bits for component in video_format.components)


def has_alpha(video_format: av.VideoFormat) -> bool:
    """Whether a pixel format carries a coverage channel."""
    return any(component.is_alpha for component in video_format.components)


def _colours(video_format: av.VideoFormat) -> list[av.video.format.VideoFormatComponent]:
    return [part for part in video_format.components if not part.is_alpha]


def pixels_from_frame(frame: av.VideoFrame, tags: ColourTags) -> NDArray[np.float32]:
    """Turns a decoded frame into RGB.

    Args:
        frame: In any planar, semi-planar or packed layout that plates come in.
        tags: Matrix and range of the stream.

    Returns:
        float32, (H, W, 3): codes over full scale for integers, the file's numbers for floats;
        not clipped. Alpha is left behind.

    Raises:
        PlateError: The layout or the matrix is not handled.
    """
    name = frame.format.name
    if name in _PLANAR_TWIN:
        frame = frame.reformat(format=_PLANAR_TWIN[name])
        name = frame.format.name
    base = name.removesuffix("le").removesuffix("be")
    if base in _PACKED:
        return _from_packed(frame, _PACKED[base])
    parts = _colours(frame.format)
    if len(parts) == 1:
        return _from_grey(frame, tags)
    if not frame.format.is_planar or "msb" in name or frame.format.is_bit_stream:
        raise PlateError(f"pixel format: got {name}, expected planar or packed YUV, RGB or grey")
    if frame.format.is_rgb:
        return _from_planar_rgb(frame)
    if not tags.is_matrix_known:
        raise PlateError(
            f"colour matrix: got {tags.matrix}, expected bt709, bt601, bt2020 or rgb; "
            "convert the plate"
        )
    return _from_yuv(frame, tags)


def _dtype(video_format: av.VideoFormat) -> np.dtype:
    name = video_format.name
    order = ">" if video_format.is_big_endian else "<"
    if is_float_format(name):
        return np.dtype(f"{order}f{4 if 'f32' in name else 2}")
    return np.dtype(f"{order}u2" if bits_of(video_format) > 8 else "u1")


def _view(plane: av.video.plane.VideoPlane, dtype: np.dtype, samples: int = 1) -> NDArray:
    """Looks into a plane without copying: (H, W * samples)."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * samples * dtype.itemsize].view(dtype)


def _float_plane(plane: av.video.plane.VideoPlane, dtype: np.dtype) -> Plane:
    return _view(plane, dtype).astype(np.float32)


def _full_scale(video_format: av.VideoFormat) -> np.float32:
    return np.float32(1 if is_float_format(video_format.name) else 2 ** bits_of(video_format) - 1)


def _from_packed(frame: av.VideoFrame, order: tuple[int, ...]) -> NDArray[np.float32]:
    dtype = _dtype(frame.format)
    codes = _view(frame.planes[0], dtype, len(order))
    codes = codes.reshape(frame.height, frame.width, len(order))
    if order == (0, 1, 2):
        pixels = codes.astype(np.float32)
    else:
        pixels = codes[..., [order.index(channel) for channel in range(3)]].astype(np.float32)
    pixels /= _full_scale(frame.format)
    return pixels


def _from_grey(frame: av.VideoFrame, tags: ColourTags) -> NDArray[np.float32]:
    samples = 2 if frame.format.name.startswith(("ya", "graya")) else 1
    values = _view(frame.planes[0], _dtype(frame.format), samples)[:, ::samples]
    grey = values.astype(np.float32)
    if tags.range == "limited" and not is_float_format(frame.format.name):
        step = np.float32(2.0 ** (bits_of(frame.format) - 8))
        grey = (grey - 16 * step) / (219 * step)
    else:
        grey /= _full_scale(frame.format)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _from_planar_rgb(frame: av.VideoFrame) -> NDArray[np.float32]:
    dtype = _dtype(frame.format)
    planes = [frame.planes[part.plane] for part in _colours(frame.format)]
    pixels = np.empty((frame.height, frame.width, 3), np.float32)
    for channel, plane in enumerate(planes):
        pixels[..., channel] = _view(plane, dtype)
    if not is_float_format(frame.format.name):
        pixels /= _full_scale(frame.format)
    return pixels


def _from_yuv(frame: av.VideoFrame, tags: ColourTags) -> NDArray[np.float32]:
    dtype, size = _dtype(frame.format), (frame.height, frame.width)
    planes = [_float_plane(frame.planes[part.plane], dtype) for part in _colours(frame.format)]
    planes[1:] = [_full_size_chroma(plane, size) for plane in planes[1:]]
    matrix = _rgb_matrix(tags.matrix, tags.range, bits_of(frame.format))
    return np.asarray(cv2.transform(cv2.merge(planes), matrix), dtype=np.float32)


@lru_cache
def _rgb_matrix(matrix: str, colour_range: str, bits: int) -> NDArray[np.float64]:
    return rgb_from_codes(matrix, colour_range=colour_range, bits=bits)


@lru_cache
def _code_matrix(matrix: str, colour_range: str, bits: int) -> NDArray[np.float64]:
    return codes_from_rgb(matrix, colour_range=colour_range, bits=bits)


def _full_size_chroma(plane: Plane, size: tuple[int, int]) -> Plane:
    """Brings a chroma plane to luma size, (H, W), by straight lines between its samples."""
    height, width = size
    if plane.shape[0] < height:
        plane = _taller(plane, -(-height // plane.shape[0]))
    if plane.shape[1] < width:
        plane = _wider(plane, -(-width // plane.shape[1]))
    return np.ascontiguousarray(plane[:height, :width])


def _taller(plane: Plane, factor: int) -> Plane:
    rows, columns = plane.shape
    taller = cv2.resize(plane, (columns, rows * factor), interpolation=cv2.INTER_LINEAR)
    return np.asarray(taller, dtype=np.float32)


def _wider(plane: Plane, factor: int) -> Plane:
    rows, columns = plane.shape
    following = np.concatenate([plane[:, 1:], plane[:, -1:]], axis=1)
    wide = np.empty((rows, columns, factor), np.float32)
    wide[..., 0] = plane
    for step in range(1, factor):
        share = np.float32(step / factor)
        wide[..., step] = plane * (1 - share) + following * share
    return wide.reshape(rows, columns * factor)


def frame_from_pixels(
    pixels: NDArray[np.float32], pixel_format: str, *, matrix: str = "bt709"
) -> av.VideoFrame:
    """Makes a planar YUV frame, limited range, from RGB.

    Args:
        pixels: float32, (H, W, 3), 0-1; values outside keep what head- and footroom allows.
        pixel_format: A planar YUV layout of 8-16 bits, for instance yuv422p10le.
        matrix: A key of the luma weights.

    Returns:
        A frame of the same size; chroma of an odd size has its last half sample repeated.
    """
    layout = av.VideoFormat(pixel_format, 8, 8)
    parts = _colours(layout)
    across, down = 8 // parts[1].width, 8 // parts[1].height
    height, width = pixels.shape[:2]
    bits = bits_of(layout)
    codes = cv2.transform(pixels, _code_matrix(matrix, "limited", bits))
    frame = av.VideoFrame(width, height, pixel_format)
    step = 2 ** (bits - 8)
    for index, part in enumerate(parts):
        plane = np.ascontiguousarray(codes[..., index], dtype=np.float32)
        if index > 0:
            plane = _small_chroma(plane, across, down)
        np.rint(plane, out=plane)
        np.clip(plane, step, 255 * step - 1, out=plane)  # what SDI reserves stays unused
        _view(frame.planes[part.plane], _dtype(layout))[:] = plane
    return frame


def _small_chroma(plane: Plane, across: int, down: int) -> Plane:
    height, width = plane.shape
    plane = grown(plane, height=height + height % down, width=width + width % across)
    if down == 2:
        plane = (plane[0::2] + plane[1::2]) * np.float32(0.5)
    if across == 2:
        own, right = plane[:, 0::2], plane[:, 1::2]
        left = np.concatenate([own[:, :1], right[:, :-1]], axis=1)
        plane = own * np.float32(0.5) + (left + right) * np.float32(0.25)
    return np.ascontiguousarray(plane)


def grown(pixels: Plane, *, height: int, width: int) -> Plane:
    """Repeats the last row and column until a picture has the given size, px."""
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    if not below and not right:
        return pixels
    larger = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(larger, dtype=np.float32)


def frame_from_codes(codes: NDArray, pixel_format: str) -> av.VideoFrame:
    """Makes an RGB frame that holds exactly the given numbers.

    Args:
        codes: (H, W, 3), uint16 for rgb48le, rgb48be and gbrp16le, float32 for gbrpf32le.
        pixel_format: One of those.
    """
    height, width = codes.shape[:2]
    frame = av.VideoFrame(width, height, pixel_format)
    dtype = _dtype(frame.format)
    if len(frame.planes) == 1:
        _view(frame.planes[0], dtype, 3)[:] = codes.reshape(height, width * 3)
        return frame
    for channel, part in enumerate(frame.format.components):
        _view(frame.planes[part.plane], dtype)[:] = codes[..., channel]
    return frame
