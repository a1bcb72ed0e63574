import errno
import json
import os
import re
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reage.errors import ManifestError
from reage.manifest import load_actor, load_shot, load_shots, validate
from reage.manifest.yaml_document import MAX_BYTES, MAX_VALUES

BROKEN = Path(__file__).parents[2] / "assets" / "manifests" / "broken"
EXAMPLES = Path(__file__).parents[3] / "manifests"
NAME = "lower-case letters, digits, _ and - (at most 64, starting with a letter or digit)"
YAML = "keys and values, as in show: demo"
PLATE_KEYS = (
    "uri, colourspace, ocio, exposure, pixel_aspect, frame_rate, first_frame, cut_in, cut_out, "
    "shutter_angle, defocus, regrain, handles"
)
DELIVERY_KEYS = (
    "destination, master, review, version, endpoint_url, region, addressing_style, checksum_mode"
)

# What each broken manifest says of itself, after the file's name.
SENTENCES = {
    "actor_child_and_dates.yaml": [
        ":2: names: got an empty list, expected at least 1 in it",
        ":4: references[1]: got 'http://host/photo.jpg', "
        "expected a path, file:///path or s3://bucket/prefix",
        ":7: consent.scope[1]: got 'sell', expected render or train",
        ":8: consent.shows: got 'all', expected a list of shows, or any",
        ":10: consent.expires: got '01/02/2027', expected a date as in 2026-01-31",
    ],
    "actor_consent_reversed.yaml": [
        ":9: consent.expires: got 2025-01-01, expected no earlier than granted (2026-01-01)",
        ":10: consent.revoked: got 2025-06-01, expected no earlier than granted (2026-01-01)",
    ],
    "actor_twice.yaml": [
        ":11: actors[1].actor: got ada, expected another actor than that of actors[0]",
    ],
    "actor_under_age.yaml": [
        ":3: birth_date: got 2010-03-02, "
        "expected a birth date at least 18 years before consent.granted (2026-01-01); Reage "
        "works with adults only",
    ],
    "alias_bomb.yaml": [
        ":1: got &a, expected no anchors and aliases; write the value out",
    ],
    "control_character.yaml": [
        ":1: got the control character U+0001, expected printable text",
    ],
    "curve_elsewhere.yaml": [
        ":11: actors[0].target_age.keyframes: got frames 1-72, "
        "expected keyframes that meet the shot's frames (1001-1072); keyframes are at frame "
        "numbers, not positions from 0",
    ],
    "cut_reversed_and_child.yaml": [
        ":7: plate.cut_out: got 1000, expected at least cut_in (1001)",
        ":10: actors[0].target_age: got 12, "
        "expected at least 18 years; Reage re-ages adults, and to adults, only",
    ],
    "deep.yaml": [
        ":2: got 17 levels, expected at most 16",
    ],
    "duplicate_key.yaml": [
        ":3: sequence: got the same key again, expected each key once (first on line 2)",
    ],
    "empty.yaml": [
        f": got an empty file, expected {YAML}",
    ],
    "escaping_names.yaml": [
        f":1: show: got '../../etc', expected {NAME}; etc would do",
        f":3: shot: got 'sh0010\\n', expected {NAME}; sh0010 would do",
        f":9: actors[0].actor: got '../ada', expected {NAME}; ada would do",
    ],
    "float_rate.yaml": [
        ":6: plate.frame_rate: got 29.97, "
        'expected a whole number or a fraction in quotes, as in "24000/1001"; write '
        '"30000/1001"',
    ],
    "latin1.yaml": [
        ":2: got byte 0xe9, expected UTF-8 text; save the file as UTF-8",
    ],
    "newer_version.yaml": [
        ":1: schema_version: got 2, expected 1; this manifest was written for another Reage",
    ],
    "no_actors.yaml": [
        ":8: actors: got an empty list, expected at least 1 in it",
    ],
    "no_consent.yaml": [
        ":1: consent: got nothing, expected a value; this key is required",
    ],
    "odd_keys.yaml": [
        ":1: got the key a list of 2, expected a name or a frame number as key",
        ":3: got the key nothing, expected a name or a frame number as key",
    ],
    "only_a_comment.yaml": [
        f": got an empty file, expected {YAML}",
    ],
    "prefix_escapes_and_handles.yaml": [
        ":7: plate.handles: got 8, expected at most 0, as the plate begins at frame 1001",
        ":13: delivery.destination: got 's3://studio-deliveries/a/../b', "
        "expected an s3 prefix without empty, . or .. parts",
    ],
    "python_tag.yaml": [
        ":1: got the tag 'tag:yaml.org,2002:python/object/apply:os.system', "
        "expected no tags; write the plain value",
    ],
    "tab.yaml": [
        ":5: got a tab, expected spaces; indent with two spaces",
    ],
    "top_level_list.yaml": [
        f":1: got a list at the top, expected {YAML}",
    ],
    "two_documents.yaml": [
        ":15: got a second document, expected one manifest a file; remove the --- line",
    ],
    "unclosed_quote.yaml": [
        ":3: got a quote that is never closed, expected a closing quote",
    ],
    "unknown_interpolation.yaml": [
        ":14: actors[0].target_age.interpolation: got 'cubic', expected linear or smooth",
    ],
    "unknown_keys.yaml": [
        ":4: plate.cut_out: got nothing, expected a value; this key is required",
        f":7: plate.cutout: got an unknown key, expected one of {PLATE_KEYS}; did you mean cut_out",
        ":12: delivery.access_key: got an unknown key, "
        f"expected one of {DELIVERY_KEYS}; credentials come from the environment, never from "
        "a manifest",
    ],
    "wrong_kinds.yaml": [
        ":6: plate.cut_in: got '1001', expected a whole number",
        ":10: actors[0].strength: got 1.5, expected at most 1.0",
        ":11: actors[0].source_age: got 'old', expected years (18 to 100), or auto",
        ":12: actors[0].track: got 'yes', expected a whole number",
        ":13: actors[0].adapter: got 'lates', "
        "expected none, latest, or a version as v003; did you mean latest",
        ":14: actors[0].region.feather: got -0.1, expected at least 0.0",
        ":14: actors[0].region.expand: got 2, expected at most 0.5",
        ":17: delivery.destination: got 'ftp://host/x', "
        "expected a path, file:///path or s3://bucket/prefix",
        ":18: delivery.review: got 'on', expected true or false",
        ":19: delivery.master: got 'prores', "
        "expected prores4444, prores422hq, png16, tiff16 or exr; did you mean prores4444",
        ":20: delivery.version: got 'v3', expected next, or a version as v003",
    ],
}
SHORTEST = {
    "show": "demo",
    "sequence": "sq010",
    "shot": "sh0010",
    "plate": {"uri": "plate.mov", "cut_in": 1001, "cut_out": 1072},
    "actors": [{"actor": "ada", "target_age": 72}],
    "delivery": {"destination": "s3://studio-deliveries/reage"},
    "consent": {"document_id": "DEMO-2026-001"},
}


