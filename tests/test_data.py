"""The images are what they should be, and a data set that is missing or damaged says so in one readable error."""

import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from lecture_utils import data, import_torchvision, plots

datasets = import_torchvision().datasets
FILES = Path(__file__).resolve().parents[2] / "shared" / "data"
with_files = pytest.mark.skipif(not FILES.is_dir(), reason="MNIST and CIFAR-10 are not in shared/data beside the repository")


@pytest.fixture(autouse=True)
def no_folder_is_named(monkeypatch):
    monkeypatch.delenv("LECTURE_DATA", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of data sets."""
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    return tmp_path


def write_mnist(root, n=6, classes=10):
    """Write a small MNIST, in the files and the format of the official one."""
    raw = Path(root) / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for split in ("train", "t10k"):
        pixels = rng.integers(256, size=(n, 28, 28), dtype=np.uint8)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">iiii", 2051, n, 28, 28) + pixels.tobytes())
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">ii", 2049, n) + bytes(i % classes for i in range(n)))
    return raw


def assert_images(x, y, n, *shape):
    assert x.shape == (n, *shape) and x.dtype == torch.float32 and x.is_contiguous()
    assert y.shape == (n,) and y.dtype == torch.int64
    assert x.min() == 0 and x.max() == 1 and (y.min(), y.max()) == (0, 9)


# ---- digits ------------------------------------------------------------------------------------------


def test_the_digits_are_there_without_files_or_network():
    assert_images(*data.load("digits", "train"), 1437, 1, 8, 8)
    assert_images(*data.load("digits", "test"), 360, 1, 8, 8)


def test_the_digits_are_pixels_of_seventeen_grey_levels_the_right_way_up():
    x, y = data.load("digits", "test")
    assert torch.equal((16 * x).round() / 16, x)
    seven = x[y == 7].mean(0)[0]
    assert seven[:2].sum() > seven[-2:].sum()  # its stroke is at the top


def test_train_and_test_digits_share_no_image_and_miss_none():
    from sklearn.datasets import load_digits

    (x, y), (x_test, y_test) = data.load("digits", "train"), data.load("digits", "test")
    found = torch.cat([torch.cat([x, x_test]).flatten(1) * 16, torch.cat([y, y_test])[:, None]], 1)
    pixels, labels = load_digits(return_X_y=True)
    assert sorted(found.tolist()) == sorted(np.column_stack([pixels, labels]).tolist())


def test_the_test_digits_are_a_stratified_fifth():
    (_, y), (_, y_test) = data.load("digits", "train"), data.load("digits", "test")
    count, count_test = y.bincount(minlength=10), y_test.bincount(minlength=10)
    assert (count_test - (count + count_test) / 5).abs().max() <= 1


def test_the_split_is_the_one_that_the_networks_were_trained_on():
    # With another split, test images would have been trained on, and every accuracy would be too high.
    first, again = data.load("digits", "test"), data.load("digits", "test")
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[1][:12].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3, 2, 6]
    assert (16 * first[0]).sum().item() == 112_350


def test_the_caller_may_change_what_it_gets():
    x, _ = data.load("digits", "test")
    x.zero_()
    assert data.load("digits", "test")[0].max() == 1


# ---- photographs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_a_photograph_is_one_image_in_colour(name):
    x = data.photo(name)
    assert x.dim() == 4 and x.shape[:2] == (1, 3) and min(x.shape[2:]) >= 224 and x.dtype == torch.float32
    assert 0 <= x.min() < 0.1 and 0.9 < x.max() <= 1
    assert (x[:, 0] != x[:, 2]).any()


def test_the_centre_of_a_photograph_is_a_square_of_the_size_asked_for():
    x = data.centre(data.photo("cat"), 64)
    assert x.shape == (1, 3, 64, 64) and 0 <= x.min() and x.max() <= 1
    ramp = torch.linspace(0, 1, 100).expand(1, 1, 50, 100)
    assert data.centre(ramp, 10).mean().item() == pytest.approx(0.5, abs=1e-3)


# ---- unknown names, folders ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fashion", "", None, "Digits"])
def test_unknown_data_sets_are_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=r"name must be one of \['cifar10', 'digits', 'mnist'\], got"):
        data.load(name, "test")


def test_unknown_splits_and_photographs_are_refused():
    with pytest.raises(ValueError, match=r"split must be one of \('train', 'test'\), got 'validation'"):
        data.load("digits", "validation")
    with pytest.raises(ValueError, match="name must be one of .*astronaut.* got 'dog'"):
        data.photo("dog")


def test_a_named_folder_that_does_not_exist_is_an_error_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path / "elsewhere"))
    for name in ("mnist", "cifar10"):
        with pytest.raises(FileNotFoundError, match="LECTURE_DATA must name an existing folder, got '.*elsewhere'"):
            data.load(name, "test")
    assert not (tmp_path / "elsewhere").exists()
    assert len(data.load("digits", "test")[0]) == 360


def test_the_folder_is_data_unless_another_is_named(tmp_path, monkeypatch):
    assert data.folder() == data.FOLDER
    monkeypatch.setenv("LECTURE_DATA", "")
    assert data.folder() == data.FOLDER
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    assert data.folder() == tmp_path


# ---- MNIST and CIFAR-10 ------------------------------------------------------------------------------


@with_files
def test_mnist_is_the_official_test_set(monkeypatch):
    monkeypatch.setenv("LECTURE_DATA", str(FILES))
    x, y = data.load("mnist", "test")
    assert_images(x, y, 10_000, 1, 28, 28)
    assert y[:5].tolist() == [7, 2, 1, 0, 4]
    assert x.mean().item() == pytest.approx(0.1325, abs=1e-4)


@pytest.mark.slow
@with_files
def test_cifar10_is_read_from_jpeg_files(monkeypatch):
    if not (FILES / "cifar10" / "cifar10_jpeg_test.npz").exists():
        pytest.skip("shared/data holds no JPEG copy of CIFAR-10")
    monkeypatch.setenv("LECTURE_DATA", str(FILES))
    x, y = data.load("cifar10", "test")
    assert_images(x, y, 10_000, 3, 32, 32)
    assert (y.bincount() == 1000).all() and len(data.CLASSES["cifar10"]) == 10
    airplanes, frogs = x[y == 0].mean((0, 2, 3)), x[y == 6].mean((0, 2, 3))
    assert airplanes[2] == airplanes.max() and frogs[2] == frogs.min()  # the sky is blue, frogs are not: RGB, not BGR


def test_mnist_is_read_from_the_folder_that_is_named(folder):
    write_mnist(folder, n=12)
    for split in ("train", "test"):
        x, y = data.load("mnist", split)
        assert x.shape == (12, 1, 28, 28) and x.dtype == torch.float32 and 0 <= x.min() and x.max() == 1
        assert y.tolist() == [*range(10), 0, 1] and y.dtype == torch.int64
    assert not torch.equal(data.load("mnist", "train")[0], x)


@pytest.mark.parametrize("file", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("kept", [0, 3, 8, 11])
def test_a_truncated_file_of_mnist_is_an_error_that_says_so(folder, monkeypatch, file, kept):
    def download(self):
        pytest.fail("damaged files were taken for missing ones")

    path = write_mnist(folder) / file
    monkeypatch.setattr(datasets.MNIST, "download", download)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(OSError, match=r"the files of MNIST in .* are damaged .*delete them and load again"):
        data.load("mnist", "test")


@pytest.mark.parametrize("lost", [1, 28 * 28, 2 * 28 * 28 + 100])
def test_lost_pixels_are_an_error_that_says_so(folder, lost):
    path = write_mnist(folder) / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(OSError, match="the files of MNIST in .* are damaged"):
        data.load("mnist", "test")


def test_a_truncated_copy_of_cifar10_is_an_error_that_says_so(folder):
    path = folder / "cifar10" / "cifar10_jpeg_test.npz"
    path.parent.mkdir()
    rng = np.random.default_rng(0)
    np.savez(path, jpeg=rng.integers(256, size=5000, dtype=np.uint8), offset=np.arange(0, 5001, 500), label=np.arange(10))
    for content in (path.read_bytes(), path.read_bytes()[:3000], b""):  # no JPEG in it; cut; empty
        path.write_bytes(content)
        with pytest.raises(OSError, match="cifar10_jpeg_test.npz is damaged"):
            data.load("cifar10", "test")


# ---- downloads ---------------------------------------------------------------------------------------


def refused(self):
    raise URLError("Name or service not known")


@pytest.mark.parametrize(("name", "reader"), [("mnist", "MNIST"), ("cifar10", "CIFAR10")])
def test_without_a_network_there_is_one_readable_error(folder, monkeypatch, name, reader):
    monkeypatch.setattr(getattr(datasets, reader), "download", refused)
    message = f'{reader} is not .* in .* could not be downloaded .*not known.*network, or set LECTURE_DATA .*dataset "digits"'
    with pytest.raises(FileNotFoundError, match=message):
        data.load(name, "test")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "interruption", [OSError("disk full"), ConnectionResetError("reset"), EOFError("cut"), KeyboardInterrupt()]
)
def test_an_interrupted_download_leaves_nothing_behind(folder, monkeypatch, interruption):
    def half(self):
        raw = write_mnist(self.root)
        (raw / "t10k-labels-idx1-ubyte").unlink()
        (raw / "train-images-idx3-ubyte").write_bytes(b"half")
        raise interruption

    monkeypatch.setattr(datasets.MNIST, "download", half)
    with pytest.raises(KeyboardInterrupt if isinstance(interruption, KeyboardInterrupt) else FileNotFoundError):
        data.load("mnist", "test")
    assert list(folder.iterdir()) == []

    monkeypatch.setattr(datasets.MNIST, "download", lambda self: write_mnist(self.root))
    assert len(data.load("mnist", "test")[0]) == 6
    assert [file.name for file in folder.iterdir()] == ["MNIST"]
    monkeypatch.setattr(datasets.MNIST, "download", refused)  # it is there now
    assert len(data.load("mnist", "train")[0]) == 6


def test_archives_are_not_kept(folder, monkeypatch):
    def download(self):
        (write_mnist(self.root) / "t10k-images-idx3-ubyte.gz").write_bytes(b"archive")

    monkeypatch.setattr(datasets.MNIST, "download", download)
    data.load("mnist", "test")
    assert not list(folder.rglob("*.gz"))


def test_a_download_goes_to_the_folder_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path / "data")
    monkeypatch.setattr(datasets.MNIST, "download", lambda self: write_mnist(self.root))
    assert len(data.load("mnist", "test")[0]) == 6
    assert (tmp_path / "data" / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists()


def test_a_folder_that_cannot_be_written_is_one_readable_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file is no folder, for root as well")
    monkeypatch.setattr(data, "FOLDER", tmp_path / "file" / "data")
    monkeypatch.setattr(datasets.MNIST, "download", lambda self: write_mnist(self.root))
    with pytest.raises(FileNotFoundError, match="MNIST is not .* could not be downloaded .*set LECTURE_DATA"):
        data.load("mnist", "test")


@pytest.mark.parametrize("wrong", [[1], torch.ones(3, 4, 4), 255 * torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4).byte()])
def test_the_centre_is_of_images_in_0_to_1(wrong):
    assert data.centre(torch.ones(1, 1, 4, 4).half(), 2).dtype == torch.float16
    with pytest.raises((TypeError, ValueError), match="x must .*got"):
        data.centre(wrong, 2)


@pytest.mark.parametrize("level", [1.004, -0.1, 2.0, float("nan")])
def test_a_picture_of_no_pixels_is_refused(level):
    panel, image = plots.Images(1), torch.ones(1, 1, 4, 4)
    panel.update([image * 1.001], ["rounding"], "white")
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\], got values from"):
        panel.update([level * image], ["wrong"], "none")
