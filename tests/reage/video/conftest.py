from fractions import Fraction

import av
import numpy as np
import pytest

from reage.image import Image
from reage.video import open_writer
from reage.video.planes import frame_from_pixels

WIDTH, HEIGHT, COUNT = 160, 90, 12
RATE = Fraction(24000, 1001)


def smooth_picture(index, *, width=WIDTH, height=HEIGHT, count=COUNT):
    """A gradient whose level tells the frame's index."""
    across, down = np.meshgrid(np.linspace(0, 0.2, width), np.linspace(0, 0.2, height))
    level = 0.2 + 0.5 * index / count
    pixels = np.stack([level + across, level + down, level + (across + down) / 2], axis=2)
    return Image(pixels.astype(np.float32), "rec709", 16)


@pytest.fixture
def write_plate(tmp_path):
    """Writes a plate with our own writer and returns its path."""

    def write(name, format, *, count=COUNT, first=1001, rate=RATE, width=WIDTH, **settings):
        path = tmp_path / name
        height = settings.pop("height", HEIGHT)
        with open_writer(
            path, format=format, width=width, height=height, frame_rate=rate, **settings
        ) as writer:
            for i in range(count):
                picture = smooth_picture(i, width=width, height=height, count=count)
                writer.write(first + i, picture)
        return path

    return write


@pytest.fixture
def encode_movie(tmp_path):
    """Writes a movie with FFmpeg directly, for files that our writer would not make."""

    def encode(name, codec, pixel_format, *, stamps=None, count=COUNT, height=HEIGHT, **extra):
        path = tmp_path / name
        time_base = Fraction(1, 600)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=24, options=extra.get("options", {}))
            stream.width, stream.height, stream.pix_fmt = WIDTH, height, pixel_format
            stream.gop_size = 5
            stream.codec_context.time_base = time_base
            for key, value in extra.get("tags", {}).items():
                setattr(stream.codec_context, key, value)
            stamps = stamps or [25 * i for i in range(count)]
            for i, stamp in enumerate(stamps):
                picture = smooth_picture(i, height=height, count=count)
                matrix = extra.get("matrix", "bt709")
                frame = frame_from_pixels(picture.pixels, pixel_format, matrix=matrix)
                frame.pts, frame.time_base = stamp, time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return encode
