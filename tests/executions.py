"""The notebooks, and every way in which the tests run one.

    python tests/executions.py FOLDER OWNER

runs, two at a time, what is asked for in a folder, until the folder or that process is gone; conftest.py starts it. A file
"2-moved.ask" asks for ``run_moved`` of notebook 2, "2-moved.json" holds what it returned, for all processes that run tests.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil

import execute
import solve

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
    display({"application/json": live}, raw=True)

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


def environment(threads=1):
    """Return what an execution finds set: one thread, since two notebooks run at a time, and the data."""
    found = {"OMP_NUM_THREADS": str(threads), "PYTEST_ADDOPTS": "", "NO_COLOR": "1"}
    return found | ({"LECTURE_DATA": str(data_folder())} if data_folder() else {})


def run(command, threads=1, limits=(), **settings):
    """Run Python with arguments in the repository's root, on so many threads.

    limits: a command that runs another one under limits. settings: of its environment. Returns exit status and what was printed.
    """
    done = subprocess.run(
        [*limits, sys.executable, *map(str, command)],
        cwd=ROOT, env=os.environ | environment(threads) | settings, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def run_notebook(source, output, *parameters, **options):
    """Execute a notebook; return the exit status, what was printed, and the path of the result. options: as ``run`` has them."""
    return *run(["scripts/execute.py", source, "--output", output, *parameters], **options), output / source.name


def run_nbval(source):
    """Return nbval's exit status, what it printed, and its counts, such as {"passed": 12}."""
    options = "-q --nbval-lax --nbval-current-env --nbval-cell-timeout 120 -p no:cacheprovider"
    status, printed = run(["-m", "pytest", *options.split(), source])
    return status, printed, {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", printed.splitlines()[-1])}


def run_moved(path, folder):
    """Execute a notebook with pictures of all sliders, and then move each; return the status, what was printed, two paths.

    The first leads to the notebook as it is, the second to the one with the cell that moves the sliders at its end.
    On one core, and in the memory of Binder. An explorer has a third of the pictures that it has in an export.
    """
    notebook = execute.read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(MOVES, id="moves"))
    execute.write(notebook, folder / path.name)
    options = {"limits": binder(NOTEBOOKS.index(path)), "LECTURE_POSITIONS": "81"}
    status, printed, moved = run_notebook(folder / path.name, folder / "moved", "--frames", **options)
    plain = folder / "plain" / path.name
    if status == 0:
        done = execute.read(moved)
        del done.cells[-1]
        execute.write(done, plain)
        shutil.move(execute.frames_folder(moved), execute.frames_folder(plain))
    return status, printed, plain, moved


def binder(number):
    """Return what runs a command on one core, one of this machine's, and in 2 GB. Nothing where there are no such programs.

    The limit is on data: torch reserves more addresses than it ever uses.
    """
    if not (shutil.which("taskset") and shutil.which("prlimit")):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    return "taskset", "--cpu-list", str(cores[number % len(cores)]), "prlimit", "--data=2000000000"


def parameters(path):
    """Return the parameters of a notebook, by name."""
    return execute.papermill.inspect_notebook(execute.read(path))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def changed(path, target, **values):
    """Write a copy of a notebook whose parameters have other values."""
    notebook = execute.read(path)
    first = code_cells(notebook)[0]
    for name, value in values.items():
        first.source, count = re.subn(rf"^{name} = [^ \n]+", f"{name} = {value!r}", first.source, flags=re.MULTILINE)
        assert count == 1, f"{path}: no line '{name} = ...' in its first code cell"
    execute.write(notebook, target)
    return target


def others(path):
    """Return other values of the parameters of a notebook: little work, another seed, another data set where there is one."""
    values = {"quick": True, "seed": 1}
    return values | ({"dataset": "mnist"} if data_folder() and "dataset" in parameters(path) else {})


def solved_and_again(path):
    """Write the solutions into a notebook, and have it run again after it ran, cell by cell in a random order.

    Every code cell runs again once. LECTURE_RERUNS=200 has so many drawn instead, with repetition.
    """
    notebook = solve.solve(execute.read(path))
    cells, dice = code_cells(notebook), random.Random(path.stem)
    count = int(os.environ.get("LECTURE_RERUNS", 0))
    order = dice.choices(cells, k=count) if count else dice.sample(cells, len(cells))
    notebook.cells += [nbformat.from_dict(cell | {"id": f"{cell.id}-again-{number}"}) for number, cell in enumerate(order)]
    execute.write(notebook, path)
    return path


def as_it_is(notebook):
    """Return a notebook without the answers and what was added to it, as text: what two executions have in common."""
    notebook = execute.normalise(notebook)
    added = re.compile("-again-|-solution$")
    answers = {"exercise", "check"}
    notebook.cells = [
        cell for cell in notebook.cells if not added.search(cell.id) and not answers.intersection(cell.metadata.get("tags", []))
    ]
    for cell in code_cells(notebook):
        cell.execution_count = None  # a solution takes one more
        for one in cell.outputs:
            one.pop("execution_count", None)
    return execute.text(notebook)


# What runs in the background


def job(path, name, folder):
    """Run a notebook in one of the ways that the tests ask for, and return what ``run_...`` returned."""
    made = folder / f"{path.stem}-{name}"
    if name == "moved":  # as it is, with the pictures of its sliders, which move in the end
        return run_moved(path, folder)
    return run_notebook(solved_and_again(changed(path, made / path.name, **others(path))), made / "done")


def answer(ask, folder):
    """Write what a job returned, or what went wrong, beside the file that asks for it."""
    number, name = ask.stem.split("-")
    try:
        found = job(NOTEBOOKS[int(number)], name, folder)
    except Exception as error:
        found = 1, f"{type(error).__name__}: {error}"
    written = ask.with_suffix(".new")
    written.write_text(json.dumps([str(one) if isinstance(one, Path) else one for one in found]))
    written.rename(ask.with_suffix(".json"))


def serve(folder, owner):
    pool, seen = ThreadPoolExecutor(max_workers=2), set()
    while folder.is_dir() and psutil.pid_exists(owner):
        for ask in sorted(set(folder.glob("*.ask")) - seen, key=lambda one: one.stat().st_mtime_ns):
            seen.add(ask)
            pool.submit(answer, ask, folder)
        time.sleep(0.2)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(0)  # whatever is under way


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
