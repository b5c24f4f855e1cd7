"""Images in [0, 1]: handwritten digits, MNIST, CIFAR-10, photographs, a picture of one's own. And random points on a sphere.

Every image is a float32 tensor of shape (n, c, h, w); labels are int64, counted from 0.
Digits and photographs come with the installed packages. MNIST and CIFAR-10 are read from the folder
that the environment variable LECTURE_DATA names, else from ``data/``, else downloaded to it.
A picture of one's own stays where it is: ``read_image`` decodes it in memory and writes nothing.
"""

import gzip
import hashlib
import io
import math
import os
import pickle
import re
import shutil
import tempfile
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from . import import_torchvision
from .checks import check_choice, check_coherence, check_count, check_generator, check_pixels, check_square_images, require

SHIPPED = Path(__file__).resolve().with_name("shipped")  # of a wheel; in a checkout it is data/
FOLDER = SHIPPED if SHIPPED.exists() else SHIPPED.parent.parent / "data"
CLASSES = {
    **dict.fromkeys(("digits", "mnist"), list("0123456789")),
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}
PATIENCE = 15  # seconds without a byte from a server
MOST_IDX = 200_000_000  # bytes of a data set, unpacked
# scikit-image's names, and scikit-learn's files; their sources and licences are listed in data/README.md.
PHOTOGRAPHS = {
    "astronaut": "astronaut", "cat": "chelsea", "china": "china.jpg", "coffee": "coffee", "flower": "flower.jpg",
    "rocket": "rocket",
}  # fmt: skip
MOST_BYTES, MOST_PIXELS, MOST_PARTS, MOST_SCANS = 20_000_000, 40_000_000, 20_000, 50
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
MARKER = re.compile(rb"\xff+([^\0\1\xd0-\xd8\xff])")  # of a JPEG's segment: a length comes after it
# What sets a photograph upright, by its EXIF orientation
TURNS = dict(enumerate("FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90".split(), 2))
PILLOW = threading.Lock()


def folder():
    """Return the folder of data sets and weights: ``LECTURE_DATA`` if it is set, else ``data/``."""
    named = os.environ.get("LECTURE_DATA")
    if named and not os.path.isdir(os.path.expanduser(named)):
        raise FileNotFoundError(f"LECTURE_DATA must name an existing folder, got {named!r}")
    return Path(named).expanduser() if named else FOLDER


def load(name, split):
    """Return the images and labels of a data set.

    name: "digits" (8 x 8, embedded in scikit-learn), "mnist" (28 x 28) or "cifar10" (3 x 32 x 32).
    split: "train" or "test". The digits' test split is a fixed, stratified fifth.
    Returns x (n, c, h, w) float32 in [0, 1] and y (n,) int64.
    Raises ValueError for an unknown name or split, FileNotFoundError where files are missing and cannot be downloaded
    (within PATIENCE seconds without a byte), OSError where they are damaged or cannot be read.
    """
    check_choice("name", name, sorted(CLASSES))
    check_choice("split", split, ("train", "test"))
    if name == "digits":
        return _digits(split == "train")
    target, (official, read) = folder(), {"mnist": ("MNIST", _mnist), "cifar10": ("CIFAR10", _cifar10)}[name]

    def download(temporary):
        getattr(import_torchvision().datasets, official)(temporary, download=True)

    try:
        pixels, labels = fetched(lambda: read(split == "train"), download, target)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{official} is not (whole) in {target}: {error}. Load it once where there is a network, or set LECTURE_DATA to a "
            'folder that holds it; dataset "digits" needs neither.'
        ) from error
    except Exception as error:
        if getattr(error, "errno", None):
            raise OSError(f"a file of {official} in {target} cannot be read ({error}): have a look at its permissions") from error
        raise OSError(f"the files of {official} in {target} are damaged ({error}): delete them and load again") from error
    x = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255
    return x.contiguous(), torch.from_numpy(labels.astype(np.int64))


def _digits(train):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    kept = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)[0 if train else 1]
    x = torch.from_numpy(images[kept].astype(np.float32) / 16).reshape(-1, 1, 8, 8)
    return x, torch.from_numpy(labels[kept].astype(np.int64))


