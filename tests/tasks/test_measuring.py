import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.patches import PatchWriter
from tasks.casting import cast_actor
from tasks.crops import Cropper, plate_frames, to_tensor
from tasks.gpu import loaded_prior
from tasks.measuring import measure_chunk
from tasks.refs import ActorLayerRef, ChangesRef, ChunkRef, PlanRef
from tests.tasks.conftest import HEIGHT, WIDTH

FRAMES = FrameRange(1002, 1004)


def layer(name, track, two_faces, prior, workspace):
    actor = ActorInShot.model_validate({"actor": name, "target_age": 60, "track": track})
    cast = cast_actor.fn(
        two_faces.frame_set, two_faces.tracks, prior, actor, [], workspace=workspace
    )
    return ActorLayerRef(
        actor=actor,
        cast=cast,
        plan=PlanRef(path="", digest="", source_age=40.0),
        change=ChangesRef(path="", digest="", frames=FRAMES),
        matte=None,
    )


@pytest.fixture
def layers(two_faces, tiny_prior, workspace):
    faces = (("astronaut", two_faces.astronaut), ("admiral", two_faces.admiral))
    return [layer(name, track, two_faces, tiny_prior, workspace) for name, track in faces]


@pytest.fixture
def measured(two_faces, tiny_prior, layers, workspace, tmp_path):
    """Measures a result made by `alter` from the plate's codes."""

    def run(alter):
        images = [image for _, image in plate_frames(two_faces.frame_set, FRAMES)]
        everywhere = np.ones((HEIGHT, WIDTH), np.float32)
        with PatchWriter(tmp_path) as patches:
            for frame, image in zip(FRAMES, images, strict=True):
                altered = image.with_pixels(alter(image.pixels.copy()))
                patches.write(frame, altered, everywhere)
        chunk = ChunkRef(folder=str(tmp_path), digest="chunk", frames=FRAMES)
        ref = measure_chunk.fn(two_faces.frame_set, chunk, layers, tiny_prior, workspace=workspace)
        assert ref.frames == FRAMES
        return json.loads(Path(ref.path).read_text())

    return run


def test_untouched_result_has_the_plates_age_and_full_likeness(measured):
    figures = measured(lambda pixels: pixels)
    assert list(figures) == ["astronaut", "admiral"]
    for found in figures.values():
        assert {name: len(values) for name, values in found.items()} == {
            "plate_age": 3,
            "result_age": 3,
            "similarity": 3,
            "held_back": 3,
        }
        assert found["held_back"] == [None] * 3, "nothing was looked for"
        assert found["result_age"] == pytest.approx(found["plate_age"], abs=5e-3)
        assert found["similarity"] == pytest.approx([1.0] * 3, abs=1e-5)


def test_figures_are_the_priors_own_of_the_plates_crops(measured, two_faces, layers, tiny_prior):
    figures = measured(lambda pixels: pixels)
    network = loaded_prior(tiny_prior)
    cropper = Cropper.of(layers[1].cast, network)
    found = plate_frames(two_faces.frame_set, FRAMES)
    crops = np.stack([cropper.crop(frame, image) for frame, image in found])
    with torch.inference_mode():
        ages = network.witnessed_age(to_tensor(crops)).tolist()
    assert figures["admiral"]["plate_age"] == pytest.approx(ages, abs=5e-3)


def test_change_to_one_face_leaves_the_others_figures_as_they_were(measured):
    def turn_the_left_half_negative(pixels):
        pixels[:, : WIDTH // 2] = 1.0 - pixels[:, : WIDTH // 2]
        return pixels

    figures = measured(turn_the_left_half_negative)
    astronaut, admiral = figures["astronaut"], figures["admiral"]
    assert max(astronaut["similarity"]) < 0.999
    assert np.abs(np.subtract(astronaut["result_age"], astronaut["plate_age"])).min() > 1e-3
    assert admiral["result_age"] == pytest.approx(admiral["plate_age"], abs=5e-3)
    assert admiral["similarity"] == pytest.approx([1.0] * 3, abs=1e-5)


def test_take_without_the_actor_is_not_measured(three_takes, tiny_prior, workspace, tmp_path):
    frames = FrameRange(1009, 1012)
    cast = cast_actor.fn(
        three_takes.frame_set,
        three_takes.tracks,
        tiny_prior,
        ActorInShot.model_validate(
            {"actor": "ada", "target_age": 60, "tracks": list(three_takes.astronaut)}
        ),
        [],
        workspace=workspace,
    )
    nowhere = np.zeros((HEIGHT, WIDTH), np.float32)
    with PatchWriter(tmp_path) as patches:
        for frame, image in plate_frames(three_takes.frame_set, frames):
            patches.write(frame, image, nowhere)
    ref = ActorLayerRef(
        actor=ActorInShot.model_validate({"actor": "ada", "target_age": 60}),
        cast=cast,
        plan=PlanRef(path="", digest="", source_age=40.0),
        change=ChangesRef(path="", digest="", frames=frames),
        matte=None,
    )
    chunk = ChunkRef(folder=str(tmp_path), digest="chunk", frames=frames)
    found = measure_chunk.fn(three_takes.frame_set, chunk, [ref], tiny_prior, workspace=workspace)
    figures = json.loads(Path(found.path).read_text())["ada"]
    assert figures.pop("held_back") == [None] * 4  # nothing was looked for
    for name, values in figures.items():
        assert [value is None for value in values] == [False, False, True, True], name
