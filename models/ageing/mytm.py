"""A published MyTimeMachine checkpoint as what a person adds to SAM.

Such a checkpoint repeats all of SAM's networks. Its authors run SAM's own age encoder, and of the
checkpoint the picture's encoder (whose normalisation has drifted in training), the decoder, the
mean latent and the adapter; so what is kept of it are these, as far as they differ from SAM's.
Source: Qu et al. 2025, "MyTimeMachine", and its inference script; state-dict names as there.

Shapes: B batch, L style layers, D latent size, R crop size, S synthesis size in pixels.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.prior import PriorError
from models.ageing.prior_files import WEIGHTS_NAME, read_description
from models.ageing.sam import SamNetworks, SamPrior
from models.published_file import CheckpointError, State, load_state, read_tensors

KIND = "mytm"
_ADAPTER = "blender."
_KEPT = ("pretrained_encoder.", "decoder.", "latent_avg")


@dataclass(frozen=True, eq=False)
class PersonalSam:
    """SAM as a published adapter wants it, and the adapter.

    Attributes:
        prior: Encodes, ages and decodes with the person's weights; shares SAM's for the rest.
        adapter: Takes the prior's latent at an age to the person's.
    """

    prior: SamPrior
    adapter: Adapter

    def latents(self, crops: Tensor, target_age: Tensor) -> Tensor:
        """Returns the person's latents (B, L, D) of crops (B, 3, R, R) at ages (B,), years."""
        w_plus = self.prior.encode(crops)
        general = w_plus + self.prior.ageing_offset(crops, w_plus, target_age, target_age)
        return self.adapter(general, target_age)

    def render(self, crops: Tensor, target_age: Tensor) -> Tensor:
        """Returns pictures (B, 3, S, S), about [-1, 1], of crops (B, 3, R, R) at ages (B,)."""
        return self.prior.decode(self.latents(crops, target_age))


def personal_difference(state: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> State:
    """Returns what of a whole checkpoint an entry keeps.

    Args:
        state: Of MyTimeMachine, by published key.
        base: Of the SAM that it is to be used with.

    Returns:
        The adapter, and every tensor of encoder, decoder and mean latent that is not SAM's own.
    """
    kept = {key: value for key, value in state.items() if key.startswith(_ADAPTER)}
    for key, value in state.items():
        if key.startswith(_KEPT) and not torch.equal(value, base[key]):
            kept[key] = value
    return kept


def load_personal_sam(base: SamPrior, folder: Path) -> PersonalSam:
    """Loads an imported MyTimeMachine entry over the SAM that it was imported for.

    Args:
        base: Stays as it is; tensors that the entry lacks are shared with it.
        folder: Of the entry.

    Returns:
        Both in evaluation mode, gradients off, on the device of `base`.

    Raises:
        PriorError: The entry is of another kind or damaged, or was made for other weights.
    """
    described = read_description(folder)
    kind, config = described.get("kind"), described.get("config", {})
    if kind != KIND:
        raise PriorError(f"{folder}: kind: got {kind}, expected {KIND}")
    if config.get("base") != base.digest:
        raise PriorError(
            f"{folder}: base: made for {str(config.get('base'))[:12]}…, loaded "
            f"{base.digest[:12]}…; load the weights named in the entry"
        )
    weights = folder / WEIGHTS_NAME
    try:
        adapter = load_personal_adapter(weights, config["adapter"])
    except KeyError as error:
        raise PriorError(
            f"{folder}: config: got no {error}, expected the adapter's sizes"
        ) from error
    prior = load_personal_prior(base, weights, digest=described["digest"])
    return PersonalSam(prior, adapter.to(base.networks.latent_avg.device))


def load_personal_prior(base: SamPrior, weights: Path, *, digest: str) -> SamPrior:
    """Loads the person's encoder, decoder and mean latent over the SAM that they differ from.

    Args:
        base: Stays as it is; tensors that the file lacks are shared with it.
        weights: A `personal_difference` as safetensors.
        digest: SHA-256, hex, of the file.

    Returns:
        In evaluation mode, gradients off, on the device of `base`.

    Raises:
        PriorError: The file is damaged, or holds what is no part of a SAM of these sizes.
    """
    device = base.networks.latent_avg.device
    with _import_errors(weights):
        state = read_tensors(weights)
        changed = {k: v.to(device) for k, v in state.items() if not k.startswith(_ADAPTER)}
        with torch.device("meta"):
            networks = SamNetworks(base.config)
        whole = base.networks.state_dict() | changed
        load_state(networks, whole, place=str(weights), assign=True)
    prior = SamPrior(base.config, networks, base.judges, digest=digest)
    return prior.eval().requires_grad_(False)


def load_personal_adapter(weights: Path, network: Mapping[str, Any]) -> Adapter:
    """Loads the adapter of a checkpoint that was imported.

    Args:
        weights: A `personal_difference` as safetensors.
        network: Sizes, as `dataclasses.asdict` gives them.

    Returns:
        In evaluation mode, gradients off, on the CPU.

    Raises:
        PriorError: The file is damaged, or holds no adapter of these sizes.
    """
    with _import_errors(weights):
        state = read_tensors(weights)
        person = {k.removeprefix(_ADAPTER): v for k, v in state.items() if k.startswith(_ADAPTER)}
        with torch.device("meta"):
            adapter = Adapter(AdapterConfig(**network))
        load_state(adapter, person, place=str(weights), assign=True)
    return adapter.eval().requires_grad_(False)


@contextmanager
def _import_errors(weights: Path) -> Iterator[None]:
    try:
        yield
    except (CheckpointError, TypeError) as error:
        raise PriorError(f"{weights}: got {error}, expected what an import wrote") from error
