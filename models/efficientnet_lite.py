"""EfficientNet-Lite0: what a network that has learnt to name all kinds of things sees of a picture.

Trained by others on ImageNet. Knows no loss.
Sources: Tan & Le 2019, "EfficientNet"; Liu 2020, "Higher accuracy on vision models with
EfficientNet-Lite" (no squeeze-and-excitation, ReLU6); Sauer et al. 2021, "Projected GANs Converge
Faster", which looks at generated pictures through it.

Shapes: B batch, C channels, H W pixels, R crop size.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.published_file import load_state, read_content

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB, 0-1
EPSILON = 1e-3  # of the normalisations
STEM, HEAD = 32, 1280
SUMMARISED = 10  # block whose features are looked at, beside the last: a sixteenth of the size
FRAME = (1 / 16, 1 / 8, 15 / 16, 7 / 8)  # of a crop, that is looked at: top, left, bottom, right
ENLARGED = 1.4


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Convolution(nn.Conv2d):
    """Padded so that pixels lie as in TensorFlow: what is odd goes below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H / stride, W / stride), rounded up."""
        (size, _), (stride, _) = self.kernel_size, self.stride
        pads = []
        for side in (x.shape[3], x.shape[2]):
            pad = max((-(-side // stride) - 1) * stride + size - side, 0)
            pads += [pad // 2, pad - pad // 2]
        return super().forward(F.pad(x, pads))


def _unit(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    convolution = _Convolution(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(out_channels, eps=EPSILON)


class _Block(nn.Module):
    """An inverted residual; the names of the parts are those of the published file."""

    def __init__(self, in_channels: int, stage: _Stage, *, stride: int) -> None:
        super().__init__()
        inner = in_channels * stage.expansion
        self.expands, self.adds = stage.expansion > 1, stride == 1 and in_channels == stage.channels
        if self.expands:
            self._expand_conv, self._bn0 = _unit(in_channels, inner, 1)
        self._depthwise_conv, self._bn1 = _unit(
            inner, inner, stage.kernel, stride=stride, groups=inner
        )
        self._project_conv, self._bn2 = _unit(inner, stage.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H', W')."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite(nn.Module):
    """Pictures to features; the layer that names things is left out."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _unit(3, STEM, 3, stride=2)
        blocks, before = [], STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(_Block(before, stage, stride=stride))
                before = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _unit(before, HEAD, 1)
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at pictures (B, 3, H, W), RGB in [-1, 1].

        Returns:
            Features (B, 1280, H / 32, W / 32) and, of an earlier block, (B, 112, H / 16, W / 16).
        """
        x = ((pictures + 1) / 2 - self.mean) / self.deviation
        x, earlier = F.relu6(self._bn0(self._conv_stem(x))), pictures
        for number, block in enumerate(self._blocks):
            x = block(x)
            earlier = x if number == SUMMARISED else earlier
        return F.relu6(self._bn1(self._conv_head(x))), earlier


class CropViewer(nn.Module):
    """The network, looking at the face in the middle of a crop; differentiable."""

    def __init__(self, network: EfficientNetLite) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean features of crops (B, 3, R, R), RGB in [-1, 1]: (B, 1280) and (B, 112)."""
        size = crops.shape[-1]
        top, left, bottom, right = (round(share * size) for share in FRAME)
        face = crops[:, :, top:bottom, left:right].float()
        shown = F.interpolate(face, scale_factor=ENLARGED, mode="bilinear", align_corners=False)
        last, earlier = self.network(shown)
        return last.mean(dim=(2, 3)), earlier.mean(dim=(2, 3))


def load_efficientnet_lite(path: Path) -> EfficientNetLite:
    """Reads the published file (efficientnet-lite0-57934424.pth); nothing in it is executed.

    Returns:
        The network, frozen, in evaluation mode.

    Raises:
        CheckpointError: The file is missing, or holds other tensors than this network has.
    """
    content = read_content(path)
    named = {name: part for name, part in content.items() if not name.startswith("_fc.")}
    network = EfficientNetLite()
    load_state(network, named, place=str(path))
    return network.eval().requires_grad_(False)
