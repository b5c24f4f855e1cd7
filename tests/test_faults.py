"""What is broken around us breaks nothing in class: one readable sentence, in time, and nothing left behind."""

import gzip
import json
import math
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import execute
import explorers
import export
import frames
import solve
import talk
from executions import ROOT, run
from lecture_utils import data, explore, import_torchvision, networks, plots
from test_data import write_mnist
from test_notebooks import written
from test_pictures import assert_refused, chunk, encoded, png, smooth

datasets = import_torchvision().datasets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of data sets, and no network."""

    def refused(self):
        raise OSError("Name or service not known")

    for name in ("MNIST", "CIFAR10"):
        monkeypatch.setattr(getattr(datasets, name), "download", refused)
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    return tmp_path


def sentence(error, function, *arguments):
    """Return what a call says when it fails with such an error: one line, in words."""
    with pytest.raises(error) as caught:
        function(*arguments)
    told = str(caught.value)
    assert len(told.splitlines()) == 1 and 20 < len(told) < 900 and " object at 0x" not in told
    return told


# ---- data sets under other names ---------------------------------------------------------------------


def renamed(raw, old, new):
    for file in list(raw.iterdir()):
        file.rename(file.with_name(file.name.replace(old, new)))


def packed(raw):
    for file in list(raw.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


WAYS = {
    "only .gz": packed,
    ".idx3": lambda raw: renamed(raw, "-idx", ".idx"),
    "without -ubyte": lambda raw: renamed(raw, "-ubyte", ""),
    "flat": lambda raw: [file.rename(raw.parents[1] / file.name) for file in list(raw.iterdir())],
    "in MNIST": lambda raw: [file.rename(raw.parent / file.name) for file in list(raw.iterdir())],
    "a broken archive beside": lambda raw: (raw / "t10k-images-idx3-ubyte.gz").write_bytes(b"junk"),
}


@pytest.mark.parametrize("way", WAYS)
def test_mnist_is_read_under_other_names(folder, way):
    WAYS[way](write_mnist(folder, n=12))
    for split in ("train", "test"):
        x, y = data.load("mnist", split)
        assert x.shape == (12, 1, 28, 28) and y.tolist() == [*range(10), 0, 1]


@pytest.mark.parametrize("named", ["MNIST", "MNIST/raw"])
def test_mnist_is_read_from_its_own_folder(folder, monkeypatch, named):
    write_mnist(folder)
    monkeypatch.setenv("LECTURE_DATA", str(folder / named))
    assert len(data.load("mnist", "test")[0]) == 6


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    write_mnist(folder / "sets")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("LECTURE_DATA", "~/sets")
    assert data.folder() == folder / "sets" and len(data.load("mnist", "test")[0]) == 6


def test_the_test_files_alone_are_read_and_the_others_are_named(folder):
    for file in write_mnist(folder).glob("train-*"):
        file.unlink()
    assert len(data.load("mnist", "test")[0]) == 6
    told = sentence(FileNotFoundError, data.load, "mnist", "train")
    assert "train-images-idx3-ubyte, train-labels-idx1-ubyte missing, found MNIST/raw/t10k-images-idx3-ubyte" in told


def test_another_data_set_with_the_same_file_names_is_not_taken_for_mnist(folder):
    (write_mnist(folder).parent).rename(folder / "FashionMNIST")
    assert "found FashionMNIST" in sentence(FileNotFoundError, data.load, "mnist", "test")


def write_jpegs(folder, labels=range(10), size=(32, 32), cut=None):
    """Write a small copy of CIFAR-10 kept as JPEG."""
    images = [encoded(np.full((*size, 3), 20 * i, np.uint8), "JPEG") for i in range(10)]
    offset = np.cumsum([0, *map(len, images)])[:cut]
    folder.mkdir(parents=True, exist_ok=True)
    jpeg = np.frombuffer(b"".join(images), np.uint8)
    np.savez(folder / "cifar10_jpeg_test.npz", jpeg=jpeg, offset=offset, label=np.array(labels))


def test_an_empty_or_partial_official_folder_does_not_hide_the_jpeg_copy(folder):
    write_jpegs(folder / "cifar10")
    for name in ("data_batch_1", "README"):
        (folder / "cifar-10-batches-py").mkdir(exist_ok=True)
        assert sorted(data.load("cifar10", "test")[1].tolist()) == list(range(10))
        (folder / "cifar-10-batches-py" / name).write_bytes(b"")
    assert "data_batch_2" in sentence(FileNotFoundError, data.load, "cifar10", "train")


# ---- damaged and unreadable files --------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": [77] * 10},
        {"labels": [-1] * 10},
        {"labels": range(9)},
        {"labels": []},
        {"labels": [0.5] * 10},
        {"labels": [[1, 2]] * 10},
        {"labels": ["a"] * 10},
        {"labels": 3},
        {"cut": 6},
        {"cut": 0},
        {"size": (99, 9)},
    ],
)
def test_wrong_labels_offsets_and_sizes_of_cifar10_are_told(folder, wrong):
    write_jpegs(folder / "cifar10", **wrong)
    assert "cifar10_jpeg_test.npz is damaged" in sentence(OSError, data.load, "cifar10", "test")


@pytest.mark.parametrize("labels", [[200] * 6, [0] * 5, [0] * 7, []])
def test_wrong_labels_of_mnist_are_told(folder, labels):
    path = write_mnist(folder) / "t10k-labels-idx1-ubyte"
    path.write_bytes(struct.pack(">ii", 2049, len(labels)) + bytes(labels))
    assert "are damaged (" in sentence(OSError, data.load, "mnist", "test")


def test_a_changed_official_batch_is_told_and_not_unpickled(folder):
    (folder / "cifar-10-batches-py").mkdir()
    (folder / "cifar-10-batches-py" / "test_batch").write_bytes(b"cos\nabort\n(tR.")
    assert "test_batch is not the official file" in sentence(OSError, data.load, "cifar10", "test")


def test_what_cannot_be_read_is_not_called_damaged(folder, monkeypatch):
    def refused(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    write_mnist(folder)
    monkeypatch.setattr(data, "_idx", refused)
    told = sentence(OSError, data.load, "mnist", "test")
    assert "cannot be read" in told and "damaged" not in told and "delete" not in told


def test_a_packed_file_of_zeros_without_end_takes_bounded_memory(folder, monkeypatch):
    monkeypatch.setattr(data, "MOST_IDX", 10**6)
    raw = write_mnist(folder)
    (raw / "t10k-images-idx3-ubyte").unlink()
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(10**8)))
    assert "holds 1000000 bytes" in sentence(OSError, data.load, "mnist", "test")


# ---- servers -----------------------------------------------------------------------------------------


@pytest.fixture
def silent(monkeypatch):
    """The address of a server that accepts and never answers; we wait for a fraction of a second only."""
    monkeypatch.setattr(data, "PATIENCE", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_server_that_never_answers_costs_seconds_and_the_digits_are_there(tmp_path, monkeypatch, silent, name):
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{silent}/one/", f"{silent}/two/"])
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{silent}/cifar")
    start = time.monotonic()
    told = sentence(FileNotFoundError, data.load, name, "test")
    assert time.monotonic() - start < 5 and "the server sent nothing for 0.4 seconds" in told and '"digits" needs neither' in told
    assert list(tmp_path.iterdir()) == [] and len(data.load("digits", "test")[0]) == 360


def test_weights_from_a_server_that_never_answers_cost_seconds(tmp_path, monkeypatch, silent):
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    weights = import_torchvision().models.get_model_weights("alexnet").DEFAULT
    monkeypatch.setattr(weights.value, "url", f"{silent}/alexnet-owt-7be5be79.pth")
    try:
        start = time.monotonic()
        assert "the server sent nothing" in sentence(FileNotFoundError, networks.pretrained, "alexnet")
        assert time.monotonic() - start < 5 and not list(tmp_path.rglob("*.*"))
    finally:
        torch.hub.set_dir(before)


def test_patience_is_fifteen_seconds():
    assert data.PATIENCE == 15


def test_of_two_that_fetch_the_same_set_one_downloads_and_both_work(folder, monkeypatch):
    def download(self):
        calls.append(self.root)
        time.sleep(0.3)
        write_mnist(self.root)

    calls, read = [], []
    monkeypatch.setattr(datasets.MNIST, "download", download)
    (folder / ".download-killed").mkdir()  # what a process leaves that is killed
    threads = [threading.Thread(target=lambda: read.append(data.load("mnist", "test")[0])) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(calls) == 1 and [len(x) for x in read] == [6, 6, 6]
    assert [file.name for file in folder.iterdir()] == ["MNIST"]


FETCH = """
import sys, time
from pathlib import Path
from lecture_utils import data

