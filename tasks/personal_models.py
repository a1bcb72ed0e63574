"""A person's model as a whole, registered or just trained: who encodes and decodes, who adapts.

Holds no task: what trains, examines and draws share it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from models.ageing.adapter import Adapter
from models.ageing.adapter_files import load_adapter
from models.ageing.prior import Prior
from models.continual.own_decoder import load_own_prior
from tasks.gpu import device, latent_adapter, loaded_prior
from tasks.refs import AdapterRef, PriorRef, TrainedRef


@dataclass(frozen=True, eq=False)
class PersonalModel:
    """What shows a person at an age.

    Attributes:
        prior: Encodes and decodes: the general one, or one with the person's decoder.
        adapter: Takes its latents to the person's; None where the decoder alone is personal.
    """

    prior: Prior
    adapter: Adapter | None = None


def registered_model(adapter: AdapterRef | None, prior: PriorRef) -> PersonalModel:
    """Loads a version, or the general prior for None; raises RegistryError."""
    return PersonalModel(loaded_prior(prior.personal(adapter)), latent_adapter(adapter))


def trained_model(trained: TrainedRef, prior: PriorRef) -> PersonalModel:
    """Loads what a training made; raises RegistryError when the prior cannot be loaded."""
    general, folder = loaded_prior(prior), Path(trained.folder)
    described = json.loads((folder / "adapter.json").read_text("utf-8"))
    weights = folder / "weights.safetensors"
    learner = described.get("learner", "adapter")
    if learner == "adapter":
        return PersonalModel(general, load_adapter(weights, described["network"]).to(device()))
    return PersonalModel(load_own_prior(general, weights, learner, digest=trained.digest))
