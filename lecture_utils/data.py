"""Images in [0, 1]: handwritten digits, MNIST, CIFAR-10, photographs, a picture of one's own. And random points on a sphere.

Every image is a float32 tensor of shape (n, c, h, w); labels are int64, counted from 0.
Digits and photographs come with the installed packages. MNIST and CIFAR-10 are read from the folder
that the environment variable LECTURE_DATA names, else from ``data/``, else downloaded to it.
A picture of one's own stays where it is: ``read_image`` decodes it in memory and writes nothing.
"""

import io
import math
import os
import re
import tempfile
import threading
import warnings
from contextlib import contextmanager
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
# scikit-image's names, and scikit-learn's files; their sources and licences are listed in data/README.md.
PHOTOGRAPHS = {
    "astronaut": "astronaut",
    "cat": "chelsea",
    "china": "china.jpg",
    "coffee": "coffee",
    "flower": "flower.jpg",
    "rocket": "rocket",
}
MOST_BYTES, MOST_PIXELS = 20_000_000, 40_000_000
# How a file begins, whatever its name says. PNG, JPEG and WebP are read, the others are told by name.
BEGINNINGS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "WebP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM....\0\0\0\0",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "HEIC or AVIF": rb"....ftyp(hei|hev|mif|msf|avi)",
    "PDF": rb"%PDF",
    "SVG": rb"(\xef\xbb\xbf)?\s*(<[?!].*)?<svg\b",
    "text": rb"[\s!-~\xc2-\xf4][^\0-\x08\x0e-\x1f\x7f]*\Z",
    "an empty file": rb"\Z",
}
# What sets a photograph upright, by its EXIF orientation
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
PILLOW = threading.Lock()


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
    """Decode a copy of CIFAR-10 kept as JPEG: close to the official bytes, but not the same.

    The copy is sorted by class. It is shuffled, always in the same way, so that its first images are a fair sample.
    """
    from PIL import Image

    try:
        with np.load(path) as file:
            bytes_, offset, labels = file["jpeg"].tobytes(), file["offset"], file["label"]
        images = [np.asarray(Image.open(io.BytesIO(bytes_[a:b]))) for a, b in zip(offset, offset[1:], strict=False)]
    except DAMAGE as error:
        raise OSError(f"{path} is damaged ({error}): delete it and copy it again") from error
    order = np.random.default_rng(0).permutation(len(labels))
    return np.stack(images)[order], labels[order]


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
    """Return one of scikit-image's or scikit-learn's photographs as a tensor (1, 3, h, w) in [0, 1].

    name: "astronaut", "cat", "coffee", "rocket" (CC0 or public domain); "china", "flower" (CC BY 2.0: name the photographer).
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {sorted(PHOTOGRAPHS)}, got {name!r}")
    if PHOTOGRAPHS[name].endswith(".jpg"):
        from sklearn.datasets import load_sample_image

        return _image(load_sample_image(PHOTOGRAPHS[name]))
    import skimage.data

    return _image(getattr(skimage.data, PHOTOGRAPHS[name])())


def _image(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float().div_(255)


def centre(x, size):
    """Return the central square of images x (n, c, h, w), resized to (n, c, size, size)."""
    side = min(x.shape[2:])
    top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
    square = x[:, :, top : top + side, left : left + side]
    return torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True).clamp(0, 1)


def read_image(source, size=None):
    """Return a picture of one's own as a tensor (1, 3, size, size) in [0, 1]: its central square, resized.

    source: the bytes of a PNG, JPEG or WebP file, or its path. size: None keeps the whole picture, (1, 3, h, w).
    The picture stands upright, as its EXIF asks; transparent parts show white; every colour becomes RGB of 8 bits, and an
    embedded colour profile is ignored. It is resized as ``centre`` does it (bilinear, antialiased), in 8 bits.
    Raises ValueError for another format, an animation, a damaged or incomplete file, more than 20 MB or 40 megapixels;
    FileNotFoundError where there is no such file; TypeError for a source that is neither bytes nor a path.
    """
    from PIL import Image

    if size is not None:
        check_count("size", size)
    pixels = np.asarray(_decode(_content(source)))
    if size is not None:  # before the pixels become floats: 40 megapixels of them are half a gigabyte
        side = min(pixels.shape[:2])
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        square = Image.fromarray(pixels[top : top + side, left : left + side])
        pixels = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
    return _image(pixels)


def _content(source):
    """Return the bytes of a picture's file, at most MOST_BYTES of them: a longer file is not read."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        n = memoryview(source).nbytes
    elif not isinstance(source, (str, Path)):
        raise TypeError(f"source must be a path or the bytes of a picture's file, got {type(source).__name__}")
    elif not os.path.isfile(source):
        raise FileNotFoundError(f"source must name an existing file, got {str(source)[:200]!r}")
    else:
        n = os.path.getsize(source)
    if n > MOST_BYTES:
        raise ValueError(f"the picture's file must have at most {MOST_BYTES // 10**6} MB, got {n:,} bytes")
    return Path(source).read_bytes() if isinstance(source, (str, Path)) else bytes(source)


def _decode(content):
    """Return the picture in a file's bytes, upright, opaque and in RGB."""
    from PIL import Image

    found = (name for name, beginning in BEGINNINGS.items() if re.match(beginning, content[:1000], re.DOTALL))
    kind = next(found, "an unknown format")
    if kind not in ("PNG", "JPEG", "WebP"):
        raise ValueError(f"the picture must be a PNG, JPEG or WebP file, got {kind}")
    with _pillow(kind):
        picture = Image.open(io.BytesIO(content), formats=[kind])  # reads the header only
    if kind != "JPEG" and picture.is_animated:  # phones add further pictures to a JPEG; its first is the photograph
        raise ValueError(f"the picture must be a still one, got an animated {kind} with {picture.n_frames} frames")
    if picture.width * picture.height > MOST_PIXELS:
        limit = MOST_PIXELS // 10**6
        raise ValueError(f"the picture must have at most {limit} megapixels, got {picture.width} x {picture.height} pixels")
    with _pillow(kind):
        Image.open(io.BytesIO(content), formats=[kind]).verify()  # a PNG's checksums: load does not look at them
        picture.load()
        if picture.mode.startswith("I"):  # 16 bits of grey: convert alone would clip them to 255
            picture = picture.convert("I").point(lambda grey: grey / 257 + 0.5).convert("L")
        transparent = picture.info.get("transparency")
        if picture.mode == "L" and isinstance(transparent, int):  # a grey of the PNG's depth, which Pillow takes for 8 bits
            picture.info["transparency"] = round(transparent * 255 / (2 ** content[24] - 1))
        # ImageOps.exif_transpose writes the whole EXIF anew, and fails at entries that some phones write (Pillow#8965).
        turn = picture.getexif().get(0x0112)
        if turn in TURNS:
            picture = picture.transpose(Image.Transpose[TURNS[turn]])
        if not picture.has_transparency_data:
            return picture.convert("RGB")
        picture = picture.convert("RGBA")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture)
        return white


@contextmanager
def _pillow(kind):
    """Run a block in which Pillow warns of nothing and has no limit of its own; what it raises becomes one ValueError.

    Damaged bytes make its decoders raise errors of every kind. Warnings and limit are the whole process's: hence the lock.
    """
    from PIL import Image, UnidentifiedImageError

    with PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        except Exception as error:
            unread = isinstance(error, UnidentifiedImageError)
            reason = "its header cannot be read" if unread else str(error) or type(error).__name__
            raise ValueError(f"the {kind} file is damaged or incomplete: {reason}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


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
