"""A published MyTimeMachine checkpoint gives what its authors' inference script gives."""

import json
from dataclasses import asdict

import pytest
import torch

from models.ageing.adapter import Adapter
from models.ageing.judges import Judges
from models.ageing.loading import load_prior
from models.ageing.mytm import load_personal_sam, personal_difference
from models.ageing.prior import PriorError
from models.ageing.prior_files import weights_digest
from models.ageing.sam import SamNetworks, SamPrior, with_age
from models.published_file import load_state, write_tensors
from reage.registry.priors import find_prior
from tests.published_files import CROP, SMALL, personal_state, small_state

BASE_DIGEST = "b" * 64


def networks_of_sam(state):
    networks = SamNetworks(SMALL.sam(name="sam", licence="none"))
    load_state(networks, {k: v for k, v in state.items() if not k.startswith("blender.")}, place="")
    return networks.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def base():
    compact = load_prior(find_prior("compact").folder)
    judges = Judges(age=compact, likeness=compact, digests={"age": "", "likeness": ""})
    config = SMALL.sam(name="sam", licence="none")
    return SamPrior(config, networks_of_sam(small_state("sam")), judges, digest=BASE_DIGEST)


@pytest.fixture
def entry(tmp_path):
    """Writes an entry of these tensors as an import does."""

    def make(state, *, base=BASE_DIGEST, kind="mytm"):
        write_tensors(tmp_path / "weights.safetensors", state)
        described = {
            "format": 1,
            "kind": kind,
            "digest": weights_digest(tmp_path / "weights.safetensors"),
            "config": {"base": base, "adapter": asdict(SMALL.adapter)},
        }
        (tmp_path / "config.json").write_text(json.dumps(described))
        return tmp_path

    return make


@pytest.fixture
def crops():
    return torch.rand(2, 3, CROP, CROP, generator=torch.Generator().manual_seed(4)) * 2 - 1


def by_the_formula(person, crops, ages):
    """SAM's age encoder; of the person's file picture encoder, mean, adapter and decoder."""
    general, personal = networks_of_sam(small_state("sam")), networks_of_sam(person)
    adapter = Adapter(SMALL.adapter).eval()
    blender = {k.removeprefix("blender."): v for k, v in person.items() if k.startswith("blender.")}
    adapter.load_state_dict(blender)
    with torch.no_grad():
        w_plus = (
            general.encoder(with_age(crops, ages))
            + personal.pretrained_encoder(crops)
            + personal.latent_avg
        )
        return personal.decoder(adapter(w_plus, ages))


def test_person_is_rendered_by_the_published_formula(base, entry, crops):
    person = personal_state()
    ages = torch.tensor([25.0, 70.0])
    loaded = load_personal_sam(base, entry(personal_difference(person, small_state("sam"))))
    with torch.no_grad():
        found = loaded.render(crops, ages)
    # The same float32 operations on the same numbers.
    torch.testing.assert_close(found, by_the_formula(person, crops, ages), atol=1e-6, rtol=1e-6)


def test_drift_and_another_decoder_and_mean_matter(base, entry, crops):
    person = personal_state()
    person["decoder.conv1.activate.bias"] = person["decoder.conv1.activate.bias"] + 0.5
    person["latent_avg"] = person["latent_avg"] + 0.1
    ages = torch.tensor([25.0, 70.0])
    loaded = load_personal_sam(base, entry(personal_difference(person, small_state("sam"))))
    with torch.no_grad():
        found = loaded.render(crops, ages)
    torch.testing.assert_close(found, by_the_formula(person, crops, ages), atol=1e-6, rtol=1e-6)
    general = by_the_formula(small_state("mytm"), crops, ages)
    assert (found - general).abs().mean() > 1e-2


def test_age_encoder_of_the_persons_file_is_not_used(base, entry, crops):
    person = personal_state()
    for key in [key for key in person if key.startswith("encoder.")]:
        person[key] = person[key] + 1
    kept = personal_difference(person, small_state("sam"))
    assert not [key for key in kept if key.startswith("encoder.")]


def test_entry_keeps_the_adapter_and_what_drifted_alone():
    kept = personal_difference(personal_state(), small_state("sam"))
    kinds = ("blender.", "pretrained_encoder.")
    assert all(key.startswith(kinds) for key in kept)
    moved = [key for key in kept if key.startswith("pretrained_encoder.")]
    assert {key.rpartition(".")[2] for key in moved} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }


def test_person_shares_the_bases_weights_and_leaves_them(base, entry, crops):
    before = {k: v.clone() for k, v in base.networks.state_dict().items()}
    loaded = load_personal_sam(
        base, entry(personal_difference(personal_state(), small_state("sam")))
    )
    ours, theirs = (p.networks.encoder.latlayer1.weight.data_ptr() for p in (base, loaded.prior))
    assert ours == theirs
    assert all(torch.equal(v, before[k]) for k, v in base.networks.state_dict().items())


def test_entry_for_another_base_is_refused(base, entry):
    folder = entry(personal_difference(personal_state(), small_state("sam")), base="c" * 64)
    with pytest.raises(PriorError) as caught:
        load_personal_sam(base, folder)
    assert str(caught.value) == (
        f"{folder}: base: made for cccccccccccc…, loaded bbbbbbbbbbbb…; load the weights named in "
        "the entry"
    )


def test_entry_of_another_kind_or_without_its_adapter_is_refused(base, entry):
    with pytest.raises(PriorError, match="kind: got sam, expected mytm"):
        load_personal_sam(base, entry(small_state("sam"), kind="sam"))
    with pytest.raises(PriorError, match="missing age_mlp"):
        load_personal_sam(base, entry({"latent_avg": torch.zeros(10, 8)}))
