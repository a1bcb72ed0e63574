"""Going on from a trained prior: its recipe is how the longer one begins, phases of the finish end.

Discriminators, optimisers and remembered faces are not published with a prior and begin anew: the
first of the new phases should have a `warm_up`. The weights are taken in half precision.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.ageing.recipe import Phases, PriorRecipe, load_recipe
from reage.errors import RegistryError
from tasks.recipe_files import read_recipe_file

RECIPE_NAME = "recipe.json"


@dataclass(frozen=True, eq=False)
class Start:
    """A trained prior, and how many steps of a longer recipe's finish are behind it."""

    prior: CompactPrior
    steps: int

    def into(self, prior: CompactPrior, *, rejuvenation_gain: float) -> None:
        """Gives a new prior of the same kind all weights of this one, frozen.

        Its gains were set when all had been trained: rejuvenation's is that of the recipe's path
        again, and ageing's none.
        """
        prior.load_state_dict(self.prior.state_dict())
        prior.rejuvenation_gain.fill_(rejuvenation_gain)
        prior.ageing_gain.fill_(1)
        prior.eval().requires_grad_(False)


def read_start(folder: Path, recipe: PriorRecipe) -> Start:
    """Reads a prior to go on from by a recipe.

    Args:
        folder: Of the prior, with the recipe that it was trained by.
        recipe: The same but for the prior's name and licence, with phases of the finish to follow.

    Raises:
        PriorError: The prior's files are not whole.
        RegistryError: It was not trained here, or otherwise than the recipe begins, or the recipe
            has nothing to follow.
    """
    path = folder / RECIPE_NAME
    prior = load_prior(folder) if path.is_file() else None
    if not isinstance(prior, CompactPrior):
        raise RegistryError(
            f"{folder}: {RECIPE_NAME}: got none, expected that of a prior which `reage train-prior`"
            " trained; published weights cannot be trained on"
        )
    behind = read_recipe_file(path, load_recipe)
    described = replace(behind.prior, name=recipe.prior.name, licence=recipe.prior.licence)
    if replace(behind, prior=described, finish=recipe.finish) != recipe:
        raise RegistryError(
            f"recipe: got other stages before the finish than those of {path}, expected the same; "
            "copy that file and add phases to its `finish`"
        )
    count = len(behind.finish)
    if recipe.finish[:count] != behind.finish or len(recipe.finish) == count:
        raise RegistryError(
            f"recipe: finish: got {len(recipe.finish)} phases, expected the {count} of {path} as "
            "they are and then at least one more"
        )
    return Start(prior, Phases(behind.finish).steps)
