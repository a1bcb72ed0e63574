from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.adapter_files import adapter_bytes, adapter_network
from reage.defocus import BLURS_PX, SIDE
from reage.errors import ConsentError, FaceError, RegistryError
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import register_adapter
from reage.takes import ActorTake
from reage.tracks import load_track, save_track
from tasks.age_course import at_ages
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.crops import Cropper, plate_frames, to_tensor
from tasks.gpu import loaded_prior
from tasks.refs import AdapterRef, CastRef, LatentsRef

FRAMES = FrameRange(1001, 1016)
SHARP = np.repeat([-0.5 * BLURS_PX], len(FRAMES), axis=0)  # log ratios of fine to coarse features
TAKE = ActorTake(frames=FRAMES, track_id=0, decided_by="track id")
CURVE = {"keyframes": {1001: 30, 1016: 60}, "interpolation": "linear"}


def entry(target_age=70, *, source_age=40, **settings):
    fields = {"actor": "ada", "target_age": target_age, "source_age": source_age, **settings}
    return ActorInShot.model_validate(fields)


@pytest.fixture
def cast_fading(two_faces, tmp_path):
    """Makes a cast over FRAMES whose face is seen as far as `fade` says."""
    seen = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    rows = [0] * len(FRAMES)

    def make(fade, takes=(TAKE,)):
        arrays = ("landmarks", "raw_landmarks", "depths", "bridged", "yaw_deg", "pitch_deg")
        held = {name: getattr(seen, name)[rows] for name in arrays}
        fade = np.asarray(fade, np.float64)
        track = replace(seen, frames=FRAMES, fade=fade, presence=(fade > 0).astype(float), **held)
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

    def make(w_plus, apparent_age, crops, fine):
        refs = []
        for frames in FRAMES.chunks(10):
            rows = [FRAMES.index_of(f) for f in frames]
            path = tmp_path / f"latents_{len(list(tmp_path.iterdir()))}.npz"
            ages = np.asarray(apparent_age, np.float32)[rows]
            np.savez(
                path, w_plus=w_plus[rows], apparent_age=ages, crops=crops[rows], fineness=fine[rows]
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

    def run(actor, *, w_plus=still_w_plus, apparent=None, fine=SHARP, cast=cast, adapter=None):
        apparent = np.full(len(FRAMES), 44.0) if apparent is None else apparent
        latents = latents_of(w_plus, apparent, crops, fine)
        return plan_ageing.fn(latents, cast, tiny_prior, actor, adapter, workspace=workspace)

    return run


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
    assert saved["crops"].shape == (3, network.config.crop_size, network.config.crop_size, 3)


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
    expected = ((after - before) / 2).permute(0, 2, 3, 1).cpu().numpy()
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


@pytest.fixture
def adapter_of(network, tmp_path, monkeypatch):
    """Registers an adapter for the tiny prior and returns its ref."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    config = network.config

    def make(*, is_zero, course=()):
        torch.manual_seed(1)
        sizes = AdapterConfig(
            num_layers=config.num_layers, latent_size=config.latent_size, is_zero_at_start=is_zero
        )
        facts = TrainedFacts(
            prior_name="tiny",
            prior_digest=network.digest,
            licence="none",
            collection_digest="",
            num_photographs=1,
            min_age=30,
            max_age=70,
            consent_document="CONSENT-1",
            network=adapter_network(sizes),
            recipe={},
            strength_course=course,
        )
        return AdapterRef.of(register_adapter("ada", adapter_bytes(Adapter(sizes)), facts))

    return make


def test_adapter_that_adds_nothing_ages_as_the_prior_alone(plan, adapter_of):
    adapter = adapter_of(is_zero=True)
    alone, beside = plan(entry()), plan(entry(), adapter=adapter)
    assert (alone.adapter, beside.adapter) == (None, adapter)
    assert alone.digest != beside.digest
    one, other = np.load(alone.path), np.load(beside.path)
    assert np.array_equal(one["offsets"], other["offsets"])
    np.testing.assert_allclose(one["offsets"], other["personal_offsets"], atol=1e-5)


def test_adapter_leads_elsewhere_and_changes_nothing_where_the_ages_agree(
    plan, adapter_of, tiny_prior, workspace
):
    adapter = adapter_of(is_zero=False)
    resting = plan(entry(40), adapter=adapter)
    data = np.load(resting.path)
    resting_there = data["personal_source_offset"]
    np.testing.assert_allclose(data["personal_offsets"][0], resting_there, atol=1e-5)
    assert np.abs(resting_there).max() > 1e-3
    still = age_chunk.fn(resting, tiny_prior, FRAMES, workspace=workspace)
    assert np.abs(np.load(still.path)).max() < 1e-4
    moved = [
        np.load(age_chunk.fn(made, tiny_prior, FRAMES, workspace=workspace).path)
        for made in (plan(entry()), plan(entry(), adapter=adapter))
    ]
    assert np.abs(moved[0] - moved[1]).max() > 1e-3


@pytest.fixture
def changes(plan, tiny_prior, workspace):
    """Renders an actor's entry and returns the changes, (T, S, S, 3)."""

    def run(actor, adapter=None):
        ref = plan(actor, adapter=adapter)
        return np.load(age_chunk.fn(ref, tiny_prior, FRAMES, workspace=workspace).path)

    return run


def followed(strength, target_age=70, **settings):
    return entry(target_age, adapter="latest", adapter_strength=strength, **settings)


def test_strength_0_is_the_prior_and_strength_1_the_adapter_to_the_bit(
    changes, plan, adapter_of, network
):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.4, 1.0))
    assert np.array_equal(changes(followed(0), adapter), changes(entry()))
    data = np.load(plan(followed(1), adapter=adapter).path)
    [aged] = data["personal_offsets"]
    latents = [data["w_plus"][:8] + move for move in (data["personal_source_offset"], aged)]
    with torch.inference_mode():
        decoded = [network.decode(torch.from_numpy(w)) for w in latents]
        alone = network.difference(*decoded).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(changes(followed(1), adapter)[:8], alone)


