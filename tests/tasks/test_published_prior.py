"""A published prior in the pipeline: encoded at one size, synthesised at another, FFHQ-aligned."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from models.ageing.judges import COMPACT_FACE
from reage.ffhq_alignment import (
    MESH_LEFT_EYE,
    MESH_MOUTH_CORNERS,
    MESH_RIGHT_EYE,
    FacePoints,
    ffhq_quad,
)
from reage.framerange import FrameRange
from reage.geometry import Similarity, warp_to_plate
from reage.manifest import ActorInShot
from reage.registry.priors import find_prior
from reage.tracks import load_track
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.compositing import composite_chunk
from tasks.crops import Cropper, chunk_frames, crop_from_synthesis, to_tensor
from tasks.gpu import loaded_prior
from tasks.measuring import measure_chunk
from tasks.refs import ActorLayerRef, PriorRef
from tasks.weights import import_weights
from tests.published_files import CROP, SMALL, SYNTHESIS, write_published
from tests.tasks.conftest import HEIGHT, NUM_FRAMES, WIDTH

FRAMES = FrameRange(1001, 1000 + NUM_FRAMES)


@pytest.fixture
def sam(tmp_path, monkeypatch):
    """A small SAM, imported."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    import_weights(write_published(tmp_path / "sam.pt", "sam"), "sam", sizes=SMALL)
    return PriorRef.of(find_prior("sam-ffhq1024"))


def entry(target_age, **settings):
    fields = {"actor": "ada", "target_age": target_age, "source_age": 40, "track": 0, **settings}
    return ActorInShot.model_validate(fields)


@pytest.fixture
def planned(two_faces, sam, workspace):
    """Casts, encodes and plans; returns cast, latents and plan."""

    def run(actor):
        frame_set = two_faces.frame_set
        cast = cast_actor.fn(frame_set, two_faces.tracks, sam, actor, [], workspace=workspace)
        latents = encode_chunk.fn(frame_set, cast, sam, FRAMES, workspace=workspace)
        return cast, latents, plan_ageing.fn([latents], cast, sam, actor, workspace=workspace)

    return run


def test_crop_is_the_ffhq_square_of_the_face(two_faces, sam):
    track = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    placed = Cropper(track, loaded_prior(sam)).crop_from_plate(1003)
    quad = ffhq_quad(FacePoints.from_mesh(track.landmarks[2]))
    edges = np.array([[0, 0], [0, CROP], [CROP, CROP], [CROP, 0]]) - 0.5
    np.testing.assert_allclose(placed.apply(quad), edges, atol=1e-9)


def test_source_picture_is_decoded_at_the_source_age(planned, sam, workspace):
    _, latents, plan = planned(entry(70))
    changes = np.load(age_chunk.fn(plan, sam, FRAMES, workspace=workspace).path)
    assert changes.shape == (NUM_FRAMES, SYNTHESIS, SYNTHESIS, 3)
    network = loaded_prior(sam)
    steadied, crops = np.load(plan.path)["w_plus"], np.load(latents.path)["crops"]
    images = to_tensor(crops.astype(np.float32))
    w_plus = torch.from_numpy(steadied).to(images.device)
    with torch.inference_mode():
        at = {
            age: network.ageing_offset(images, w_plus, ages, torch.full_like(ages, age)).mean(dim=0)
            for age in (40.0, 70.0)
            for ages in [torch.full((len(images),), 40.0, device=images.device)]
        }
        before, after = (network.decode(w_plus + at[age]) for age in (40.0, 70.0))
        inverted = network.decode(w_plus)
    expected = ((after - before) / 2).permute(0, 2, 3, 1).cpu().numpy()
    np.testing.assert_allclose(changes, expected, atol=1e-5)
    assert (before - inverted).abs().max() > 0.01, "the inversion is another picture"


def test_change_to_the_age_that_the_face_has_is_zero(planned, sam, workspace):
    _, _, plan = planned(entry(40))
    changes = np.load(age_chunk.fn(plan, sam, FRAMES, workspace=workspace).path)
    assert not changes.any()