def read():
    return (place / "set").read_text()

def download(folder):
    with open(log, "a") as file:
        file.write("x")
    time.sleep(0.5)
    (folder / "set").write_text("whole")

place, log = Path(sys.argv[1]), sys.argv[2]
assert data.fetched(read, download, place) == "whole"
"""


@pytest.mark.slow
def test_of_two_processes_one_downloads_and_both_work(tmp_path):
    start = [sys.executable, "-c", FETCH, tmp_path / "sets", tmp_path / "log"]
    both = [subprocess.Popen(start, cwd=ROOT) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0] and (tmp_path / "log").read_text() == "x"
    assert [file.name for file in (tmp_path / "sets").iterdir()] == ["set"]


# ---- networks and their manifest ---------------------------------------------------------------------


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """A folder with a manifest of one small network."""
    name = "digits-standard.safetensors"
    (tmp_path / name).write_bytes((data.FOLDER / name).read_bytes())
    entry = networks.manifest()["digits-standard"]
    (tmp_path / "manifest.json").write_text(json.dumps({"digits-standard": entry}))
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    return tmp_path


def load():
    return networks.load("digits-standard")


def test_a_checkpoint_that_is_missing_or_a_folder_is_told(copies):
    (copies / "digits-standard.safetensors").unlink()
    assert "digits-standard.safetensors cannot be read (No such file" in sentence(FileNotFoundError, load)
    (copies / "digits-standard.safetensors").mkdir()
    assert "digits-standard.safetensors cannot be read (Is a directory" in sentence(OSError, load)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000, b'{"digits-standard": 3}', '{"ü": {}}'.encode("utf-16")],
)
def test_a_broken_manifest_is_told(copies, content):
    (copies / "manifest.json").write_bytes(content)
    told = sentence(OSError, load)
    assert "manifest.json is damaged" in told and "restore the file from the repository" in told


def test_a_manifest_that_is_missing_or_a_folder_is_told(copies):
    (copies / "manifest.json").unlink()
    assert "manifest.json cannot be read" in sentence(FileNotFoundError, load)
    (copies / "manifest.json").mkdir()
    assert "manifest.json cannot be read" in sentence(OSError, load)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", 7), ("file", None), ("file", ""), ("sha256", 3), ("network", "cnn"), ("network", []), ("architecture", None),
        ("architecture", {"size": 8}), ("architecture", {"size": 9_000_000, "mean": 0.0, "std": 1.0}), ("recipe", {}),
    ],
)  # fmt: skip
def test_a_manifest_with_a_wrong_or_missing_entry_is_told_and_takes_no_memory(copies, key, value):
    entries = networks.manifest()
    for entry in (entries["digits-standard"] | {key: value}, {k: v for k, v in entries["digits-standard"].items() if k != key}):
        (copies / "manifest.json").write_text(json.dumps({"digits-standard": entry}))
        assert re.search("is damaged|cannot be read", sentence(OSError, load))


def test_loading_a_network_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    load()
    assert torch.equal(torch.get_rng_state(), before)


# ---- executing notebooks ------------------------------------------------------------------------------


def main(monkeypatch, capsys, *arguments, script=execute):
    """Call a script; return what it printed, and what it said at its end."""
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *map(str, arguments)])
    try:
        execute.said(script.main)
        end = ""
    except SystemExit as error:
        end = str(error.code)
    printed = capsys.readouterr()
    return printed.out, end + printed.err


@pytest.fixture
def kernel(monkeypatch):
    """No kernel: a notebook's execution is the notebook, after what a test does there."""
    monkeypatch.setattr(execute, "execute", lambda notebook, parameters=None, frames=None: notebook)