def write(folder, name="sh0010.yaml", **changes):
    path = Path(folder, name)
    path.write_text(json.dumps({**SHORTEST, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SENTENCES)
def test_broken_manifest_says_file_line_key_got_and_expected(name):
    load = load_actor if name.startswith("actor_") and name != "actor_twice.yaml" else load_shot
    with pytest.raises(ManifestError) as caught:
        load(BROKEN / name)
    lines = str(caught.value).split("\n")
    assert [line.removeprefix(str(BROKEN / name)) for line in lines] == SENTENCES[name]


def test_every_broken_manifest_has_its_sentence():
    assert {path.name for path in BROKEN.iterdir()} == set(SENTENCES)
    assert len(SENTENCES) >= 10


def test_tag_in_a_manifest_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match="expected no tags"):
        load_shot(BROKEN / "python_tag.yaml")
    assert not list(tmp_path.iterdir())


def test_load_shots_reports_the_mistakes_of_all_files_together(tmp_path):
    write(tmp_path, "a.yaml", show="UP")
    write(tmp_path, "b.yaml", prior="UP")
    with pytest.raises(ManifestError) as caught:
        load_shots(tmp_path)
    assert [line.partition(": got")[0] for line in str(caught.value).splitlines()] == [
        f"{tmp_path}/a.yaml:1: show",
        f"{tmp_path}/b.yaml:1: prior",
    ]


def test_load_shots_passes_over_actors_and_keeps_the_order_of_paths(tmp_path):
    write(tmp_path, "b.yaml", shot="sh0020")
    write(tmp_path, "a.yml")
    (tmp_path / "ada.yaml").write_text((EXAMPLES / "actors/ada.yaml").read_text())
    assert [shot.shot for shot in load_shots(tmp_path)] == ["sh0010", "sh0020"]
    shots = load_shots([tmp_path / "b.yaml", tmp_path / "a.yml", tmp_path])
    assert [shot.shot for shot in shots] == ["sh0020", "sh0010"]
    assert shots[0].path == tmp_path / "b.yaml"


def test_load_shots_refuses_two_files_of_one_shot(tmp_path):
    write(tmp_path, "a.yaml")
    write(tmp_path, "b.yaml")
    sentence = "b.yaml:1: shot: got demo/sq010_sh0010, expected another shot than .*a.yaml has"
    with pytest.raises(ManifestError, match=sentence):
        load_shots(tmp_path)


def test_load_shots_refuses_paths_without_a_shot(tmp_path):
    with pytest.raises(ManifestError, match="got a folder without manifests, expected one that"):
        load_shots(tmp_path)
    with pytest.raises(ManifestError, match="got no shot manifest, expected at least one"):
        load_shots(EXAMPLES / "actors")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("shots/other/sq010/sh0010.yaml", ":1: show: got demo, expected other, as the file lies"),
        ("shots/demo/sq010/sh0099.yaml", ":1: shot: got sh0010, expected sh0099, as the file"),
        (
            "shots/demo/sh0010.yaml",
            r":1: got shots/demo/sh0010, .*to shots/demo/sq010/",
        ),
    ],
)
def test_shot_under_shots_must_lie_where_it_says(tmp_path, place, sentence):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    with pytest.raises(ManifestError, match=sentence):
        load_shot(write(path.parent, path.name))


