"""Review clips: the re-aged shot with slate and burn-in, and the wipe against its plate.

Both stream: a frame is drawn, encoded and forgotten. Pictures come as display-referred 8-bit codes
(`review_picture`), so that one conversion of a frame serves both clips and the QC figures.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reage.burnin import BurnIn, Slate, draw_burnin, draw_slate
from reage.colour import to_display
from reage.contact_sheet import resized
from reage.framerange import FrameRange
from reage.image import Image, quantise
from reage.video import PlateInfo, open_writer
from reage.video.timing import advance_timecode
from reage.wipe import compose_wipe, wipe_position

SLATE_SECONDS = 1
MAX_HEIGHT = 1080  # lines; larger plates are reviewed as a proxy

Codes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """What the clips of a shot have in common.

    Attributes:
        width: Of the plate, px.
        height: Of the plate, px.
        frame_rate: Frames per second.
        frames: Of the shot, inclusive.
        timecode: Of `frames.first`; None where the plate has none.
        audio_from: The plate, when its sound goes along.
    """

    width: int
    height: int
    frame_rate: Fraction
    frames: FrameRange
    timecode: str | None = None
    audio_from: PlateInfo | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the clips, px, even, at most `MAX_HEIGHT` lines."""
        scale = min(MAX_HEIGHT / self.height, 1.0)
        return tuple(2 * max(round(side * scale / 2), 1) for side in (self.width, self.height))  # type: ignore[return-value]

    def timecode_at(self, frame_number: int) -> str | None:
        """Returns the timecode of a frame, which may lie before the shot; None without one."""
        if self.timecode is None:
            return None
        offset = frame_number - self.frames.first
        return advance_timecode(self.timecode, offset, frame_rate=self.frame_rate)


class ReviewClip:
    """The re-aged shot as H.264, led by a second of slate; a context manager.

    The slate's timecode runs up to the shot's, so that a frame keeps its timecode in the clip. The
    clip is silent: the slate has no sound to go with it.
    """

    def __init__(self, path: Path, clip: ClipFormat, *, slate: Slate) -> None:
        self._clip, self._slate = clip, slate
        self._lead = SLATE_SECONDS * max(round(clip.frame_rate), 1)
        width, height = clip.size
        self._writer = open_writer(
            path,
            format="h264",
            width=width,
            height=height,
            frame_rate=clip.frame_rate,
            timecode=clip.timecode_at(clip.frames.first - self._lead),
        )

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def add(self, frame_number: int, output: Codes, *, target_ages: str = "") -> None:
        """Adds the next frame; frames come in order.

        Args:
            frame_number: Studio frame number.
            output: The re-aged frame, uint8, (H, W, 3), of any size.
            target_ages: For the burn-in, in words.
        """
        if frame_number == self._clip.frames.first:
            self._write_slate()
        burnin = BurnIn(
            shot_code=self._slate.shot_code,
            version=self._slate.version,
            frame_number=frame_number,
            timecode=self._clip.timecode_at(frame_number) or "",
            target_ages=target_ages,
        )
        picture = draw_burnin(resized(output, self._clip.size), burnin)
        self._writer.write(frame_number, picture)

    def _write_slate(self) -> None:
        width, height = self._clip.size
        slate = draw_slate(self._slate, width=width, height=height)
        for number in range(self._clip.frames.first - self._lead, self._clip.frames.first):
            self._writer.write(number, slate)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


class WipeClip:
    """The wipe between plate and re-aged shot as H.264; a context manager."""

    def __init__(self, path: Path, clip: ClipFormat) -> None:
        self._clip = clip
        width, height = clip.size
        self._writer = open_writer(
            path,
            format="h264",
            width=width,
            height=height,
            frame_rate=clip.frame_rate,
            timecode=clip.timecode,
            audio_from=clip.audio_from,
        )

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def add(self, frame_number: int, plate: Codes, output: Codes, *, label: str) -> None:
        """Adds the next frame; frames come in order.

        Args:
            frame_number: Studio frame number, in the clip's range.
            plate: uint8, (H, W, 3), of any size.
            output: The re-aged frame, of the same size.
            label: Of the re-aged side: `re-aged 70`.
        """
        index = self._clip.frames.index_of(frame_number)
        share = index / max(len(self._clip.frames) - 1, 1)
        picture = compose_wipe(
            resized(plate, self._clip.size),
            resized(output, self._clip.size),
            wipe_position(share),
            labels=("plate", label),
        )
        self._writer.write(frame_number, picture)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def review_picture(image: Image) -> Codes:
    """Returns the image as a screen shows it, uint8, (H, W, 3)."""
    return quantise(to_display(image), 255).astype(np.uint8)
