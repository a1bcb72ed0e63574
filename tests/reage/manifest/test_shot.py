import pytest
from pydantic import ValidationError

from reage.framerange import FrameRange
from reage.manifest import ShotManifest, load_shot
from reage.naming import ShotId
from tests.reage.manifest.shortest_shot import mistakes, shot


def test_shot_knows_its_id_its_cut_and_its_frames():
    manifest = shot()
    assert manifest.shot_id == ShotId("demo", "sq010", "sh0010")
    assert manifest.cut == FrameRange(1011, 1072)
    assert manifest.frames == FrameRange(1003, 1080)


def test_shot_is_frozen_all_the_way_down():
    manifest = shot()
    for part, key in (
        (manifest, "show"),
        (manifest.plate, "cut_in"),
        (manifest.actors[0], "actor"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, key, "other")


def test_shot_reads_back_from_its_own_json():
    manifest = shot(plate__frame_rate="24000/1001", actors__0__target_age={"keyframes": {1020: 40}})
    again = ShotManifest.model_validate_json(manifest.model_dump_json())
    assert again == manifest
    assert again.digest == manifest.digest


def test_limits_of_quality_control_are_those_that_reports_are_judged_by():
    from dataclasses import asdict

    from reage.qc import QCThresholds

    assert shot().qc.model_dump() == asdict(QCThresholds())
    assert shot(qc={"min_identity": 0.7}).qc.min_identity == 0.7
    with pytest.raises(ValueError, match="min_likeness"):
        shot(qc={"min_likeness": 0.7})


def test_destination_may_be_a_bucket_with_or_without_a_closing_slash():
    for place in ("s3://bucket", "s3://bucket/", "s3://bucket/a/", "out"):
        assert shot(delivery__destination=place).delivery.destination == place


def test_endpoint_refuses_credentials_and_does_not_repeat_them():
    (mistake,) = mistakes(delivery__endpoint_url="https://key:hunter2@s3.example.com")
    assert "hunter2" not in mistake
    assert mistake.endswith("credentials come from the environment")


@pytest.mark.parametrize("written", ["s3.example.com", "ftp://host", "https://", "http://[::1"])
def test_endpoint_refuses_what_is_no_address(written):
    (mistake,) = mistakes(delivery__endpoint_url=written)
    assert "expected an address, as in https://s3.example.com" in mistake


@pytest.mark.parametrize("age", [17.99, 0, -1, 100.1])
@pytest.mark.parametrize("key", ["source_age", "target_age"])
def test_ages_outside_18_to_100_are_refused(key, age):
    (mistake,) = mistakes(**{f"actors__0__{key}": age})
    assert mistake.startswith(f"actors[0].{key}: got {age}, expected at ")


@pytest.mark.parametrize("age", [18, 18.0, 100, 62.5])
def test_ages_from_18_to_100_are_taken(age):
    assert shot(actors__0__target_age=age).actors[0].target_age_at(1011) == age


def test_a_keyframe_below_18_is_refused_at_its_frame():
    (mistake,) = mistakes(actors__0__target_age={"keyframes": {1011: 30, 1020: 17}})
    assert mistake.startswith("actors[0].target_age.keyframes[1020]: got 17, expected at least 18")


@pytest.mark.parametrize("keyframes", [{}, {1.5: 30}, {True: 30}, {"a": 30}, {-1: 30}])
def test_keyframes_need_frame_numbers(keyframes):
    (mistake,) = mistakes(actors__0__target_age={"keyframes": keyframes})
    assert mistake.startswith("actors[0].target_age.keyframes")


def test_keyframes_around_the_shot_are_taken():
    around = {"keyframes": {900: 60, 1200: 30}, "interpolation": "linear"}
    assert shot(actors__0__target_age=around).actors[0].target_age_at(1050) == 45


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_adapter_strengths_from_0_to_1_are_taken_and_hold_for_the_shot(strength):
    entry = shot(actors__0__adapter="latest", actors__0__adapter_strength=strength).actors[0]
    assert entry.adapter_strength_at(1011) == strength
    assert entry.strength_curve is None


def test_adapter_strength_is_1_where_nothing_is_said():
    assert shot().actors[0].adapter_strength_at(1011) == 1.0


def test_adapter_strength_follows_its_keyframes():
    rising = {"keyframes": {1021: 1.0, 1011: 0.5}, "interpolation": "linear"}
    entry = shot(actors__0__adapter="v002", actors__0__adapter_strength=rising).actors[0]
    assert [entry.adapter_strength_at(f) for f in (1001, 1011, 1016, 1040)] == [0.5, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("strength", "place"),
    [(1.01, ""), (-0.1, ""), ({"keyframes": {1011: 2}}, ".keyframes[1011]")],
)
def test_adapter_strengths_outside_0_to_1_are_refused(strength, place):
    (mistake,) = mistakes(actors__0__adapter="latest", actors__0__adapter_strength=strength)
    assert mistake.startswith(f"actors[0].adapter_strength{place}: got ")
    assert mistake.endswith("expected 0 to 1")


@pytest.mark.parametrize("strength", ["half", True, None, [0.5]])
def test_adapter_strength_is_a_number_or_keyframes(strength):
    (mistake,) = mistakes(actors__0__adapter="latest", actors__0__adapter_strength=strength)
    assert mistake.endswith("expected a number from 0 to 1, or keyframes")


@pytest.mark.parametrize(
    ("strength", "got"), [(0.5, "0.5"), ({"keyframes": {1011: 1}}, "keyframes")]
)
def test_strength_without_an_adapter_is_refused(strength, got):
    (mistake,) = mistakes(actors__0__adapter_strength=strength)
    assert mistake == (
        f"actors[0].adapter_strength: got {got}, expected no strength where there is no adapter; "
        "name the adapter, as adapter: latest"
    )


def test_age_and_strength_keyframed_together_need_frames_of_their_own():
    both = {
        "actors__0__adapter": "latest",
        "actors__0__adapter_strength": {"keyframes": {1011: 0.5}},
        "actors__0__target_age": {"keyframes": {1011: 30}},
    }
    (mistake,) = mistakes(**both)
    assert mistake.startswith("actors[0].adapter_strength: got keyframes, expected a number where")
    assert shot(**both, actors__0__temporal={"mode": "frame"}).actors[0].strength_curve


def test_strength_keyframed_beside_the_shot_is_refused():
    early = {"keyframes": {0: 0.0, 10: 1.0}}
    (mistake,) = mistakes(actors__0__adapter="latest", actors__0__adapter_strength=early)
    assert mistake.startswith("actors[0].adapter_strength.keyframes: got frames 0-10, expected key")


def test_one_track_cannot_be_two_actors():
    pair = [{"actor": name, "target_age": 30, "track": 1} for name in ("ada", "eva")]
    (mistake,) = mistakes(actors=pair)
    assert mistake == "actors[1].track: got 1, expected another track than that of actors[0]"


def test_tracks_of_all_takes_may_be_listed_in_place_of_one():
    listed = shot(actors__0__tracks=[0, 3]).actors[0]
    assert (listed.tracks, listed.named_tracks) == ((0, 3), (0, 3))
    assert shot(actors__0__track=2).actors[0].named_tracks == (2,)
    assert shot().actors[0].named_tracks == ()
    (mistake,) = mistakes(actors__0__tracks=[0, 3], actors__0__track=0)
    assert mistake == (
        "actors[0].track: got 0, expected none beside tracks, which lists the actor's tracks in "
        "all takes"
    )


def test_listed_tracks_are_numbers_and_each_is_one_actors():
    assert mistakes(actors__0__tracks=[])
    assert mistakes(actors__0__tracks=[0, -1])
    assert mistakes(actors__0__tracks=["0"])
    pair = [
        {"actor": "ada", "target_age": 30, "tracks": [0, 3]},
        {"actor": "eva", "target_age": 30, "track": 3},
    ]
    (mistake,) = mistakes(actors=pair)
    assert mistake == "actors[1].track: got 3, expected another track than that of actors[0]"


@pytest.mark.parametrize("version", [0, 2, "1", True, None, 1.5])
def test_only_schema_version_1_is_read(version):
    (mistake,) = mistakes(schema_version=version)
    assert mistake.startswith("schema_version: got ")


def test_digest_depends_on_what_is_said_and_not_on_how(tmp_path):
    plain = tmp_path / "plain.yaml"
    plain.write_text(
        "show: demo\nsequence: sq010\nshot: sh0010\n"
        "plate: {uri: a.mov, cut_in: 1001, cut_out: 1009}\n"
        "actors: [{actor: ada, target_age: 60}]\ndelivery: {destination: out}\n"
        "consent: {document_id: D1}\n"
    )
    spelled = tmp_path / "spelled.yaml"
    spelled.write_text(
        "# the same in other words\nconsent:\n  document_id: 'D1'\ndelivery:\n  destination: out\n"
        "  master: prores4444\nactors:\n- target_age: 60.0\n  actor: ada\n  strength: 1\n"
        "shot: sh0010\n"
        "plate:\n  cut_out: 1009\n  cut_in: 1001\n  uri: a.mov\nsequence: sq010\nshow: demo\n"
    )
    other = tmp_path / "other.yaml"
    other.write_text(plain.read_text().replace("60", "61"))
    digests = [load_shot(path).digest for path in (plain, spelled, other)]
    assert digests[0] == digests[1] != digests[2]


def test_relative_places_start_at_the_manifests_folder(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "sh0010.yaml"
    path.parent.mkdir()
    path.write_text(shot().model_dump_json())
    monkeypatch.chdir(tmp_path)
    manifest = load_shot("deep/sh0010.yaml")
    assert manifest.resolve("../plate.mov") == str(tmp_path / "plate.mov")
    assert manifest.resolve("/mnt/plate.mov") == "/mnt/plate.mov"
    assert manifest.resolve("file:///mnt/a%20b.mov") == "/mnt/a b.mov"
    assert manifest.resolve("s3://bucket/plate.mov") == "s3://bucket/plate.mov"
    assert shot().resolve("plate.mov") == str(tmp_path / "plate.mov")


def test_consent_document_is_the_actors_own_or_the_shots():
    pair = [
        {"actor": "ada", "target_age": 30},
        {"actor": "eva", "target_age": 30, "consent": {"document_id": "EVA-7"}},
    ]
    manifest = shot(actors=pair)
    assert manifest.consent_document("ada") == "DEMO-2026-001"
    assert manifest.consent_document("eva") == "EVA-7"
    with pytest.raises(KeyError, match="expected one of the shot's actors"):
        manifest.consent_document("ida")


def test_colourspaces_are_those_that_the_picture_code_knows():
    from reage.colour import COLOURSPACES
    from reage.image import DISPLAY_REFERRED
    from reage.manifest.fields import SCREEN_COLOURSPACES

    assert set(SCREEN_COLOURSPACES) == DISPLAY_REFERRED

    accepted = ShotManifest.model_json_schema()["$defs"]["Plate"]["properties"]["colourspace"]
    assert set(accepted["anyOf"][0]["enum"]) == set(COLOURSPACES)


def test_change_is_carried_on_the_surface_unless_asked_otherwise():
    assert shot().actors[0].temporal.mode == "surface"
    chosen = shot(actors__0__temporal={"mode": "keyframe", "key_frame": 1020})
    assert chosen.actors[0].temporal.key_frame == 1020


def test_key_frame_without_its_mode_or_outside_the_shot_is_refused():
    [without] = mistakes(actors__0__temporal={"key_frame": 1020})
    assert "temporal.key_frame: got 1020, expected none, as only mode keyframe" in without
    [outside] = mistakes(actors__0__temporal={"mode": "keyframe", "key_frame": 1200})
    assert "temporal.key_frame: got 1200, expected one of the shot's frames (1003-1080)" in outside


def test_part_of_the_face_changes_by_at_most_all():
    assert shot(actors__0__regions={"lips": 0.5}).actors[0].regions.lips == 0.5
    [finding] = mistakes(actors__0__regions={"lips": 1.5})
    assert "regions.lips: got 1.5" in finding
