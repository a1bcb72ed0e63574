"""What the pipeline relies on in a prior, with a tiny one of random weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.ageing.compact_prior import CompactPrior, save_prior, tiny_config
from models.ageing.crop_regions import border_ramp, face_weight
from models.ageing.loading import load_prior
from models.ageing.prior import PriorError, TemplateAlignment
from models.ageing.tone import tone_kept
from models.ops.cielab import cielab
from models.shapes import ShapeError

ALIGNMENT = TemplateAlignment(
    landmark_indices=(33, 263, 1), template=((8.0, 12.0), (24.0, 12.0), (16.0, 20.0)), size=32
)


@pytest.fixture
def prior(moving_prior: CompactPrior) -> CompactPrior:
    return moving_prior


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_change_is_exactly_zero_where_the_ages_agree(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    ages = torch.tensor([20.0, 47.3, 80.0])
    assert not prior.change(crops, ages, ages).any()


def test_change_is_half_the_difference_of_decoded_crops_finished_on_the_crop(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    source, target = torch.full((3,), 30.0), torch.full((3,), 70.0)
    w_plus = prior.encode(crops)
    offset = prior.ageing_offset(crops, w_plus, source, target)
    before, after = prior.decode(w_plus), prior.decode(w_plus + offset)
    assert prior.finish is not None
    finished = prior.finish(crops, before, after - before)
    mirrored = [part.flip(3) for part in (crops, before, after - before)]
    both_hands = (finished + prior.finish(*mirrored).flip(3)) / 4
    expected = tone_kept(both_hands * border_ramp(32) ** 2, crops)
    torch.testing.assert_close(prior.change(crops, source, target), expected)
    for other in (finished / 2, (after - before) / 2):
        assert (expected - tone_kept(other * border_ramp(32) ** 2, crops)).abs().max() > 1e-3


def test_change_neither_lightens_nor_tints_the_face(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    soft = crops / 4
    change = prior.change(soft, torch.full((3,), 30.0), torch.full((3,), 31.0))
    shown = (soft + 1) / 2
    before, after = (cielab(part) for part in (shown, shown + change))
    skin = face_weight(32) ** 1.75
    shift = ((after - before) * skin).sum(dim=(2, 3)) / skin.sum()
    assert change.abs().mean() > 1e-2
    assert shift.abs().max() < 1e-3


def test_change_falls_to_nothing_at_the_border_of_the_crop(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    change = prior.change(crops, torch.full((3,), 30.0), torch.full((3,), 70.0)).abs()
    outermost = torch.cat([change[..., 0, :], change[..., -1, :], change[..., 0], change[..., -1]])
    assert outermost.mean() < 0.2 * change[..., 8:-8, 8:-8].mean()


def test_a_prior_without_a_finish_changes_crops_as_it_decodes_them(crops: torch.Tensor) -> None:
    plain = CompactPrior(replace(tiny_config(), finish_channels=()), ALIGNMENT).eval()
    before, after = crops.flip(0), crops.flip(3)
    expected = tone_kept((after - before) / 2 * border_ramp(32), crops)
    torch.testing.assert_close(plain.difference(before, after, crops), expected)


def test_more_levels_of_a_finish_than_the_resolution_halves_are_refused() -> None:
    with pytest.raises(ValueError, match=r"finish_channels: got 7 levels, expected a resolution"):
        replace(tiny_config(), finish_channels=(4,) * 7)


def test_ageing_there_and_back_returns_the_path(prior: CompactPrior, crops: torch.Tensor) -> None:
    w_plus = prior.encode(crops)
    young, old = torch.full((3,), 25.0), torch.full((3,), 75.0)
    there = prior.ageing_offset(crops, w_plus, young, old)
    back = prior.ageing_offset(crops, w_plus, old, young)
    torch.testing.assert_close(there, -back)


def test_moves_to_a_younger_and_to_an_older_age_have_a_gain_each(crops: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = CompactPrior(tiny_config(), ALIGNMENT).eval()
    plain.path.table.normal_()
    plain.path.basis.normal_()
    strong = CompactPrior(tiny_config(), ALIGNMENT).eval()
    strong.load_state_dict(plain.state_dict())
    strong.rejuvenation_gain.fill_(2.0)
    strong.ageing_gain.fill_(1.5)
    source, target = torch.full((3,), 50.0), torch.tensor([30.0, 50.0, 70.0])
    w_plus = plain.encode(crops)
    moved, more = (p.ageing_offset(crops, w_plus, source, target) for p in (plain, strong))
    torch.testing.assert_close(more, moved * torch.tensor([2.0, 1.0, 1.5])[:, None, None])


def test_weights_without_a_gain_of_ageing_move_faces_as_they_did(prior: CompactPrior) -> None:
    former = prior.state_dict()
    del former["ageing_gain"]
    loaded = CompactPrior(tiny_config(), ALIGNMENT)
    loaded.ageing_gain.fill_(1.3)
    loaded.load_state_dict(former)
    assert loaded.ageing_gain == 1
    assert "ageing_gain" not in former


def test_tint_gain_scales_tints_and_leaves_shading(crops: torch.Tensor) -> None:
    prior = CompactPrior(replace(tiny_config(), finish_channels=()), ALIGNMENT)
    source = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    aged = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    whole = prior.drawn(source, aged, crops)
    prior.tint_gain.fill_(0.25)
    muted = prior.drawn(source, aged, crops)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    luma = (whole * weights).sum(dim=1, keepdim=True)
    torch.testing.assert_close((muted * weights).sum(dim=1, keepdim=True), luma)
    torch.testing.assert_close(muted - luma, 0.25 * (whole - luma))


def test_change_does_not_depend_on_the_rest_of_the_batch(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    source, target = torch.tensor([30.0, 40.0, 50.0]), torch.tensor([60.0, 20.0, 80.0])
    whole = prior.change(crops, source, target)
    alone = prior.change(crops[1:2], source[1:2], target[1:2])
    # Convolutions of other batch sizes may sum in another order.
    torch.testing.assert_close(whole[1:2], alone, atol=1e-5, rtol=0)


def test_results_are_judged_by_the_witness_and_sources_by_the_regressor(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    assert prior.witness is not None
    for read, network in (
        (prior.witnessed_age, prior.witness),
        (prior.estimate_age, prior.regressor),
    ):
        expected = (network(crops).age + network(crops.flip(3)).age) / 2
        torch.testing.assert_close(read(crops), expected)
    assert not torch.equal(prior.witnessed_age(crops), prior.estimate_age(crops))
    assert "witness" in prior.judged_by


def test_without_a_witness_the_regressor_judges(crops: torch.Tensor) -> None:
    alone = CompactPrior(replace(tiny_config(), witness=None), ALIGNMENT).eval()
    assert torch.equal(alone.witnessed_age(crops), alone.estimate_age(crops))
    assert "regressor" in alone.judged_by


def test_embeddings_are_unit_and_blind_to_mirroring(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    embedded = prior.embed(crops)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(embedded, prior.embed(crops.flip(3)))


def test_target_age_beyond_the_declared_range_is_refused(
    prior: CompactPrior, crops: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match=r"target_age: got 17, expected 18 to 90"):
        prior.change(crops, torch.full((3,), 30.0), torch.full((3,), 17.0))


def test_crops_of_another_size_are_refused(prior: CompactPrior) -> None:
    with pytest.raises(ShapeError, match=r"crops: got shape \(1, 3, 16, 16\)"):
        prior.encode(torch.zeros(1, 3, 16, 16))


def test_a_saved_prior_loads_with_the_same_digest_and_change(
    prior: CompactPrior, crops: torch.Tensor, tmp_path: Path
) -> None:
    digest = save_prior(prior, tmp_path)
    loaded = load_prior(tmp_path)
    assert loaded.digest == digest == prior.digest
    assert loaded.config == prior.config
    assert loaded.alignment == prior.alignment
    ages = torch.full((3,), 30.0), torch.full((3,), 70.0)
    # Weights are kept in half precision: 11 bits, through a dozen layers.
    torch.testing.assert_close(
        loaded.change(crops, *ages), prior.change(crops, *ages), atol=2e-2, rtol=0
    )
    assert save_prior(loaded, tmp_path / "again") == digest


def test_weights_of_another_prior_are_refused(prior: CompactPrior, tmp_path: Path) -> None:
    save_prior(prior, tmp_path)
    with (tmp_path / "weights.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(PriorError, match=r"digest: got .*, expected .*; fetch the weights"):
        load_prior(tmp_path)


def test_an_unknown_config_key_is_named(prior: CompactPrior, tmp_path: Path) -> None:
    save_prior(prior, tmp_path)
    path = tmp_path / "config.json"
    described = json.loads(path.read_text())
    described["config"]["colour"] = 1
    path.write_text(json.dumps(described))
    with pytest.raises(PriorError, match="colour"):
        load_prior(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"nowhere/config.json: got no such file"):
        load_prior(tmp_path / "nowhere")
