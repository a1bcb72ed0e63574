import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.comparison import figures_of, spread, summary
from benchmarks.examiner import Examiner
from benchmarks.personalised import METHODS, GeneralLatents, personalise
from benchmarks.sitting import INPUT_AGES, TARGETS, collected_sitting, synthetic_sitting
from models.ageing.personal_pass import PhotoBatch
from models.ageing.synthetic_actor import SyntheticActor
from reage.registry.priors import find_prior
from tasks.gpu import loaded_prior
from tasks.refs import PriorRef


@pytest.fixture(scope="module")
def collection():
    ages = np.arange(24, 80, dtype=np.float32)
    crops = np.broadcast_to(ages[:, None, None, None].astype(np.uint8), (len(ages), 4, 4, 3))
    return crops, ages


@pytest.fixture(scope="module")
def prior():
    return loaded_prior(PriorRef.of(find_prior()))


@pytest.fixture(scope="module")
def sitting(prior):
    size = prior.config.crop_size
    crops = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(4)) * 2 - 1
    actor = SyntheticActor.between(prior, crops[:1], [crops[1:2], crops[2:]], age=45.0, amount=0.5)
    return synthetic_sitting(actor, photographs=4, seed=1)


def test_nothing_that_judges_or_is_asked_teaches(collection):
    sitting = collected_sitting(*collection)
    taught = set(sitting.ages.tolist())
    judged = {float(crop[0, 0, 0]) for faces in sitting.references.values() for crop in faces}
    asked = {portrait.age for portrait in sitting.asked}
    assert not taught & (judged | asked)
    assert all(30 <= age <= 70 for age in taught)
    assert all(float(portrait.crop[0, 0, 0]) == portrait.age for portrait in sitting.asked)


def test_references_are_of_about_the_target_age_where_there_are_any(collection):
    sitting = collected_sitting(*collection)
    assert 20 not in sitting.references  # the youngest is 24
    for target, faces in sitting.references.items():
        assert all(abs(float(crop[0, 0, 0]) - target) <= 3 for crop in faces)
    assert 80 in sitting.references


def test_collection_without_enough_to_learn_from_is_refused(collection):
    crops, ages = collection
    with pytest.raises(ValueError, match="got 8 photographs of ages 30 to 70 to learn from"):
        collected_sitting(crops[:17], ages[:17])


def test_fewer_photographs_still_span_the_ages(collection):
    whole = collected_sitting(*collection)
    few = whole.fewer(5)
    assert len(few.ages) == 5
    assert (few.ages.min(), few.ages.max()) == (whole.ages.min(), whole.ages.max())


def test_synthetic_sitting_is_the_same_every_time_and_shares_no_picture(prior, sitting):
    assert [portrait.age for portrait in sitting.asked] == [
        float(age) for age in INPUT_AGES for _ in range(2)
    ]
    assert set(sitting.references) == set(TARGETS)
    taught = {crop.tobytes() for crop in sitting.crops}
    others = [portrait.crop for portrait in sitting.asked]
    others += [crop for faces in sitting.references.values() for crop in faces]
    assert not taught & {crop.tobytes() for crop in others}


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("MyTM,")])
def test_every_method_personalises_a_sitting(prior, sitting, name):
    method = METHODS[name]
    brief = replace(method, change=lambda recipe: _with_brief_lesson(method.change(recipe)))
    personal = personalise(prior, sitting, brief, steps=1, seed=0)
    crop = torch.from_numpy(sitting.asked[0].crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    photos = PhotoBatch(crops=crop, ages=torch.tensor([sitting.asked[0].age]))
    latents = personal(photos, torch.tensor([60.0]))
    assert torch.isfinite(latents.personal).all()
    assert torch.equal(latents.general, latents.personal) == (name == "global prior")


def test_a_photograph_changed_to_its_own_age_is_itself_and_another_age_changes_it(prior, sitting):
    examiner = Examiner(prior, replace(sitting, references={}), None, None, _to_judge)
    portrait = replace(sitting.asked[0], age=float(TARGETS[2]))
    faces = examiner.changed(GeneralLatents(prior), portrait)
    assert np.array_equal(faces[2], portrait.crop)
    assert (faces[-1] != portrait.crop).mean() > 0.1


def _to_judge(points):
    return np.eye(2, 3)


def _with_brief_lesson(recipe):
    return replace(recipe, latent_steps=min(recipe.latent_steps, 5))


def test_ages_without_references_do_not_count():
    figure = [0.1, 0.2, 0.3, np.nan, 0.5, 0.6, np.nan]
    found = spread([{"likeness": figure}], "likeness")
    assert found["inside"] == [pytest.approx(0.4), 0.0]
    assert found["outside"] == [pytest.approx(0.1), 0.0]
    assert found["by_age"][-1] is None
    nothing = spread([{"likeness": [np.nan, *figure[1:]]}], "likeness")
    assert nothing["outside"] == [None, 0.0]
    assert "NaN" not in json.dumps(nothing)


def test_summary_holds_what_all_people_have_finished(tmp_path):
    ages = [float(i) for i in range(len(TARGETS))]
    for person in (0, 1):
        figures_of(tmp_path, "MyTM", person).write_text(json.dumps({"age_error": ages}))
    figures_of(tmp_path, "global prior", 0).write_text(json.dumps({"age_error": ages}))
    found = summary(tmp_path, [0, 1])
    assert list(found) == ["MyTM"]
    assert found["MyTM"]["age_error"]["by_age"] == ages
