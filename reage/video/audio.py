"""Carries a plate's sound into a movie made from a part of it, in step with the picture.

Packets are copied untouched. Only where a format's players would not take the codec (PCM in MP4)
is the sound decoded and written as AAC. Packets are fed as the picture advances, so that the muxer
never holds more than a moment of either.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from reage.errors import PlateError
from reage.video.info import PlateInfo
from reage.video.opening import open_movie, reason

_log = logging.getLogger(__name__)

_AAC_BIT_RATE = 192_000


class SoundTrack:
    """The sound of a plate on its way into one output movie; a context manager.

    Args:
        info: The plate; with `has_audio`.
        output: Open for writing, before its first packet.
        accepted: Codecs copied as they are; empty for all.
    """

    def __init__(
        self, info: PlateInfo, output: OutputContainer, *, accepted: frozenset[str]
    ) -> None:
        self._info = info
        self._output = output
        self._stack = ExitStack()
        try:
            source, _ = self._stack.enter_context(open_movie(Path(info.path)))
            self._source = source
            self._tracks = {
                stream.index: self._make_track(stream, accepted) for stream in source.streams.audio
            }
            assert info.timeline is not None
            self._movie_start = info.timeline.start_ticks * info.timeline.time_base
            self._start = Fraction(0)
            self._packets: Iterator[av.Packet] | None = None
            self._held: av.Packet | None = None
        except BaseException:
            self._stack.close()
            raise

    def _make_track(self, stream: AudioStream, accepted: frozenset[str]) -> "_Copy | _Aac":
        if not accepted or stream.codec_context.name in accepted:
            return _Copy(self._output, stream)
        _log.info("sound is turned into AAC codec=%s", stream.codec_context.name)
        return _Aac(self._output, stream)

    def start_at(self, frame: int) -> None:
        """Says which frame number of the plate the movie starts with."""
        index = self._info.frames.index_of(frame)
        self._start = self._movie_start + index / self._info.frame_rate
        streams = self._source.streams.audio
        if index:
            self._source.seek(round((self._start - 1) * 1_000_000))
        self._packets = self._source.demux(*streams)

    def feed_until(self, seconds: Fraction) -> None:
        """Writes the sound up to a time of the output movie, s."""
        while True:
            packet = self._held or self._next_packet()
            self._held = None
            if packet is None:
                return
            if not packet.size or packet.pts is None:
                continue
            start = packet.pts * packet.time_base - self._start
            if start >= seconds:
                self._held = packet
                return
            self._tracks[packet.stream_index].put(packet, start)

    def _next_packet(self) -> av.Packet | None:
        assert self._packets is not None
        try:
            return next(self._packets, None)
        except av.error.FFmpegError as error:
            raise PlateError(
                f"{self._info.path}: sound: got {reason(error)}, expected packets that can be "
                "read; the file is damaged or cut short, copy it again"
            ) from error

    def finish(self) -> None:
        """Writes what encoders still hold."""
        for track in self._tracks.values():
            track.finish()

    def close(self) -> None:
        """Closes the plate."""
        self._stack.close()


class _Copy:
    """Copies packets, with their time moved to the output's."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._output = output
        self._stream = output.add_stream_from_template(source)
        # A compressed frame needs the one before it to decode, so one is taken along.
        is_pcm = source.codec_context.name.startswith("pcm_")
        self._lead = Fraction(0) if is_pcm else Fraction(2048, source.codec_context.sample_rate)

    def put(self, packet: av.Packet, start: Fraction) -> None:
        if start < -self._lead:
            return
        shift = packet.pts - round(start / packet.time_base)  # type: ignore[operator]
        packet.pts -= shift  # type: ignore[operator]
        packet.dts = packet.pts
        packet.stream = self._stream
        self._output.mux(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class _Aac:
    """Decodes and encodes as AAC."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._output = output
        rate = source.codec_context.sample_rate
        layout = "stereo" if source.codec_context.channels > 1 else "mono"
        stream: Any = output.add_stream("aac", rate=rate, layout=layout)
        stream.bit_rate = _AAC_BIT_RATE
        self._stream = stream
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        self._shift: int | None = None

    def put(self, packet: av.Packet, start: Fraction) -> None:
        if start < 0:
            return
        for frame in packet.decode():
            for part in self._resampler.resample(frame):  # type: ignore[arg-type]
                rate_base = Fraction(1, part.sample_rate)
                if self._shift is None:
                    self._shift = int(part.pts or 0) - round(start / rate_base)
                part.pts = int(part.pts or 0) - self._shift
                self._output.mux(self._stream.encode(part))

    def finish(self) -> None:
        self._output.mux(self._stream.encode(None))
