"""What the tests of the notebooks share: the notebooks, and every way to run one, each run once and two at a time."""

import functools
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
import torch

import execute

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(execute.NOTEBOOKS.glob("*.ipynb"))
MOVES = """
import base64
import itertools
import lecture_utils.explore

def move(explorer):
    frames, controls = [], explorer.controls.values()
    corners = itertools.product(*[(one.values[0], one.values[-1]) for one in controls])
    for values in [*corners, [one.default for one in controls]]:
        position = dict(zip(explorer.controls, values))
        assert explorer.move(**position).values == position
        texts = [one.text.format(value) for one, value in zip(controls, values)]
        frames.append((texts, *explorer.frame(**position)))
    assert all(png and alt for _, png, alt in frames), "a picture without an alternative text"
    assert len({alt for _, _, alt in frames}) > 1, f"the alternative text does not follow the sliders: {frames[0][2]}"
    live = [(texts, base64.b64encode(png).decode(), alt) for texts, png, alt in frames]
    name = lecture_utils.explore.frames_name(*frames[-1][1:])
    display({"application/json": {"name": name, "frames": live}}, raw=True)

shown = {id(one): one for one in [*globals().values(), *Out.values()] if isinstance(one, lecture_utils.explore.Explorer)}
for explorer in shown.values():
    result = "moves"
    try:
        move(explorer)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
        explorer._picture.value = ""  # the error is told here, and is no hidden one
    print(explorer.draw.__name__, "-", result)
""".strip()


def data_folder():
    """Return a folder that holds MNIST: LECTURE_DATA, data/, or shared/data beside the checkout; None without one."""
    places = [Path(os.environ.get("LECTURE_DATA") or ROOT / "data"), ROOT / "data", ROOT.parent / "shared" / "data"]
    return next((one.resolve() for one in places if (one / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists()), None)


def run(command, threads=1, limits=()):
    """Run Python with arguments in the repository's root; on one thread, since two notebooks run at a time.

    limits: a command that runs another one under limits.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTEST_ADDOPTS": "", "NO_COLOR": "1"}
    if folder := data_folder():
        environment["LECTURE_DATA"] = str(folder)
    done = subprocess.run(
        [*limits, sys.executable, *map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=590
    )
    return done.returncode, done.stdout + done.stderr


def run_notebook(source, output, *parameters, limits=()):
    """Execute a notebook; return the exit status, what was printed, and the path of the result."""
    return *run(["scripts/execute.py", source, "--output", output, *parameters], limits=limits), output / source.name


def binder(number):
    """Return what runs a command on one core, one of this machine's, and in 2 GB. Nothing where there are no such programs.

    The limit is on data: torch reserves more addresses than it ever uses.
    """
    if not (shutil.which("taskset") and shutil.which("prlimit")):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    return "taskset", "--cpu-list", str(cores[number % len(cores)]), "prlimit", "--data=2000000000"


def run_nbval(source):
    """Return nbval's exit status, what it printed, and its counts, such as {"passed": 12}."""
    options = "-q --nbval-lax --nbval-current-env --nbval-cell-timeout 120 -p no:cacheprovider"
    status, printed = run(["-m", "pytest", *options.split(), source])
    return status, printed, {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", printed.splitlines()[-1])}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def twice(source, target):
    """Write a copy of a notebook that runs again after it ran, cell by cell in a random order, and then moves the sliders.

    Every code cell runs again once. LECTURE_RERUNS=200 has so many drawn instead, with repetition.
    """
    notebook = execute.read(source)
    cells, dice = code_cells(notebook), random.Random(source.stem)
    count = int(os.environ.get("LECTURE_RERUNS", 0))
    order = dice.choices(cells, k=count) if count else dice.sample(cells, len(cells))
    again = [nbformat.from_dict(cell | {"id": f"{cell.id}-again-{number}"}) for number, cell in enumerate(order)]
    notebook.cells += [*again, nbformat.v4.new_code_cell(MOVES, id="moves")]
    execute.write(notebook, target)
    return target


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny networks are faster on one thread, and sums come in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """All runs of all notebooks, two at a time: ``runs[path, name].result()`` is what ``run_...`` returned."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = {}
    for path in NOTEBOOKS:
        jobs[path, "plain"] = (run_notebook, path, folder / "plain", "--frames")
        jobs[path, "twice"] = (run_notebook, twice(path, folder / path.name), folder / "twice")
        jobs[path, "nbval"] = (run_nbval, path)
        on_binder = functools.partial(run_notebook, limits=binder(NOTEBOOKS.index(path)))
        jobs[path, "seed 1"] = (on_binder, path, folder / "seed", "-p", "seed", "1")
        jobs[path, "quick True"] = (run_notebook, path, folder / "quick", "-p", "quick", "True")
        jobs[path, "solved"] = (run, ["scripts/solve.py", path, "--output", folder / "solved"])
        if data_folder():
            jobs[path, "dataset mnist"] = (run_notebook, path, folder / "mnist", "-p", "dataset", "mnist")
    pool = ThreadPoolExecutor(max_workers=2)
    yield {key: pool.submit(*job) for key, job in jobs.items()}
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def executed(runs):
    """Return a notebook executed as it is, normalised: ``executed(path)``."""

    def result(path):
        status, printed, output = runs[path, "plain"].result()
        assert status == 0, printed
        return execute.read(output)

    return result