BROKEN = {
    "a list": ("[]", "it holds a list"),
    "a number": ("3", "it holds a int"),
    "no cells": ('{"nbformat": 4, "metadata": {}}', "it has no cells"),
    "format 3": ('{"nbformat": 3, "worksheets": [{"cells": []}]}', "it has format 3; JupyterLab saves it in format 4"),
    "cells that are numbers": ('{"nbformat": 4, "cells": [1, 2]}', "is not a notebook that can be read: "),
    "a code cell without source": ('{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code"}]}', "is not a notebook that"),
    "cells of no type": ('{"nbformat": 4, "cells": [{}]}', "is not a notebook that can be read: "),
    "empty": ("", "is not a notebook that can be read: "),
    "deep": ("[" * 100_000, "is not a notebook that can be read: "),
    "missing": (None, "No such file"),
}


def test_broken_notebooks_are_a_line_each_and_the_others_run(tmp_path, monkeypatch, capsys, kernel):
    paths = [tmp_path / f"{name}.ipynb" for name in BROKEN]
    for path, (content, _) in zip(paths, BROKEN.values(), strict=True):
        if content is not None:
            path.write_text(content)
    good = written(tmp_path / "good.ipynb", "print(seed)")
    printed, told = main(monkeypatch, capsys, *paths, good, "--output", tmp_path / "out")
    lines = [line for line in told.splitlines() if line]
    assert len(lines) == len(BROKEN) and all(len(line) < 500 for line in lines)
    assert all(str(path) in line and BROKEN[path.stem][1] in line for path, line in zip(paths, lines, strict=True))
    assert printed.splitlines()[1].startswith("good") and [one.name for one in (tmp_path / "out").iterdir()] == ["good.ipynb"]


