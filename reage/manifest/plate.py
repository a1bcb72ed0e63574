"""The plate of a shot manifest: where it lies, which frames of it, and how its numbers are read."""

from pydantic import Field, model_validator

from reage.manifest.fields import (
    SCREEN_COLOURSPACES,
    Colourspace,
    ConfigPlace,
    FrameNumber,
    FrameRate,
    ManifestModel,
    PixelAspect,
    PlatePlace,
    Share,
    has_frame_pattern,
)
from reage.manifest.problems import Finding, refuse_all


class Plate(ManifestModel):
    """The photographed image that the shot is built on. Frame numbers are the studio's."""

    uri: PlatePlace = Field(
        description="A movie, or an image sequence as `plate.%04d.exr` or `plate.####.exr`; a path "
        "relative to this file, `file:///path` or `s3://bucket/key`."
    )
    colourspace: Colourspace = Field(
        default="rec709",
        description="What the plate's numbers mean: one of Reage's own, or a colourspace of an "
        "OpenColorIO configuration, as `ARRI LogC3 (EI800)`.",
    )
    ocio: ConfigPlace | None = Field(
        default=None,
        description="The OpenColorIO configuration that `colourspace` is of: a file, or a built-in "
        "one as `ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4`. Left out, Reage's own "
        "colourspaces need none, and others are looked up in `$OCIO`, else in that built-in one.",
    )
    exposure: float = Field(
        default=0.0,
        ge=-20,
        le=20,
        description="Stops by which the plate is brightened where faces are found, aged and "
        "reviewed, so that skin lies in the middle; the master's exposure is the plate's.",
    )
    pixel_aspect: PixelAspect | None = Field(
        default=None,
        description="Width of a pixel over its height, 2 for anamorphic; left out, as the plate "
        "says.",
    )
    frame_rate: FrameRate | None = Field(
        default=None,
        description='A whole number, or a fraction in quotes as `"24000/1001"`; left out, a '
        "movie's own. An image sequence has none and needs one here.",
    )
    first_frame: FrameNumber = Field(
        default=1001,
        description="Frame number of a movie's first frame; an image sequence has its own.",
    )
    cut_in: FrameNumber = Field(description="First frame of the cut.")
    cut_out: FrameNumber = Field(description="Last frame of the cut, included.")
    shutter_angle: float = Field(
        default=180.0,
        ge=0,
        le=360,
        description="Of the camera, degrees: the change is blurred along the face's motion as far "
        "as the shutter was open; 0 leaves it sharp.",
    )
    defocus: Share = Field(
        default=1.0,
        description="How far the change is blurred in frames where the face is less in focus than "
        "elsewhere in the take; 0 leaves it sharp.",
    )
    regrain: Share = Field(
        default=1.0,
        description="How much of the grain that a change took away is put back, as the plate has "
        "it: by luminance, in each channel; 0 puts back none.",
    )
    handles: int = Field(
        default=0, ge=0, le=1000, description="Extra frames delivered on each side of the cut."
    )

    @model_validator(mode="after")
    def _frames_in_order(self) -> "Plate":
        found: list[Finding] = []
        if self.cut_out < self.cut_in:
            expected = f"at least cut_in ({self.cut_in})"
            found.append(Finding(("cut_out",), str(self.cut_out), expected))
        if self.is_image_sequence and self.frame_rate is None:
            expected = "a frame rate, as an image sequence has none of its own"
            found.append(Finding(("frame_rate",), "nothing", expected))
        if self.exposure != 0 and self.ocio is None and self.colourspace in SCREEN_COLOURSPACES:
            expected = f"0, as {self.colourspace} is made for a screen"
            cure = "exposure is for scene-linear plates and camera logs"
            found.append(Finding(("exposure",), f"{self.exposure:g}", expected, cure))
        first = 0 if self.is_image_sequence else self.first_frame
        if self.cut_in < first:
            expected = f"at least first_frame ({first})"
            cure = "cut_in and cut_out are frame numbers, not positions from 0"
            found.append(Finding(("cut_in",), str(self.cut_in), expected, cure))
        elif self.cut_in - self.handles < first:
            expected = f"at most {self.cut_in - first}, as the plate begins at frame {first}"
            found.append(Finding(("handles",), str(self.handles), expected))
        if found:
            raise refuse_all(found)
        return self

    @property
    def is_image_sequence(self) -> bool:
        """Whether the plate is one file a frame, numbered in the files' names."""
        return has_frame_pattern(self.uri)