def test_shot_is_re_aged_and_judged(two_faces, planned, sam, workspace):
    actor = entry(70)
    cast, _, plan = planned(actor)
    change = age_chunk.fn(plan, sam, FRAMES, workspace=workspace)
    layer = ActorLayerRef(actor=actor, cast=cast, plan=plan, change=change, matte=None)
    chunk = composite_chunk.fn(two_faces.frame_set, [layer], sam, FRAMES, workspace=workspace)
    touched = 0
    for _, before, after, matte in chunk_frames(two_faces.frame_set, chunk):
        difference = after.pixels - before.pixels
        assert not difference[matte == 0].any()
        touched += int((np.abs(difference).max(axis=2) > 1e-3).sum())
    assert touched > 1000
    measures = measure_chunk.fn(two_faces.frame_set, chunk, [layer], sam, workspace=workspace)
    figures = json.loads(Path(measures.path).read_text())["ada"]
    assert len(figures["result_age"]) == NUM_FRAMES
    assert all(18 <= age <= 95 for age in figures["plate_age"])


def test_synthesised_crop_lies_where_its_average_over_crop_pixels_does():
    """The one independent truth: a crop pixel is the mean of the synthesised pixels it covers."""
    prior = SimpleNamespace(config=SimpleNamespace(crop_size=64, synthesis_size=256))
    plate_from_crop = Similarity.from_parts(
        scale=1.37, angle_deg=11.0, shift=np.array([123.4, 41.7])
    )
    plate_from_synthesis = plate_from_crop @ crop_from_synthesis(prior)
    y, x = np.mgrid[:256, :256].astype(np.float32)
    spot = np.exp(-((x - 118.3) ** 2 + (y - 141.9) ** 2) / (2 * 18.0**2)).astype(np.float32)
    pooled = cv2.resize(spot, (64, 64), interpolation=cv2.INTER_AREA)

    def centre(crop, placed):
        found = warp_to_plate(crop, placed, (WIDTH, HEIGHT)).full((WIDTH, HEIGHT))
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        return np.array([(found * axis).sum() / found.sum() for axis in (columns, rows)])

    fine, coarse = centre(spot, plate_from_synthesis), centre(pooled, plate_from_crop)
    # OpenCV samples at 1/32 px of a grid four times finer; half a pixel off would be 0.5 to 2.
    np.testing.assert_allclose(fine, coarse, atol=0.01)
    expected = plate_from_synthesis.apply(np.array([118.3, 141.9]))
    np.testing.assert_allclose(fine, expected, atol=0.01)


def test_equal_sizes_leave_the_transform_as_it_is(tiny_prior):
    assert np.array_equal(crop_from_synthesis(loaded_prior(tiny_prior)).matrix, np.eye(2, 3))


def test_synthesised_change_meets_the_plate_at_its_own_resolution(two_faces, sam):
    track = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    cropper = Cropper(track, loaded_prior(sam))
    placed = cropper.plate_from_synthesis(1001)
    corners = np.array([[-0.5, -0.5], [SYNTHESIS - 0.5, SYNTHESIS - 0.5]])
    quad = ffhq_quad(FacePoints.from_mesh(track.landmarks[0]))
    np.testing.assert_allclose(placed.apply(corners), quad[[0, 2]], atol=1e-9)
    assert placed.scale == pytest.approx(
        cropper.crop_from_plate(1001).inverse().scale * CROP / SYNTHESIS
    )


def test_stand_in_judge_sees_the_compact_priors_own_framing(compact_alignment):
    """COMPACT_FACE is what the template's square, laid over an FFHQ crop of 256 px, comes to."""
    places = dict(zip(compact_alignment.landmark_indices, compact_alignment.template, strict=True))
    left, right = (
        np.mean([places[i] for i in indices if i in places], axis=0)
        for indices in (MESH_LEFT_EYE, MESH_RIGHT_EYE)
    )
    mouth = [np.array(places[i]) for i in MESH_MOUTH_CORNERS]
    quad = ffhq_quad(FacePoints(left, right, *mouth))
    side = quad[3, 0] - quad[0, 0]
    low = (np.array([-0.5, -0.5]) - quad[0]) * 256 / side
    size = compact_alignment.size * 256 / side
    # The template has two of each eye's six points; its eyes are level to a pixel.
    found = [COMPACT_FACE.left, COMPACT_FACE.top, COMPACT_FACE.right - COMPACT_FACE.left]
    np.testing.assert_allclose(found, [*low, size], atol=4.0)