@pytest.mark.parametrize("error", [RuntimeError("Kernel died before replying to kernel_info"), TimeoutError("no reply")])
def test_a_kernel_that_does_not_start_is_a_line_and_the_others_run(tmp_path, monkeypatch, capsys, error):
    def start(notebook, *arguments, **options):
        calls.append(notebook)
        if len(calls) == 1:
            raise error
        return notebook

    calls = []
    monkeypatch.setattr(execute.papermill, "execute_notebook", start)
    for name in ("JUPYTER_PATH", "PYTHONHASHSEED", "LECTURE_FRAMES", "LECTURE_DATA"):
        monkeypatch.setenv(name, "")
    paths = [written(tmp_path / f"{name}.ipynb", "print(seed)") for name in "ab"]
    printed, told = main(monkeypatch, capsys, *paths, "--frames", "--output", tmp_path / "out")
    assert re.fullmatch(rf".*a.ipynb: the kernel did not start or was lost: \w+: {error}\n?", told)
    assert re.findall(r"^[ab] .*?(FAILED)?$", printed, re.MULTILINE) == ["FAILED", ""]
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["b.frames", "b.ipynb"]


@pytest.mark.parametrize("store", [False, True])
def test_a_full_disk_is_a_line_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys, kernel, store):
    source = written(tmp_path / "a.ipynb", "print(seed)", f"# {'long' * 5000}")
    small = written(tmp_path / "b.ipynb", "print(seed)")
    before, limits = source.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        _, told = main(monkeypatch, capsys, source, small, *(["--store"] if store else ["--output", tmp_path / "out"]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(told.splitlines()) == 1 and "a.ipynb cannot be written: File too large" in told
    names = ["a.ipynb", "b.ipynb"] if store else ["a.ipynb", "b.ipynb", "b.ipynb", "out"]
    assert sorted(one.name for one in tmp_path.rglob("*")) == names and source.read_bytes() == before


@pytest.mark.parametrize(
    ("word", "value"), [("-1e-3", -0.001), ("-inf", -math.inf), ("inf", math.inf), ("-2", -2), ("-.5", -0.5)]
)
def test_a_parameter_may_be_any_number(tmp_path, monkeypatch, capsys, word, value):
    seen = []
    monkeypatch.setattr(execute, "execute", lambda notebook, parameters, frames: seen.append(parameters) or notebook)
    source = written(tmp_path / "a.ipynb", first="seed, x = 0, 0.1\nx = 0.1")
    assert main(monkeypatch, capsys, source, "-p", "x", word, "--output", tmp_path / "out")[1] == ""
    assert seen == [{"x": value}] and type(seen[0]["x"]) is type(value)


def test_a_forgotten_value_is_not_taken_from_the_next_option(tmp_path, monkeypatch, capsys):
    source = written(tmp_path / "a.ipynb", first="x = 0.1")
    assert "expected 2 arguments" in main(monkeypatch, capsys, source, "-p", "x", "--store")[1]


def test_a_folder_that_cannot_be_written_is_a_line_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    source = written(tmp_path / "a.ipynb", first="x = 0.1")
    _, told = main(monkeypatch, capsys, source, "--output", source / "out")
    assert "name another with --output, or copy the project to a place of your own" in told
    monkeypatch.setattr(execute.os, "access", lambda *_: False)
    _, told = main(monkeypatch, capsys, source, "--output", tmp_path / "out")
    assert "is read-only): name another with --output" in told


def test_a_page_that_cannot_be_written_is_a_line(tmp_path):
    (tmp_path / "site").write_text("a file, where a folder should be")
    with pytest.raises(SystemExit, match=r"a.html cannot be written: .*--output"):
        execute.said(lambda: export.write(tmp_path / "site" / "a.html", "text"))


@pytest.mark.parametrize("script", [execute, solve])
def test_a_result_that_would_replace_its_notebook_or_another_result_is_refused(tmp_path, monkeypatch, capsys, script):
    """Results are deleted before a notebook runs: one that failed would be lost."""
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("it runs"))
    first, second = (written(tmp_path / name / "a.ipynb", "1 / 0") for name in ("one", "two"))
    before = first.read_bytes()
    assert "would be replaced by its own result" in main(monkeypatch, capsys, first, "--output", first.parent, script=script)[1]
    told = main(monkeypatch, capsys, first, second, "--output", tmp_path / "out", script=script)[1]
    assert "two notebooks have the same name" in told and first.read_bytes() == before and not (tmp_path / "out").exists()


@pytest.mark.parametrize("store", [False, True])
def test_ctrl_c_stops_with_a_line_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys, store):
    def interrupted(notebook, parameters, frames):
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "execute", interrupted)
    sources = [written(tmp_path / f"{name}.ipynb", "print(seed)") for name in "ab"]
    before = sources[0].read_bytes()
    given = ["--store"] if store else ["--frames", "--output", tmp_path / "out"]
    printed, told = main(monkeypatch, capsys, *sources, *given)
    assert told == f"{sources[0]}: stopped, nothing of it is kept" and printed.endswith("STOPPED\n") and "\nb " not in printed
    assert sources[0].read_bytes() == before and not list(tmp_path.glob("out/*"))
    with pytest.raises(SystemExit, match="^Stopped.$"):
        execute.said(lambda: interrupted(None, None, None))


