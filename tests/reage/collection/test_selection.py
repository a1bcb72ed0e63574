from dataclasses import replace

import numpy as np

from reage.collection.ages import AgeStatement
from reage.collection.portrait_measures import FaceMeasures, PortraitLimits
from reage.collection.selection import KnownFaces, SeenPhoto, select_photos

LIMITS = PortraitLimits(min_similarity=0.5)
GOOD = FaceMeasures(
    eye_distance=80, sharpness=1, yaw_deg=0, pitch_deg=0, outside=0, score=1, disagreement=0
)


def measures(**changes):
    return FaceMeasures(**{**vars(GOOD), **changes})


def photo(name, *people, ages=((34, "name"),), apparent=34.0, faces=None, seed=None):
    """A photograph of people (numbers), each an axis; hashes differ unless seeds are equal."""
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    return SeenPhoto(
        name=name,
        statements=tuple(AgeStatement(age, source) for age, source in ages),
        measures=tuple(faces or [GOOD] * len(people)),
        embeddings=np.eye(8, dtype=np.float32)[list(people)],
        hashes=rng.random((len(people), 16, 16)) > 0.5,
        apparent_ages=np.full(len(people), apparent, np.float32),
    )


def outcome(photos, **options):
    found = select_photos(photos, limits=LIMITS, **options)
    reasons = {refusal.name: refusal.reason for refusal in found.refused}
    return [item.photo.name for item in found.accepted], reasons, list(found.warnings)


def test_photographs_are_accepted_in_order_of_age():
    photos = [photo(n, 0, ages=((a, "name"),)) for n, a in (("c", 50), ("a", 30), ("b", 40))]
    assert outcome(photos)[0] == ["a", "b", "c"]


def test_each_fault_is_a_reason_of_its_own():
    faults = {
        "tiny face": {"eye_distance": 5},
        "blurred": {"sharpness": 0.01},
        "cut off": {"outside": 0.3},
        "turned away": {"yaw_deg": -70},
        "hidden": {"disagreement": 0.2},
    }
    photos = [photo(reason, 0, faces=[measures(**bad)]) for reason, bad in faults.items()]
    accepted, reasons, _ = outcome(
        [*photos, photo("good", 0), photo("up", 0, faces=[measures(pitch_deg=50)])]
    )
    assert accepted == ["good"]
    assert reasons == {**{reason: reason for reason in faults}, "up": "turned away"}


def test_other_people_are_refused_and_do_not_hide_the_actor():
    photos = [photo("a", 0), photo("b", 0), photo("c", 1), photo("d", 2, 0)]
    accepted, reasons, _ = outcome(photos)
    assert accepted == ["a", "b", "d"]
    assert reasons == {"c": "another person"}


def test_blurred_actor_beside_a_sharp_stranger_is_another_person():
    beside = photo("c", 1, 0, faces=[GOOD, measures(sharpness=0.01)])
    assert outcome([photo("a", 0), photo("b", 0), beside])[1] == {"c": "another person"}


def test_age_is_estimated_only_when_nobody_states_it():
    photos = [photo("a", 0, apparent=50.0), photo("b", 0, ages=(), apparent=41.0)]
    found = select_photos(photos, limits=LIMITS)
    assert [(p.label.age, p.label.source) for p in found.accepted] == [
        (34, "name"),
        (41, "estimated"),
    ]


def test_estimate_close_to_adulthood_is_refused():
    assert outcome([photo("a", 0), photo("b", 0, ages=(), apparent=20.0)])[1] == {"b": "age unsure"}


def test_prints_of_one_photograph_are_one_and_their_ages_are_compared():
    sharp = photo("sharp", 0, faces=[measures(sharpness=2)], seed=1)
    soft = photo("soft", 0, ages=((44, "name"),), apparent=40.0, seed=1)
    accepted, reasons, warnings = outcome([soft, sharp])
    assert accepted == ["sharp"]
    assert reasons == {"soft": "near-duplicate"}
    assert warnings == [
        "sharp: age: got 34 by name, but 44 by name for soft, a print of the same photograph"
    ]


def test_nothing_gives_nothing():
    assert outcome([]) == ([], {}, [])


def known(seed=3):
    """Two faces of person 0 that were learnt before, and their hashes."""
    hashes = np.random.default_rng(seed).random((2, 16, 16)) > 0.5
    embeddings = np.eye(8, dtype=np.float32)[[0, 0]]
    return KnownFaces(names=("old_1.jpg", "old_2.jpg"), embeddings=embeddings, hashes=hashes)


def test_faces_learnt_before_tell_the_actor_where_most_photographs_show_another():
    photos = [photo(f"{n}.jpg", 1) for n in "abc"] + [photo("ada.jpg", 0)]
    assert outcome(photos)[0] == ["a.jpg", "b.jpg", "c.jpg"]
    assert outcome(photos, known=known())[0] == ["ada.jpg"]


def test_further_print_of_a_photograph_learnt_before_is_refused_by_its_name():
    print_ = replace(photo("again.jpg", 0), hashes=known().hashes[1:])
    accepted, reasons, _ = outcome([print_, photo("new.jpg", 0)], known=known())
    assert (accepted, reasons) == (["new.jpg"], {"again.jpg": "near-duplicate"})
    found = select_photos([print_], limits=LIMITS, known=known())
    assert found.refused[0].detail == "got another print of old_2.jpg, learnt before"
