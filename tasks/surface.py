"""Holding the change on the skin: from each frame's own change to one that moves with the face.

Reads and writes changes in crop space, so that nothing after it knows which mode a shot has. The
chart is one for the shot; the frames' registration on it and what stays on the skin are found once
over each whole take. What is drawn of them is steadied along the plate's own motion at last. A
frame's change then depends on its own neighbours in its take only, so a chunk is the same wherever
it is cut, and nothing reaches across a cut.

T frames, N side of the chart, n side of the chart on which frames are registered.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from reage.framerange import FrameRange
from reage.stored_rows import StoredRows
from reage.surface.registration import SIDE, Register, find_reference
from reage.surface.skin import REACH_FRAMES, SkinPart, fit_skin, following
from reage.surface.trajectories import AROUND_FRAMES, steadied
from reage.takes import rows_of
from reage.workspace import Workspace
from tasks.face_surface import FaceSurface, Pixels, Textures
from tasks.refs import CastRef, ChangesRef, PlanRef, PriorRef, SkinRef

_FLOWS = "flows.npy"
_CHANGES = "changes.npy"


@task(name="find skin")
def find_skin(
    changes: Sequence[ChangesRef],
    plan: PlanRef,
    cast: CastRef,
    prior: PriorRef,
    *,
    workspace: Workspace,
) -> SkinRef:
    """Registers all frames on the face's chart and finds what of the change stays on the skin.

    Each take has a skin of its own, as its light and camera draw the change: of two takes in other
    light and expression, a skin of both was up to half of the finest structure off either's own,
    and where the takes agree their skins agree by themselves. With a key frame nothing is found
    but the registration, of all takes on one another: that frame's change is carried as it is.
    What is in front of the face in a frame says nothing of its skin.

    Writes `flows.npy`, float16 (T, 2, n, n, 2): frame from chart and back, 0 in takes without the
    actor; and `skin_<first frame>.npz` of every take with them.
    """

    def produce(folder: Path) -> dict[str, Any]:
        surface = FaceSurface.of(cast, prior, plan)
        _register(surface, plan, folder / _FLOWS)
        if plan.key_frame is None:
            flows = StoredRows(folder / _FLOWS)
            for take in surface.takes:
                _fitted(surface, changes, take, flows, folder / _skin_file(take))
        return {"num_frames": len(surface.frames)}

    step = workspace.step(
        "skin",
        produce,
        changes=[ref.digest for ref in changes],
        plan=plan.digest,
        cast=cast.digest,
    )
    return SkinRef(folder=str(step.folder), digest=step.digest)


@task(name="carry chunk")
def carry_chunk(
    skin: SkinRef,
    changes: Sequence[ChangesRef],
    plan: PlanRef,
    cast: CastRef,
    prior: PriorRef,
    frames: FrameRange,
    *,
    workspace: Workspace,
) -> ChangesRef:
    """Draws the change of every frame from the face's surface.

    Args:
        changes: Of the whole shot, as decoded.
    """

    def produce(folder: Path) -> dict[str, Any]:
        surface = FaceSurface.of(cast, prior, plan)
        flows = StoredRows(Path(skin.folder) / _FLOWS)
        drawn = _blank(folder, surface, frames)
        for take, part in _parts(surface, frames):
            if plan.key_frame is None:
                textures = _of_skin(surface, skin, changes, take, part, flows)
            else:
                textures = surface.from_key_frame(changes, plan.key_frame, part, flows)
            for frame, texture in textures:
                drawn[frames.index_of(frame)] = surface.drawn(frame, texture, flows)
        drawn.flush()
        return {"num_frames": len(frames)}

    step = workspace.step("carried", produce, skin=skin.digest, frames=frames)
    return ChangesRef(path=str(step.folder / _CHANGES), digest=step.digest, frames=frames)


@task(name="steady chunk")
def steady_chunk(
    carried: Sequence[ChangesRef],
    plan: PlanRef,
    cast: CastRef,
    prior: PriorRef,
    frames: FrameRange,
    *,
    workspace: Workspace,
) -> ChangesRef:
    """Steadies the carried change of every frame along the plate's motion.

    Args:
        carried: Of the whole shot.
    """

    def produce(folder: Path) -> dict[str, Any]:
        surface = FaceSurface.of(cast, prior, plan)
        changes = _blank(folder, surface, frames)
        for take, part in _parts(surface, frames):
            around = _widened(part, AROUND_FRAMES, take)
            for frame, change in steadied(surface.moments(plan.latents, carried, around), part):
                changes[frames.index_of(frame)] = change
        changes.flush()
        return {"num_frames": len(frames)}

    step = workspace.step(
        "steadied", produce, carried=[ref.digest for ref in carried], frames=frames
    )
    return ChangesRef(path=str(step.folder / _CHANGES), digest=step.digest, frames=frames)


def _blank(folder: Path, surface: FaceSurface, frames: FrameRange) -> Any:
    """Makes the file of a chunk's changes, all 0, open for writing, float32 (T, S, S, 3)."""
    shape = (len(frames), surface.size, surface.size, 3)
    return np.lib.format.open_memmap(folder / _CHANGES, "w+", np.dtype(np.float32), shape)