def test_a_parameter_that_one_notebook_lacks_names_the_notebook(tmp_path, monkeypatch, capsys):
    sources = [written(tmp_path / f"{name}.ipynb", first=f"{name} = 1") for name in "ab"]
    assert "b.ipynb: the parameters are b, got 'a'" in main(monkeypatch, capsys, *sources, "-p", "a", "2")[1]


def test_an_export_that_goes_wrong_keeps_the_pages_that_are_there_and_other_files(tmp_path, monkeypatch):
    kept = [tmp_path / "slides" / name for name in ("1.html", "mine.pdf")]
    kept[0].parent.mkdir()
    for file in kept:
        file.write_text("from before")
    sections = [export.Section(str(number), None) for number in (1, 2)]
    monkeypatch.setattr(talk, "deck", lambda section, *_: f"new {section.name}")
    monkeypatch.setattr(talk, "pages", lambda section: [] if section.name == "1" else wrong())

    def wrong():
        raise execute.NotebookError("talk, page 'a': no see")

    with pytest.raises(SystemExit, match="no see"):
        execute.said(lambda: talk.slides(sections, tmp_path))
    assert [file.read_text() for file in kept] == ["from before"] * 2
    monkeypatch.setattr(talk, "pages", lambda section: [])
    talk.slides(sections, tmp_path)
    assert [file.read_text() for file in kept] == ["new 1", "from before"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mutants.py nomodule", "the modules are attacks, .* got nomodule"),
        ("mutants.py --count -1", "--count must be at least 0, got -1"),
        ("train_checkpoints.py digits", "the networks are digits-standard, .*; got 'digits'"),
        ("links.py --remote upsteam", "there is no git remote 'upsteam'"),
        ("bench.py nosection", "the sections are sliders, .*; got nosection"),
        ("talk.py --executed nowhere", "1_adversarial_examples.ipynb has no frames: execute it with scripts/execute.py --frames"),
        ("solve.py --output README.md", "no folder to write to .*README.md"),
        ("versions.py newst", "invalid choice: 'newst'"),
    ],
)
@pytest.mark.slow
def test_what_a_script_does_not_take_costs_a_sentence(words, message):
    status, printed = run(["scripts/" + words.split()[0], *words.split()[1:]])
    assert status and re.search(message, printed) and "Traceback" not in printed, printed


