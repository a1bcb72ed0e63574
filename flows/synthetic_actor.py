"""Makes the photographs of an actor who does not exist, for the demo and for trying things out."""

from collections.abc import Sequence
from pathlib import Path

from reage.registry.priors import DEFAULT_PRIOR, find_prior
from tasks.refs import PriorRef
from tasks.synthetic_photographs import write_photographs


def photograph_synthetic_actor(
    portrait: Path,
    other: Path,
    folder: Path,
    *,
    ages: Sequence[int],
    prior: str = DEFAULT_PRIOR,
    seed: int = 0,
) -> None:
    """Writes `{age}_{n}.png` for every age; see `tasks/synthetic_photographs.py`.

    Args:
        portrait: The actor, a picture.
        other: Who the actor's features drift towards over the years, a picture.
        folder: Where to.
        ages: Years.
        prior: By which the actor ages otherwise.
        seed: Of how the photographs are taken.

    Raises:
        ReageError: There is no such prior, or a portrait shows no face.
    """
    write_photographs(portrait, other, folder, PriorRef.of(find_prior(prior)), ages=ages, seed=seed)