def test_shot_under_shots_loads_where_it_says(tmp_path, monkeypatch):
    folder = tmp_path / "shots/demo/sq010"
    folder.mkdir(parents=True)
    write(folder)
    monkeypatch.chdir(folder)
    assert load_shot("sh0010.yaml").shot_id.prefix == "demo/sq010/sh0010"


def test_actor_file_must_bear_the_actors_name(tmp_path):
    (tmp_path / "actors").mkdir()
    path = tmp_path / "actors" / "eva.yaml"
    path.write_text((EXAMPLES / "actors/ada.yaml").read_text())
    with pytest.raises(ManifestError, match=r"eva\.yaml:6: actor: got ada, expected eva, as"):
        load_actor(path)


def test_too_large_a_file_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "large.yaml"
    with open(path, "wb") as file:
        file.truncate(10 * 1024**3)  # sparse: reading it whole would take the memory
    with pytest.raises(ManifestError, match=f"got more than {MAX_BYTES} bytes, expected at most"):
        load_shot(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" + "a," * (MAX_BYTES // 2 - 10) + "]",
        "a: [" + "{},\n" * (MAX_BYTES // 4 - 10) + "]",
        "? " * (MAX_BYTES // 2),
        "- " * (MAX_BYTES // 2),
        "".join(f"k{n}: {n}\n" for n in range(MAX_VALUES * 2)),
    ],
    ids=["list", "mappings", "complex_keys", "nested_list", "many_keys"],
)
def test_hostile_file_of_the_largest_size_is_refused_in_seconds(tmp_path, text):
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(ManifestError, match=r"expected (at most|fewer)"):
        load_shot(path)
    assert time.process_time() - begun < 8  # about 1.5 s for 20,000 values; unbounded takes minutes


def test_fifo_and_missing_file_are_sentences(tmp_path):
    os.mkfifo(tmp_path / "fifo.yaml")
    with pytest.raises(ManifestError, match="got no regular file, expected a YAML file"):
        load_shot(tmp_path / "fifo.yaml")
    with pytest.raises(ManifestError, match="got no such file, expected a YAML file"):
        load_shot(tmp_path / "none.yaml")


@contextmanager
def unreadable(folder):
    """Makes whatever lies in a folder unreadable, for the superuser as well."""

    def refusing(own, path, *arguments, **options):
        if not isinstance(path, int) and folder in Path(os.fsdecode(path)).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return own(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("stat", "lstat"):
            patch.setattr(os, name, partial(refusing, getattr(os, name)))
        yield


def test_file_in_an_unreadable_folder_leaves_the_others_to_be_told_of(tmp_path):
    (tmp_path / "locked").mkdir()
    locked = write(tmp_path / "locked", "a.yaml")
    broken = write(tmp_path, "b.yaml", show="UP")
    for paths in ([locked, broken], [tmp_path]):
        with unreadable(tmp_path / "locked"):
            report = validate(paths)
        assert [str(problem).partition(", ")[0] for problem in report.problems] == [
            f"{broken}:1: show: got 'UP'",
            f"{locked}: got permission denied",
        ]


def test_symlink_loop_leaves_the_others_to_be_told_of(tmp_path):
    loop = tmp_path / "a.yaml"
    loop.symlink_to(loop.name)
    broken = write(tmp_path, "b.yaml", show="UP")
    assert [str(problem).partition(", ")[0] for problem in validate([loop, broken]).problems] == [
        f"{loop}: got too many levels of symbolic links",
        f"{broken}:1: show: got 'UP'",
    ]


def test_file_that_is_given_twice_by_a_link_is_read_once(tmp_path):
    path = write(tmp_path)
    (tmp_path / "link.yaml").symlink_to(path)
    assert len(load_shots([path, tmp_path / "link.yaml"])) == 1


def test_unknown_key_cannot_break_the_report_into_lines(tmp_path):
    with pytest.raises(ManifestError) as caught:
        load_shot(write(tmp_path, **{"evil\n/etc/passwd:1: key\x1b[2J": 1, "y" * 900: 2}))
    assert len(str(caught.value).splitlines()) == 2
    assert str(caught.value).replace("\n", "").isprintable()
    assert max(map(len, str(caught.value).splitlines())) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
LEAVES = [
    *((key,) for key in SHORTEST),
    *(("plate", key) for key in PLATE_KEYS.split(", ")),
    *(("delivery", key) for key in DELIVERY_KEYS.split(", ")),
    *(("actors", 0, key) for key in ("actor", "source_age", "target_age", "strength", "track")),
    *(("actors", 0, key) for key in ("region", "matte", "adapter", "consent", "other")),
    ("actors", 0, "target_age", "keyframes"),
    ("consent", "document_id"),
    ("schema_version",),
]


@given(st.sampled_from(LEAVES), json_values)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_value_at_any_key_loads_or_is_one_sentence_a_mistake(tmp_path, leaf, value):
    values = json.loads(json.dumps(SHORTEST))
    inner = values
    for key in leaf[:-1]:
        if not isinstance(inner[key], dict | list):
            inner[key] = {}
        inner = inner[key]
    inner[leaf[-1]] = value
    path = tmp_path / "sh0010.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    try:
        load_shot(path)
    except ManifestError as error:
        form = re.escape(str(path)) + r"(:\d+)?: .*got .+, expected .+"
        for line in str(error).split("\n"):
            assert re.fullmatch(form, line), line
            assert "Input should" not in line


def test_examples_of_the_project_are_valid():
    report = validate(EXAMPLES)
    assert report.problems == ()
    assert {path.name for path in report.files} == {"ada.yaml", "sh0010.yaml", "sh0020.yaml"}
