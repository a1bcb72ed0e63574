"""The 3D prior as a whole: sizes, ageing, files, recipe."""

import json
from pathlib import Path

import pytest
import torch

from models.ageing.path import fit_path
from models.ageing.prior import PriorError
from models.eg3d.camera import frontal_label
from models.face3d.prior import Face3DPrior
from models.face3d.prior_files import load_face3d_prior, save_face3d_prior
from models.face3d.prior_recipe import load_prior_recipe

ROOT = Path(__file__).parents[3]
COMPACT = ROOT / "configs" / "face3d" / "compact.json"


@pytest.fixture
def prior(tiny_face3d_config) -> Face3DPrior:
    torch.manual_seed(0)
    return Face3DPrior(tiny_face3d_config).eval()


def test_crops_become_codes_and_codes_pictures(prior: Face3DPrior) -> None:
    codes = prior.encode(torch.rand(2, 3, 40, 40) * 2 - 1)
    config = prior.config.generator
    assert codes.shape == (2, config.num_layers, config.latent_size)
    picture = prior.generator.view(
        prior.generator.identity(codes), frontal_label(2), sampling="even"
    )
    assert picture.shape == (2, 3, prior.config.crop_size, prior.config.crop_size)


def test_nobody_ages_by_no_years_and_the_path_is_followed(prior: Face3DPrior) -> None:
    codes = torch.randn(300, prior.config.generator.num_layers, prior.config.generator.latent_size)
    ages = torch.linspace(20, 80, 300)
    codes[:, 0, 0] += ages / 10
    fit_path(prior.path, codes, ages, torch.ones(300, 1), shrinkage=1.0)
    young, old = torch.tensor([30.0]), torch.tensor([70.0])
    assert torch.equal(prior.aged(codes[:1], young, young), codes[:1])
    moved = prior.aged(codes[:1], young, old) - codes[:1]
    assert moved[0, 0, 0].item() == pytest.approx(4.0, abs=0.8)


def test_a_saved_prior_loads_to_the_same_but_for_half_precision(prior, tmp_path: Path) -> None:
    digest = save_face3d_prior(prior, tmp_path)
    loaded = load_face3d_prior(tmp_path)
    crops = torch.rand(1, 3, 16, 16) * 2 - 1
    assert len(digest) == 64
    assert torch.allclose(loaded.encode(crops), prior.encode(crops), atol=2e-3)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_changed_or_foreign_files_are_refused(prior: Face3DPrior, tmp_path: Path) -> None:
    save_face3d_prior(prior, tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    described["config"]["encoder"]["depth"] = 3
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(PriorError, match="unknown key depth of FaceEncoderConfig"):
        load_face3d_prior(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**described, "kind": "sam"}))
    with pytest.raises(PriorError, match="kind: got sam, expected face3d"):
        load_face3d_prior(tmp_path)


def test_the_compact_recipe_reads_and_a_strange_key_is_named(tmp_path: Path) -> None:
    recipe = load_prior_recipe(COMPACT)
    assert recipe.prior.crop_size == 128
    assert [phase.render_size for phase in recipe.views] == [32, 64]
    plain = json.loads(COMPACT.read_text())
    plain["views"][0]["zoom"] = 2
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match=r"broken.json.*unknown key zoom of ViewsPhase"):
        load_prior_recipe(broken)
