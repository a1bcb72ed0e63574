"""A person's decoder over both kinds of prior: learnt, saved, and shown as a prior of its own."""

import hashlib

import pytest
import torch

from models.ageing.judges import Judges
from models.ageing.personal_pass import PhotoBatch
from models.ageing.sam import SamNetworks, SamPrior
from models.continual.own_decoder import OwnDecoder, OwnDecoderError, load_own_prior
from models.continual.rehearsal import UpdateRecipe, learn_increment
from models.published_file import load_state
from tests.published_files import CROP, SMALL, small_state

KINDS = ("generator", "low_rank")


@pytest.fixture(scope="module")
def sam():
    sizes = SMALL.sam(name="sam", licence="none")
    with torch.device("meta"):
        networks = SamNetworks(sizes)
    load_state(networks, small_state("sam"), place="sam", assign=True)
    judges = Judges(age=torch.nn.Identity(), likeness=torch.nn.Identity(), digests={})
    return SamPrior(sizes, networks, judges, digest="d" * 64).eval().requires_grad_(False)


def apart(made, wanted):
    return (made - wanted).abs().mean(dim=(1, 2, 3))


def taught(network, kind, folder, *, start=None, steps=6, name="whole"):
    """Learns two random photographs from their codes; returns the decoder and the photographs."""
    own = OwnDecoder(network, kind, perceptual=apart, start=start)
    crops = torch.rand(2, 3, *[network.config.crop_size] * 2, generator=torch.Generator()) * 2 - 1
    photos = PhotoBatch(crops=crops, ages=torch.full((2,), 40.0), codes=network.encode(crops))
    recipe = UpdateRecipe(steps=steps, learning_rate=1e-2)
    path = folder / f"{name}.pt"
    learn_increment(own.learner, photos, None, recipe, checkpoint=path, report=lambda *_: None)
    return own, photos


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["prior", "sam"])
def test_what_is_saved_shows_as_what_was_learnt_and_the_prior_stays(which, kind, request, tmp_path):
    network = request.getfixturevalue(which)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    own, photos = taught(network, kind, tmp_path)
    path = tmp_path / "own.safetensors"
    own.save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    person = load_own_prior(network, path, kind, digest=digest)
    with torch.no_grad():
        shown, learnt = person.decode(photos.codes), own.learner.decode(photos.codes)
        assert torch.allclose(shown, learnt, atol=1e-5)  # merged weights round otherwise
        assert not torch.allclose(shown, network.decode(photos.codes), atol=1e-3)
        assert torch.equal(person.encode(photos.crops), photos.codes)
    assert person.digest == digest != network.digest
    assert person.config is network.config
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_next_increment_goes_on_from_the_file(prior, kind, tmp_path):
    own, photos = taught(prior, kind, tmp_path)
    path = tmp_path / "own.safetensors"
    own.save(path)
    again, _ = taught(prior, kind, tmp_path, start=path, steps=1, name="again")
    fresh, _ = taught(prior, kind, tmp_path, steps=1, name="fresh")
    wanted = own.learner.decode(photos.codes)
    near, far = (x.learner.decode(photos.codes) for x in (again, fresh))
    assert apart(near, wanted).mean() < apart(far, wanted).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_file_of_another_kind_or_prior_is_one_sentence(prior, sam, kind, tmp_path):
    own, _ = taught(prior, kind, tmp_path)
    path = tmp_path / "own.safetensors"
    own.save(path)
    with pytest.raises(OwnDecoderError, match="expected"):
        load_own_prior(prior, path, KINDS[1 - KINDS.index(kind)], digest="")
    with pytest.raises(OwnDecoderError, match=r"expected|made for base"):
        load_own_prior(sam, path, kind, digest="")
    path.write_bytes(b"nothing")
    with pytest.raises(OwnDecoderError, match=r"own\.safetensors"):
        load_own_prior(prior, path, kind, digest="")


def test_low_rank_weights_are_a_small_part_of_the_decoder(sam, tmp_path):
    sizes = {}
    for kind in KINDS:
        own, _ = taught(sam, kind, tmp_path, steps=1, name=kind)
        own.save(tmp_path / kind)
        sizes[kind] = (tmp_path / kind).stat().st_size
    assert sizes["low_rank"] < sizes["generator"]
    assert sam.config.synthesis_size > CROP
