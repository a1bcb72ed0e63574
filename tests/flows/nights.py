"""A studio for nights: a small prior, a registry, an actor whose photographs arrive by and by."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from prefect import flow_engine

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.adapter_files import adapter_bytes, adapter_network
from models.ageing.compact_prior import CompactPrior, save_prior, tiny_config
from models.ageing.loading import load_prior
from reage.collection.portrait_measures import PortraitLimits
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import register_adapter
from reage.registry.priors import find_prior, register_prior

# All photographs are prints of one portrait, and the small prior knows no one.
LIMITS = PortraitLimits(duplicate_bits=-1, min_similarity=-1.0)

MANIFEST = """\
schema_version: 1
actor: {actor}
names: [{actor}]
collection: {collection}
{nightly}
consent:
  document_id: SYNTHETIC-ACTOR
  scope: [render, train]
  shows: any
  granted: 1992-01-01
  expires: 2100-01-01
{revoked}
"""
NIGHTLY = """\
nightly:
  prior: tiny
  steps: 2
  buffer: {images: 3, held_out: 2, versions: 2}
  tolerance: {distance: 1.0, identity: 2.0, likeness: 2.0}
"""


@dataclass(frozen=True)
class Studio:
    """Where everything of a studio lies; it may be copied as a whole."""

    root: Path

    @property
    def actors(self) -> Path:
        return self.root / "actors"

    @property
    def photographs(self) -> Path:
        return self.root / "photographs"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def copy(self, root: Path) -> "Studio":
        """Returns a studio of its own with all that this one has."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Studio(root)

    def write_actor(
        self, actor="ada", *, collection="../photographs", nightly=NIGHTLY, revoked=""
    ) -> Path:
        self.actors.mkdir(exist_ok=True)
        path = self.actors / f"{actor}.yaml"
        path.write_text(
            MANIFEST.format(actor=actor, collection=collection, nightly=nightly, revoked=revoked)
        )
        return path

    def receive(self, *ages: int) -> None:
        """Puts a photograph for each age into the collection, none like another to the digest."""
        self.photographs.mkdir(exist_ok=True)
        portrait = np.ascontiguousarray(skimage.data.astronaut()[:360, 60:420])
        for age in ages:
            picture = np.uint8(portrait * (1 - 0.008 * (age - 30)))
            Image.fromarray(picture).save(self.photographs / f"{age}_0.png")

    def receive_dark(self, *ages: int) -> None:
        """Puts photographs that are far darker and blue, each of an age, into the collection."""
        self.photographs.mkdir(exist_ok=True)
        portrait = np.ascontiguousarray(skimage.data.astronaut()[:360, 60:420])
        for age in ages:
            picture = np.uint8(portrait * np.array([0.25, 0.3, 0.9]) * (1 - 0.01 * (age - 60)))
            Image.fromarray(picture).save(self.photographs / f"{age}_1.png")


def register_tiny_prior(folder: Path) -> None:
    """Registers a prior of random weights in the embedded one's alignment as `tiny`."""
    alignment = load_prior(find_prior("compact").folder, {}).alignment
    torch.manual_seed(11)
    prior = CompactPrior(tiny_config(resolution=alignment.size), alignment)
    prior.path.table.normal_()
    prior.path.basis.normal_()
    torch.nn.init.normal_(prior.personal.to_offset.weight, std=0.3)
    save_prior(prior, folder)
    (folder / "MODEL_CARD.md").write_text("# Prior tiny\n")
    register_prior(folder, "tiny")


def register_first_adapter(actor: str) -> None:
    """Registers an adapter for `tiny` that has learnt nothing, for updates to go on from."""
    record = find_prior("tiny")
    config = load_prior(record.folder, {}).config
    sizes = AdapterConfig(num_layers=config.num_layers, latent_size=config.latent_size)
    torch.manual_seed(12)
    facts = TrainedFacts(
        prior_name=record.name,
        prior_digest=record.digest,
        licence=record.licence,
        consent_document="SYNTHETIC-ACTOR",
        network=adapter_network(sizes),
        collection_digest="0" * 64,
        num_photographs=0,
        min_age=30.0,
        max_age=30.0,
        recipe={},
    )
    register_adapter(actor, adapter_bytes(Adapter(sizes)), facts)


def lose_state_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the server answer as it does when it is asked twice: completed runs have no result."""
    real = flow_engine.propose_state_sync

    def without_data(*args, **kwargs):
        state = real(*args, **kwargs)
        return state.model_copy(update={"data": None}) if state.is_completed() else state

    monkeypatch.setattr(flow_engine, "propose_state_sync", without_data)
