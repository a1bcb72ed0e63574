import numpy as np
import pytest
import torch

from reage.defocus import SIDE
from reage.errors import ConsentError, FaceError, RegistryError
from reage.framerange import FrameRange
from tasks.age_course import at_ages
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.crops import Cropper, plate_frames, to_tensor
from tests.tasks.ageing.entries import CURVE, FRAMES, SHARP, entry


def test_plan_says_in_which_frames_the_face_is_out_of_focus(plan):
    racked = SHARP.copy()
    racked[-8:] -= 1.5
    found = np.load(plan(entry(), fine=racked).path)["defocus"]
    assert found.shape == (len(FRAMES),)
    assert not found[:-10].any()
    assert (found[-6:] > 1.0 / SIDE).all()
    assert not np.load(plan(entry()).path)["defocus"].any()


def test_encoding_is_what_the_prior_says_of_the_crops(two_faces, tiny_prior, network, workspace):
    frames = FrameRange(1002, 1004)
    cast = cast_actor.fn(
        two_faces.frame_set, two_faces.tracks, tiny_prior, entry(), [], workspace=workspace
    )
    ref = encode_chunk.fn(two_faces.frame_set, cast, tiny_prior, frames, workspace=workspace)
    cropper = Cropper.of(cast, network)
    found = plate_frames(two_faces.frame_set, frames)
    images = to_tensor(np.stack([cropper.crop(frame, image) for frame, image in found]))
    saved = np.load(ref.path)
    assert ref.frames == frames
    assert (np.diff(saved["fineness"], axis=1) < 0).all()
    with torch.inference_mode():
        np.testing.assert_allclose(saved["w_plus"], network.encode(images).cpu(), atol=1e-5)
        ages = network.estimate_age(images).cpu()
    np.testing.assert_allclose(saved["apparent_age"], ages, atol=1e-3)
    size = network.config.crop_size
    assert saved["crops"].shape == (3, size, size, 3)
    assert saved["faces"].shape == (3, size, size)
    _, columns = np.nonzero(saved["faces"][0] > 127)
    assert abs(columns.mean() / size - 0.5) < 0.1
    assert np.ptp(columns) > 0.5 * size
    assert not saved["faces"][0, -2:, :2].any()


def test_frame_is_encoded_the_same_in_a_chunk_of_any_length(two_faces, compact_prior, workspace):
    whole = two_faces.frame_set.frames
    cast = cast_actor.fn(
        two_faces.frame_set, two_faces.tracks, compact_prior, entry(), [], workspace=workspace
    )

    def encoded(frames):
        ref = encode_chunk.fn(two_faces.frame_set, cast, compact_prior, frames, workspace=workspace)
        return np.load(ref.path)

    parts = [encoded(frames) for frames in whole.chunks(1)]
    for name, rows in encoded(whole).items():
        assert np.array_equal(rows, np.concatenate([part[name] for part in parts]))


def test_latents_that_do_not_move_stay_as_they_are(plan, still_w_plus):
    saved = np.load(plan(entry()).path)
    np.testing.assert_allclose(saved["w_plus"], still_w_plus, atol=1e-5)
    assert int(saved["first_frame"]) == FRAMES.first


def test_latents_are_steadied_and_a_slow_turn_is_kept(plan, still_w_plus):
    turn = np.linspace(0, 1, len(FRAMES))[:, None, None]
    grain = np.random.default_rng(3).normal(0, 0.3, still_w_plus.shape)
    moving = (still_w_plus + turn + grain).astype(np.float32)
    steadied = np.load(plan(entry(), w_plus=moving).path)["w_plus"]

    def jitter(latents):
        return np.diff(latents, 2, axis=0).std()

    assert jitter(steadied) < 0.05 * jitter(moving)
    travelled = (steadied[-1] - steadied[0]).mean()
    assert 0.5 < travelled < 1.0


def test_frames_in_which_the_face_is_hidden_do_not_move_the_latents(
    plan, still_w_plus, cast_fading
):
    hidden = slice(6, 10)
    fade = np.ones(len(FRAMES))
    fade[hidden] = 0
    spoilt = still_w_plus.copy()
    spoilt[hidden] += 5.0
    steadied = np.load(plan(entry(), w_plus=spoilt, cast=cast_fading(fade)).path)["w_plus"]
    assert np.abs(steadied - still_w_plus).max() < 0.05


def test_source_age_of_the_manifest_is_taken_as_it_is(plan):
    assert plan(entry(source_age=52)).source_age == 52.0


def test_source_age_is_the_median_look_where_the_face_is_well_seen(plan, cast_fading):
    fade = np.ones(len(FRAMES))
    fade[8:] = 0.3
    apparent = np.full(len(FRAMES), 80.0)
    apparent[:8] = [40, 41, 42, 43, 44, 45, 46, 99]
    found = plan(entry(source_age="auto"), apparent=apparent, cast=cast_fading(fade))
    assert found.source_age == 43.5


def test_source_age_cannot_be_read_off_a_face_that_is_never_seen(plan, cast_fading):
    with pytest.raises(FaceError, match="actor ada: source_age: got auto, expected years"):
        plan(entry(source_age="auto"), cast=cast_fading(np.zeros(len(FRAMES))))


