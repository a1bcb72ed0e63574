"""Reads published checkpoints and loads their parts into networks of ours.

Nothing in a file is executed: only tensors and plain values are read. Knows the two layouts that
StyleGAN2 faces are published in, and no network.
Source: rosinality/stylegan2-pytorch (`g_ema`, `d`, `latent_avg`); pSp, SAM and MyTimeMachine
(`state_dict` with a prefix per network, `opts`, `latent_avg`).

Shapes: L style layers, D latent size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from models.published_file import CheckpointError, State, read_content

_MAX_NAMED = 8
_PARTS_OF_STYLEGAN2 = {"g_ema": "decoder", "d": "discriminator"}


@dataclass(frozen=True, eq=False)
class PublishedCheckpoint:
    """State dicts by network (decoder, discriminator, encoder, pretrained_encoder, blender).

    `latent_average` is (D,) or (L, D), None where the file has none.
    """

    parts: dict[str, State]
    latent_average: Tensor | None

    def load_into(self, network: nn.Module, part: str) -> None:
        """Loads a part into a network.

        Raises:
            CheckpointError: The file lacks the part, or it is of another network.
        """
        if part not in self.parts:
            raise CheckpointError(
                f"checkpoint: {part}: got nothing, expected one of {sorted(self.parts)}"
            )
        load_state(network, self.parts[part], place=f"checkpoint {part}")

    def mean_latent(self, num_layers: int) -> Tensor:
        """Returns the mean latent for every style layer, (L, D).

        Raises:
            CheckpointError: The file has none, or one of fewer layers.
        """
        average = self.latent_average
        if average is None:
            raise CheckpointError("checkpoint: latent_avg: got nothing, expected (D,) or (L, D)")
        if average.dim() == 1:
            return average.repeat(num_layers, 1)
        if average.dim() != 2 or len(average) < num_layers:
            raise CheckpointError(
                f"checkpoint: latent_avg: got shape {tuple(average.shape)}, "
                f"expected (D,) or at least ({num_layers}, D)"
            )
        return average[:num_layers]


def read_published(path: Path) -> PublishedCheckpoint:
    """Reads a checkpoint of StyleGAN2, pSp, SAM or MyTimeMachine.

    Args:
        path: A file written by torch.save, or safetensors.

    Returns:
        Its networks and mean latent, on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, holds other than tensors and plain values,
            or has neither layout.
    """
    content = read_content(path)
    average = content.get("latent_avg")
    if average is not None and not isinstance(average, Tensor):
        raise CheckpointError(
            f"{path}: latent_avg: got {type(average).__name__}, expected a tensor"
        )
    return PublishedCheckpoint(parts=_split(path, content), latent_average=average)


def _split(path: Path, content: Mapping[str, object]) -> dict[str, State]:
    if "state_dict" in content:
        parts: dict[str, State] = {}
        for key, tensor in _state(path, "state_dict", content["state_dict"]).items():
            prefix, _, rest = key.partition(".")
            parts.setdefault(prefix, {})[rest] = tensor
        return parts
    parts = {
        name: _state(path, entry, content[entry])
        for entry, name in _PARTS_OF_STYLEGAN2.items()
        if entry in content
    }
    if not parts:
        raise CheckpointError(
            f"{path}: content: got keys {sorted(map(str, content))[:_MAX_NAMED]}, "
            "expected state_dict or g_ema"
        )
    return parts


def _state(path: Path, entry: str, state: object) -> State:
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{path}: {entry}: got {type(state).__name__}, expected tensors by key"
        )
    return {str(key): tensor for key, tensor in state.items()}


def load_state(
    network: nn.Module, state: Mapping[str, Tensor], *, place: str, assign: bool = False
) -> None:
    """Loads a state dict, all of it or nothing.

    Args:
        network: Changed only if every key and shape fits.
        state: Tensors by key.
        place: What is loaded, for the message.
        assign: Makes the tensors the network's own instead of copying them; a network made on the
            meta device, which has none, then never holds memory of its own.

    Raises:
        CheckpointError: A key is missing, unexpected, or has another shape; some are named.
    """
    check_state(network, state, place=place)
    network.load_state_dict(dict(state), assign=assign)


def check_state(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Raises CheckpointError unless `load_state` would load; the network may be on meta."""
    own = network.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{word} {_some(keys)}"
        for word, keys in (("missing", missing), ("unexpected", unexpected), ("shape of", shapes))
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{place}: keys: got {'; '.join(problems)}, "
            f"expected the {len(own)} of {type(network).__name__}"
        )


def _some(keys: list[str]) -> str:
    named = ", ".join(keys[:_MAX_NAMED])
    return named if len(keys) <= _MAX_NAMED else f"{named} and {len(keys) - _MAX_NAMED} more"
