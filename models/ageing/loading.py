"""Loads a prior, of whichever kind its description says."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from models.ageing.compact_prior import CompactPrior, load_compact_prior
from models.ageing.judges import Judges
from models.ageing.prior import Prior, PriorError
from models.ageing.prior_files import CONFIG_NAME, WEIGHTS_NAME, read_description, tuples
from models.ageing.sam import load_sam_prior
from models.face.dex import DEX, DEXConfig
from models.face.irse50 import IRSE50, IRSE50Config
from models.face.region import Region
from models.ops.irse import IRSEConfig
from models.published_file import CheckpointError, load_state, read_tensors


def load_prior(folder: Path, judges: Mapping[str, Path] | None = None) -> Prior:
    """Loads a prior in evaluation mode, float32, gradients off.

    Args:
        folder: Holds weights.safetensors and config.json.
        judges: Folders of what tells `age` and `likeness` for a prior without networks for it.

    Raises:
        PriorError: A file is missing, of another format or kind, or not the one the other
            belongs to; or a judge is missing.
    """
    described = read_description(folder)
    kind = described.get("kind", "compact")
    if kind == "compact":
        return load_compact_prior(folder, described)
    if kind == "sam":
        return load_sam_prior(folder, described, load_judges(judges or {}))
    raise PriorError(f"{folder / CONFIG_NAME}: kind: got {kind}, expected compact or sam")


def load_judges(folders: Mapping[str, Path]) -> Judges:
    """Loads what tells age and likeness, from a folder for each role.

    Raises:
        PriorError: A role has no folder, or what lies there cannot judge it.
    """
    missing = sorted({"age", "likeness"} - set(folders))
    if missing:
        raise PriorError(f"judges: got none of {', '.join(missing)}, expected a folder for each")
    age, age_digest = _load_judge(folders["age"])
    likeness, likeness_digest = _load_judge(folders["likeness"])
    if not isinstance(age, DEX | CompactPrior):
        raise PriorError(f"{folders['age']}: kind: got {type(age).__name__}, expected dex")
    if not isinstance(likeness, IRSE50 | CompactPrior):
        raise PriorError(
            f"{folders['likeness']}: kind: got {type(likeness).__name__}, expected irse50"
        )
    return Judges(
        age=age, likeness=likeness, digests={"age": age_digest, "likeness": likeness_digest}
    )


def _load_judge(folder: Path) -> tuple[nn.Module, str]:
    """Returns a judge in evaluation mode and the digest of its weights."""
    described = read_description(folder)
    kind = described.get("kind", "compact")
    if kind == "compact":
        return load_compact_prior(folder, described), described["digest"]
    try:
        sizes = tuples(described["config"]["sizes"])
        with torch.device("meta"):
            network = _network(kind, sizes)
        weights = folder / WEIGHTS_NAME
        load_state(network, read_tensors(weights), place=str(weights), assign=True)
    except (KeyError, TypeError, CheckpointError) as error:
        raise PriorError(f"{folder}: got {error}, expected a judge's weights") from error
    return network.eval().requires_grad_(False), described["digest"]


def _network(kind: str, sizes: dict[str, object]) -> nn.Module:
    if kind == "dex":
        return DEX(DEXConfig(**sizes))  # type: ignore[arg-type]
    if kind == "irse50":
        trunk, region = IRSEConfig(**sizes["trunk"]), Region(*sizes["region"])  # type: ignore
        return IRSE50(IRSE50Config(**sizes | {"trunk": trunk, "region": region}))  # type: ignore
    raise KeyError(kind)
