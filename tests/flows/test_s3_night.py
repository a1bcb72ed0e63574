"""Nights of a studio whose manifests, photographs and published versions lie in a bucket."""

import hashlib
import json

import pytest

import flows.actor_night
from flows.nightly_update import nightly_update
from reage.errors import ReageError
from reage.provenance import AuditLog
from reage.registry.adapters import adapter_versions, find_adapter
from reage.registry.buffers import find_buffer
from reage.registry.mirror import purge_mirrors
from reage.rehearsal.replay_buffer import load_buffer
from tests.flows.nights import LIMITS, NIGHTLY, Studio, register_tiny_prior
from tests.s3_server import Fault, FaultyRelay

pytestmark = pytest.mark.usefixtures("prefect_server")

FIRST, SECOND = (30, 34, 38, 42, 46, 50), (52, 54, 58)
PUBLISH = NIGHTLY + "  learner: generator\n  publish: ../published\n"


class Bucket:
    """A studio's bucket, seen without the code under test."""

    def __init__(self, server, studio):
        self.server, self.studio, self.name = server, studio, server.new_bucket()

    def send(self, **settings):
        """Puts the manifest and all photographs of the studio into the bucket."""
        manifest = self.studio.write_actor(nightly=PUBLISH, **settings)
        sent = [(manifest, "actors/ada.yaml")]
        sent += [(path, f"photographs/{path.name}") for path in self.studio.photographs.iterdir()]
        for path, key in sent:
            self.server.client.upload_file(str(path), self.name, f"show/{key}")

    def keys(self, prefix):
        found = self.server.client.list_objects_v2(Bucket=self.name, Prefix=f"show/{prefix}")
        return {item["Key"].removeprefix("show/") for item in found.get("Contents", [])}

    def read(self, key):
        body = self.server.client.get_object(Bucket=self.name, Key=f"show/{key}")["Body"]
        return body.read()

    def holds(self, prefix):
        """Says whether an entry is there whole: all that its receipt names, byte by byte."""
        if f"{prefix}/registered.json" not in self.keys(prefix):
            return False
        receipt = json.loads(self.read(f"{prefix}/registered.json"))
        for file, sha256 in receipt["sha256"].items():
            assert hashlib.sha256(self.read(f"{prefix}/{file}")).hexdigest() == sha256
        return True

    def night(self):
        place = f"s3://{self.name}/show/actors"
        [ada] = nightly_update(place, work=str(self.studio.work), limits=LIMITS).actors
        return ada


@pytest.fixture
def bucket(s3_server, tmp_path, monkeypatch):
    studio = Studio(tmp_path)
    monkeypatch.setenv("REAGE_HOME", str(studio.home))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint_url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    patient = flows.actor_night.mirror_versions
    monkeypatch.setattr(flows.actor_night, "mirror_versions", patient.with_options(retries=0))
    register_tiny_prior(studio.root / "tiny")
    return Bucket(s3_server, studio)


def test_night_in_a_bucket_survives_a_busy_store_and_ends_with_the_consent(bucket, monkeypatch):
    # The first night: photographs and manifest come from the bucket, the version goes back to it.
    bucket.studio.receive(*FIRST)
    bucket.send()
    ada = bucket.night()
    assert (ada.outcome, ada.after) == ("updated", "v001")
    assert bucket.holds("published/adapters/ada/v001")
    assert bucket.holds("published/buffers/ada/v001")

    # Of what came since, found by digest, a version is made; the store fails amid its buffer.
    bucket.studio.receive(*SECOND)
    bucket.send()
    fault = Fault(503, "SlowDown")

    def busy(method, path):
        return fault if method == "PUT" and "buffers/ada/v002/buffer.json" in path else None

    with FaultyRelay(bucket.server, busy) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)
        with pytest.raises(ReageError, match=r"503 SlowDown .*the next night copies it"):
            bucket.night()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.server.endpoint_url)
    assert adapter_versions("ada") == ["v001", "v002"]
    seen = load_buffer(find_buffer("ada", "v002").arrays).seen
    assert len(set(seen)) == len(FIRST) + len(SECOND)
    assert bucket.holds("published/adapters/ada/v002")
    assert "published/buffers/ada/v002/buffer.npz" in bucket.keys("published/buffers")
    assert not bucket.holds("published/buffers/ada/v002"), "a part is no buffer"
    assert bucket.holds("published/buffers/ada/v001")

    # The next night has nothing to learn, and brings the copy up to date.
    ada = bucket.night()
    assert (ada.outcome, ada.after) == ("nothing new", "v002")
    assert bucket.holds("published/buffers/ada/v002")
    copied = json.loads(bucket.read("published/buffers/ada/v002/registered.json"))
    described = hashlib.sha256(bucket.read("published/buffers/ada/v002/buffer.json")).hexdigest()
    assert copied["sha256"]["buffer.json"] == described
    assert described == find_adapter("ada").facts.buffer_digest

    # A consent that is withdrawn in the bucket stops the updates; a purge removes the copies.
    bucket.studio.receive(61)
    bucket.send(revoked="  revoked: 2020-01-01")
    assert bucket.night().outcome == "stopped"
    assert len(purge_mirrors("ada")) == 4
    assert bucket.keys("published") == set()
    log = AuditLog(bucket.studio.work / "audit.jsonl")
    log.verify()
    copies = [e["event"]["entries"] for e in log.entries() if e["event"]["event"] == "mirrored"]
    assert copies == [
        ["adapters/ada/v001", "buffers/ada/v001"],
        ["buffers/ada/v002"],
    ]


def test_busy_store_of_photographs_leaves_nothing_and_the_next_night_learns(bucket, monkeypatch):
    monkeypatch.setattr(
        flows.actor_night, "find_arrivals", flows.actor_night.find_arrivals.with_options(retries=0)
    )
    bucket.studio.receive(*FIRST)
    bucket.send()

    def busy(method, path):
        return Fault(503, "SlowDown") if method == "GET" and "42_0.png" in path else None

    with FaultyRelay(bucket.server, busy) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)
        with pytest.raises(ReageError, match="503 SlowDown"):
            bucket.night()
    assert adapter_versions("ada") == []
    assert bucket.keys("published") == set()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.server.endpoint_url)
    ada = bucket.night()
    assert (ada.outcome, ada.num_new) == ("updated", len(FIRST))
    assert bucket.holds("published/buffers/ada/v001")