def _find(names, places):
    """Return a file for each official name: in LECTURE_DATA's subfolders or itself, packed or not, ``.idx`` for ``-idx``."""
    there, found = [one for place in places for one in sorted(folder().joinpath(place).glob("*"))], {}
    for name in names:
        usual = name.replace("-idx", "[-.]idx").replace("-ubyte", "([-.]ubyte)?") + r"(\.gz)?"
        files = [one for one in there if re.fullmatch(usual, one.name) and one.is_file()]
        found[name] = min(files, key=lambda one: one.suffix == ".gz", default=None)
    if missing := [name for name, file in found.items() if not file]:
        seen = ", ".join(str(one.relative_to(folder())) for one in there[:8]) or "nothing"
        raise FileNotFoundError(f"{', '.join(missing)} missing, found {seen}")
    return list(found.values())


def _checked(pixels, labels):
    """Return images and labels if they belong together."""
    if not 0 < len(pixels) == labels.size == len(labels) or labels.dtype.kind not in "iu":
        raise ValueError(f"{len(pixels)} images and labels of shape {labels.shape}, type {labels.dtype}")
    require(0 <= labels.min() <= labels.max() <= 9, f"labels must lie in 0 to 9, got {labels.min()} to {labels.max()}")
    return pixels, labels


def _mnist(train):
    names = [f"{'train' if train else 't10k'}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
    images, labels = _find(names, ("MNIST/raw", "MNIST", "mnist/raw", "mnist", "raw", ""))
    return _checked(_idx(images, 28, 28)[..., None], _idx(labels))


def _idx(path, *shape):
    """Return the bytes in an idx file, packed or not, as an array (n, *shape)."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content = file.read(MOST_IDX)  # a packed file can hold any number of zeros
    start = 8 + 4 * len(shape)
    n = (len(content) - start) // math.prod(shape)
    head, expected = np.frombuffer(content[:start], ">u4").tolist(), [2049 + len(shape), n, *shape]
    if head != expected or len(content) != start + n * math.prod(shape):
        raise ValueError(f"{path.name} holds {len(content)} bytes and begins with {head}, not {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(n, *shape)


def _cifar10(train):
    """Return the official images; where they are not, those of a copy kept as JPEG: close to the official ones, not the same."""
    cifar10 = import_torchvision().datasets.CIFAR10
    listed, jpegs = cifar10.train_list if train else cifar10.test_list, f"cifar10_jpeg_{'train' if train else 'test'}.npz"
    places = "cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10", ""
    try:
        files = _find([name for name, _ in listed], places)
    except FileNotFoundError as missing:
        with suppress(FileNotFoundError):
            return _read_jpegs(*_find([jpegs], places))
        raise missing
    batches = []
    for path, (_, md5) in zip(files, listed, strict=True):
        content = path.read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            raise ValueError(f"{path.name} is not the official file")
        batches.append(pickle.loads(content, encoding="latin1"))
    pixels, labels = (np.concatenate([batch[key] for batch in batches]) for key in ("data", "labels"))
    return _checked(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels)


def _read_jpegs(path):
    """Decode CIFAR-10 kept as JPEG. The copy is sorted by class: it is shuffled, always alike, for a fair sample at its head."""
    from PIL import Image

    try:
        with np.load(path) as file:
            require(sum(one.file_size for one in file.zip.infolist()) <= MOST_IDX, "it unpacks to too much")
            bytes_, offset, labels = file["jpeg"].tobytes(), file["offset"], file["label"]
        images = [Image.open(io.BytesIO(bytes_[a:b]), formats=["JPEG"]) for a, b in zip(offset, offset[1:], strict=False)]
        require(all(one.size == (32, 32) for one in images), "it holds images that are not 32 x 32")
        pixels, labels = _checked(np.stack([np.asarray(one.convert("RGB")) for one in images]), labels)
    except Exception as error:  # a decoder raises errors of every kind
        if getattr(error, "errno", None):
            raise
        raise ValueError(f"{path.name} is damaged: {error}") from error
    order = np.random.default_rng(0).permutation(len(labels))
    return pixels[order], labels[order]


def fetched(read, download, place):
    """Return read(); where it raises FileNotFoundError, download(folder) is called first and what it leaves moved to ``place``.

    All of it is moved or nothing. One process downloads, others wait for it. Raises FileNotFoundError where that fails.
    """
    try:
        return read()
    except FileNotFoundError as error:
        missing = error
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(lock := place / ".download.lock"), ExitStack() as last:
            last.callback(lock.unlink, missing_ok=True)
            with suppress(FileNotFoundError):
                return read()  # another process was first
            for left in place.glob(".download-*"):  # by one that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=place, prefix=".download-", ignore_cleanup_errors=True) as temporary:
                _watch(download, Path(temporary))
                for file in sorted(Path(temporary).rglob("*")):
                    if file.is_file() and file.suffix != ".gz":
                        target = place / file.relative_to(temporary)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        os.replace(file, target)
            return read()
    except Exception as error:
        raise FileNotFoundError(f"{missing}; it could not be downloaded ({error or type(error).__name__})") from error


def _watch(download, folder):
    """Run download(folder) in a thread, which is left alone when nothing more comes: no library's own time limit covers all."""
    raised, size, now, since = [], 0, 0, time.monotonic()

    def run():
        try:
            download(folder)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        with suppress(OSError):  # a file that has just got its last name
            now = sum(file.stat().st_size for file in folder.rglob("*"))
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise TimeoutError(f"the server sent nothing for {PATIENCE} seconds")
    if raised:
        raise raised[0]


def photo(name):
    """Return one of scikit-image's or scikit-learn's photographs as a tensor (1, 3, h, w) in [0, 1].

    name: "astronaut", "cat", "coffee", "rocket" (CC0 or public domain); "china", "flower" (CC BY 2.0: name the photographer).
    """
    check_choice("name", name, sorted(PHOTOGRAPHS))
    if PHOTOGRAPHS[name].endswith(".jpg"):
        from sklearn.datasets import load_sample_image

        return _image(load_sample_image(PHOTOGRAPHS[name]))
    import skimage.data

    return _image(getattr(skimage.data, PHOTOGRAPHS[name])())


def _image(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float().div_(255)


def centre(x, size):
    """Return the central square of images x (n, c, h, w), resized to (n, c, size, size)."""
    size = check_count("size", size)
    check_pixels(x)
    check_square_images(x)
    side = min(x.shape[2:])
    top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
    square = x[:, :, top : top + side, left : left + side]
    square = square.to(torch.promote_types(x.dtype, torch.float32))  # torch has it for no smaller type
    resized = torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True)
    return resized.clamp(0, 1).to(x.dtype)


def read_image(source, size=None):
    """Return a picture of one's own as a tensor (1, 3, size, size) in [0, 1]: its central square, resized.

    source: the bytes of a PNG, JPEG or WebP file, or its path. size: None keeps the whole picture, (1, 3, h, w).
    The picture stands upright, as its EXIF asks; transparent parts show white; every colour becomes RGB of 8 bits, and an
    embedded colour profile is ignored. It is resized as ``centre`` does it (bilinear, antialiased), in 8 bits.
    Raises ValueError for another format, an animation, a damaged or incomplete file, more than 20 MB, 40 megapixels or
    50 scans (each is a pass over the whole picture);
    FileNotFoundError where there is no such file; TypeError for a source that is neither bytes nor a path.
    """
    from PIL import Image

    size = size if size is None else check_count("size", size)
    pixels = np.asarray(_decode(_content(source)))
    if size is not None:  # before the pixels become floats: 40 megapixels of them are half a gigabyte
        side = min(pixels.shape[:2])
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        square = Image.fromarray(pixels[top : top + side, left : left + side])  # Pillow's own crop has a limit of pixels
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
    require(n <= MOST_BYTES, f"the picture's file must have at most {MOST_BYTES // 10**6} MB, got {n:,} bytes")
    return Path(source).read_bytes() if isinstance(source, (str, Path)) else bytes(source)


def _decode(content):
    """Return the picture in a file's bytes, upright, opaque and in RGB."""
    from PIL import Image

    found = (name for name, beginning in BEGINNINGS.items() if re.match(beginning, content[:1000], re.DOTALL))
    kind = next(found, "an unknown format")
    require(kind in ("PNG", "JPEG", "WebP"), f"the picture must be a PNG, JPEG or WebP file, got {kind}")
    if _laborious(kind, content):
        raise ValueError(f"the picture must have at most {MOST_PARTS:,} parts and {MOST_SCANS} scans, got a {kind} with more")
    with _pillow(kind):
        picture = Image.open(io.BytesIO(content), formats=[kind])  # reads the header only
    if kind != "JPEG" and picture.is_animated:  # phones add further pictures to a JPEG; its first is the photograph
        raise ValueError(f"the picture must be a still one, got an animated {kind} with {picture.n_frames} frames")
    if kind == "PNG" and content[24] == 16 and isinstance(picture.info.get("transparency"), tuple):
        raise ValueError("the picture must have 8 bits a channel where one of its colours is transparent, got 16")
    if picture.width * picture.height > MOST_PIXELS:
        limit = MOST_PIXELS // 10**6
        raise ValueError(f"the picture must have at most {limit} megapixels, got {picture.width} x {picture.height} pixels")
    with _pillow(kind):
        Image.open(io.BytesIO(content), formats=[kind]).verify()  # a PNG's checksums: load does not look at them
        picture.load()
        turn, transparent = picture.getexif().get(0x0112), picture.info.get("transparency")
        if picture.mode.startswith("I"):  # 16 bits of grey: convert alone would clip them to 255
            grey = np.asarray(picture.convert("I"))
            picture = Image.fromarray(np.where(grey == transparent, 255, grey / 257 + 0.5).astype(np.uint8))
        elif picture.mode == "L" and isinstance(transparent, int):  # a grey of the PNG's depth, which Pillow takes for 8 bits
            picture.info["transparency"] = round(transparent * 255 / (2 ** content[24] - 1))
        # ImageOps.exif_transpose writes the whole EXIF anew, and fails at entries that some phones write (Pillow#8965).
        if turn in TURNS:
            picture = picture.transpose(Image.Transpose[TURNS[turn]])
        if not picture.has_transparency_data:
            return picture.convert("RGB")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _laborious(kind, content):
    """Return whether a file has so many chunks (PNG) or segments and scans (JPEG) that they cost seconds, however small it is."""
    at, parts, scans = (8, 0, 0) if kind == "PNG" else (2, 0, 0)
    while kind != "WebP" and at < len(content):
        if kind == "PNG":
            if content[at + 4 : at + 8] == b"IEND":
                return False
            at, parts = at + 12 + int.from_bytes(content[at : at + 4]), parts + 1
        else:
            marker = MARKER.search(content, at)
            if not marker or marker[1] == b"\xd9":  # phones put further pictures after the end
                return False
            parts += 1 if scans else marker.end() - at  # each fill byte, too, is read on its own
            scans += marker[1] == b"\xda"
            at = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2])
        if parts > MOST_PARTS or scans > MOST_SCANS:
            return True
    return False


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
    m, d = check_count("m", m), check_count("d", d)
    generator = check_generator(generator, seed=0)
    directions = torch.randn(m, d, generator=generator, dtype=torch.float64, device=generator.device)
    return math.sqrt(d) * directions / directions.norm(dim=1, keepdim=True)


def equicorrelated(m, d, c, generator=None):
    """Return m points on the sphere of radius sqrt(d) with <x_i, x_j> = c d for all i != j: float64 (m, d), m < d.

    c: in [0, 1); 0 gives orthogonal points. generator: turns them at random; None takes a fresh one, seed 0.
    """
    check_count("m", m)
    check_count("d", d, least=m + 1)
    c = check_coherence(c)
    generator = check_generator(generator, seed=0)
    basis = torch.linalg.qr(torch.randn(d, m + 1, generator=generator, dtype=torch.float64, device=generator.device)).Q.T
    return math.sqrt(d) * (math.sqrt(1 - c) * basis[1:] + math.sqrt(c) * basis[0])


def read_weights(path, sha256):
    """Return the tensors in a file that ``torch.save`` wrote and whose sha256 begins so. No pickle is run, whatever it holds.

    Raises OSError for another hash; what torch.load raises where the file holds more than tensors.
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if not sha256 or not found.startswith(sha256):
            size = file.tell()
            raise OSError(f"{path} is damaged: expected sha256 {sha256[:12]}…, got {found[:12]}… ({size} bytes)")
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)
