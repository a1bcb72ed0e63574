"""The network's part: who the actor is, what the encoder sees, and the change the decoder makes.

All results are in crop space. Latents are steadied over whole takes before anything is decoded, and
the ageing direction is one for the shot, so a chunk decodes to the same frames wherever it is cut,
and a cut is as sharp as the plate's. Takes without the actor are neither encoded nor decoded.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prefect import task
from scipy.ndimage import gaussian_filter1d

from models.ageing.prior import Prior
from reage.colour import luma
from reage.defocus import BLURS_PX, SIDE, defocus, fineness
from reage.errors import ConsentError, FaceError, RegistryError
from reage.framerange import FrameRange
from reage.manifest.fields import YOUNGEST
from reage.manifest.shot import ActorInShot
from reage.optical_flow import codes
from reage.surface.key_frame import choose_key_frame, crop_sharpness
from reage.takes import best_rows, rows_of
from reage.tracks import Track, load_track
from reage.workspace import Workspace
from tasks.age_course import age_grid, latents_at, mean_offsets, places_between
from tasks.crops import Cropper, batches, filled, plate_frames, to_tensor
from tasks.gpu import device, latent_adapter, loaded_prior
from tasks.holdouts import uncovered_track
from tasks.refs import (
    AdapterRef,
    CastRef,
    ChangesRef,
    FrameSetRef,
    LatentsRef,
    OcclusionRef,
    PlanRef,
    PriorRef,
)
from tasks.strength import BATCH_PIXELS

BATCH = 8
LATENT_SIGMA_FRAMES = (
    4.0  # a blink or a grain pattern must not move the latent; a turn of the head may
)
DIRECTION_FRAMES = 12  # frames whose ageing offsets are averaged into the shot's direction


@task(name="encode chunk")
def encode_chunk(
    frame_set: FrameSetRef,
    cast: CastRef,
    prior: PriorRef,
    frames: FrameRange,
    *,
    workspace: Workspace,
) -> LatentsRef:
    """Encodes the actor's crop of every frame: latents, apparent age, crops, how sharp they are.

    Kept with them are `plate`, the luma of a larger crop, by which motion is told, and `faces`,
    where the face lies in the crop, both in 8-bit codes. All are 0 in takes without the actor.
    """

    def produce(folder: Path) -> dict[str, Any]:
        network = loaded_prior(prior)
        parts = cast.parts(frames)
        seen: list[NDArray[np.float32]] = []
        cropper = Cropper.of(cast, network)
        crops = _crops(frame_set, cropper, parts, seen)
        encoded = _blank(network, len(frames))
        shown = [frames.index_of(frame) for part in parts for frame in part]
        remaining = iter(shown)
        for batch in batches(crops, BATCH):
            rows = list(islice(remaining, len(batch)))
            for name, values in _encode(network, batch).items():
                encoded[name][rows] = values
        for row, luminance in zip(shown, seen, strict=True):
            encoded["fineness"][row] = fineness(luminance)
            encoded["plate"][row] = codes(luminance)
            encoded["faces"][row] = codes(cropper.face(frames.first + row))
        np.savez(folder / "latents.npz", **encoded)
        return {"num_frames": len(frames)}

    step = workspace.step(
        "latents",
        produce,
        frame_set=frame_set.content,
        cast=cast.digest,
        prior=prior.content,
        frames=frames,
    )
    return LatentsRef(path=str(step.folder / "latents.npz"), digest=step.digest, frames=frames)


@task(name="plan ageing")
def plan_ageing(
    latents: Sequence[LatentsRef],
    cast: CastRef,
    prior: PriorRef,
    actor: ActorInShot,
    adapter: AdapterRef | None = None,
    *,
    occlusion: OcclusionRef | None = None,
    workspace: Workspace,
) -> PlanRef:
    """Steadies the latents over each take and finds the shot's one ageing direction.

    The source age is the manifest's, or the median apparent age over frames where the face is well
    seen. Offsets are averaged over the best-seen frames and evaluated at the source age and on a
    grid of target ages. With an adapter they lead towards the person's latents, as far as its
    strength at a frame says, at the source age too, so that nothing changes where the ages agree.
    A frame counts as well seen as far as nothing is in front of its face.
    """

    def produce(folder: Path) -> dict[str, Any]:
        track = uncovered_track(cast, occlusion)
        frames = FrameRange(latents[0].frames.first, latents[-1].frames.last)
        shown = [track.frames.index_of(f) for f in frames]
        seen = track.fade[shown]
        covered = seen < load_track(Path(cast.track_path)).fade[shown]
        w_plus, apparent, sharpness, fine = (
            _of_all(latents, name) for name in ("w_plus", "apparent_age", "sharpness", "fineness")
        )
        source_age = _source_age(actor, apparent, seen)
        targets = np.array([actor.target_age_at(frame) for frame in frames])
        grid = age_grid(targets)
        _check_ages(prior, grid)
        takes = [rows_of(part, frames) for part in cast.parts(frames)]
        steadied, is_cast = np.zeros_like(w_plus), np.zeros(len(frames), bool)
        blurs = np.zeros(len(frames))
        for rows in takes:
            steadied[rows], is_cast[rows] = _steadied(w_plus[rows], seen[rows]), True
            blurs[rows] = defocus(fine[rows], seen[rows], covered=covered[rows])
        best = best_rows(seen, takes, count=DIRECTION_FRAMES)
        key_frame = _key_frame(actor, track, sharpness)
        offsets = mean_offsets(
            loaded_prior(prior),
            latent_adapter(adapter),
            _of_frames(latents, "crops", [frames.first + row for row in best]),
            steadied[best],
            source_age,
            grid,
        )
        if adapter is not None and adapter.moves_latents:
            offsets["place"] = places_between(actor, adapter, frames)
        np.savez(
            folder / "plan.npz",
            first_frame=frames.first,
            w_plus=steadied if key_frame is None else _held(steadied, frames.index_of(key_frame)),
            grid=grid,
            target_age=targets,
            sharpness=sharpness,
            defocus=blurs,
            is_cast=is_cast,
            **offsets,
        )
        return {"source_age": source_age, "key_frame": key_frame}

    step = workspace.step(
        "plan",
        produce,
        latents=[r.digest for r in latents],
        prior=prior.content,
        actor=actor,
        adapter=None if adapter is None else (adapter.digest, adapter.strength_course),
        occlusion=occlusion and occlusion.digest,
    )
    return PlanRef(
        path=str(step.folder / "plan.npz"),
        digest=step.digest,
        source_age=step.facts["source_age"],
        latents=tuple(latents),
        adapter=adapter,
        occlusion=occlusion,
        key_frame=step.facts["key_frame"],
    )


@task(name="age chunk")
def age_chunk(
    plan: PlanRef, prior: PriorRef, frames: FrameRange, *, workspace: Workspace
) -> ChangesRef:
    """Decodes the change of every frame: synthesis at the target less at the source age.

    It is drawn on the crop that its latents are of, the frame's own or the key frame's, and 0 in
    takes without the actor.
    """

    def produce(folder: Path) -> dict[str, Any]:
        network = loaded_prior(prior)
        data = np.load(plan.path)
        rows = slice(
            frames.first - int(data["first_frame"]), frames.last + 1 - int(data["first_frame"])
        )
        before, after = latents_at(data, rows)
        held = None if plan.key_frame is None else FrameRange(plan.key_frame, plan.key_frame)
        crops, faces = (
            _of_frames(plan.latents, name, held or frames) for name in ("crops", "faces")
        )
        if held:
            crops, faces = (np.repeat(kept, len(frames), axis=0) for kept in (crops, faces))
        size = network.config.synthesis_size
        changes = np.lib.format.open_memmap(
            folder / "changes.npy", "w+", np.dtype(np.float32), (len(frames), size, size, 3)
        )
        step = max(1, min(BATCH, BATCH_PIXELS // size**2))
        shown = np.flatnonzero(data["is_cast"][rows])
        for first in range(0, len(shown), step):
            part = shown[first : first + step]
            batch = (filled(rows[part], step) for rows in (before, after, crops, faces))
            changes[part] = _change(network, *batch)[: len(part)]
        changes.flush()
        return {"num_frames": len(frames)}

    step = workspace.step("changes", produce, plan=plan.digest, prior=prior.content, frames=frames)
    return ChangesRef(path=str(step.folder / "changes.npy"), digest=step.digest, frames=frames)


def _crops(
    frame_set: FrameSetRef,
    cropper: Cropper,
    parts: Sequence[FrameRange],
    seen: list[NDArray[np.float32]],
) -> Iterator[NDArray[np.float32]]:
    """Yields the crop of every frame; adds the luma of a larger one, (SIDE, SIDE), to `seen`."""
    for part in parts:
        for frame, image in plate_frames(frame_set, part):
            crop, looked_at = cropper.crops(frame, image, cropper.size, SIDE)
            seen.append(luma(looked_at))
            yield crop


def _blank(prior: Prior, count: int) -> dict[str, NDArray[Any]]:
    config = prior.config
    return {
        "w_plus": np.zeros((count, config.num_layers, config.latent_size), np.float32),
        "apparent_age": np.zeros(count, np.float32),
        "crops": np.zeros((count, config.crop_size, config.crop_size, 3), np.float16),
        "fineness": np.zeros((count, len(BLURS_PX)), np.float32),
        "sharpness": np.zeros(count, np.float64),
        "plate": np.zeros((count, SIDE, SIDE), np.uint8),
        "faces": np.zeros((count, config.crop_size, config.crop_size), np.uint8),
    }


@torch.inference_mode()
def _encode(prior: Prior, crops: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
    images, count, kept = to_tensor(filled(crops, BATCH)), len(crops), crops.astype(np.float16)
    return {
        "w_plus": prior.encode(images)[:count].float().cpu().numpy(),
        "apparent_age": prior.estimate_age(images)[:count].float().cpu().numpy(),
        "crops": kept,
        "sharpness": np.array([crop_sharpness(crop) for crop in kept]),
    }


def _of_all(latents: Sequence[LatentsRef], name: str) -> NDArray[Any]:
    """Returns what is known of every frame under a name, (T, ...)."""
    return np.concatenate([np.load(ref.path)[name] for ref in latents])


def _of_frames(
    latents: Sequence[LatentsRef], name: str, frames: Collection[int]
) -> NDArray[np.float32]:
    """Returns what all chunks know under a name of some frames, in rising order, (T, ...)."""
    found = []
    for ref in latents:
        rows = [ref.frames.index_of(frame) for frame in frames if frame in ref.frames]
        if rows:
            found.append(np.load(ref.path)[name][rows])
    return np.concatenate(found).astype(np.float32)


@torch.inference_mode()
def _change(
    prior: Prior,
    source: NDArray[np.float32],
    aged: NDArray[np.float32],
    crops: NDArray[np.float32],
    faces: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What turns pictures of the latents (B, L, D) at the source age into those of the aged.

    `faces` are 8-bit codes, (B, R, R).
    """
    before, after = (prior.decode(torch.from_numpy(w).to(device())) for w in (source, aged))
    mattes = torch.from_numpy(faces[:, None] / 255).to(device())
    change = prior.difference(before, after, to_tensor(crops), mattes)
    return np.ascontiguousarray(change.cpu().numpy().transpose(0, 2, 3, 1))


