"""A reference plate end to end: a real shot, a tiny 3D prior, a registered 3D face."""

import json

import numpy as np
import pytest
import torch

from flows.reference_plate import reference_plate
from models.lora.adapter import LowRankAdapter
from models.lora.checkpoint import save_adapter
from models.lora.layer import LoRAConfig
from reage.errors import ConsentError, ManifestError, RegistryError
from reage.exr import read_exr
from reage.looks import Looks
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.faces3d import register_face3d
from reage.storage import file_digest
from tests.flows.conftest import write_shot
from tests.tri_planes import SEEN, drawn, tiny_generator, write_tiny_prior

LAST = 1003


@pytest.fixture(scope="module")
def shot(small_plate, tmp_path_factory, prefect_server):
    folder = tmp_path_factory.mktemp("reference")
    tiny = write_tiny_prior(folder / "tiny", age_direction=torch.full((8,), 0.05))
    digest = file_digest(tiny / "weights.safetensors")
    adapter = LowRankAdapter(tiny_generator(SEEN), LoRAConfig())
    beside = {
        "anchors": drawn(3, 6, 8),
        "cameras": drawn(3, 25),
        "ages": torch.tensor([30.0, 35.0, 40.0]),
    }
    save_adapter(adapter, folder / "face.safetensors", base_digest=digest, beside=beside)
    facts = Face3DFacts(
        prior_name="tiny",
        prior_digest=digest,
        licence="none",
        consent_document="NASA-PUBLIC-DOMAIN",
        network={"rank": 1, "numbers": 1},
        collection_digest="cd",
        num_photographs=3,
        min_age=30,
        max_age=40,
        recipe={},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(folder / "home"))
        register_face3d("astronaut", (folder / "face.safetensors").read_bytes(), facts)
        yield folder, write_shot(folder, small_plate, cut_out=LAST)


def rendered(shot, **settings):
    folder, small = shot
    fields = {"prior": str(folder / "tiny"), "work": str(folder / "work"), **settings}
    return reference_plate(str(small.manifest), "astronaut", **fields)


def test_every_frame_of_the_plate_has_its_reference_and_the_record_says_what_it_is(shot):
    folder = rendered(shot)
    record = json.loads((folder / "reference.json").read_text())
    names = [f"reference.{frame}.exr" for frame in range(1001, LAST + 1)]
    assert record["files"] == {name: file_digest(folder / name) for name in names}
    assert record["num_shown"] == 3
    assert record["target_ages"] == [75.0] * 3
    assert record["consent_document_id"] == "NASA-PUBLIC-DOMAIN"
    assert record["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    picture = read_exr(folder / names[0]).picture
    alpha = picture.channels["A"].astype(np.float32)
    assert alpha[0, 0] == 0
    assert alpha.max() > 0.2
    assert (np.abs(picture.channels["R"][alpha == 0]) == 0).all()
    assert picture.header["reage:consent"] == "NASA-PUBLIC-DOMAIN"
    log = (shot[0] / "work" / "audit.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["event"]["event"] == "reference plate"
    younger = rendered(shot, is_aged=False)
    assert (younger / names[0]).read_bytes() != (folder / names[0]).read_bytes()
    assert json.loads((younger / "reference.json").read_text())["target_ages"] == [None] * 3


def test_what_cannot_be_rendered_is_one_sentence(shot, small_plate, tmp_path):
    _, small = shot
    with pytest.raises(ManifestError, match="got no bob, expected one of: astronaut"):
        reference_plate(str(small.manifest), "bob", work=str(tmp_path))
    with pytest.raises(RegistryError, match="photograph: got '9', expected a number from 1 to 3"):
        rendered(shot, looks=Looks(first="9"))
    late = write_shot(tmp_path, small_plate, cut_out=LAST, expires="2000-01-01")
    with pytest.raises(ConsentError):
        reference_plate(str(late.manifest), "astronaut", work=str(tmp_path / "work"))
