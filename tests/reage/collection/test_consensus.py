import numpy as np
import pytest

from reage.collection.consensus import choose_faces, near_duplicates

MIN = 0.5


def unit(vector):
    return np.asarray(vector, np.float32) / np.float32(np.linalg.norm(vector))


@pytest.fixture
def people():
    """Draws faces of a person: one of three orthogonal directions with some noise."""
    rng = np.random.default_rng(4)

    def face(person, noise=0.08):
        return unit(np.eye(16)[person] + rng.normal(0, noise, 16))

    return face


def test_most_shown_face_is_the_actor_without_references(people):
    photographs = [np.stack([people(0)]) for _ in range(5)] + [np.stack([people(1)])] * 2
    choices = choose_faces(photographs, min_similarity=MIN)
    assert [c.similarity >= MIN for c in choices] == [True] * 5 + [False] * 2


def test_actor_is_found_beside_others(people):
    alone = [np.stack([people(0)]) for _ in range(3)]
    pairs = [np.stack([people(1), people(0)]), np.stack([people(0), people(2)])]
    choices = choose_faces([*pairs, *alone], min_similarity=MIN)
    assert [c.face for c in choices] == [1, 0, 0, 0, 0]


def test_group_photographs_vote_when_nobody_is_alone(people):
    photographs = [np.stack([people(other), people(0)]) for other in (1, 2, 3)]
    assert [c.face for c in choose_faces(photographs, min_similarity=MIN)] == [1, 1, 1]


def test_reference_outvotes_the_majority(people):
    photographs = [np.stack([people(0)]) for _ in range(5)] + [np.stack([people(1)])]
    choices = choose_faces(photographs, min_similarity=MIN, reference=people(1))
    assert [c.similarity >= MIN for c in choices] == [False] * 5 + [True]


def test_reference_finds_faces_by_way_of_those_between():
    """A face turns by degrees away from the reference; each is like the one before."""
    angles = np.radians([0, 20, 40, 55, 62])
    arc = [np.stack([[np.cos(a), np.sin(a), 0]]).astype(np.float32) for a in angles]
    stranger = np.array([[0, 0, 1]], np.float32)
    choices = choose_faces([*arc, stranger], min_similarity=MIN, reference=arc[0][0])
    assert arc[4][0] @ arc[0][0] < MIN
    assert [c.similarity >= MIN for c in choices] == [True] * 5 + [False]


def test_order_of_photographs_does_not_matter(people):
    photographs = [np.stack([people(i % 3), people(0)]) for i in range(7)]
    forward = choose_faces(photographs, min_similarity=MIN)
    backward = choose_faces(photographs[::-1], min_similarity=MIN)[::-1]
    assert [c.face for c in forward] == [c.face for c in backward]


def test_no_photograph_gives_no_choice():
    assert choose_faces([], min_similarity=MIN) == []


def test_sharpest_print_is_kept():
    rng = np.random.default_rng(2)
    picture, other = rng.random((2, 16, 16)) > 0.5
    hashes = [picture, picture.copy(), ~picture[:, ::-1], other]
    embeddings = np.tile(unit([1, 0]), (4, 1))
    found = near_duplicates(
        embeddings, hashes, [1.0, 3.0, 2.0, 1.0], min_similarity=0.9, max_bits=20
    )
    assert found == {0: 1, 2: 1}, "a mirrored print is a print; another picture is not"


def test_prints_need_to_be_of_one_face():
    bits = np.zeros((16, 16), bool)
    embeddings = np.eye(2, dtype=np.float32)
    assert near_duplicates(embeddings, [bits, bits], [1, 1], min_similarity=0.9, max_bits=20) == {}
