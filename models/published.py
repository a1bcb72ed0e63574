"""What published weight files hold, kind by kind, and whether a file holds it.

A file is compared, key by key and shape by shape, with the networks it is for, which are made on
the meta device and so cost nothing. Its tensors are named as in the published file, prefixes
included, with `latent_avg` beside them.
Sources: rosinality/stylegan2-pytorch (`g_ema`, `latent_avg`); pSp, SAM and MyTimeMachine
(`state_dict` with a prefix per network, `opts`, `latent_avg`); the files of DEX, IR-SE50 and LPIPS;
NVlabs/eg3d (a pickle of modules).

Shapes: L style layers, D latent size.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.encoder import EncoderConfig, GradualStyleEncoder
from models.ageing.sam import SamConfig, SamNetworks
from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.face.dex import DEX, DEXConfig, dex_state
from models.face.irse50 import IRSE50, IRSE50Config
from models.face.perceptual import LPIPS, lpips_state
from models.persisted_modules import is_pickle_of_modules, read_persisted_state
from models.published_file import CheckpointError, State, check_state, read_content
from models.stylegan2.config import GeneratorConfig
from models.stylegan2.synthesis import Generator

MEAN_LATENT = "latent_avg"
_SECTIONS = ("state_dict", "g_ema")
_ALEXNET_KEY = "net.layers.0.weight"


@dataclass(frozen=True, kw_only=True)
class PublishedSizes:
    """Sizes of the published networks."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig.published)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig.ffhq)
    adapter: AdapterConfig = field(default_factory=AdapterConfig.published)
    identity: IRSE50Config = field(default_factory=IRSE50Config)
    age: DEXConfig = field(default_factory=DEXConfig)
    triplane: TriPlaneConfig = field(default_factory=TriPlaneConfig)

    def sam(self, *, name: str, licence: str) -> SamConfig:
        """Returns the config of a SAM prior of these sizes."""
        return SamConfig(name=name, licence=licence, encoder=self.encoder, generator=self.generator)


PUBLISHED = PublishedSizes()


class _WithMeanLatent(nn.Module):
    """Networks by name and a mean latent, (L, D)."""

    def __init__(self, sizes: PublishedSizes, **networks: nn.Module) -> None:
        super().__init__()
        for name, network in networks.items():
            self.add_module(name, network)
        layers, size = sizes.encoder.num_layers, sizes.encoder.latent_size
        self.register_buffer(MEAN_LATENT, torch.zeros(layers, size))


