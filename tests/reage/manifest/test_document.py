import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reage.manifest.document import documents, write_documents
from reage.manifest.fields import ManifestModel
from reage.manifest.yaml_document import read_document

ROOT = Path(__file__).parents[3]
DOCUMENTS = documents()


def models(parent=ManifestModel):
    for model in parent.__subclasses__():
        yield model
        yield from models(model)


def schema(kind):
    return json.loads(DOCUMENTS[Path(f"manifests/schema/{kind}.schema.json")])


def plain(path):
    return read_document(path).values


@pytest.mark.parametrize("name", DOCUMENTS, ids=str)
def test_generated_file_is_what_the_models_say(name):
    assert (ROOT / name).read_text(encoding="utf-8") == DOCUMENTS[name], (
        f"{name} is older than the models in reage/manifest; run: make docs"
    )


def test_write_documents_writes_every_file_it_names(tmp_path):
    assert {path.relative_to(tmp_path) for path in write_documents(tmp_path)} == set(DOCUMENTS)
    assert all((tmp_path / name).read_text() == text for name, text in DOCUMENTS.items())


def test_page_describes_every_key_of_every_model():
    page = DOCUMENTS[Path("docs/manifest.md")]
    for model in models():
        for key, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{key} has no description"
            assert f"| `{key}` |" in page
            assert field.description in page


@pytest.mark.parametrize("path", sorted((ROOT / "manifests").rglob("*.yaml")), ids=lambda p: p.name)
def test_example_fits_the_schema_that_its_first_line_names(path):
    first = path.read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert named != first
    stated = json.loads((path.parent / named).read_text())
    Draft202012Validator.check_schema(stated)
    # An editor's YAML server sees keyframes' numbers as JSON does, as text.
    values = json.loads(json.dumps(plain(path)))
    assert list(Draft202012Validator(stated).iter_errors(values)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("show",), "UP"),
        (("plate", "cut_in"), "1001"),
        (("plate", "frame_rate"), 23.976),
        (("actors", 0, "target_age"), 12),
        (("actors", 0, "target_age"), {"keyframes": {"1001": 12}}),
        (("actors", 0, "adapter"), "v3"),
        (("actors",), []),
        (("delivery", "version"), "latest"),
        (("delivery", "secret"), "x"),
        (("consent",), None),
    ],
)
def test_editor_schema_refuses_what_the_models_refuse(place, value):
    values = json.loads(json.dumps(plain(ROOT / "manifests/shots/demo/sq010/sh0010.yaml")))
    inner = values
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    assert list(Draft202012Validator(schema("shot")).iter_errors(values))