@pytest.mark.parametrize("asked", ["x", "0", "-2", "1.5"])
def test_a_number_of_kernels_that_is_none_is_told(monkeypatch, asked):
    bench_load = pytest.importorskip("bench_load", reason="needs playwright: pip install lecture-utils[test]")
    monkeypatch.setenv("LECTURE_KERNELS", asked)
    with pytest.raises(SystemExit, match=f"LECTURE_KERNELS must be 1 or more, got '{asked}'"):
        bench_load.load(None)


def test_make_in_a_read_only_copy_says_what_to_do(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    tmp_path.chmod(0o555)
    nobody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    try:
        env = {"PATH": os.environ["PATH"]}  # none of what the make that runs the tests was given
        done = subprocess.run(["make", "run"], cwd=tmp_path, capture_output=True, text=True, env=env, **nobody)
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode != 0 and "This folder is read-only" in done.stderr and "cp -r . ~/lecture" in done.stderr


# ---- figures and sliders -----------------------------------------------------------------------------

STYLES = {
    "dark_background": lambda: plt.style.use("dark_background"),
    "usetex": lambda: mpl.rcParams.update({"text.usetex": True}),
    "fonts and sizes": lambda: mpl.rcParams.update(
        {"font.family": "serif", "font.size": 40, "mathtext.fontset": "cm", "figure.dpi": 50, "lines.antialiased": False}
    ),
    "colours and grids": lambda: mpl.rcParams.update(
        {"axes.prop_cycle": plt.cycler(color="r"), "axes.facecolor": "k", "xtick.color": "r", "image.origin": "lower"}
    ),
    "sketch": lambda: mpl.rcParams.update({"path.sketch": (1, 100, 2), "axes.linewidth": 9, "scatter.marker": "x"}),
}


def drawn():
    image = torch.arange(64.0).reshape(1, 8, 8) / 64
    curves = plots.Curves(["y", "z"], ("x", 0.01, 1), ("y", 0, 1), log="x")
    return [
        plots.Images(2).update([image, 1 - image], ["$\\delta$", "ε"], "two images").file(),
        curves.update([0.01, 1], [[0, 1], [1, 0]], "two lines", mark=0.5, band=(0.1, 0.2)).file(),
        plots.Search(9, "margin", -1, 1, 0.5, "best").update(image[None], [[1, 2]], image[None], [0, 1], "a search").file(),
    ]


def test_the_frame_of_a_pixel_stands_around_it():
    panel = plots.Images(2).update([torch.rand(1, 1, 4, 8)] * 2, ["", ""], "Two.", pixels=[(1, 5), None])
    shown, hidden = panel.frames
    assert shown.get_bbox().bounds == (5 / 8, 1 - 2 / 4, 1 / 8, 1 / 4) and shown.get_visible() and not hidden.get_visible()


def test_captions_of_one_line_and_of_three_have_room_and_leave_nothing_behind():
    def shown(panel, *captions):
        return panel.update([torch.zeros(1, 1, 8, 8)] * 2, captions, "Two.").file()

    few, most = ("one", "one\ntwo"), ("Ag\nBg\nCg", "Ag")
    panel, other = (plots.Images(2, lines=3, width=6.6) for _ in range(2))
    first = shown(panel, *few)
    assert shown(panel, *most) == shown(other, *most) and shown(panel, *few) == first
    assert (np.asarray(other.image())[0] == 255).all(), "cut off"


def test_a_histogram_counts_every_sample_between_the_ends_of_its_axis():
    panel = plots.Distribution(["drawn"], ("x", 0, 3), 1, ["y"], ("x", 0, 1), ("y", 0, 1))
    panel.update([[-1, 1.5, 9, 9]], [0, 1], [[0, 1]], 0.5, "one sample in the middle, three outside")
    heights, edges, _ = panel.steps[0].get_data()
    shares = heights * np.diff(edges)
    assert (edges[0], edges[-1]) == (0, 3) and len(heights) == 48
    assert shares[[0, 24, -1]].tolist() == pytest.approx([0.25, 0.25, 0.5]) and shares.sum() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_our_figures_look_as_always_whatever_a_reader_has_set(style):
    expected = drawn()
    with mpl.rc_context():
        STYLES[style]()
        before = dict(mpl.rcParams, backend=None)
        assert drawn() == expected and dict(mpl.rcParams, backend=None) == before


@pytest.fixture
def explorer():
    """An explorer whose draw does what a test puts into ``explorer.first``."""
    panel = plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))

    def draw(epsilon, eta):
        made.first()
        return panel.update([0, 1], [[eta, epsilon]], f"a line from {eta} to {epsilon}")

    def first():
        made.calls += 1

    made = type("Made", (), {"calls": 0, "first": staticmethod(lambda: None)})
    one = explore.explore(draw, epsilon=explore.slider([0.1, 0.2, 0.3], 0.1), eta=explore.slider([0.5, 0.6], 0.5))
    made.first = first
    one.made = made
    return one