def test_face_that_looks_under_18_is_refused(plan):
    with pytest.raises(ConsentError) as caught:
        plan(entry(source_age="auto"), apparent=np.full(len(FRAMES), 14.2))
    assert str(caught.value) == (
        "actor ada: source_age: got about 14 years by the look of the face, expected 18 or more: "
        "Reage works with adults only; state source_age in the shot manifest if the actor is one"
    )


@pytest.mark.parametrize(
    "target_age", [95, {"keyframes": {1001: 60, 1016: 95}}], ids=["number", "curve"]
)
def test_target_age_beyond_the_prior_is_refused(plan, target_age):
    with pytest.raises(RegistryError) as caught:
        plan(entry(target_age))
    assert str(caught.value) == (
        "prior tiny: target_age: got 95, expected 18-90 years; ask for an age within its range or "
        "choose another prior"
    )


def test_direction_at_the_grids_ages_is_the_priors_own(plan, network, still_w_plus, crops):
    saved = np.load(plan(entry(CURVE)).path)
    assert saved["grid"][0] == 30
    assert saved["grid"][-1] == 60
    assert np.diff(saved["grid"]).max() <= 5
    images = to_tensor(crops[:1])
    latents = torch.from_numpy(still_w_plus[:1]).to(images.device)
    for age, offset in zip(saved["grid"], saved["offsets"], strict=True):
        ages = torch.tensor([40.0, age], device=images.device)
        with torch.inference_mode():
            expected = network.ageing_offset(images, latents, ages[:1], ages[1:])[0].cpu()
        np.testing.assert_allclose(offset, expected, atol=2e-3)


def test_offsets_between_the_grids_ages_lie_on_the_line_between():
    grid = np.array([20.0, 40.0, 60.0])
    offsets = np.array([0.0, 1.0, 5.0], np.float32)[:, None, None]
    ages = np.array([20.0, 30.0, 40.0, 45.0, 60.0])
    assert at_ages(grid, offsets, ages).ravel().tolist() == [0.0, 0.5, 1.0, 2.0, 5.0]


def test_offsets_of_a_single_age_hold_for_every_frame():
    offsets = np.full((1, 2, 3), 0.7, np.float32)
    found = at_ages(np.array([70.0]), offsets, np.full(4, 70.0))
    assert np.array_equal(found, np.repeat(offsets, 4, axis=0))


def test_change_follows_the_age_curve_frame_by_frame(plan, network, tiny_prior, workspace):
    ref = plan(entry(CURVE))
    changes = np.load(age_chunk.fn(ref, tiny_prior, FRAMES, workspace=workspace).path)
    size = network.config.synthesis_size
    assert changes.shape == (len(FRAMES), size, size, 3)
    saved = np.load(ref.path)
    assert saved["target_age"].tolist() == pytest.approx(np.linspace(30, 60, 16).tolist())
    rows = [0, 7, 15]
    offsets = at_ages(saved["grid"], saved["offsets"], saved["target_age"][rows])
    with torch.inference_mode():
        before = network.decode(torch.from_numpy(saved["w_plus"][rows]))
        after = network.decode(torch.from_numpy(saved["w_plus"][rows] + offsets))
        crops = np.concatenate([np.load(part.path)["crops"] for part in ref.latents])[rows]
        faces = np.concatenate([np.load(part.path)["faces"] for part in ref.latents])[rows]
        mattes = torch.from_numpy(faces[:, None] / 255)
        change = network.difference(before, after, to_tensor(crops), mattes)
        outlined = network.difference(before, after, to_tensor(crops))
    assert (change - outlined).abs().max() > 1e-3, "tone is kept where this face lies"
    expected = change.permute(0, 2, 3, 1).cpu().numpy()
    np.testing.assert_allclose(changes[rows], expected, atol=1e-5)
    size = np.abs(changes).mean(axis=(1, 2, 3))
    assert size[5] < 0.2 * size[0], "at 40, the source age, the change is least"
    assert size[5] < 0.2 * size[15]


def test_change_to_the_age_that_the_face_has_is_zero(plan, tiny_prior, workspace):
    ref = plan(entry(40, source_age=40))
    changes = np.load(age_chunk.fn(ref, tiny_prior, FRAMES, workspace=workspace).path)
    assert not changes.any()


def test_chunks_age_as_the_whole_shot_does(plan, tiny_prior, workspace):
    ref = plan(entry(CURVE))
    whole = np.load(age_chunk.fn(ref, tiny_prior, FRAMES, workspace=workspace).path)
    parts = [
        np.load(age_chunk.fn(ref, tiny_prior, frames, workspace=workspace).path)
        for frames in FRAMES.chunks(5)
    ]
    # Batches of another size sum in another order.
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_plan_of_the_same_latents_is_found_again_and_of_another_age_is_not(
    latents_of, still_w_plus, crops, cast, tiny_prior, workspace
):
    latents = latents_of(still_w_plus, np.full(len(FRAMES), 44.0), crops, SHARP)
    first, again, other = (
        plan_ageing.fn(latents, cast, tiny_prior, entry(age), workspace=workspace)
        for age in (70, 70, 71)
    )
    assert first == again
    assert other.digest != first.digest
