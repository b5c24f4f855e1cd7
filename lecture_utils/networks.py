"""The classifiers that are attacked: small networks in the box, torchvision's large ones by name.

Normalisation is a layer of the model, so that every model takes pixels in [0, 1] and ε has one unit.
Trained weights are safetensors files in ``data/``, listed with their sha256 in ``data/manifest.json``.
"""

import hashlib
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from . import data, efficientnet, import_torchvision
from .checks import check_choice, checked_logits

BUILDING = threading.Lock()


class Normalize(nn.Module):
    """Subtract a mean and divide by a standard deviation, one of each a channel."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def small_cnn(size, mean, std, strides=(1, 2), widths=(16, 32), hidden=64, classes=10):
    """Return an untrained network for grey images (n, 1, size, size): two convolutions, two linear layers.

    mean, std: of the training pixels. strides, widths: of the two convolutions; a stride of 2 halves the image (on a
    processor this is several times faster than pooling). hidden: units of the third layer.
    """
    layers, channels = [Normalize([mean], [std])], 1
    for stride, width in zip(strides, widths, strict=True):
        layers += [nn.Conv2d(channels, width, stride + 2, stride=stride, padding=1), nn.ReLU()]
        channels, size = width, size // stride
    layers += [nn.Flatten(), nn.Linear(channels * size * size, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # the format that is fastest on a processor


class Halving(nn.Module):
    """Layers that halve the image, some beside a shortcut that do not, and an activation of the sum."""

    def __init__(self, halve, refine, activation):
        super().__init__()
        self.halve, self.refine, self.activation = nn.Sequential(*halve), nn.Sequential(*refine), activation

    def forward(self, x):
        x = self.halve(x)
        return self.activation(x + self.refine(x))


def _convolution(before, after, size=3, stride=1):
    return nn.Conv2d(before, after, size, stride=stride, padding=1, bias=False)


def small_resnet(mean, std, widths=(64, 128, 160), stem=24, classes=10):
    """Return an untrained residual network for colour images (n, 3, h, w): a stem, three ``Halving`` blocks, one linear layer.

    mean, std: of the training pixels, one a channel. widths: channels of the blocks. stem: channels of the first convolution,
    2 x 2.
    """
    layers, channels = [Normalize(mean, std), nn.Conv2d(3, stem, 2), nn.ReLU()], stem
    for width in widths:
        halve = _convolution(channels, width), nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU()
        layers.append(Halving(halve, [_convolution(width, width), nn.BatchNorm2d(width)], nn.ReLU()))
        channels = width
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # 1.5 times as fast on a processor


def smooth_resnet(mean, std, widths=(64, 128, 192), classes=10):
    """Return an untrained residual network as ``small_resnet``, deeper at the same cost: its blocks begin with a stride of 2.

    mean, std: of the training pixels, one a channel. widths: channels of the blocks. The activation is smooth, SiLU: trained
    against an attack, a network of this size gets further with it (Xie et al. 2020).
    """
    layers, channels = [Normalize(mean, std)], 3
    for width in widths:
        size = 4 if channels == 3 else 3  # the first filters see squares of 4 x 4 pixels
        halve = _convolution(channels, width, size, stride=2), nn.BatchNorm2d(width), nn.SiLU()
        refine = _convolution(width, width), nn.BatchNorm2d(width), nn.SiLU(), _convolution(width, width), nn.BatchNorm2d(width)
        layers, channels = [*layers, Halving(halve, refine, nn.SiLU())], width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def two_layer(x, W, b, a, activation=torch.relu):
    """Return f(x) = sum_j a_j activation(w_j . x + b_j), the network of sections 2 and 3.

    x: (..., d). W: (k, d), one w_j a row. b: (k,), or 0.0 for no bias. a: (k,). Returns shape (...).
    (Slides "Setting: Two-layer network" and "Setting".)
    """
    return activation(x @ W.T + b) @ a


def manifest():
    """Return data/manifest.json: for each checkpoint its file, sha256, architecture, training, accuracies.

    Raises FileNotFoundError or OSError where the file is missing, cannot be read, or is no list of networks.
    """
    path = data.FOLDER / "manifest.json"
    with _restored(path):
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(entries, dict) and entries and all(isinstance(one, dict) for one in entries.values())):
            raise ValueError("it lists no networks")
        return entries


@contextmanager
def _restored(path):
    """Run a block that reads a file of this repository; what it raises becomes one sentence that says how to mend it."""
    shown = str(path) if str(path).isprintable() else repr(str(path))  # the manifest may name anything
    try:
        yield
    except OSError as error:
        said = error.strerror or error
        raise type(error)(f"{shown} cannot be read ({said}): restore the file from the repository") from error
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise OSError(f"{shown} is damaged ({said}): restore the file from the repository") from error


def load(name):
    """Return a trained network of this project, in eval mode, with ``model.categories`` (the names of its classes).

    name: a key of ``manifest()``: "digits-", "mnist-" or "cifar10-" (1 x 8 x 8, 1 x 28 x 28, 3 x 32 x 32 pixels), and
    "standard" or "robust" (trained against an attack).
    Raises ValueError for an unknown name, FileNotFoundError for a missing file, and OSError where the
    file is not, byte for byte, the one that the manifest describes.
    """
    from safetensors.torch import load as read_tensors

    entries = manifest()
    check_choice("name", name, sorted(entries))
    entry, listed = entries[name], data.FOLDER / "manifest.json"
    with _restored(listed):
        path, sha256, size = data.FOLDER / Path(entry["file"]).name, str(entry["sha256"]), entry["bytes"]
    with _restored(path):
        content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise OSError(
            f"{path} is damaged: expected sha256 {sha256[:12]}… ({size} bytes), "
            f"got {found[:12]}… ({len(content)} bytes); restore the file from the repository"
        )
    with _restored(listed):
        with torch.device("meta"):  # a wrong architecture takes no memory
            builders = {one.__name__: one for one in (small_cnn, small_resnet, smooth_resnet)}
            model = builders[entry["network"]](**entry["architecture"])
        tensors = read_tensors(content)
        if {key: one.shape for key, one in model.state_dict().items()} != {key: one.shape for key, one in tensors.items()}:
            raise ValueError(f"the architecture of {name} does not have the tensors of {path.name}")
        model = model.to_empty(device="cpu").float()  # as the images are, whatever the defaults
        model.load_state_dict(tensors)
        model.categories = data.CLASSES[entry["recipe"]["dataset"]]
    return model.eval()


def verdicts(model, x):
    """Return what the model says of each image of x (n, c, h, w): its class and its confidence, as "8 (97 %)"."""
    with torch.no_grad():
        confidence, label = checked_logits(model, x.clone(), 0).softmax(1).max(1)  # a model may work in place
    return [f"{model.categories[k]} ({100 * p:.0f} %)" for k, p in zip(label.tolist(), confidence.tolist(), strict=True)]


def has_weights(name):
    """Return whether ``pretrained(name)`` finds its weights on this machine, without a network."""
    if name == "efficientnet_lite0":
        return efficientnet.weights_file() is not None
    return any(path.exists() for path in _places(_described(name)))


def _described(name):
    """Return what torchvision knows of a classifier's weights. Raises ValueError for an unknown name."""
    models = import_torchvision().models
    if name not in models.list_models(module=models):
        raise ValueError(f'name must be a classification model of torchvision such as "alexnet", got {name!r}')
    return models.get_model_weights(name).DEFAULT


