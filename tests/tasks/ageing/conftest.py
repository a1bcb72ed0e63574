"""Plans over hand-made latents, with the small prior."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reage.surface.key_frame import crop_sharpness
from reage.tracks import load_track, save_track
from tasks.ageing import plan_ageing
from tasks.gpu import loaded_prior
from tasks.refs import CastRef, LatentsRef
from tests.tasks.ageing.entries import FRAMES, SHARP, TAKE


@pytest.fixture
def cast_fading(two_faces, tmp_path):
    """Makes a cast over FRAMES whose face is seen as far as `fade` says."""
    seen = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    rows = [0] * len(FRAMES)

    def make(fade, takes=(TAKE,), frames=FRAMES):
        arrays = ("landmarks", "raw_landmarks", "depths", "bridged", "yaw_deg", "pitch_deg")
        held = {name: getattr(seen, name)[rows] for name in arrays}
        fade = np.asarray(fade, np.float64)
        track = replace(seen, frames=frames, fade=fade, presence=(fade > 0).astype(float), **held)
        path = tmp_path / f"track_{abs(hash(fade.tobytes()))}.npz"
        save_track(track, path)
        return CastRef(actor="ada", track_path=str(path), digest=path.stem, takes=takes)

    return make


@pytest.fixture
def cast(cast_fading):
    return cast_fading(np.ones(len(FRAMES)))


@pytest.fixture
def latents_of(tmp_path):
    """Writes latents as `encode_chunk` does, in two chunks."""

    def make(w_plus, apparent_age, crops, fine, shot=FRAMES):
        refs, faces = [], np.zeros(crops.shape[:3], np.uint8)
        faces[:, crops.shape[1] // 4 :, : crops.shape[2] // 2] = 255
        for frames in shot.chunks(10):
            rows = [shot.index_of(f) for f in frames]
            path = tmp_path / f"latents_{len(list(tmp_path.iterdir()))}.npz"
            ages = np.asarray(apparent_age, np.float32)[rows]
            np.savez(
                path,
                w_plus=w_plus[rows],
                apparent_age=ages,
                crops=crops[rows],
                fineness=fine[rows],
                faces=faces[rows],
                sharpness=[crop_sharpness(crop) for crop in crops[rows]],
            )
            refs.append(LatentsRef(path=str(path), digest=path.stem, frames=frames))
        return refs

    return make


@pytest.fixture
def network(tiny_prior):
    return loaded_prior(tiny_prior)


@pytest.fixture
def crops(network):
    rng, size = np.random.default_rng(1), network.config.crop_size
    return np.repeat(rng.random((1, size, size, 3)), len(FRAMES), axis=0).astype(np.float16)


@pytest.fixture
def still_w_plus(network):
    shape = (1, network.config.num_layers, network.config.latent_size)
    w_plus = np.random.default_rng(2).normal(0, 1, shape)
    return np.repeat(w_plus, len(FRAMES), axis=0).astype(np.float32)


@pytest.fixture
def plan(latents_of, still_w_plus, crops, cast, tiny_prior, workspace):
    """Plans for an actor's entry over latents that do not move, unless others are given."""

    def run(actor, *, w_plus=still_w_plus, apparent=None, cast=cast, adapter=None, **settings):
        apparent = np.full(len(FRAMES), 44.0) if apparent is None else apparent
        fine, frames = settings.get("fine", SHARP), settings.get("frames", FRAMES)
        latents = latents_of(w_plus, apparent, crops, fine, frames)
        return plan_ageing.fn(latents, cast, tiny_prior, actor, adapter, workspace=workspace)

    return run
