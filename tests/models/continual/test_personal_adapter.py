import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.critics import latent_average
from models.ageing.objectives import AgeingObjective, ObjectiveConfig
from models.ageing.reference_set import ReferenceSet
from models.ageing.targets import AgeRange
from models.continual.personal_adapter import PersonalAdapter
from models.continual.rehearsal import UpdateRecipe, learn_increment


def _learner(prior, critics, photos, **settings):
    torch.manual_seed(0)
    config = prior.config
    sizes = {"bottleneck_size": 4, "global_size": 4, "age_size": 4}
    adapter = Adapter(
        AdapterConfig(num_layers=config.num_layers, latent_size=config.latent_size, **sizes)
    )
    objective = AgeingObjective(
        ObjectiveConfig(region=None),
        critics,
        latent_average=latent_average(prior),
        references=ReferenceSet(critics.embed(photos.crops), photos.ages),
        training_range=AgeRange.covering(photos.ages.tolist()),
    )
    limits = AgeRange(config.min_age, config.max_age)
    return PersonalAdapter(prior, adapter, objective, limits, **settings)


def test_an_increment_moves_the_adapter_and_nothing_else(prior, critics, photos, tmp_path):
    learner = _learner(prior, critics, photos)
    before = {name: tensor.clone() for name, tensor in prior.state_dict().items()}
    untouched = {name: tensor.clone() for name, tensor in learner.adapter.state_dict().items()}
    learn_increment(
        learner, photos, photos.rows(torch.tensor([1])), UpdateRecipe(steps=1, learning_rate=1e-3),
        checkpoint=tmp_path / "c.pt", report=lambda *_: None,
    )  # fmt: skip
    after = learner.adapter.state_dict()
    assert any(not torch.equal(after[name], untouched[name]) for name in untouched)
    assert all(torch.equal(tensor, before[name]) for name, tensor in prior.state_dict().items())


def test_the_loss_depends_on_the_generator_alone_and_counts_the_way_back(prior, critics, photos):
    learner, short = (_learner(prior, critics, photos, cycle=cycle) for cycle in (1.0, 0.0))
    one, again, other = (
        float(learner.loss(photos, generator=torch.Generator().manual_seed(seed)))
        for seed in (0, 0, 1)
    )
    assert one == again != other
    assert float(short.loss(photos, generator=torch.Generator().manual_seed(0))) < one


def test_codes_are_the_priors(prior, critics, photos):
    assert torch.equal(_learner(prior, critics, photos).codes(photos.crops), photos.codes)
