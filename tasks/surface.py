"""Holding the change on the skin: from each frame's own change to one that moves with the face.

Reads and writes changes in crop space, so that nothing after it knows which mode a shot has. The
chart, the frames' registration on it and what stays on the skin are found once over the whole shot;
a frame's change then depends on its own neighbours only, so a chunk is the same wherever it is cut.

T frames, N side of the chart, n side of the chart on which frames are registered.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from reage.framerange import FrameRange
from reage.surface.registration import SIDE, Register, find_reference
from reage.surface.skin import REACH_FRAMES, SkinPart, fit_skin, following
from reage.workspace import Workspace
from tasks.face_surface import FaceSurface, Textures
from tasks.refs import CastRef, ChangesRef, LatentsRef, OcclusionRef, PlanRef, PriorRef, SkinRef

_SKIN, _FLOWS = "skin.npz", "flows.npy"


@task(name="find skin")
def find_skin(
    changes: Sequence[ChangesRef],
    plan: PlanRef,
    cast: CastRef,
    prior: PriorRef,
    *,
    occlusion: OcclusionRef | None = None,
    workspace: Workspace,
) -> SkinRef:
    """Registers all frames on the face's chart and finds what of the change stays on the skin.

    With a key frame nothing is found but the registration: that frame's change is carried as it is.
    What is in front of the face in a frame says nothing of its skin.

    Writes `flows.npy`, float16 (T, 2, n, n, 2): frame from chart and back; and `skin.npz`.
    """

    def produce(folder: Path) -> dict[str, Any]:
        surface = FaceSurface.of(cast, prior, plan, occlusion)
        _register(surface, plan.latents, folder / _FLOWS)
        parts: dict[str, Any] = {}
        if plan.key_frame is None:
            flows = np.load(folder / _FLOWS, mmap_mode="r")
            skin = fit_skin(
                lambda: surface.samples(changes, surface.frames, flows),
                youngest=float(surface.ages.min()),
                oldest=float(surface.ages.max()),
            )
            parts = {"ages": skin.ages, "textures": skin.textures}
        np.savez(folder / _SKIN, **parts)
        return {"num_frames": len(surface.frames)}

    step = workspace.step(
        "skin",
        produce,
        changes=[ref.digest for ref in changes],
        plan=plan.digest,
        cast=cast.digest,
        occlusion=occlusion and occlusion.digest,
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
    occlusion: OcclusionRef | None = None,
    workspace: Workspace,
) -> ChangesRef:
    """Draws the change of every frame from the face's surface.

    Args:
        changes: Of the whole shot, as decoded.
    """

    def produce(folder: Path) -> dict[str, Any]:
        surface = FaceSurface.of(cast, prior, plan, occlusion)
        flows = np.load(Path(skin.folder) / _FLOWS, mmap_mode="r")
        shape = (len(frames), surface.size, surface.size, 3)
        drawn = np.lib.format.open_memmap(folder / "changes.npy", "w+", np.dtype(np.float32), shape)
        if plan.key_frame is None:
            textures = _of_skin(surface, skin, changes, frames, flows)
        else:
            textures = surface.from_key_frame(changes, plan.key_frame, frames, flows)
        for frame, texture in textures:
            drawn[frames.index_of(frame)] = surface.drawn(frame, texture, flows)
        drawn.flush()
        return {"num_frames": len(frames)}

    step = workspace.step("carried", produce, skin=skin.digest, frames=frames)
    return ChangesRef(path=str(step.folder / "changes.npy"), digest=step.digest, frames=frames)


def _register(surface: FaceSurface, latents: Sequence[LatentsRef], path: Path) -> None:
    flows = np.lib.format.open_memmap(
        path, "w+", np.dtype(np.float16), (len(surface.frames), 2, SIDE, SIDE, 2)
    )
    register = Register(find_reference(lambda: surface.plates(latents)))
    for row, (plate, confidence) in enumerate(surface.plates(latents)):
        flows[row, 0] = register.frame_from_reference(plate, confidence)
        flows[row, 1] = register.reference_from_frame(plate, confidence)
    flows.flush()


def _of_skin(
    surface: FaceSurface,
    skin: SkinRef,
    changes: Sequence[ChangesRef],
    frames: FrameRange,
    flows: np.ndarray,
) -> Textures:
    """Yields frame and texture: what stays on the skin, and what follows the expression."""
    with np.load(Path(skin.folder) / _SKIN) as found:
        part = SkinPart(found["ages"], found["textures"])
    around = FrameRange(
        max(frames.first - REACH_FRAMES, surface.frames.first),
        min(frames.last + REACH_FRAMES, surface.frames.last),
    )
    for frame, moving in following(surface.samples(changes, around, flows), part, frames):
        yield frame, part.at(float(surface.ages[surface.frames.index_of(frame)])) + moving
