"""Deep ReLU networks on handwritten digits: the networks whose lines `make bench-mli` looks at.

scikit-learn's digits (8 x 8 pixels, 10 classes), cut to the same number of images in every class,
all of them for training: the paper's curves are of training loss and error.

Shapes: N images, C classes, W windows of training.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

CLASSES = 10
BATCH = 60
WINDOW_STEPS = 10
ENOUGH = 1e-3  # mean loss of an epoch, nats
MOST_EPOCHS = 300
LARGEST_GRADIENT = 5.0

Biases = Literal["all", "last", "none"]
State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One training.

    Args of the constructor:
        biases: Of every layer, of the last alone, or none.
        depth: Layers of weights.
        scale: Of the weights' deviation at the start, in units of He's sqrt(2 / fan_in); biases
            start at 0. 0.41 has the variance of PyTorch's default.
    """

    biases: Biases = "all"
    depth: int = 10
    scale: float = 0.41
    learning_rate: float = 0.02
    momentum: float = 0.9
    width: int = 256
    seed: int = 0


@dataclass(kw_only=True)
class Trained:
    """A network at its end, the two ends of its line, and what happened between.

    `class_errors` and `last_biases` are (W, C): a window's share of wrong answers by class, as the
    batches came, and the last layer's biases at its end (empty without such).
    """

    network: nn.Sequential
    start: State
    end: State
    epochs: int = 0
    loss: float = math.inf
    class_errors: list[list[float]] = field(default_factory=list)
    last_biases: list[list[float]] = field(default_factory=list)


def balanced_digits() -> tuple[Tensor, Tensor]:
    """Returns images (N, 64), standardised over all pixels, and labels (N,), every class alike."""
    digits = load_digits()
    labels = torch.from_numpy(digits.target)
    count = int(labels.bincount().min())
    rows = torch.cat([(labels == label).nonzero()[:count, 0] for label in range(CLASSES)])
    images = torch.from_numpy(digits.data).float()[rows]
    return (images - images.mean()) / images.std(), labels[rows]


def new_network(setting: Setting, generator: torch.Generator) -> nn.Sequential:
    """Returns an untrained network, (N, 64) to logits (N, C)."""
    sizes = [64, *[setting.width] * (setting.depth - 1), CLASSES]
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(sizes), 1):
        has_bias = setting.biases == "all" or (setting.biases == "last" and number == setting.depth)
        layer = nn.Linear(before, after, bias=has_bias)
        nn.init.normal_(
            layer.weight, std=setting.scale * math.sqrt(2 / before), generator=generator
        )
        if has_bias:
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(
    setting: Setting, images: Tensor, labels: Tensor, *, report: Callable[[int, float], None]
) -> Trained:
    """Trains with cross entropy until an epoch's mean loss is below ENOUGH.

    Args:
        images, labels: As `balanced_digits` gives them.
        report: Told of the epoch, from 1, and its mean loss.
    """
    generator = torch.Generator().manual_seed(setting.seed)
    network = new_network(setting, generator)
    optimiser = torch.optim.SGD(
        network.parameters(), lr=setting.learning_rate, momentum=setting.momentum
    )
    trained = Trained(network=network, start=_copied(network), end={})
    window = _Window()
    while trained.loss >= ENOUGH and trained.epochs < MOST_EPOCHS:
        total = 0.0
        for rows in _batches(len(images), generator):
            logits = network(images[rows])
            loss = F.cross_entropy(logits, labels[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            total += loss.item() * len(rows)
            window.add(logits, labels[rows])
            if window.steps == WINDOW_STEPS:
                trained.class_errors.append(window.errors())
                trained.last_biases.append(last_bias(network))
                window = _Window()
        trained.epochs, trained.loss = trained.epochs + 1, total / len(images)
        report(trained.epochs, trained.loss)
    trained.end = _copied(network)
    return trained


def last_bias(network: nn.Sequential) -> list[float]:
    """Returns the last layer's biases by class, or nothing."""
    bias = dict(network[-1].named_parameters()).get("bias")
    return [] if bias is None else _rounded(bias.detach())


class _Window:
    """Counts wrong answers by class over some steps."""

    def __init__(self) -> None:
        self.steps = 0
        self._seen, self._wrong = torch.zeros(CLASSES), torch.zeros(CLASSES)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        wrong = labels[logits.argmax(dim=1) != labels]
        self._seen += labels.bincount(minlength=CLASSES)
        self._wrong += wrong.bincount(minlength=CLASSES)
        self.steps += 1

    def errors(self) -> list[float]:
        return _rounded(self._wrong / self._seen.clamp(min=1))


def _batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=generator).split(BATCH)


def _copied(network: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 5) for value in values.tolist()]
