from fractions import Fraction

import av
import numpy as np
import pytest

from reage.video import open_writer, probe
from reage.video.planes import frame_from_pixels

RATE = Fraction(24)
SAMPLES_PER_FRAME = 2000  # 48000 / 24
COUNT = 48


@pytest.fixture
def noisy_plate(tmp_path):
    """Makes a plate with sound whose samples tell where they are."""

    def make(codec, *, name="plate.mov"):
        path = tmp_path / name
        samples = ramp()
        with av.open(str(path), "w") as container:
            video = container.add_stream("prores_ks", rate=24)
            video.width, video.height, video.pix_fmt = 64, 32, "yuv422p10le"
            sound = container.add_stream(codec, rate=48000, layout="mono")
            for index in range(COUNT):
                pixels = np.full((32, 64, 3), index / COUNT, np.float32)
                frame = frame_from_pixels(pixels, "yuv422p10le")
                frame.pts = index
                container.mux(video.encode(frame))
                part = samples[index * SAMPLES_PER_FRAME : (index + 1) * SAMPLES_PER_FRAME]
                if codec == "aac":
                    part = part.astype(np.float32) / 32768
                kind = "fltp" if codec == "aac" else "s16"
                audio = av.AudioFrame.from_ndarray(part[None], kind, "mono")
                audio.sample_rate, audio.pts = 48000, index * SAMPLES_PER_FRAME
                container.mux(sound.encode(audio))
            container.mux(video.encode(None))
            container.mux(sound.encode(None))
        return path

    return make


def ramp():
    """A tone of 200 Hz that swells, so that a shift in time shows."""
    time = np.arange(COUNT * SAMPLES_PER_FRAME)
    return (np.sin(2 * np.pi * 200 * time / 48000) * (2000 + time / 8)).astype(np.int16)


def copy_part(info, path, format, *, first, last):
    settings = {"width": 64, "height": 32, "frame_rate": RATE, "audio_from": info}
    with open_writer(path, format=format, **settings) as writer:
        for number in range(first, last + 1):
            writer.write(number, np.zeros((32, 64, 3), np.uint8))


def decode_sound(path):
    """Returns codec, start in seconds and samples, -1 to 1."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        if samples.dtype == np.int16:
            samples = samples / 32768
        return stream.codec_context.name, float(frames[0].pts * frames[0].time_base), samples


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize("name,format", [("o.mov", "prores4444"), ("o.mkv", "ffv1")])
def test_sound_of_a_whole_plate_is_copied_packet_by_packet(
    noisy_plate, tmp_path, codec, name, format
):
    info = probe(noisy_plate(codec))
    assert info.has_audio
    copy_part(info, tmp_path / name, format, first=1001, last=1048)
    assert b"".join(packets_of(tmp_path / name)) == b"".join(packets_of(info.path))
    assert probe(tmp_path / name).has_audio


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
@pytest.mark.parametrize("name,format", [("o.mov", "prores4444"), ("o.mp4", "h264")])
def test_sound_of_a_part_stays_in_step(noisy_plate, tmp_path, codec, name, format):
    info = probe(noisy_plate(codec))
    copy_part(info, tmp_path / name, format, first=1019, last=1036)
    carried, start, samples = decode_sound(tmp_path / name)
    assert carried == (codec if format == "prores4444" else "aac")
    original = ramp() / 32768
    at = 18 * SAMPLES_PER_FRAME + round(start * 48000)
    # Leaves the lossy codec's first and last packet out.
    inner = slice(4096, len(samples) - 4096)
    assert inner.stop - inner.start > 12 * SAMPLES_PER_FRAME
    expected = original[at : at + len(samples)][inner]
    error = np.abs(samples[inner] - expected).max()
    # One sample of shift is 0.006 at this level.
    assert error < (1e-6 if carried.startswith("pcm") else 0.006)


def test_sound_ends_with_the_picture(noisy_plate, tmp_path):
    info = probe(noisy_plate("pcm_s16le"))
    copy_part(info, tmp_path / "o.mov", "prores4444", first=1001, last=1012)
    _, _, samples = decode_sound(tmp_path / "o.mov")
    assert abs(len(samples) - 12 * SAMPLES_PER_FRAME) <= 1024


def test_writer_without_sound_in_the_plate_writes_none(write_plate, tmp_path):
    info = probe(write_plate("silent.mov", "prores422hq", count=2))
    copy_part(info, tmp_path / "o.mov", "prores4444", first=1001, last=1002)
    assert not probe(tmp_path / "o.mov").has_audio