def test_after_an_interrupt_slider_and_picture_agree(explorer):
    def interrupted():
        raise KeyboardInterrupt

    explorer.move(epsilon=0.2)
    usual, explorer.made.first = explorer.made.first, interrupted
    for values in ({"epsilon": 0.3}, {"eta": 0.6}):
        with pytest.raises(KeyboardInterrupt):
            explorer.move(**values)
        assert explorer.values == {"epsilon": 0.2, "eta": 0.5} and "a line from 0.5 to 0.2" in explorer._picture.value
    explorer.made.first = usual
    assert "a line from 0.6 to 0.3" in explorer.move(epsilon=0.3, eta=0.6)._picture.value
    calls = explorer.made.calls
    assert "a line from 0.6 to 0.1" in explorer.move(epsilon=0.1)._picture.value and explorer.made.calls == calls + 1


def test_after_an_error_the_same_position_can_be_drawn_again(explorer):
    def wrong():
        raise ValueError("the drawing went wrong")

    usual, explorer.made.first = explorer.made.first, wrong
    with pytest.raises(ValueError, match="went wrong"):
        explorer.move(epsilon=0.3)
    assert 'role="alert"' in explorer._picture.value
    explorer.made.first = usual
    assert "a line from 0.5 to 0.1" in explorer.move(epsilon=0.1)._picture.value


@pytest.mark.parametrize("size", [1e-300, 1e-13, 1.0, 1e200])
def test_a_slider_tells_its_values_apart_at_every_scale(size):
    values = [0.1 * size * number for number in (-2, -1, 0, 1, 2, 3)]
    for i, default in enumerate(values):
        assert explore.slider(values, default).index(default) == i
        assert explore.slider(values, default).default == explore.slider(values, default * (1 + 1e-12)).default == values[i]
    assert explore.slider(values, 1e-16 * size).default == 0
    with pytest.raises(ValueError, match="a slider takes one of 6 values"):
        explore.slider(values, 0.25 * size)


def test_sliders_take_words_and_infinity_and_say_what_they_do_not_take():
    panel = plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))
    made = explore.explore(lambda word: panel.update([0, 1], [[0, 1]], word), word=explore.slider(["a", "b"], "b"))
    assert list(made.sliders["word"].options) == [("a", "a"), ("b", "b")]
    endless = explore.slider([0.0, 1.0, math.inf], math.inf)
    assert (endless.index(math.inf), endless.index(1 + 1e-12), explore.slider([0, 1e-13, 1.0], 1.0).index(1.01e-13)) == (2, 1, 1)
    for wrong in (5.0, "x", None):
        with pytest.raises(ValueError, match="a slider takes one of 3 values"):
            endless.index(wrong)
    with pytest.raises(ValueError, match="values must increase"):
        explore.slider([0.0, math.nan, 1.0], 0.0)


