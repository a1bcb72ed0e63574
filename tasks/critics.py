"""Which networks judge an adapter of a registered prior, loaded."""

from models.ageing.critics import critics_of
from models.ageing.objectives import Critics
from models.face.perceptual import LPIPS
from models.published_file import read_tensors
from reage.errors import RegistryError
from reage.registry.weights import WeightsRecord, find_of_kind
from tasks.gpu import device, loaded_prior
from tasks.refs import PriorRef


def perceptual_metric(prior: PriorRef) -> WeightsRecord | None:
    """Returns the registered LPIPS, which a prior needs that is judged by others.

    None for a compact prior, which has features of its own.

    Raises:
        RegistryError: It is needed and not registered.
    """
    if not prior.judges:
        return None
    record = find_of_kind("lpips")
    if record is None:
        raise RegistryError(
            f"prior {prior.name}: lpips: got none registered, expected the perceptual metric that "
            "adapters are trained with; bring it with `reage weights import lpips.pth --as lpips`"
        )
    return record


def loaded_critics(prior: PriorRef, metric: WeightsRecord | None) -> Critics:
    """Loads a prior's critics on its device; `metric` as `perceptual_metric` found it."""
    network = loaded_prior(prior)
    return critics_of(network, None if metric is None else loaded_lpips(metric))


def loaded_lpips(record: WeightsRecord) -> LPIPS:
    """Loads the registered perceptual metric on the device of networks, frozen."""
    metric = LPIPS()
    metric.load_state_dict(read_tensors(record.weights))
    return metric.to(device()).eval().requires_grad_(False)
