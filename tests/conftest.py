"""What the tests share: the executions of the notebooks, each once and in the background, and the order of the tests.

A test that asks for ``runs``, ``executed`` or ``moved``, opens a browser (``browser``, ``phone``, ``server``) or installs the
package (``installed``), is marked as slow: ``make quick`` leaves it out. The process that gives out the tests runs none: what
imports torch is imported where it is needed.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

# Read when NumPy and torch are imported. Several processes share the cores: a thread that waits for one keeps another from it.
os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parent.parent
EXECUTIONS = {"runs", "executed", "moved"}
SLOW = EXECUTIONS | {"browser", "phone", "server", "installed"}
ALL = ["moved", "again"]  # the longest first
# More than a minute each, the longest first; then those that wait for an execution, which are under way by then; last the short
# ones, which fill what is left of each process's time.
LONG = "exercises live attacks grading engine efficientnet initialization browser site".split()
PATIENCE = 3600  # seconds that a test may wait for an execution, however busy the machine is


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # one of the processes of pytest-xdist: they share the folder of the first
        config.executions, config.owner = Path(config.workerinput["executions"]), config.workerinput["owner"]
    else:
        config.executions_folder = tempfile.TemporaryDirectory(prefix="executions-")
        config.executions = Path(config.executions_folder.name)
        config.owner = os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput |= {"executions": str(node.config.executions), "owner": node.config.owner}


def pytest_unconfigure(config):
    if hasattr(config, "executions_folder"):
        config.executions_folder.cleanup()  # which ends the process that executes


@pytest.hookimpl(tryfirst=True)  # before any is left out
def pytest_collection_modifyitems(config, items):
    config.cases = {}  # how many cases each test has, by file and function
    for item in items:
        config.cases.setdefault(item.path.name, Counter())[item.originalname] += 1
    waiting = {item.path for item in items if EXECUTIONS.intersection(item.fixturenames)}
    for item in items:
        if SLOW.intersection(item.fixturenames):
            item.add_marker("slow")
        if item.path in waiting:
            item.add_marker(pytest.mark.timeout(PATIENCE))
    turns = {f"test_{name}": turn for turn, name in enumerate(LONG)}
    items.sort(key=lambda item: turns.get(item.path.stem, len(LONG) + (item.path not in waiting)))


def pytest_collection_finish(session):
    """Start the process that executes notebooks, before the first test: nothing that one sets or breaks reaches it."""
    wanted = any(EXECUTIONS.intersection(item.fixturenames) for item in session.items)
    if wanted and not session.config.option.collectonly:
        with contextlib.suppress(FileExistsError):
            (session.config.executions / "started").touch(exist_ok=False)
            path = os.pathsep.join(filter(None, [str(ROOT / "scripts"), os.environ.get("PYTHONPATH")]))
            subprocess.Popen(
                [sys.executable, ROOT / "tests" / "executions.py", session.config.executions, str(session.config.owner)],
                env=os.environ | {"PYTHONPATH": path}, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip


class Runs:
    """All executions of all notebooks: ``runs[path, name]`` is what ``executions.job`` returned, once it is done."""

    def __init__(self, folder):
        self.folder = folder

    def ask(self, path, name):
        """Have a notebook executed, and return where the result will be."""
        from executions import NOTEBOOKS

        place = self.folder / f"{NOTEBOOKS.index(path)}-{name}"
        with contextlib.suppress(FileExistsError):
            place.with_suffix(".ask").touch(exist_ok=False)
        return place.with_suffix(".json")

    def __getitem__(self, key):
        result, end = self.ask(*key), time.monotonic() + PATIENCE
        while not result.exists() and time.monotonic() < end:
            time.sleep(0.2)
        status, printed, *paths = json.loads(result.read_text())
        return status, printed, *map(Path, paths)


@pytest.fixture(scope="session")
def runs(pytestconfig):
    return Runs(pytestconfig.executions)


@pytest.fixture(scope="session", autouse=True)
def under_way(request):
    """Have all notebooks executed from the first test on, where more than a few tests need it."""
    from executions import NOTEBOOKS

    runs = Runs(request.config.executions)
    if sum(bool(EXECUTIONS.intersection(item.fixturenames)) for item in request.session.items) > 20:
        for name in ALL:
            for path in NOTEBOOKS:
                runs.ask(path, name)


@pytest.fixture(scope="session")
def moved(runs):
    """Return status, what was printed, and the paths of a notebook as it is, and with its sliders moved: ``moved(path)``."""
    return lambda path: runs[path, "moved"]


@pytest.fixture(scope="session")
def executed(moved):
    """Return a notebook executed as it is, normalised: ``executed(path)``."""

    import execute

    def result(path):
        status, printed, plain, _ = moved(path)
        assert status == 0, printed
        return execute.read(plain)

    return result


@pytest.fixture(scope="session")
def built(moved, pytestconfig):
    """The folder of the export of the suite's own runs, without a remote: site/ and slides/. One process makes it for all."""
    import executions

    folder = pytestconfig.executions / "export"
    for path in executions.NOTEBOOKS:
        status, printed, output, _ = moved(path)
        assert status == 0, printed
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            new = folder.with_suffix(".new")
            status, printed = executions.run(["scripts/talk.py", "--site", "--executed", output.parent, "--output", new])
            assert status == 0, printed
            new.rename(folder)
    return folder