def test_an_explorer_without_sliders_is_a_still_picture_in_an_export(tmp_path, monkeypatch):
    panel = plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))
    made = explore.explore(lambda: panel.update([0, 1], [[0, 1]], "a line"))
    monkeypatch.setenv("LECTURE_FRAMES", str(tmp_path))
    monkeypatch.setattr(explore, "WHEN_SHOWN", [frames.write])
    assert "image/png" in made._repr_mimebundle_() and not list(tmp_path.iterdir())


# ---- exported pages ----------------------------------------------------------------------------------


def test_what_stands_in_a_script_element_ends_it_nowhere():
    text = json.dumps({"alt": "a <b> & </script> <!-- <script> ]]>"})
    assert json.loads(explorers.embedded(text)) == json.loads(text) and "<" not in explorers.embedded(text)


def test_networks_and_images_fit_each_other_whatever_the_defaults_are():
    expected = load()(data.load("digits", "test")[0][:5])
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")  # stands for any other device
        x, y = data.load("digits", "test")
        assert torch.equal(load()(x[:5]), expected) and x.dtype == torch.float32 and y.dtype == torch.int64
        assert networks.load("cifar10-standard")(data.centre(data.photo("cat"), 32)).dtype == torch.float32
        assert data.sphere(3, 4).device.type == data.equicorrelated(3, 4, 0.1).device.type == "cpu"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


# ---- pictures that cost more than they show ----------------------------------------------------------


def progressive(scans, side=2000):
    """Return a grey JPEG of a few kilobytes with so many scans: each is a pass over all pixels."""
    content = encoded(np.full((side, side), 128, np.uint8), "JPEG", progressive=True)
    marks = [match.start() for match in re.finditer(b"\xff\xda", content)]
    return content[:-2] + content[marks[-1] : -2] * (scans - len(marks)) + content[-2:]


def test_usual_progressive_files_are_read_and_two_thousand_scans_are_refused_at_once():
    assert data.read_image(progressive(50), 8).shape == (1, 3, 8, 8)
    for scans in (51, 2000, 100_000):
        start = time.process_time()
        assert_refused(progressive(scans), "^the picture must have at most 20,000 parts and 50 scans, got a JPEG with more$")
        assert time.process_time() - start < 1


def test_scans_are_counted_as_the_decoder_reads_them():
    marked = b"\xff\xe1" + struct.pack(">H", 1000) + (b"\xff\xda\0\2" * 250)[:998]  # a thumbnail's, in EXIF: not scans
    content = encoded(smooth(48, 64), "JPEG")
    assert data.read_image(content[:2] + marked * 4 + content[2:], 8).shape == (1, 3, 8, 8)
    assert data.read_image(content + progressive(2000), 8).shape == (1, 3, 8, 8)  # after the end
    hidden = progressive(2000).replace(b"\xff\xda", b"\xff\xff\xff\xda")  # fill bytes before a marker
    assert_refused(hidden, "got a JPEG with more$")


@pytest.mark.parametrize("kind", ["tEXt", "prVt", "IDAT"])
def test_a_png_of_very_many_chunks_is_refused(kind):
    content = png(1, 1, 8, 0, zlib.compress(bytes(2)), chunk(kind.encode(), b"a\0b" if kind == "tEXt" else b"") * 30_000)
    assert_refused(content, "^the picture must have at most 20,000 parts and 50 scans, got a PNG with more$")


@pytest.mark.parametrize("part", [b"\xff\xe5\0\2", b"\xff\xfe\0\2", b"\xff"])
def test_a_jpeg_of_very_many_segments_is_refused(part):
    content = encoded(smooth(), "JPEG")
    assert_refused(content[:2] + part * 30_000 + content[2:], "parts and 50 scans, got a JPEG with more$")