def _places(weights):
    """Return the two paths at which a file of weights is looked for: in the folder of data sets, and in torch's cache."""
    return [Path(folder, "checkpoints", Path(weights.url).name) for folder in (data.folder() / "hub", torch.hub.get_dir())]


def pretrained(name):
    """Return an ImageNet classifier in eval mode, with ``model.categories`` (1,000 names).

    name: "efficientnet_lite0", whose weights are an installed package and need no network (Raises: ``efficientnet.weights``);
    or a classification model of torchvision, such as "alexnet" or "googlenet". It takes pixels
    (n, 3, 224, 224) in [0, 1]: the normalisation is inside. torchvision's weights are read from the folder
    ``hub/checkpoints`` of LECTURE_DATA (else data/), then from torch's own cache, then downloaded.
    They must have the hash that is part of their file's name.
    Raises ValueError for an unknown name, FileNotFoundError where the weights cannot be had.
    """
    models = import_torchvision().models
    if name == "efficientnet_lite0":
        with torch.device("cpu"):  # float32, as the images are, whatever the defaults
            model = nn.Sequential(Normalize([127 / 255] * 3, [128 / 255] * 3), efficientnet.efficientnet_lite0()).float().eval()
        model.categories = models.AlexNet_Weights.DEFAULT.meta["categories"]  # ImageNet's, as every network's there
        return model
    weights = _described(name)
    own, default = _places(weights)
    sha256 = torch.hub.HASH_REGEX.search(own.name)[1]

    def download(folder):
        torch.hub.download_url_to_file(weights.url, str(folder / default.name), sha256, progress=False)

    try:
        path = own if own.exists() else default
        state = data.fetched(lambda: data.read_weights(path, sha256), download, default.parent)
        with BUILDING, torch.device("cpu"):  # torchvision's builders rename old weights, but would load them as a pickle
            weights.get_state_dict = lambda **_: state
            try:
                classifier = models.get_model(name, weights=weights)
            finally:
                del weights.get_state_dict
    except Exception as error:  # weights of another network, too, raise errors of every kind
        raise FileNotFoundError(
            f"no weights for {name!r}: {own.name} could not be read from {own.parent} or {default.parent}, nor "
            f"downloaded ({error}). Where there is a network, call networks.pretrained({name!r}) once, or copy the file "
            f"to {own.parent} (a damaged copy: delete it first)."
        ) from error
    preprocess = weights.transforms()
    with torch.device("cpu"):
        model = nn.Sequential(Normalize(preprocess.mean, preprocess.std), classifier).float().eval()
    model.categories = weights.meta["categories"]
    return model