def test_strength_lies_where_the_adapters_own_course_says(plan, adapter_of):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.4, 1.0))
    assert adapter.strength_course == (0.0, 0.4, 1.0)
    assert np.load(plan(followed(0.5), adapter=adapter).path)["place"].tolist() == [0.4] * 16


def test_strength_follows_its_keyframes_frame_by_frame(changes, plan, adapter_of):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.5, 1.0))
    rising = {"keyframes": {1001: 0, 1016: 1}, "interpolation": "linear"}
    places = np.load(plan(followed(rising), adapter=adapter).path)["place"]
    assert places.tolist() == pytest.approx(np.linspace(0, 1, 16).tolist())
    moving, prior, own = (
        changes(*asked)
        for asked in ((followed(rising), adapter), (entry(),), (followed(1), adapter))
    )
    assert np.array_equal(moving[0], prior[0])
    assert np.array_equal(moving[15], own[15])
    steps = np.abs(np.diff(moving, axis=0)).mean(axis=(1, 2, 3))
    assert steps.min() > 0.2 * steps.max() > 0


def test_ages_that_agree_change_nothing_at_any_strength(changes, adapter_of):
    still = changes(followed(0.5, target_age=40), adapter_of(is_zero=False))
    assert np.abs(still).max() < 1e-4


def test_strength_that_was_never_measured_is_followed_as_it_is_and_says_so(
    plan, adapter_of, caplog
):
    adapter = adapter_of(is_zero=False)
    assert np.load(plan(followed(0.5), adapter=adapter).path)["place"].tolist() == [0.5] * 16
    assert "strength not measured for this adapter" in caplog.text
    caplog.clear()
    plan(followed(1), adapter=adapter)
    assert caplog.text == ""


EARLY, LATE = FrameRange(1001, 1008), FrameRange(1009, 1016)
CUT = tuple(ActorTake(frames=take, track_id=0, decided_by="likeness") for take in (EARLY, LATE))
AWAY = (CUT[0], ActorTake(frames=LATE, track_id=None, decided_by="no face"))


