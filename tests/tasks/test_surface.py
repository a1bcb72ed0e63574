from dataclasses import replace

import numpy as np
import pytest

from reage.manifest import ActorInShot
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.face_surface import _keyframed
from tasks.surface import carry_chunk, find_skin, steady_chunk


class Shot:
    """The astronaut of a plate, aged by a prior in one mode."""

    def __init__(self, two_faces, prior, workspace, **temporal):
        fields = {"actor": "ada", "target_age": 70, "source_age": 40, "temporal": temporal}
        self._encode(two_faces, prior, workspace, {**fields, "track": two_faces.astronaut})

    @classmethod
    def of(cls, plate, prior, workspace, fields):
        """A shot of another plate and of other fields of the actor."""
        shot = cls.__new__(cls)
        shot._encode(plate, prior, workspace, fields)
        return shot

    def _encode(self, plate, prior, workspace, fields):
        self.actor = ActorInShot.model_validate(fields)
        self.prior, self.workspace = prior, workspace
        frame_set, frames = plate.frame_set, plate.frame_set.frames
        self.cast = cast_actor.fn(
            frame_set, plate.tracks, prior, self.actor, [], workspace=workspace
        )
        self.chunks = frames.chunks(3)
        latents = [
            encode_chunk.fn(frame_set, self.cast, prior, part, workspace=workspace)
            for part in self.chunks
        ]
        self.plan = plan_ageing.fn(latents, self.cast, prior, self.actor, workspace=workspace)
        self.decoded = [
            age_chunk.fn(self.plan, prior, part, workspace=workspace) for part in self.chunks
        ]

    def carried(self, chunks=None):
        rest = (self.plan, self.cast, self.prior)
        skin = find_skin.fn(self.decoded, *rest, workspace=self.workspace)
        chunks = chunks or self.chunks
        carried = [
            carry_chunk.fn(skin, self.decoded, *rest, part, workspace=self.workspace)
            for part in chunks
        ]
        return changes_of(
            steady_chunk.fn(carried, *rest, part, workspace=self.workspace) for part in chunks
        )


def changes_of(refs):
    return np.concatenate([np.load(ref.path) for ref in refs])


def middle(changes):
    side = changes.shape[1]
    return changes[:, side // 4 : -side // 4, side // 4 : -side // 4]


def test_shot_carried_in_chunks_equals_the_shot_carried_whole(two_faces, tiny_prior, workspace):
    shot = Shot(two_faces, tiny_prior, workspace, mode="surface")
    whole = shot.carried()
    assert np.array_equal(whole, shot.carried(two_faces.frame_set.frames.chunks(2)))


def test_surface_keeps_what_the_frames_show(two_faces, compact_prior, workspace):
    shot = Shot(two_faces, compact_prior, workspace, mode="surface")
    own, carried = middle(changes_of(shot.decoded)), middle(shot.carried())
    assert np.abs(own).mean() > 0.01
    assert np.abs(own - carried).mean() < 0.15 * np.abs(own).mean()


def test_key_frame_has_its_own_change_and_gives_it_to_all(two_faces, compact_prior, workspace):
    shot = Shot(two_faces, compact_prior, workspace, mode="keyframe", key_frame=1003)
    assert shot.plan.key_frame == 1003
    own, carried = middle(changes_of(shot.decoded)), middle(shot.carried())
    assert np.array_equal(own[0], own[4])  # decoded from one frame's latents
    assert np.abs(own[2] - carried[2]).mean() < 0.1 * np.abs(own[2]).mean()
    assert not np.array_equal(carried[0], carried[4])  # and moved with the face


def test_key_frame_left_out_is_chosen_by_how_well_it_shows_the_face(
    two_faces, compact_prior, workspace
):
    shot = Shot(two_faces, compact_prior, workspace, mode="keyframe")
    assert shot.plan.key_frame in two_faces.frame_set.frames


@pytest.mark.parametrize("mode", ["frame", "surface"])
def test_each_frame_keeps_its_own_latents_without_a_key_frame(
    two_faces, tiny_prior, workspace, mode
):
    shot = Shot(two_faces, tiny_prior, workspace, mode=mode)
    assert shot.plan.key_frame is None
    with np.load(shot.plan.path) as plan:
        assert not np.array_equal(plan["w_plus"][0], plan["w_plus"][4])


def test_another_age_is_another_skin(two_faces, tiny_prior, workspace):
    shot = Shot(two_faces, tiny_prior, workspace, mode="surface")
    older = replace(shot.plan, digest="another")
    skins = [
        find_skin.fn(shot.decoded, plan, shot.cast, tiny_prior, workspace=workspace)
        for plan in (shot.plan, older)
    ]
    assert skins[0].digest != skins[1].digest


def test_frames_of_other_strengths_are_told_apart_as_frames_of_other_ages_are():
    ages, place = np.full(3, 60.0), np.array([0.0, 0.5, 1.0])
    assert _keyframed({"target_age": ages}).tolist() == [60, 60, 60]
    assert _keyframed({"target_age": ages, "place": np.ones(3)}).tolist() == [100, 100, 100]
    assert _keyframed({"target_age": ages, "place": place}).tolist() == [60, 80, 100]
    rising = np.array([50.0, 55.0, 60.0])
    assert _keyframed({"target_age": rising, "place": np.ones(3)}).tolist() == rising.tolist()


@pytest.fixture
def astronaut_of_two_takes(three_takes, compact_prior, workspace):
    """The astronaut's change in the plate of three takes, in one mode, and how it is carried."""

    def make(**temporal):
        fields = {"actor": "ada", "target_age": 70, "source_age": 40, "temporal": temporal}
        fields["tracks"] = list(three_takes.astronaut)
        return Shot.of(three_takes, compact_prior, workspace, fields)

    return make


def test_takes_carried_in_chunks_that_span_a_cut_equal_the_shot_carried_whole(
    astronaut_of_two_takes, three_takes
):
    shot, frames = astronaut_of_two_takes(mode="surface"), three_takes.frame_set.frames
    whole = shot.carried([frames])
    assert not whole[10:].any()
    for size in (4, 5):
        assert np.array_equal(whole, shot.carried(frames.chunks(size)))


def test_each_take_keeps_the_change_that_its_own_frames_show(astronaut_of_two_takes):
    shot = astronaut_of_two_takes(mode="surface")
    own, carried = middle(changes_of(shot.decoded)), middle(shot.carried())
    for frame in (0, 4, 5, 9):  # both sides of the cut
        assert np.abs(own[frame]).mean() > 0.01
        assert np.abs(own[frame] - carried[frame]).mean() < 0.15 * np.abs(own[frame]).mean()


def test_key_frame_of_one_take_is_carried_into_the_other(astronaut_of_two_takes):
    shot = astronaut_of_two_takes(mode="keyframe", key_frame=1003)
    carried = middle(shot.carried())
    for frame in (5, 9):
        apart = np.abs(carried[frame] - carried[2]).mean()
        assert 0 < apart < 0.3 * np.abs(carried[2]).mean()
