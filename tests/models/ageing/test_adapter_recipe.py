import json

import pytest

from models.ageing.adapter_recipe import PRESETS, AdapterRecipe, preset_recipe
from models.ageing.objectives import ObjectiveConfig
from models.face.region import FFHQ_FACE


def test_paper_preset_is_the_released_code():
    recipe = preset_recipe("paper", crop_size=256)
    assert (recipe.steps, recipe.batch_size, recipe.learning_rate) == (10_000, 4, 1e-4)
    assert recipe.optimiser == "ranger"
    assert recipe.one_mode_a_batch
    assert recipe.cycle_keeps_mode
    assert not recipe.is_zero_at_start
    assert recipe.objective == ObjectiveConfig.paper()
    assert not recipe.follows_anchors


def test_default_preset_takes_the_clean_choices():
    recipe = preset_recipe("default", crop_size=256)
    assert recipe.is_zero_at_start
    assert not recipe.one_mode_a_batch
    assert not recipe.objective.constant_norm
    assert recipe.objective.region == FFHQ_FACE
    assert recipe.follows_anchors


def test_crop_without_a_region_is_looked_at_whole():
    whole = preset_recipe("paper", crop_size=256).objective
    small = preset_recipe("paper", crop_size=96).objective
    assert small.region is None
    assert preset_recipe("default", crop_size=96).objective.region is None
    assert small.pixels == whole.pixels + whole.region_pixels
    assert small.features == whole.features + whole.region_features


def test_steps_and_seed_replace_those_of_the_preset():
    recipe = preset_recipe("paper", crop_size=96, steps=7, seed=3)
    assert (recipe.steps, recipe.seed) == (7, 3)


def test_recipe_is_plain_json():
    plain = preset_recipe(crop_size=96).plain()
    assert json.loads(json.dumps(plain)) == plain


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="got fast, expected one of: default, paper"):
        preset_recipe("fast", crop_size=96)
    with pytest.raises(ValueError, match=r"AdapterRecipe.steps: got 0, expected above 0"):
        preset_recipe(crop_size=96, steps=0)
    with pytest.raises(ValueError, match=r"AdapterRecipe.cycle"):
        AdapterRecipe(cycle=-1.0)
    with pytest.raises(ValueError, match=r"AdapterRecipe.latent_steps: got -1"):
        AdapterRecipe(latent_steps=-1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("crop_size", [128, 256])
def test_recipe_comes_back_from_its_json_values(preset, crop_size):
    recipe = preset_recipe(preset, crop_size=crop_size, seed=7)
    plain = json.loads(json.dumps(recipe.plain()))
    assert AdapterRecipe.recalled(plain) == recipe


@pytest.mark.parametrize("change", [{"hue": 1}, {"steps": 0}, {"objective": {}}])
def test_recipe_of_other_fields_is_refused(change):
    plain = preset_recipe(crop_size=128).plain()
    with pytest.raises(ValueError, match="AdapterRecipe"):
        AdapterRecipe.recalled({**plain, **change})
