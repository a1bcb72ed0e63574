"""What is known of a plate before its pixels are read."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.video.tags import ColourTags
from reage.video.timing import Timeline, advance_timecode


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateInfo:
    """A plate, probed.

    Attributes:
        path: Movie file, or image sequence pattern, as a local path.
        kind: movie or image_sequence.
        width: Columns as seen, after rotation, px.
        height: Rows as seen, after rotation, px.
        frame_rate: Frames a second.
        frames: Studio frame numbers of all frames there are.
        codec: FFmpeg's name.
        pixel_format: FFmpeg's name.
        bit_depth: Bits a channel as stored.
        is_float: The plate stores floating point.
        tags: Colour description, resolved.
        timecode: Of the first frame, HH:MM:SS:FF, or None.
        has_audio: The movie has sound.
        missing: Frame numbers absent from an image sequence.
        pixel_aspect: Width of a pixel over its height.
        rotation_deg: Quarter turns, counter-clockwise, that stand the stored picture upright.
        timeline: Time stamps of a movie; None for an image sequence.
        canvas: Of OpenEXR frames, what `width` and `height` span in the files' pixel coordinates:
            the display window and every frame's data window. None for everything else.
        display_window: Of OpenEXR frames, the part that is meant to be seen, likewise.
    """

    path: str
    kind: Literal["movie", "image_sequence"]
    width: int
    height: int
    frame_rate: Fraction
    frames: FrameRange
    codec: str
    pixel_format: str
    bit_depth: int
    is_float: bool
    tags: ColourTags
    timecode: str | None = None
    has_audio: bool = False
    missing: tuple[int, ...] = ()
    pixel_aspect: Fraction = Fraction(1)
    rotation_deg: int = 0
    timeline: Timeline | None = None
    canvas: Roi | None = None
    display_window: Roi | None = None

    @property
    def shown(self) -> Roi:
        """The part of the picture that is meant to be seen, pixels of the picture."""
        if self.canvas is None or self.display_window is None:
            return Roi(0, 0, self.width, self.height)
        return self.display_window.within(self.canvas)

    def laid_on(self, plate: "PlateInfo") -> "PlateInfo":
        """Returns this sequence as read onto the canvas of a plate with the same display window."""
        if plate.canvas is None or self.display_window != plate.display_window:
            return self
        return replace(self, canvas=plate.canvas, width=plate.width, height=plate.height)

    def timecode_at(self, frame: int) -> str | None:
        """Returns the timecode of a frame number, or None where the plate has none."""
        if self.timecode is None:
            return None
        return advance_timecode(
            self.timecode, frame - self.frames.first, frame_rate=self.frame_rate
        )