class _GeneratorWithMean(Generator):
    """A generator and its mean latent, (D,)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.register_buffer(MEAN_LATENT, torch.zeros(config.synthesis.latent_size))


class _SamWithAdapter(SamNetworks):
    """MyTimeMachine's networks: SAM's and the adapter, which it calls blender."""

    def __init__(self, sizes: PublishedSizes) -> None:
        super().__init__(sizes.sam(name="sam", licence="none"))
        self.blender = Adapter(sizes.adapter)


_NETWORKS: dict[str, Callable[[PublishedSizes], nn.Module]] = {
    "sam": lambda sizes: SamNetworks(sizes.sam(name="sam", licence="none")),
    "psp": lambda sizes: _WithMeanLatent(
        sizes, encoder=GradualStyleEncoder(sizes.encoder), decoder=Generator(sizes.generator)
    ),
    "stylegan2": lambda sizes: _GeneratorWithMean(sizes.generator),
    "irse50": lambda sizes: IRSE50(sizes.identity),
    "dex": lambda sizes: DEX(sizes.age),
    "mytm": _SamWithAdapter,
    "lpips": lambda _: LPIPS(),
    "eg3d": lambda sizes: TriPlaneGenerator(sizes.triplane),
}
_CONFIGS: dict[str, Callable[[PublishedSizes], dict[str, Any]]] = {
    "sam": lambda s: {"encoder": asdict(s.encoder), "generator": asdict(s.generator)},
    "psp": lambda s: {"encoder": asdict(s.encoder), "generator": asdict(s.generator)},
    "stylegan2": lambda s: {"generator": asdict(s.generator)},
    "irse50": lambda s: {"sizes": asdict(s.identity)},
    "dex": lambda s: {"sizes": asdict(s.age)},
    "mytm": lambda s: {"adapter": asdict(s.adapter)},
    "lpips": lambda _: {},
    "eg3d": lambda s: {"sizes": asdict(s.triplane)},
}


@dataclass(frozen=True, eq=False)
class PublishedWeights:
    """The tensors of a published file, found to be all of its kind and nothing else.

    Attributes:
        kind: As `sam`.
        state: Tensors by published key, floating ones float32; views of the file.
        config: Sizes of the networks, as plain values.
    """

    kind: str
    state: State
    config: Mapping[str, Any]


def read_published_weights(
    path: Path, kind: str, *, sizes: PublishedSizes = PUBLISHED, alexnet: Path | None = None
) -> PublishedWeights:
    """Reads a published file of a kind.

    Args:
        path: A torch pickle in the published layout, for eg3d a pickle of modules, or safetensors
            with the same keys.
        kind: sam, psp, stylegan2, irse50, dex, mytm, lpips or eg3d.
        sizes: Of the networks.
        alexnet: For lpips, whose published file holds the linear layers only: AlexNet's file.

    Raises:
        CheckpointError: The file cannot be read, asks to execute something, is of another kind, or
            differs in keys, shapes or type of numbers; or a number in it is none.
    """
    content = _content(path, kind)
    state = _tensors(path, content)
    if kind == "lpips" and _ALEXNET_KEY not in state:
        if alexnet is None:
            raise CheckpointError(
                f"{path}: {kind}: got {len(state)} tensors without AlexNet's, expected both; name "
                "AlexNet's file with --alexnet"
            )
        state = lpips_state(state, _tensors(alexnet, read_content(alexnet)))
    network = networks_of(kind, sizes)
    state = _fitted(kind, state, network)
    try:
        check_state(network, state, place=str(path))
    except CheckpointError as error:
        other = _kind_of(state, sizes, but=kind)
        if other is None:
            raise
        raise CheckpointError(
            f"{path}: kind: got a file of {other}, expected one of {kind}; import it --as {other}"
        ) from error
    _check_numbers(path, state, network.state_dict())
    _check_formula(path, kind, content)
    whole = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    return PublishedWeights(kind=kind, state=whole, config=_CONFIGS[kind](sizes))


def networks_of(kind: str, sizes: PublishedSizes = PUBLISHED) -> nn.Module:
    """Returns the networks of a kind on the meta device: names, shapes and types, no memory."""
    with torch.device("meta"):
        return _NETWORKS[kind](sizes)


def _content(path: Path, kind: str) -> Mapping[str, Any]:
    if kind == "eg3d" and is_pickle_of_modules(path):
        return read_persisted_state(path)
    return read_content(path)


def _tensors(path: Path, content: Mapping[str, Any]) -> State:
    """The file's tensors by key, in whichever layout; entries that hold none are passed over."""
    section = next((entry for entry in _SECTIONS if entry in content), None)
    held = content if section is None else content[section]
    items = held.items() if isinstance(held, Mapping) else ()
    tensors = {str(k): v for k, v in items if isinstance(v, Tensor)}
    if not tensors or (section is not None and len(tensors) < len(held)):
        raise CheckpointError(
            f"{path}: content: got {_named(content)}, expected tensors by key, or a state_dict or "
            "g_ema of such"
        )
    mean = content.get(MEAN_LATENT)
    if section is not None and isinstance(mean, Tensor):
        tensors[MEAN_LATENT] = mean
    return tensors


def _fitted(kind: str, state: State, network: nn.Module) -> State:
    """Brings names and the mean latent to what the networks have."""
    if kind == "dex":
        return dex_state(state)
    if kind == "eg3d":
        # Left behind by the published training loop; no network reads it.
        return {key: value for key, value in state.items() if key != "dataset_label_std"}
    mean, own = state.get(MEAN_LATENT), network.state_dict().get(MEAN_LATENT)
    if mean is not None and own is not None and mean.shape == own.shape[1:]:
        return state | {MEAN_LATENT: mean.expand(own.shape)}
    return state


def _kind_of(state: State, sizes: PublishedSizes, *, but: str) -> str | None:
    """The other kind that a state dict is all of, if any."""
    for kind in _NETWORKS:
        if kind == but:
            continue
        network = networks_of(kind, sizes)
        try:
            check_state(network, _fitted(kind, state, network), place=kind)
        except CheckpointError:
            continue
        return kind
    return None


def _check_numbers(path: Path, state: State, own: Mapping[str, Tensor]) -> None:
    kinds = [k for k in state if state[k].is_floating_point() != own[k].is_floating_point()]
    if kinds:
        raise CheckpointError(
            f"{path}: type: got {state[kinds[0]].dtype} for {_named(kinds)}, expected "
            f"{own[kinds[0]].dtype}"
        )
    wild = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if wild:
        raise CheckpointError(
            f"{path}: numbers: got infinite ones or none in {_named(wild)}, expected finite ones; "
            "fetch the file again"
        )


def _check_formula(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    options = content.get("opts")
    if kind in ("sam", "mytm") and isinstance(options, Mapping):
        value = options.get("start_from_latent_avg")
        if value:
            raise CheckpointError(
                f"{path}: opts.start_from_latent_avg: got {value}, expected False: such a network "
                "adds the age encoder's latent to the mean alone, which SAM's prior does not"
            )


def _named(keys: Iterable[str], most: int = 4) -> str:
    names = sorted(map(str, keys))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
