"""A plate rendered by the pipeline's own steps in each mode, for benchmarks/video.

Shapes: T frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reage.framerange import FrameRange
from reage.manifest.shot import ActorInShot, Temporal
from reage.naming import ShotId
from reage.tracks import load_track, save_track
from reage.workspace import Workspace
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.compositing import composite_chunk
from tasks.crops import chunk_frames
from tasks.faces import track_shot
from tasks.plates import locate_plate
from tasks.refs import (
    ActorLayerRef,
    CastRef,
    ChangesRef,
    ChunkRef,
    FrameSetRef,
    LatentsRef,
    PlanRef,
    PriorRef,
)
from tasks.surface import carry_chunk, find_skin, steady_chunk

UNSTEADIED = "unsteadied"
MODES = (UNSTEADIED, "frame", "keyframe", "surface")
FIRST = 1001


@dataclass(frozen=True, eq=False)
class Rendered:
    """One shot in one mode: its frames with plate, result and matte."""

    mode: str
    frame_set: FrameSetRef
    cast: CastRef
    chunk: ChunkRef
    key_frame: int | None

    def frames(self) -> Iterator[Any]:
        """Yields frame number, plate, result and matte (H, W)."""
        return chunk_frames(self.frame_set, self.chunk)


class Stage:
    """A plate whose face was followed and encoded once, to be rendered in any mode."""

    def __init__(
        self, path: Path, prior: PriorRef, *, num_frames: int, age: float, work: Path
    ) -> None:
        self.frames = FrameRange(FIRST, FIRST - 1 + num_frames)
        self.prior, self._work = prior, work
        self.workspace = Workspace(work, ShotId("bench", "sq010", "sh0010"))
        self.frame_set = locate_plate.fn(
            str(path),
            frames=self.frames,
            first_frame=FIRST,
            colourspace="rec709",
            frame_rate=None,
            workspace=self.workspace,
        )
        self.actor = ActorInShot(actor="face", target_age=age)
        tracks = track_shot.fn(self.frame_set, workspace=self.workspace)
        self.cast = cast_actor.fn(
            self.frame_set, tracks, prior, self.actor, [], workspace=self.workspace
        )
        self.latents = encode_chunk.fn(
            self.frame_set, self.cast, prior, self.frames, workspace=self.workspace
        )

    def render(self, mode: str) -> Rendered:
        """Renders the shot; `unsteadied` is `frame` as each frame reads itself.

        Neither its landmarks nor its latents are steadied.
        """
        steady = mode != UNSTEADIED
        temporal = Temporal.model_validate({"mode": mode if steady else "frame"})
        actor = self.actor.model_copy(update={"temporal": temporal})
        cast = self.cast if steady else self._raw_cast()
        latents = self.latents if steady else self._raw_latents(cast)
        plan = plan_ageing.fn([latents], cast, self.prior, actor, workspace=self.workspace)
        if not steady:
            plan = self._raw_plan(plan, latents)
        change = age_chunk.fn(plan, self.prior, self.frames, workspace=self.workspace)
        if actor.temporal.mode != "frame":
            change = self._held(change, plan)
        layer = ActorLayerRef(actor=actor, cast=cast, plan=plan, change=change, matte=None)
        chunk = composite_chunk.fn(
            self.frame_set, [layer], self.prior, self.frames, workspace=self.workspace
        )
        return Rendered(mode, self.frame_set, self.cast, chunk, plan.key_frame)

    def _held(self, change: ChangesRef, plan: PlanRef) -> ChangesRef:
        rest = (plan, self.cast, self.prior)
        skin = find_skin.fn([change], *rest, workspace=self.workspace)
        carried = carry_chunk.fn(skin, [change], *rest, self.frames, workspace=self.workspace)
        return steady_chunk.fn([carried], *rest, self.frames, workspace=self.workspace)

    def _raw_cast(self) -> CastRef:
        track = load_track(Path(self.cast.track_path))
        path = self._work / "raw_track.npz"
        save_track(replace(track, landmarks=track.raw_landmarks), path)
        return replace(self.cast, track_path=str(path), digest=f"{self.cast.digest}-raw")

    def _raw_latents(self, cast: CastRef) -> LatentsRef:
        return encode_chunk.fn(
            self.frame_set, cast, self.prior, self.frames, workspace=self.workspace
        )

    def _raw_plan(self, plan: PlanRef, latents: LatentsRef) -> PlanRef:
        with np.load(plan.path) as planned:
            arrays = dict(planned)
        with np.load(latents.path) as read:
            arrays["w_plus"] = read["w_plus"]
        path = self._work / "raw_plan.npz"
        np.savez(path, **arrays)
        return replace(plan, path=str(path), digest=f"{plan.digest}-raw")
