"""Finding what is in front of an actor's face: by how its skin looks over each take, and hands.

N side of the face's chart in texels, S side of its upright crop, T frames.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from reage.colour import luma
from reage.defocus import defocus, fineness
from reage.framerange import FrameRange
from reage.geometry import warp_to_crop
from reage.hands import HandFinder
from reage.image import quantise
from reage.occlusion.appearance import SIDE, Pixels, SkinLook
from reage.occlusion.covering import covers, is_off
from reage.occlusion.face_view import CROP, FaceView
from reage.occlusion.holdout import HELD_BACK, held_back, stored_in
from reage.stored_rows import StoredRows
from reage.tracks import Track, load_track
from reage.video import PlateInfo
from reage.workspace import Workspace
from tasks.crops import plate_frames, plate_info
from tasks.own_mattes import coverage, find_matte, matte_digest
from tasks.refs import CastRef, FrameSetRef, OcclusionRef

SAMPLES = 32  # frames of a take from which the skin's look is found
_LEAST_FADE = 0.5  # of a frame that speaks for it
_CROPS = "crops.npy"

Covers = Iterator[tuple[int, Pixels]]


@task(name="find occlusion")
def find_occlusion(
    frame_set: FrameSetRef,
    cast: CastRef,
    takes: Sequence[FrameRange],
    *,
    own: str | None = None,
    workspace: Workspace,
) -> OcclusionRef:
    """Finds how far each pixel of the face's upright crop is covered; see reage/occlusion.

    Writes `holdout.npy`, uint8 (T, S, S), and `held_back.npy`, the share of the face's matte, (T,).

    Args:
        own: Place of an artist's matte of what is in front, which is taken at its word.

    Raises:
        PlateError: `own` cannot be read, lacks frames, or is of another size than the plate.
    """
    matte = find_matte(own, plate_info(frame_set), frame_set.frames, workspace)

    def produce(folder: Path) -> dict[str, Any]:
        track = load_track(Path(cast.track_path))
        view = FaceView.of_frames(track, track.frames)
        stored, shares = stored_in(folder, track.frames), np.zeros(len(track.frames))
        found = _found(frame_set, track, takes, folder) if matte is None else _own(matte, view)
        for frame, cover in found:
            row = track.frames.index_of(frame)
            stored[row] = quantise(cover, 255)
            shares[row] = held_back(view, frame, cover)
        np.save(folder / HELD_BACK, shares)
        return {"num_covered": int((shares > 0).sum())}

    step = workspace.step(
        "occlusion",
        produce,
        frame_set=frame_set.content,
        cast=cast.digest,
        takes=list(takes),
        own=matte_digest(matte, frame_set.frames),
    )
    return OcclusionRef(folder=str(step.folder), digest=step.digest, own=own)


def _own(matte: PlateInfo, view: FaceView) -> Covers:
    frames = zip(view.frames, coverage(matte, view.frames), view.crop_from_plate, strict=True)
    for frame, cover, way in frames:
        if cover.any():
            yield frame, warp_to_crop(cover, way, (CROP, CROP)).clip(0, 1)


def _found(
    frame_set: FrameSetRef, track: Track, takes: Sequence[FrameRange], folder: Path
) -> Covers:
    """Yields what is found in the frames of each take that shows the face."""
    with HandFinder() as hands:
        for take in takes:
            frames = [frame for frame in take if track.fade[track.frames.index_of(frame)] > 0]
            if frames:
                shown = FrameRange(frames[0], frames[-1])
                yield from _in_take(frame_set, FaceView.of_frames(track, shown), hands, folder)
    (folder / _CROPS).unlink(missing_ok=True)


def _in_take(frame_set: FrameSetRef, view: FaceView, hands: HandFinder, folder: Path) -> Covers:
    shape = (len(view.frames), CROP, CROP, 3)
    crops = StoredRows.blank(folder / _CROPS, shape, np.uint8)
    for frame, image in plate_frames(frame_set, view.frames):
        crops[view.frames.index_of(frame)] = quantise(view.crop(frame, image), 255)
    frames = _compared(view, crops, hands)
    for frame, texture in zip(view.frames, covers(frames, view.skin), strict=True):
        if texture.any():
            yield frame, view.drawn(frame, texture)


def _compared(
    view: FaceView, crops: StoredRows, hands: HandFinder
) -> Iterator[tuple[Pixels, Pixels]]:
    """Yields each frame's distance from the skin's look on the chart, and its hands."""
    look = _look(view, crops)
    fine = np.stack([fineness(_luminance(crop)) for crop in crops])
    blurs = CROP * defocus(fine, view.seen, sharp_percentile=50)  # the look is a median, too
    for frame, crop, blur in zip(view.frames, crops, blurs, strict=True):
        distance, drawn = look.distance(*_laid(view, frame, crop)), np.zeros((SIDE, SIDE))
        if blur > 0.0:  # else what lies around a face that is out of focus seems to cover its edge
            distance = distance * view.clear_of_edge(blur)
        if is_off(distance, view.skin):
            found = hands.find(np.ascontiguousarray(crop))
            drawn = view.laid(frame, found[..., None])[..., 0].clip(0, 1)
        yield distance, np.asarray(drawn, np.float32)


def _luminance(crop: NDArray[np.uint8]) -> Pixels:
    return luma(crop.astype(np.float32) / 255)


def _look(view: FaceView, crops: StoredRows) -> SkinLook:
    """The look of a take, from frames evenly spread that show the face well."""
    well = np.flatnonzero(view.seen >= min(_LEAST_FADE, float(view.seen.max())))
    chosen = well[np.linspace(0, len(well) - 1, min(SAMPLES, len(well))).astype(int)]
    pairs = [_laid(view, view.frames.first + int(row), crops[row]) for row in chosen]
    return SkinLook.of_frames([texture for texture, _ in pairs], [seen for _, seen in pairs])


def _laid(view: FaceView, frame: int, crop: NDArray[np.uint8]) -> tuple[Pixels, Pixels]:
    return view.laid(frame, crop.astype(np.float32) / 255), view.confidence(frame)
