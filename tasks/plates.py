"""Finding a shot's plate: fetched if it lies in a bucket, probed, its frame range checked."""

from fractions import Fraction

from prefect import task

from reage.colour import find_colourspace, name_colourspace
from reage.colour_config import config_digest, is_of_config
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import plate_digest, probe
from reage.workspace import Workspace
from tasks.fetching import local_path
from tasks.refs import FrameSetRef
from tasks.retries import may_pass


@task(
    name="locate plate",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
)
def locate_plate(
    uri: str,
    *,
    frames: FrameRange,
    first_frame: int,
    colourspace: str,
    frame_rate: Fraction | None,
    workspace: Workspace,
    ocio: str | None = None,
    exposure: float = 0.0,
    pixel_aspect: Fraction | None = None,
) -> FrameSetRef:
    """Returns the plate as a ref whose frames exist, fetching it from S3 when it lies there.

    Args:
        uri: `s3://bucket/key`, `file:///path`, a path, or an image-sequence pattern.
        frames: Frames to work on, handles included.
        first_frame: Studio number of a movie's first frame.
        colourspace: As the manifest states it.
        frame_rate: Needed for image sequences, checked against a movie's own.
        workspace: Where fetched plates are kept.
        ocio: Place of the OpenColorIO configuration that the colourspace is of.
        exposure: Stops by which the plate is brightened where it is looked at.
        pixel_aspect: Width of a pixel over its height; the plate's own word when left out.

    Raises:
        ColourError: There is no such colourspace, or its configuration cannot be read.
        PlateError: The plate cannot be read, or lacks frames that the shot asks for.
        StorageError: The bucket cannot be read.
    """
    named = name_colourspace(colourspace, ocio=ocio)
    find_colourspace(named)
    path = local_path(uri, workspace)
    info = probe(path, first_frame=first_frame, frame_rate=frame_rate, frames=frames)
    missing = [f for f in (frames.first, frames.last) if f not in info.frames]
    if missing:
        raise PlateError(
            f"{uri}: frames: got {info.frames}, expected {frames} (cut and handles); "
            "correct plate.first_frame, cut_in, cut_out or handles"
        )
    return FrameSetRef(
        path=str(path),
        digest=plate_digest(info, frames),
        first_frame=first_frame,
        frames=frames,
        colourspace=named,
        frame_rate=frame_rate,
        colour_digest=config_digest(named) if is_of_config(named) else None,
        exposure=exposure,
        pixel_aspect=pixel_aspect,
    )
