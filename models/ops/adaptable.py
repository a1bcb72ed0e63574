"""The one place where an adapter reaches into a layer: an offset added to its weight.

Knows nothing of adapters; see models/lora. Without an offset a layer computes with its own weight
alone, bit for bit, and its state dict holds nothing else.
"""

from torch import Tensor, nn


class AdaptableLayer(nn.Module):
    """A layer with a `weight` to which an adapter may add while it is injected.

    Attributes:
        weight: The layer's own parameter, of any shape.
        weight_offset: None, or a module whose call returns a tensor of the weight's shape.
    """

    weight: nn.Parameter
    weight_offset: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.register_module("weight_offset", None)

    def adapted_weight(self) -> Tensor:
        """Returns the weight to compute with, of the weight's shape."""
        if self.weight_offset is None:
            return self.weight
        return self.weight + self.weight_offset()
