"""A person's own decoder over a prior's: all weights tuned, or low-rank weights added to them.

A file holds what the person's decoder has and the prior's has not: the tensors that differ, or the
low-rank adapter. Both come back as a prior with that decoder.
Sources: Nitzan et al. 2022, "MyStyle" (tuned); Qi et al. 2024, "My3DGen" (low-rank).
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from models.ageing.prior import Prior
from models.continual.personal_generator import Perceptual, PersonalGenerator
from models.lora.adapter import LowRankAdapter
from models.lora.checkpoint import AdapterFileError, load_adapter, save_adapter
from models.lora.inject import inject
from models.lora.layer import LoRAConfig
from models.published_file import CheckpointError, read_tensors, tensor_bytes

Kind = Literal["generator", "low_rank"]


class OwnDecoderError(ValueError):
    """A file holds no decoder of the kind that its record describes, or one for another prior."""


class OwnDecoder:
    """A person's decoder while it learns, over a prior that stays as it is.

    Args of the constructor:
        prior: Frozen.
        kind: `generator` tunes all weights of a copy of its decoder, `low_rank` adds rank-1 ones.
        perceptual: LPIPS, or what stands for it.
        start: File of the version to go on from; None begins at the prior.
        seed: Of the first factors.

    Attributes:
        learner: What an increment updates.
    """

    def __init__(
        self,
        prior: Prior,
        kind: Kind,
        *,
        perceptual: Perceptual,
        start: Path | None = None,
        seed: int = 0,
    ) -> None:
        self._prior, self._kind = prior, kind
        self._decoder = copy.deepcopy(prior.decoder)
        self._adapter: LowRankAdapter | None = None
        common: dict[str, Any] = {"encode": prior.encode, "perceptual": perceptual}
        if kind == "generator":
            if start is not None:
                _load_tuned(self._decoder, start)
            self.learner = PersonalGenerator.tuned(self._decoder, **common)
            return
        if start is None:
            place = next(self._decoder.parameters()).device
            rng = torch.Generator(place).manual_seed(seed)
            self._adapter = LowRankAdapter(self._decoder, LoRAConfig(), rng=rng)
        else:
            self._adapter = _low_rank(self._decoder, start, prior)
        self.learner = PersonalGenerator.low_rank(self._decoder, self._adapter, **common)

    @property
    def network(self) -> Mapping[str, Any]:
        """Sizes, as records keep them; empty where they are the prior's."""
        if self._adapter is None:
            return {}
        config = self._adapter.config
        return {"rank": config.rank, "lora_alpha": config.lora_alpha}

    def save(self, path: Path) -> None:
        """Writes the person's part as safetensors."""
        if self._adapter is not None:
            save_adapter(self._adapter, path, base_digest=self._prior.digest)
            return
        base = self._prior.decoder.state_dict()
        changed = {
            name: tensor.detach().cpu()
            for name, tensor in self._decoder.state_dict().items()
            if not torch.equal(tensor, base[name])
        }
        path.write_bytes(tensor_bytes(changed))


def load_own_prior(prior: Prior, path: Path, kind: Kind, *, digest: str) -> Prior:
    """Returns a prior with the person's decoder; what both have in common is shared.

    Args:
        prior: That the decoder was made for; stays as it is.
        path: As `OwnDecoder.save` wrote it.
        kind: As it was learnt.
        digest: SHA-256, hex, of the file.

    Raises:
        OwnDecoderError: The file holds no such decoder for this prior.
    """
    decoder = copy.deepcopy(prior.decoder)
    if kind == "generator":
        _load_tuned(decoder, path)
    else:
        inject(decoder, _low_rank(decoder, path, prior)).merge()
    return prior.with_decoder(decoder, digest=digest)


def _load_tuned(decoder: nn.Module, path: Path) -> None:
    try:
        state = decoder.state_dict() | read_tensors(path)
        decoder.load_state_dict(state)
    except (CheckpointError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise OwnDecoderError(
            f"{path}: got {reason}, expected a tuned decoder; restore the file"
        ) from error


def _low_rank(decoder: nn.Module, path: Path, prior: Prior) -> LowRankAdapter:
    try:
        return load_adapter(path, decoder, base_digest=prior.digest)
    except AdapterFileError as error:
        raise OwnDecoderError(str(error)) from error
