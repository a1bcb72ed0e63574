"""Recipes of priors: every one in the tree loads; phases follow one another."""

from pathlib import Path

import pytest

from models.ageing.recipe import Phases, Stage, load_recipe

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "prior").glob("*.json"))


def test_there_are_recipes() -> None:
    assert "compact" in [path.stem for path in CONFIGS]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_recipe_in_the_tree_loads(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.prior.licence
    for phase in (*recipe.autoencoder, *recipe.adversary):
        size = phase.size or recipe.prior.resolution
        assert recipe.prior.resolution % size == 0


def test_an_unknown_key_is_refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(CONFIGS[0].read_text().replace('"seed"', '"sead"'))
    with pytest.raises(ValueError, match=r"odd\.json: got .*sead"):
        load_recipe(path)


def test_a_value_that_no_recipe_has_is_refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"regressor": {"steps": 0, "batch_size": 1, "learning_rate": 1e-3}}')
    with pytest.raises(ValueError, match=r"odd\.json: Stage\.steps: got 0, expected above 0"):
        load_recipe(path)


def test_phases_are_numbered_from_one() -> None:
    phases = Phases([Stage(steps=n, batch_size=1, learning_rate=1e-3) for n in (2, 3)])
    assert [phases.number(step) for step in range(5)] == [1, 1, 2, 2, 2]
    assert phases.at(3).since == 1
