"""From an actor's manifest to crops, with consent asked first."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from flows.gather_collection import gather_collection
from reage.errors import CollectionError, ConsentError
from reage.provenance import AuditLog

pytestmark = pytest.mark.usefixtures("prefect_server")

ACTOR = """\
actor: astronaut
names: [Demo astronaut]
birth_date: 1956-11-19
{collection}
consent:
  document_id: NASA-PUBLIC-DOMAIN
  scope: [{scope}]
  shows: [demo]
  granted: 1992-01-01
  expires: {expires}
"""


@pytest.fixture
def actor(tmp_path):
    """Writes the manifest of an actor with one photograph of 1992."""
    tags = PillowImage.Exif()
    tags.get_ifd(0x8769)[0x9003] = "1992:11:19 09:00:00"
    picture = np.ascontiguousarray(skimage.data.astronaut()[:360, 60:420])
    (tmp_path / "photographs").mkdir()
    PillowImage.fromarray(picture).save(tmp_path / "photographs" / "a.jpg", exif=tags)

    def write(*, scope="render, train", expires="2100-01-01", collection="../photographs"):
        path = tmp_path / "actors" / "astronaut.yaml"
        path.parent.mkdir(exist_ok=True)
        line = f"collection: {collection}" if collection else ""
        path.write_text(ACTOR.format(scope=scope, expires=expires, collection=line))
        return str(path)

    return write


def test_collection_of_a_manifest_is_gathered_and_audited(actor, tmp_path):
    work = tmp_path / "work"
    ref = gather_collection(actor(), work=str(work))
    with np.load(ref.path) as arrays:
        assert arrays["age_sources"].tolist() == ["exif"]
        assert arrays["ages"][0] == pytest.approx(36, abs=0.01)
    assert ref.path.startswith(str(work / "actors" / "astronaut"))
    events = [json.loads(line)["event"] for line in (work / "audit.jsonl").open()]
    assert [event["event"] for event in events] == ["collect", "collected"]
    assert events[1]["collection"] == ref.digest
    assert {event["consent"] for event in events} == {"NASA-PUBLIC-DOMAIN"}
    AuditLog(work / "audit.jsonl").verify()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"scope": "render"}, "expected train among the uses"),
        ({"expires": "1999-01-01"}, "expires"),
    ],
)
def test_nothing_is_read_without_consent_to_training(actor, tmp_path, record, said):
    manifest = actor(**record, collection="../none")
    with pytest.raises(ConsentError, match=said):
        gather_collection(manifest, work=str(tmp_path / "work"))
    assert not (tmp_path / "work").exists()


def test_manifest_without_a_collection_says_what_is_missing(actor, tmp_path):
    with pytest.raises(
        CollectionError, match=r"astronaut\.yaml: collection: got nothing, expected"
    ):
        gather_collection(actor(collection=None), work=str(tmp_path / "work"))