def _parts(surface: FaceSurface, frames: FrameRange) -> Iterator[tuple[FrameRange, FrameRange]]:
    """Yields the takes that frames are in, and which of the frames each has."""
    for take in surface.takes:
        if take.overlaps(frames):
            yield take, take.intersection(frames)


def _widened(part: FrameRange, reach: int, take: FrameRange) -> FrameRange:
    """A part of a take with so many of the take's frames on either side."""
    return FrameRange(max(part.first - reach, take.first), min(part.last + reach, take.last))


def _register(surface: FaceSurface, plan: PlanRef, path: Path) -> None:
    flows = StoredRows.blank(path, (len(surface.frames), 2, SIDE, SIDE, 2), np.float16)
    if plan.key_frame is None:
        for take in surface.takes:
            _register_together(surface, plan, [take], flows)
    else:
        _register_together(surface, plan, surface.takes, flows)


def _register_together(
    surface: FaceSurface, plan: PlanRef, takes: Sequence[FrameRange], flows: StoredRows
) -> None:
    def plates() -> Iterator[tuple[Pixels, Pixels]]:
        return ((plate, seen) for _, plate, seen in surface.plates(plan.latents, takes))

    register = Register(find_reference(plates))
    for row, plate, confidence in surface.plates(plan.latents, takes):
        ways = (register.frame_from_reference, register.reference_from_frame)
        flows[row] = np.stack([way(plate, confidence) for way in ways])


def _fitted(
    surface: FaceSurface,
    changes: Sequence[ChangesRef],
    take: FrameRange,
    flows: StoredRows,
    path: Path,
) -> None:
    ages = surface.ages[rows_of(take, surface.frames)]
    skin = fit_skin(
        lambda: surface.samples(changes, take, flows),
        youngest=float(ages.min()),
        oldest=float(ages.max()),
    )
    np.savez(path, ages=skin.ages, textures=skin.textures)


def _of_skin(
    surface: FaceSurface,
    skin: SkinRef,
    changes: Sequence[ChangesRef],
    take: FrameRange,
    frames: FrameRange,
    flows: StoredRows,
) -> Textures:
    """Yields frame and texture: what stays on the skin, and what follows the expression.

    Both are of the take that the frames are in.
    """
    with np.load(Path(skin.folder) / _skin_file(take)) as found:
        part = SkinPart(found["ages"], found["textures"])
    around = _widened(frames, REACH_FRAMES, take)
    for frame, moving in following(surface.samples(changes, around, flows), part, frames):
        yield frame, part.at(float(surface.ages[surface.frames.index_of(frame)])) + moving


def _skin_file(take: FrameRange) -> str:
    return f"skin_{take.first}.npz"
