"""A smile is read from the mesh, whoever it is and wherever from."""

import numpy as np
import pytest

from reage.head.camera import HeadCamera, canonical_face, pose_face
from reage.head.expression import smiles

CORNERS = [61, 291]


def smiling(amount):
    """The mean face with its mouth's corners drawn out and up, world units."""
    skin = canonical_face().copy()
    skin[CORNERS] += amount * np.array([[-1, 1, 0], [1, 1, 0]])
    return skin


def test_mean_face_neither_smiles_nor_frowns():
    assert smiles(canonical_face()[None]) == pytest.approx([0.0])


def test_corners_out_and_up_are_a_smile_and_down_a_frown():
    frown, none, smile, broad = smiles(np.stack([smiling(x) for x in (-0.01, 0.0, 0.01, 0.02)]))
    assert frown < none < smile < broad
    assert broad - smile == pytest.approx(smile - none)


def test_smile_is_the_same_at_any_size_and_an_open_jaw_is_none():
    assert smiles(3 * smiling(0.01)[None]) == pytest.approx(smiles(smiling(0.01)[None]))
    agape = canonical_face().copy()
    agape[[14, 17]] -= [0, 0.03, 0]  # lower lip
    assert smiles(agape[None]) == pytest.approx([0.0])


@pytest.mark.parametrize("yaw", [-25.0, 0.0, 25.0])
def test_smile_is_read_from_aside_as_from_the_front(yaw):
    camera = HeadCamera.towards(yaw, 5.0)
    places, depths = camera.project(smiling(0.015))
    face = pose_face(places * 400, depths * 400 * 4.2647 / 2.7)
    assert smiles(face.skin[None])[0] == pytest.approx(smiles(smiling(0.015)[None])[0], abs=0.012)
