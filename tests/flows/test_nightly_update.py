"""Nights end to end on a small prior: what comes, what is kept, and what a kill leaves."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import flows.actor_night
import flows.night_ground
import flows.night_landscape
from flows.diagnose_adapter import REMEMBERED
from flows.nightly_update import nightly_update
from models.ageing.adapter_recipe import preset_recipe
from reage.errors import ManifestError, ReageError
from reage.provenance import AuditLog
from reage.registry.adapters import adapter_versions, find_adapter
from reage.registry.buffers import buffer_versions, find_buffer, is_staged
from reage.registry.withdrawal import roll_back
from reage.rehearsal.replay_buffer import load_buffer
from reage.workspace import Workspace
from tasks.refs import AdapterRef
from tests.flows.nights import LIMITS, NIGHTLY, Studio, lose_state_data, register_tiny_prior

pytestmark = pytest.mark.usefixtures("prefect_server")

FIRST, SECOND = (30, 34, 38, 42, 46, 50), (52, 54, 58)


class Killed(BaseException):
    """Stands for a process that ends where it is raised: nothing catches it."""


@pytest.fixture(scope="module", autouse=True)
def short_lessons():
    """First adapters are schooled in two steps, too."""

    def recipe(prior, preset="default", *, steps=None, seed=0):
        found = preset_recipe(preset, crop_size=96, steps=steps or 2, seed=seed)
        return replace(found, latent_steps=2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.night_learners.adapter_recipe", recipe)
        yield


@pytest.fixture
def night(monkeypatch):
    """Runs the night of a studio."""

    def run(studio, **settings):
        monkeypatch.setenv("REAGE_HOME", str(studio.home))
        return nightly_update(str(studio.actors), work=str(studio.work), limits=LIMITS, **settings)

    return run


@pytest.fixture(scope="module")
def first_night(tmp_path_factory):
    """A studio after the first night of an actor with six photographs."""
    studio = Studio(tmp_path_factory.mktemp("first"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(studio.home))
        register_tiny_prior(studio.root / "tiny")
        studio.write_actor()
        studio.receive(*FIRST)
        [ada] = nightly_update(str(studio.actors), work=str(studio.work), limits=LIMITS).actors
    assert (ada.outcome, ada.after) == ("updated", "v001")
    return studio


@pytest.fixture(scope="module")
def second_night(first_night, tmp_path_factory):
    """The same after three more and a broken one; with the night that folded them in."""
    studio = first_night.copy(tmp_path_factory.mktemp("second"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(studio.home))
        studio.receive(*SECOND)
        (studio.photographs / "60_broken.jpg").write_bytes(b"no picture")
        night = nightly_update(str(studio.actors), work=str(studio.work), limits=LIMITS)
    return studio, night


def events(studio):
    log = AuditLog(studio.work / "audit.jsonl")
    log.verify()
    return [entry["event"] for entry in log.entries()]


def test_night_folds_what_came_into_the_next_version(second_night, monkeypatch):
    studio, night = second_night
    monkeypatch.setenv("REAGE_HOME", str(studio.home))
    [ada] = night.actors
    assert (ada.outcome, ada.before, ada.after, ada.num_new) == ("updated", "v001", "v002", 4)
    facts = find_adapter("ada").facts
    assert (facts.parent, facts.increment, facts.num_rehearsed) == ("v001", 2, 3)
    assert (facts.num_photographs, facts.min_age, facts.max_age) == (2, 30.0, 58.0)
    assert facts.buffer_digest == find_buffer("ada", "v002").digest
    assert [record.number for record in ada.examined] == [1, 2]
    updates = [event for event in events(studio) if event["event"] == "update"]
    assert [event["version"] for event in updates] == ["v001", "v002"]
    assert {event["consent"] for event in updates} == {"SYNTHETIC-ACTOR"}


def test_night_registers_a_course_and_draws_the_way_from_the_version_it_came_of(
    second_night, monkeypatch
):
    studio, night = second_night
    monkeypatch.setenv("REAGE_HOME", str(studio.home))
    record, [ada] = find_adapter("ada"), night.actors
    course = record.facts.strength_course
    assert (len(course), course[0], course[-1]) == (11, 0.0, 1.0)
    assert AdapterRef.of(record).strength_course == course
    assert {"strength_departure", "strength_departure_plain"} < set(record.facts.metrics)
    told = Workspace.of_actor(studio.work, "ada").recall(REMEMBERED)
    assert (told["version"], told["page"]) == ("v002", ada.landscape)
    drawn = json.loads(Path(ada.landscape).with_suffix(".json").read_text())
    assert (drawn["from_previous"]["begins"], drawn["from_previous"]["ends"]) == ("v001", "v002")
    assert (drawn["num_photographs"], drawn["is_own_collection"]) == (5, True)
    assert drawn["digests"]["weights"] == record.digest
    assert ada.landscape in Path(night.page).read_text()


def test_held_out_photographs_are_examined_every_night_and_never_learnt_from(
    second_night, monkeypatch
):
    studio, night = second_night
    monkeypatch.setenv("REAGE_HOME", str(studio.home))
    record = find_buffer("ada", "v002")
    buffer, earlier = load_buffer(record.arrays), find_buffer("ada", "v001")
    held_out = set(buffer.held_out.photographs)
    assert held_out == {face.photograph for face in night.actors[0].faces}
    assert buffer.held_out.increments.tolist() == [1, 1, 2]
    assert not held_out & set(buffer.kept.photographs)
    assert len(buffer.kept) == 3
    assert set(load_buffer(earlier.arrays).held_out.photographs) < held_out
    assert len(buffer.seen) == len(set(buffer.seen)) == len(FIRST) + len(SECOND)
    assert record.described["consent"] == "SYNTHETIC-ACTOR"


def test_page_says_what_came_what_was_refused_and_shows_the_faces(second_night):
    _, night = second_night
    page = Path(night.page).read_text(encoding="utf-8")
    for said in (
        "v001 → v002",
        "60_broken.jpg",
        "unreadable",
        "Held-out photographs",
        "data:image",
    ):
        assert said in page
    assert "http" not in page.replace("http-equiv", "")


def test_night_without_new_photographs_runs_nothing_and_says_so(
    second_night, night, tmp_path, monkeypatch
):
    studio = second_night[0].copy(tmp_path)
    monkeypatch.setattr("tasks.gathering.look_at_all", None)
    [ada] = night(studio).actors
    assert (ada.outcome, ada.after) == ("nothing new", "v002")
    assert "no photograph came" in ada.detail


def test_night_keeps_an_outcome_of_which_the_server_sends_no_state_data(
    second_night, night, tmp_path, monkeypatch
):
    studio = second_night[0].copy(tmp_path)
    lose_state_data(monkeypatch)
    [ada] = night(studio).actors
    assert ada.outcome == "nothing new"


def test_refused_photograph_is_reported_once_and_again_when_the_table_changes(
    second_night, night, tmp_path
):
    studio = second_night[0].copy(tmp_path)
    (studio.photographs / "12_child.png").write_bytes(
        (studio.photographs / "30_0.png").read_bytes() + b"\0"
    )
    [ada] = night(studio).actors
    assert (ada.outcome, ada.num_new, ada.detail) == ("none fit", 1, "all 1 were refused")
    assert night(studio).actors[0].outcome == "nothing new"
    (studio.photographs / "collection.csv").write_text("file,age\n12_child.png,17\n")
    assert night(studio).actors[0].num_new == 2  # this one and the broken one


def killed_at(place, monkeypatch):
    """Lets the process die at a place of the night; returns the patch that undoes it."""
    if place == "before training":
        module, name = flows.actor_night, "form_increment"
    elif place == "before publishing":
        module, name = flows.actor_night, "register_adapter"
    elif place == "before the buffer's commit":
        module, name = flows.night_ground, "commit_buffer"
    elif place == "after the buffer's commit":
        module, name = flows.night_ground, "retire_buffers"
    else:
        real = flows.actor_night.training_progress

        def dying(actor):
            progress = real(actor)

            class Progress:
                def __enter__(self):
                    inner = progress.__enter__()
                    self.gathering = inner.gathering
                    return self

                def __exit__(self, *error):
                    return progress.__exit__(*error)

                def training(self, step, *_):
                    if step == 1:
                        raise Killed

            return Progress()

        monkeypatch.setattr(flows.actor_night, "training_progress", dying)
        return

    def dies(*_, **__):
        raise Killed

    monkeypatch.setattr(module, name, dies)


@pytest.mark.parametrize(
    "place",
    [
        "before training",
        "during training",
        "before publishing",
        "before the buffer's commit",
        "after the buffer's commit",
    ],
)
def test_killed_night_leaves_adapter_and_buffer_together_and_the_next_ends_it(
    place, first_night, second_night, night, tmp_path, monkeypatch
):
    studio = first_night.copy(tmp_path)
    studio.receive(*SECOND)
    monkeypatch.setattr("tasks.adapter_training.SAVE_EVERY", 1)
    with monkeypatch.context() as patch, suppress(Killed):
        killed_at(place, patch)
        night(studio)
        pytest.fail("was not killed")
    latest = find_adapter("ada")
    is_published = "commit" in place
    assert latest.version == ("v002" if is_published else "v001")
    has_buffer = find_buffer("ada", latest.version) is not None
    assert has_buffer or is_staged("ada", latest.facts.buffer_digest)

    [ada] = night(studio).actors
    assert ada.outcome == ("nothing new" if is_published else "updated")
    assert ("killed night" in ada.repaired) == (place == "before the buffer's commit")
    adapter, buffer = find_adapter("ada"), find_buffer("ada", "v002")
    assert (adapter.version, adapter.facts.buffer_digest) == ("v002", buffer.digest)
    # What no kill disturbed came to the same bytes.
    monkeypatch.setenv("REAGE_HOME", str(second_night[0].home))
    assert adapter.digest == find_adapter("ada").digest
    assert buffer.described["kept"] == find_buffer("ada", "v002").described["kept"]


def test_update_beyond_the_tolerance_is_refused_and_the_version_before_stands(
    first_night, night, tmp_path, monkeypatch
):
    studio = first_night.copy(tmp_path)
    studio.write_actor(nightly=NIGHTLY.replace("identity: 2.0", "identity: 0.06"))
    studio.receive(*SECOND)
    real = flows.actor_night.read_examination

    def forgetful(ref):
        """What the adapter would look like had it lost the first increment's likeness."""
        return [
            replace(face, after={**face.after, "identity": face.after["identity"] - 0.5})
            if face.increment == 1
            else face
            for face in real(ref)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(flows.actor_night, "read_examination", forgetful)
        [ada] = night(studio).actors
    assert (ada.outcome, ada.after) == ("refused", "v001")
    assert "identity: got" in ada.reasons[0]
    assert (adapter_versions("ada"), buffer_versions("ada")) == (["v001"], ["v001"])
    assert "update refused" in {event["event"] for event in events(studio)}
    assert "increment 1" in night_page(studio).read_text()
    # What was refused is tried again, from where it was found wanting.
    assert night(studio).actors[0].outcome == "updated"


def test_update_behind_a_barrier_is_refused_where_the_manifest_asks(
    first_night, night, tmp_path, monkeypatch
):
    studio = first_night.copy(tmp_path)
    studio.receive(*SECOND)
    strict = NIGHTLY.replace("likeness: 2.0", "likeness: 2.0, barrier: 0.05")
    studio.write_actor(nightly=strict)
    real = flows.night_landscape.draw_landscape

    def behind_a_barrier(*arguments, **named):
        return replace(real(*arguments, **named), barrier=0.07)

    with monkeypatch.context() as patch:
        patch.setattr(flows.night_landscape, "draw_landscape", behind_a_barrier)
        [ada] = night(studio).actors
    assert (ada.outcome, adapter_versions("ada")) == ("refused", ["v001"])
    assert ada.reasons[0].startswith("barrier: got a loss 0.070 above")
    assert ada.landscape in night_page(studio).read_text()
    assert Workspace.of_actor(studio.work, "ada").recall(REMEMBERED)["version"] == "v001"
    assert night(studio).actors[0].outcome == "updated"


def night_page(studio):
    """The page of the studio's last night."""
    return sorted((studio.work / "nights").iterdir())[-1] / "night.html"


def test_actor_that_fails_stops_no_other_and_the_night_says_which(first_night, night, tmp_path):
    studio = first_night.copy(tmp_path)
    studio.write_actor("bob", collection="../nowhere")
    studio.write_actor("cyd", revoked="  revoked: 2020-01-01")
    studio.write_actor("dan", nightly="")
    (studio.actors / "eve.yaml").write_text("actor: eve\n")
    studio.receive(*SECOND)
    with pytest.raises(ReageError, match="2 of 5 actors failed") as raised:
        night(studio)
    assert "bob: " in str(raised.value)
    assert "eve: " in str(raised.value)
    assert find_adapter("ada").version == "v002"
    page = night_page(studio).read_text()
    for said in ("stopped", "2020-01-01", "left alone", "failed", "nowhere"):
        assert said in page
    assert {"actor": "cyd", "event": "update stopped"}.items() <= next(
        event for event in events(studio) if event["event"] == "update stopped"
    ).items()


def test_consent_withdrawn_while_it_trains_keeps_the_update_back(
    first_night, night, tmp_path, monkeypatch
):
    studio = first_night.copy(tmp_path)
    studio.receive(*SECOND)
    real = flows.actor_night.judge_update

    def withdrawn(*arguments):
        studio.write_actor(revoked="  revoked: 2020-01-01")
        return real(*arguments)

    monkeypatch.setattr(flows.actor_night, "judge_update", withdrawn)
    [ada] = night(studio).actors
    assert (ada.outcome, adapter_versions("ada")) == ("stopped", ["v001"])


def test_night_after_a_rollback_leaves_its_photographs_alone(second_night, night, tmp_path):
    studio = second_night[0].copy(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(studio.home))
        roll_back("ada", "v001")
    [ada] = night(studio).actors
    assert (ada.outcome, ada.after, ada.num_left_alone) == ("nothing new", "v001", 3)
    studio.receive(61)
    [ada] = night(studio).actors
    assert (ada.outcome, ada.before, ada.after) == ("updated", "v001", "v003")
    assert find_adapter("ada").facts.parent == "v001"


def test_update_waits_for_as_many_photographs_as_the_manifest_says(first_night, night, tmp_path):
    studio = first_night.copy(tmp_path)
    studio.write_actor(nightly=NIGHTLY + "  photographs: 3\n")
    studio.receive(52, 54)
    [ada] = night(studio).actors
    assert (ada.outcome, ada.after) == ("waiting", "v001")
    studio.receive(58)
    assert night(studio).actors[0].outcome == "updated"


def test_folder_without_actors_is_one_sentence(tmp_path, night):
    (tmp_path / "actors").mkdir()
    with pytest.raises(ManifestError, match="expected one that holds"):
        night(Studio(tmp_path))


def test_strip_shows_held_out_faces_before_and_after(second_night, night, tmp_path):
    studio = second_night[0].copy(tmp_path)
    studio.receive(63)
    [ada] = night(studio).actors
    assert ada.outcome == "updated"
    rows = json.loads((find_buffer("ada", ada.after).folder / "buffer.json").read_text())
    assert rows["budget"]["images"] == 3
    assert not list((studio.work / "actors" / "ada" / "update").glob("*"))  # passed on, not kept
    with Image.open(next(iter((studio.root).rglob("sheet.png")))) as sheet:
        assert sheet.width > 500
