"""Which device networks run on, and the one loaded copy of each that a process holds."""

import copy
import logging
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from models.ageing.adapter import Adapter
from models.ageing.adapter_files import AdapterFileError, load_adapter
from models.ageing.loading import load_prior
from models.ageing.mytm import load_personal_adapter, load_personal_prior
from models.ageing.prior import Prior, PriorError
from models.ageing.sam import SamPrior
from models.continual.own_decoder import OwnDecoderError, load_own_prior
from reage.errors import RegistryError
from reage.registry.adapters import AdapterRecord, find_adapter
from tasks.refs import AdapterRef, PriorRef

log = logging.getLogger(__name__)

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def device() -> torch.device:
    """Returns the first CUDA device of this process, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_cpu(network: NetworkT) -> NetworkT:
    """Returns a network in evaluation mode on the CPU; a copy where it lives elsewhere."""
    network.eval()
    is_here = next(network.parameters()).device.type == "cpu"
    return network if is_here else copy.deepcopy(network).cpu()


def mixed_precision(like: Tensor) -> torch.autocast:
    """Returns a context in which networks compute in bfloat16 where the device has units for it.

    On a processor without them bfloat16 is emulated, many times slower than float32; there the
    context changes nothing.

    Args:
        like: On the device in question.
    """
    kind = like.device.type
    return torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or _cpu_has_bfloat16())


@cache
def _cpu_has_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def loaded_prior(ref: PriorRef) -> Prior:
    """Loads a prior once per process, in eval mode on `device()`.

    A person's prior shares with the general one what is the same in both.

    Raises:
        RegistryError: The folder holds no prior, or other weights than the ref names; or the
            person's weights are others, or were made for another prior.
    """
    return _general_prior(ref) if ref.person is None else _personal_prior(ref, ref.person)


# Whoever asks first may be in inference mode, and weights that are made there cannot be trained
# through; so all of these leave it.


@lru_cache(maxsize=2)
@torch.inference_mode(False)
def _general_prior(ref: PriorRef) -> Prior:
    try:
        judges = {judge.role: Path(judge.folder) for judge in ref.judges}
        prior = load_prior(Path(ref.folder), judges).to(device()).eval()
    except PriorError as error:
        raise RegistryError(f"prior {ref.name}: {error}") from error
    if prior.digest != ref.digest:
        raise RegistryError(
            f"prior {ref.name}: weights: got {prior.digest[:12]}…, expected {ref.digest[:12]}…; "
            "register the changed weights under a new name"
        )
    _check_judges(ref, prior)
    return prior


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _personal_prior(ref: PriorRef, person: AdapterRef) -> Prior:
    record = _found(person)
    record.check_prior(ref.name, ref.digest)
    base = loaded_prior(replace(ref, person=None))
    if person.learner != "adapter":
        try:
            return load_own_prior(base, record.weights, person.learner, digest=record.digest)
        except OwnDecoderError as error:
            raise RegistryError(f"adapter {record.name}: {error}") from error
    assert isinstance(base, SamPrior)  # checkpoints are imported for SAM alone
    try:
        return load_personal_prior(base, record.weights, digest=record.digest)
    except PriorError as error:
        raise RegistryError(f"adapter {record.name}: {error}") from error


def latent_adapter(ref: AdapterRef | None) -> Adapter | None:
    """Returns the network that takes the prior's latents to a person's; None where there is none.

    Errors as of `loaded_adapter`.
    """
    return loaded_adapter(ref) if ref is not None and ref.moves_latents else None


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def loaded_adapter(ref: AdapterRef) -> Adapter:
    """Loads an adapter once per process, in eval mode on `device()`.

    Raises:
        RegistryError: The folder holds no such adapter, or other weights than the ref names.
    """
    record = _found(ref)
    load = load_personal_adapter if ref.is_published else load_adapter
    try:
        return load(record.weights, record.facts.network).to(device())
    except (AdapterFileError, PriorError) as error:
        raise RegistryError(f"adapter {record.name}: {error}") from error


def _found(ref: AdapterRef) -> AdapterRecord:
    """Finds an adapter; raises RegistryError when its weights are not those that the ref names."""
    record = find_adapter(ref.actor, ref.version)
    if record.digest != ref.digest:
        raise RegistryError(
            f"adapter {record.name}: weights: got {record.digest[:12]}…, expected "
            f"{ref.digest[:12]}…; submit the shot anew"
        )
    return record


def _check_judges(ref: PriorRef, prior: Prior) -> None:
    """Raises RegistryError unless the judges are those that the ref names; says who stands in."""
    for judge in ref.judges:
        found = prior.judge_digests.get(judge.role, "none")
        if found != judge.digest:
            raise RegistryError(
                f"prior {ref.name}: judge of {judge.role}: got {found[:12]}…, expected "
                f"{judge.digest[:12]}…; submit the shot anew"
            )
    if any(judge.kind == "compact" for judge in ref.judges):
        log.warning('a judge stands in prior=%s judged_by="%s"', ref.name, prior.judged_by)
