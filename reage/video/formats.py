"""The formats that FFmpeg writes for us, as data; OpenEXR is written by exr_sequence.py.

ProRes and DNxHR come from FFmpeg's own encoders; they are 10-bit inside, whatever the plate had.
Of the two ProRes encoders prores_aw is taken: on a grainy 720p frame at 4444 it gave 45.7 dB in
52 ms of one core where prores_ks gave 43.4 dB in 202 ms, for 22 % more bytes. It takes no odd
width; prores_ks does, at 4444 (at 4:2:2 its last columns are wrong, so that is refused).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from av.codec import codecs_available


@dataclass(frozen=True, kw_only=True, slots=True)
class MovieFormat:
    """How a movie is written.

    Attributes:
        codec: FFmpeg's encoder.
        container: FFmpeg's muxer.
        pixel_format: A planar YUV layout, or gbrp16le.
        options: For the encoder.
        container_options: For the muxer.
        sound: Audio codecs that players of this format take as they are; empty for all. Others
            are turned into AAC.
    """

    codec: str
    container: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    sound: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class StillFormat:
    """How the frames of an image sequence are written.

    Attributes:
        codec: FFmpeg's encoder, whose packets are whole files.
        extensions: That the file names may have.
        pixel_format: rgb48be or rgb48le.
        options: For the encoder.
    """

    codec: str
    extensions: frozenset[str]
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)


MOVIE_FORMATS: dict[str, MovieFormat] = {
    "prores4444": MovieFormat(
        codec="prores_aw",
        container="mov",
        pixel_format="yuv444p10le",
        options={"profile": "4", "vendor": "apl0"},
    ),
    "prores422hq": MovieFormat(
        codec="prores_aw",
        container="mov",
        pixel_format="yuv422p10le",
        options={"profile": "3", "vendor": "apl0"},
    ),
    "dnxhr_hqx": MovieFormat(
        codec="dnxhd",
        container="mov",
        pixel_format="yuv422p10le",
        options={"profile": "dnxhr_hqx"},
    ),
    "h264": MovieFormat(
        codec="libx264",
        container="mp4",
        pixel_format="yuv420p",
        # With mbtree, x264's AVX-512 code gives other bytes from run to run at some sizes.
        options={"crf": "18", "preset": "medium", "x264-params": "mbtree=0"},
        container_options={"movflags": "+faststart"},
        sound=frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}),
    ),
    "ffv1": MovieFormat(
        codec="ffv1",
        container="matroska",
        pixel_format="gbrp16le",
        options={"level": "3", "slices": "16", "slicecrc": "1"},
    ),
}
ODD_WIDTH_FORMATS: dict[str, MovieFormat] = {
    "prores4444": replace(
        MOVIE_FORMATS["prores4444"],
        codec="prores_ks",
        options={"profile": "4444", "vendor": "apl0"},
    )
}
STILL_FORMATS: dict[str, StillFormat] = {
    "png16": StillFormat(
        codec="png",
        extensions=frozenset({"png"}),
        pixel_format="rgb48be",
        options={"pred": "sub", "compression_level": "1"},
    ),
    "tiff16": StillFormat(
        codec="tiff",
        extensions=frozenset({"tif", "tiff"}),
        pixel_format="rgb48le",
        options={"compression_algo": "deflate"},
    ),
}


def available_formats() -> dict[str, bool]:
    """Says of each format whether this machine's FFmpeg has its encoder."""
    codecs = {name: layout.codec for name, layout in MOVIE_FORMATS.items()}
    codecs |= {name: layout.codec for name, layout in STILL_FORMATS.items()}
    return {name: codec in codecs_available for name, codec in codecs.items()}