def _steadied(w_plus: NDArray[np.float32], seen: NDArray[np.float64]) -> NDArray[np.float32]:
    """Smooths latents over time without lag, frames counting as far as the face is seen."""
    weights = np.maximum(seen, 1e-3)[:, None, None]
    blurred = gaussian_filter1d(w_plus * weights, LATENT_SIGMA_FRAMES, axis=0, mode="nearest")
    total = gaussian_filter1d(weights, LATENT_SIGMA_FRAMES, axis=0, mode="nearest")
    return (blurred / total).astype(np.float32)


def _key_frame(actor: ActorInShot, track: Track, sharpness: NDArray[np.float64]) -> int | None:
    if actor.temporal.mode != "keyframe":
        return None
    asked = actor.temporal.key_frame
    if asked is not None and track.fade[track.frames.index_of(asked)] <= 0.0:
        raise FaceError(
            f"actor {actor.actor}: temporal.key_frame: got {asked}, expected a frame that shows "
            "the face; leave key_frame out and the one that shows it best is taken"
        )
    return choose_key_frame(track, sharpness) if asked is None else asked


def _held(w_plus: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    """Gives every frame the latents of one."""
    return np.repeat(w_plus[row : row + 1], len(w_plus), axis=0)


def _source_age(
    actor: ActorInShot, apparent: NDArray[np.float32], seen: NDArray[np.float64]
) -> float:
    if actor.source_age != "auto":
        return float(actor.source_age)
    well_seen = seen >= 0.5 * seen.max()
    if seen.max() <= 0.0:
        raise FaceError(
            f"actor {actor.actor}: source_age: got auto, expected years, because no frame shows "
            "the face well enough to estimate it; give source_age in the shot manifest"
        )
    estimated = float(np.median(apparent[well_seen]))
    if estimated < YOUNGEST:
        raise ConsentError(
            f"actor {actor.actor}: source_age: got about {estimated:.0f} years by the look of the "
            f"face, expected {YOUNGEST} or more: Reage works with adults only; state source_age in "
            "the shot manifest if the actor is one"
        )
    return estimated


def _check_ages(prior: PriorRef, ages: NDArray[np.float64]) -> None:
    """Raises RegistryError when the prior was not made for an age that the shot asks for."""
    config = loaded_prior(prior).config
    outside = [age for age in ages.tolist() if not config.min_age <= age <= config.max_age]
    if outside:
        raise RegistryError(
            f"prior {prior.name}: target_age: got {outside[0]:g}, expected "
            f"{config.min_age:g}-{config.max_age:g} years; ask for an age within its range or "
            "choose another prior"
        )
