"""Whose face it is: the actor among the faces of many photographs, and prints of one photograph.

Works on unit embeddings and hashes; knows nothing of pictures or networks.

F faces of one photograph, E embedding size, N photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.collection.portrait_measures import hash_distance

Embeddings = NDArray[np.float32]
_ROUNDS = 4


@dataclass(frozen=True)
class Choice:
    """Which face of a photograph is most like the actor, and how like: a cosine, -1 to 1."""

    face: int
    similarity: float


def choose_faces(
    photographs: Sequence[Embeddings],
    *,
    min_similarity: float,
    reference: Embeddings | None = None,
) -> list[Choice]:
    """Chooses the actor's face in every photograph.

    Args:
        photographs: Unit embeddings (F, E) of each one's faces, F at least 1.
        min_similarity: From which a face counts as the actor's.
        reference: Unit embedding (E,) of the actor; without one, whoever most photographs show is
            the actor. Photographs of a single face decide that, if there are any.

    Returns:
        A choice per photograph; those below `min_similarity` are of other people.

    The mean of the faces found takes part in finding more, so that one reference photograph at 40
    finds the actor at 25 by way of those at 32.
    """
    if not photographs:
        return []
    centre = _most_shown(photographs, min_similarity) if reference is None else reference
    anchor = centre if reference is None else reference
    choices = _closest(photographs, centre)
    for _ in range(_ROUNDS):
        accepted = [
            faces[choice.face]
            for faces, choice in zip(photographs, choices, strict=True)
            if choice.similarity >= min_similarity
        ]
        centre = _unit(anchor + np.mean(accepted, axis=0)) if accepted else anchor
        found = _closest(photographs, centre)
        if [c.face for c in found] == [c.face for c in choices] and _same(
            found, choices, min_similarity
        ):
            return found
        choices = found
    return choices


def near_duplicates(
    embeddings: Embeddings,
    hashes: Sequence[NDArray[np.bool_]],
    sharpness: Sequence[float],
    *,
    min_similarity: float,
    max_bits: int,
) -> dict[int, int]:
    """Finds prints of one photograph: copies, other sizes, mirrored, another grading, a burst.

    Args:
        embeddings: Unit, (N, E).
        hashes: Of the aligned faces, (16, 16) each.
        sharpness: The sharpest of a group is kept, the first of equals.
        min_similarity: Cosine from which hashes are compared.
        max_bits: In which they may differ.

    Returns:
        Index of each duplicate and of the photograph kept in its place.
    """
    order = sorted(range(len(hashes)), key=lambda i: (-sharpness[i], i))
    similarity = embeddings @ embeddings.T
    kept: list[int] = []
    found: dict[int, int] = {}
    for index in order:
        twin = next(
            (
                other
                for other in kept
                if similarity[index, other] >= min_similarity
                and hash_distance(hashes[index], hashes[other]) <= max_bits
            ),
            None,
        )
        if twin is None:
            kept.append(index)
        else:
            found[index] = twin
    return found


def _most_shown(photographs: Sequence[Embeddings], min_similarity: float) -> Embeddings:
    """Mean embedding of the faces around the one that the most photographs have a like of."""
    voters = [faces for faces in photographs if len(faces) == 1] or list(photographs)
    candidates = np.concatenate(voters)
    best = np.stack([(candidates @ faces.T).max(axis=1) for faces in voters], axis=1)
    votes = (best >= min_similarity).sum(axis=1) + best.mean(axis=1) / 2  # the mean breaks ties
    winner = int(votes.argmax())
    likes = [faces[int((faces @ candidates[winner]).argmax())] for faces in voters]
    near = [face for face in likes if face @ candidates[winner] >= min_similarity]
    return _unit(np.mean(near, axis=0)) if near else candidates[winner]


def _closest(photographs: Sequence[Embeddings], centre: Embeddings) -> list[Choice]:
    found = []
    for faces in photographs:
        similarity = faces @ centre
        face = int(similarity.argmax())
        found.append(Choice(face, float(similarity[face])))
    return found


def _same(a: Sequence[Choice], b: Sequence[Choice], min_similarity: float) -> bool:
    return all(
        (x.similarity >= min_similarity) == (y.similarity >= min_similarity)
        for x, y in zip(a, b, strict=True)
    )


def _unit(vector: NDArray[np.floating]) -> Embeddings:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
