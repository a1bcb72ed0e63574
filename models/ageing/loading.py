"""Loads a prior, of whichever kind its description says."""

from pathlib import Path

from models.ageing.compact_prior import load_compact_prior
from models.ageing.prior import Prior, PriorError
from models.ageing.prior_files import CONFIG_NAME, read_description


def load_prior(folder: Path) -> Prior:
    """Loads a prior in evaluation mode, float32, gradients off.

    Args:
        folder: Holds weights.safetensors and config.json.

    Raises:
        PriorError: A file is missing, of another format or kind, or not the one the other
            belongs to.
    """
    described = read_description(folder)
    kind = described.get("kind", "compact")
    if kind != "compact":
        raise PriorError(f"{folder / CONFIG_NAME}: kind: got {kind}, expected compact")
    return load_compact_prior(folder, described)
