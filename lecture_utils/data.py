"""Images in [0, 1]: handwritten digits, MNIST, CIFAR-10, photographs. And random points on a sphere.

Every image is a float32 tensor of shape (n, c, h, w); labels are int64, counted from 0.
Digits and photographs come with the installed packages. MNIST and CIFAR-10 are read from the folder
that the environment variable LECTURE_DATA names, else from ``data/``, else downloaded to it.
"""

import io
import math
import os
import tempfile
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import numpy as np
import torch

from . import import_torchvision
from .checks import check_count

FOLDER = Path(__file__).resolve().parent.parent / "data"
CLASSES = {
    "digits": [str(digit) for digit in range(10)],
    "mnist": [str(digit) for digit in range(10)],
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}
# What readers raise on files that are cut short or overwritten
DAMAGE = (AssertionError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, UnpicklingError, BadZipFile)
# All are CC0 or in the public domain; their sources are listed in data/README.md.
PHOTOGRAPHS = {"astronaut": "astronaut", "cat": "chelsea", "coffee": "coffee", "rocket": "rocket"}


def folder():
    """Return the folder of data sets and weights: ``LECTURE_DATA`` if it is set, else ``data/``."""
    named = os.environ.get("LECTURE_DATA")
    if named and not Path(named).is_dir():
        raise FileNotFoundError(f"LECTURE_DATA must name an existing folder, got {named!r}")
    return Path(named) if named else FOLDER


def load(name, split):
    """Return the images and labels of a data set.

    name: "digits" (8 x 8, embedded in scikit-learn), "mnist" (28 x 28) or "cifar10" (3 x 32 x 32).
    split: "train" or "test". The digits' test split is a fixed, stratified fifth.
    Returns x (n, c, h, w) float32 in [0, 1] and y (n,) int64.
    Raises ValueError for an unknown name or split, FileNotFoundError where the files are missing and
    cannot be downloaded, OSError where they are damaged.
    """
    readers = {"digits": _digits, "mnist": _mnist, "cifar10": _cifar10}
    if name not in readers:
        raise ValueError(f"name must be one of {sorted(readers)}, got {name!r}")
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test", got {split!r}')
    return readers[name](split == "train")


def _digits(train):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    kept = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)[0 if train else 1]
    x = torch.from_numpy(images[kept].astype(np.float32) / 16).reshape(-1, 1, 8, 8)
    return x, torch.from_numpy(labels[kept].astype(np.int64))


def _mnist(train):
    set_ = _read("MNIST", train)
    return set_.data.unsqueeze(1).float() / 255, set_.targets


def _cifar10(train):
    jpegs = folder() / "cifar10" / f"cifar10_jpeg_{'train' if train else 'test'}.npz"
    if jpegs.exists() and not (folder() / "cifar-10-batches-py").exists():
        pixels, labels = _read_jpegs(jpegs)
    else:
        set_ = _read("CIFAR10", train)
        pixels, labels = set_.data, np.asarray(set_.targets)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return x.contiguous(), torch.from_numpy(labels.astype(np.int64))


def _read_jpegs(path):
    """Decode a copy of CIFAR-10 kept as JPEG: close to the official bytes, but not the same."""
    from PIL import Image

    try:
        with np.load(path) as file:
            bytes_, offset, labels = file["jpeg"].tobytes(), file["offset"], file["label"]
        images = [np.asarray(Image.open(io.BytesIO(bytes_[a:b]))) for a, b in zip(offset, offset[1:], strict=False)]
    except DAMAGE as error:
        raise OSError(f"{path} is damaged ({error}): delete it and copy it again") from error
    return np.stack(images), labels


def _read(name, train):
    """Open a torchvision data set, downloading it first if its files are missing."""
    reader = getattr(import_torchvision().datasets, name)
    try:
        return reader(folder(), train=train, download=False)
    except DAMAGE as error:
        if "not found" not in str(error):  # torchvision's words for missing files; for CIFAR-10 for damaged ones as well
            raise OSError(f"the files of {name} in {folder()} are damaged ({error}): delete them and load again") from error
        _download(reader, folder())
    return reader(folder(), train=train, download=False)


def _download(reader, target):
    """Download into a temporary folder beside the target and move the result: all of it or nothing."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".download-") as temporary:
            reader(temporary, download=True)
            for file in sorted(Path(temporary).rglob("*")):
                if file.is_file() and file.suffix != ".gz":
                    place = target / file.relative_to(temporary)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(file, place)
    except DAMAGE as error:
        raise FileNotFoundError(
            f"{reader.__name__} is not (whole) in {target} and could not be downloaded ({error}). Load it once where there is a "
            'network, or set LECTURE_DATA to a folder that holds it; dataset "digits" needs neither.'
        ) from error


def photo(name):
    """Return one of scikit-image's photographs as a tensor (1, 3, h, w) in [0, 1].

    name: "astronaut", "cat", "coffee" or "rocket".
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {sorted(PHOTOGRAPHS)}, got {name!r}")
    import skimage.data

    pixels = getattr(skimage.data, PHOTOGRAPHS[name])()
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float() / 255


def centre(x, size):
    """Return the central square of images x (n, c, h, w), resized to (n, c, size, size)."""
    side = min(x.shape[2:])
    top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
    square = x[:, :, top : top + side, left : left + side]
    return torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True).clamp(0, 1)


def sphere(m, d, generator=None):
    """Return m random points, uniform on the sphere of radius sqrt(d): float64 (m, d).

    generator: None takes a fresh one, seed 0.
    """
    check_count("m", m)
    check_count("d", d)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    directions = torch.randn(m, d, generator=generator, dtype=torch.float64)
    return math.sqrt(d) * directions / directions.norm(dim=1, keepdim=True)


def equicorrelated(m, d, c, generator=None):
    """Return m points on the sphere of radius sqrt(d) with <x_i, x_j> = c d for all i != j: float64 (m, d), m < d.

    c: in [0, 1); 0 gives orthogonal points. generator: turns them at random; None takes a fresh one, seed 0.
    """
    check_count("m", m)
    check_count("d", d, least=m + 1)
    if not 0 <= c < 1:
        raise ValueError(f"c must lie in [0, 1), got {c:g}")
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(d, m + 1, generator=generator, dtype=torch.float64)).Q.T
    return math.sqrt(d) * (math.sqrt(1 - c) * basis[1:] + math.sqrt(c) * basis[0])