def test_latents_of_a_take_do_not_reach_across_a_cut(plan, cast_fading, still_w_plus):
    cast = cast_fading(np.ones(len(FRAMES)), CUT)
    w_plus = still_w_plus.copy()
    w_plus[8:] += 3.0
    saved = np.load(plan(entry(), w_plus=w_plus, cast=cast).path)
    np.testing.assert_allclose(saved["w_plus"], w_plus, atol=1e-5)  # as sharp a cut as it was
    smeared = np.load(plan(entry(), w_plus=w_plus).path)["w_plus"]
    assert np.abs(smeared - w_plus)[6:10].max() > 0.5, "one take would have been steadied over it"


def test_steadying_of_a_take_is_what_it_is_by_itself(plan, cast_fading, still_w_plus):
    rng = np.random.default_rng(5)
    cast = cast_fading(np.ones(len(FRAMES)), CUT)
    w_plus = still_w_plus + rng.normal(0, 1, still_w_plus.shape).astype(np.float32)
    other = w_plus.copy()
    other[8:] = rng.normal(0, 9, other[8:].shape)
    ours, theirs = (np.load(plan(entry(), w_plus=w, cast=cast).path) for w in (w_plus, other))
    assert np.array_equal(ours["w_plus"][:8], theirs["w_plus"][:8])
    assert not np.array_equal(ours["w_plus"][:8], w_plus[:8])


def test_take_without_the_actor_is_neither_planned_on_nor_decoded(
    plan, cast_fading, still_w_plus, network, tiny_prior, workspace
):
    fade = np.repeat([1.0, 0.0], 8)
    wild = still_w_plus.copy()
    wild[8:] = np.nan
    apparent = np.repeat([44.0, 99.0], 8)
    away = plan(
        entry(source_age="auto"), w_plus=wild, apparent=apparent, cast=cast_fading(fade, AWAY)
    )
    assert away.source_age == 44.0
    with np.load(away.path) as saved:
        assert saved["is_cast"].tolist() == [True] * 8 + [False] * 8
        assert not saved["w_plus"][8:].any()
        assert np.isfinite(saved["offsets"]).all()
    change = np.load(age_chunk.fn(away, tiny_prior, FRAMES, workspace=workspace).path)
    assert change[:8].any(axis=(1, 2, 3)).all()
    assert not change[8:].any()


def test_frame_is_decoded_the_same_however_chunks_lie_about_a_cut(
    plan, cast_fading, still_w_plus, tiny_prior, workspace
):
    rng = np.random.default_rng(6)
    w_plus = still_w_plus + rng.normal(0, 1, still_w_plus.shape).astype(np.float32)
    away = plan(entry(), w_plus=w_plus, cast=cast_fading(np.repeat([1.0, 0.0], 8), AWAY))

    def decoded(size):
        chunks = [
            age_chunk.fn(away, tiny_prior, frames, workspace=workspace)
            for frames in FRAMES.chunks(size)
        ]
        return np.concatenate([np.load(chunk.path) for chunk in chunks])

    whole = decoded(16)
    for size in (5, 7, 8):
        assert np.array_equal(decoded(size), whole)


def test_encoding_leaves_out_a_take_without_the_actor(three_takes, tiny_prior, workspace):
    cast = cast_actor.fn(
        three_takes.frame_set,
        three_takes.tracks,
        tiny_prior,
        entry(tracks=list(three_takes.astronaut)),
        [],
        workspace=workspace,
    )

    def encoded(*chunks):
        refs = [
            encode_chunk.fn(three_takes.frame_set, cast, tiny_prior, part, workspace=workspace)
            for part in chunks
        ]
        found = [np.load(ref.path) for ref in refs]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    whole = encoded(FrameRange(1001, 1015))
    for name, rows in whole.items():
        assert rows[:10].reshape(10, -1).any(axis=1).all(), name
        assert not rows[10:].any(), name
    parts = encoded(FrameRange(1001, 1007), FrameRange(1008, 1010), FrameRange(1011, 1015))
    for name, rows in whole.items():
        assert np.array_equal(rows, parts[name]), name


def test_key_frame_without_the_face_is_refused(plan, cast_fading):
    cast = cast_fading(np.repeat([1.0, 0.0], 8), AWAY)
    keyed = entry(temporal={"mode": "keyframe", "key_frame": 1012})
    with pytest.raises(
        FaceError, match=r"temporal\.key_frame: got 1012, expected a frame that shows the face"
    ):
        plan(keyed, cast=cast)
