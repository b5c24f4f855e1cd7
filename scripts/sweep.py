"""Run a notebook over a grid of parameters, on this machine's cores or on a Dask cluster.

    python scripts/sweep.py NOTEBOOK --param epsilon=0.05,0.1 --param seed=0:20 [--scheduler tcp://HOST:PORT] [--output DIR]

--param names a parameter of the notebook and its values: a list, or a range of integers, from:to or from:to:step, the
end left out. Every point is executed in a kernel of its own, on one worker. Needs the extra: pip install -e '.[sweep]'.

Into build/sweeps/NOTEBOOK/, without --output:
points/      every executed notebook. The same command again executes only what is missing: a sweep that was stopped goes on,
             points that failed are tried again, and so are those of a notebook that has changed since
table.csv    every number in the outputs of the cells tagged nbval-check-output: a row a point, line and number
figure.png   the first twelve of these numbers that change, against the first parameter that has several values:
             mean, smallest and largest over the other parameters
A point that fails is tried again, --retries times, then reported at the end; it does not stop the others.
"""

import argparse
import collections
import csv
import hashlib
import itertools
import json
import logging
import math
import os
import re
import sys
import textwrap
import urllib.parse
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

import execute

try:
    from distributed import Client, LocalCluster, as_completed
except ModuleNotFoundError as error:
    sys.exit(f"a sweep needs the extra: pip install --constraint constraints.txt --editable '.[lab,sweep]' ({error})")

TAG = "nbval-check-output"
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)")
WORKER_BYTES = 1.5e9  # what a worker and its kernel may need
PANELS = 12
MOST = 100_000  # points

Number = collections.namedtuple("Number", "cell line text number")  # where a number stands; in the text, # is a number


def values(words):
    """Return the values that a text such as "0.05,0.1" or "0:20" stands for."""
    if re.fullmatch(r"-?\d+:-?\d+(:-?0*[1-9]\d*)?", words):
        found = list(range(*map(int, words.split(":")))[: MOST + 1])
    else:
        found = [execute.meaning(word) for word in words.split(",")]
    if not found or len(set(found)) < len(found):
        raise execute.NotebookError(f"values must be different and at least one, got {words!r}")
    return found


def grid(given):
    """Return all points of a grid, dictionaries, from texts such as "epsilon=0.05,0.1"."""
    axes = {}
    for text in given:
        name, found, words = text.partition("=")
        if not found or name in axes:
            raise execute.NotebookError(f"--param takes NAME=VALUES, each name once, got {text!r}")
        axes[name] = values(words)
    if math.prod(map(len, axes.values())) > MOST:
        raise execute.NotebookError(f"a sweep has {MOST:,} points at most, got more")
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def place(point, folder):
    """Return where the executed notebook of a point is kept."""
    words = ",".join(f"{name}={urllib.parse.quote(str(value), safe='')}" for name, value in point.items())
    return folder / "points" / f"{words}.ipynb"


def digest(source, point):
    """Return what tells a point of this notebook from one of another notebook or of another version of it."""
    cells = [[cell.cell_type, cell.source] for cell in source.cells]
    return hashlib.sha256(json.dumps([cells, point], sort_keys=True).encode()).hexdigest()


def is_done(source, point, folder):
    try:
        return execute.read(place(point, folder)).metadata.get("sweep") == digest(source, point)
    except execute.NotebookError:  # missing, or damaged: executed again
        return False


def run(text, point, scripts):
    """On a worker: return a notebook, given as text, executed with a point's parameters, as text."""
    if scripts not in sys.path:  # a worker of a cluster that was there before knows the checkout, but not its scripts
        sys.path.insert(0, scripts)
    import execute

    return execute.text(execute.execute(nbformat.reads(text, as_version=4), point))


def sweep(source, points, folder, client, retries):
    """Execute the points that are missing, keep each as it comes; return what went wrong, by path."""
    todo = [point for point in points if not is_done(source, point, folder)]
    for point in todo:
        place(point, folder).unlink(missing_ok=True)  # an old result must not look like this one's
    bare = nbformat.from_dict(source)
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    scripts = str(Path(__file__).resolve().parent)
    options = {"pure": False, "retries": retries}
    running = {client.submit(run, execute.text(bare), point, scripts, **options): point for point in todo}
    failures = {}
    with tqdm(total=len(points), initial=len(points) - len(todo), unit="point") as bar:
        for future in as_completed(list(running)):
            point, finished = running.pop(future), future.status == "finished"
            answer = future.result() if finished else future.exception()
            future.release()  # the cluster's copy: while it is wanted, the death of its worker has it computed again
            if finished:
                done = nbformat.reads(answer, as_version=4)
                done.metadata.sweep = digest(source, point)
                execute.write(done, place(point, folder))
            else:
                failures[place(point, folder)] = answer
            bar.update()
    return failures


def numbers(notebook):
    """Yield (Number, value) for every number in the outputs of the tagged cells."""
    for cell in notebook.cells:
        if TAG in cell.metadata.get("tags", []):
            printed = "".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)
            for line, words in enumerate(printed.splitlines(), 1):
                text = NUMBER.sub("#", words)
                for number, found in enumerate(NUMBER.findall(words), 1):
                    yield Number(cell.id, line, text, number), float(found.replace(",", ""))


def gather(points, folder):
    """Return the table's rows: (point, Number, value)."""
    return [
        (point, number, value)
        for point in points
        if place(point, folder).exists()
        for number, value in numbers(execute.read(place(point, folder)))
    ]


def write_table(rows, names, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*names, *Number._fields, "value"])
        table.writerows([*point.values(), *number, value] for point, number, value in rows)


def figure(rows, points):
    """Return a figure of the numbers that change, or None if none does."""
    several = [name for name in points[0] if len({point[name] for point in points}) > 1]
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for point, number, value in rows if several else []:
        found[number][point[several[0]]].append(value)
    measured = {number for point, number, value in rows if value not in point.values()}  # the others repeat a parameter
    changing = [number for number, at in found.items() if number in measured and len(set(itertools.chain(*at.values()))) > 1]
    changing = changing[:PANELS]
    if not changing:
        return None
    from lecture_utils import plots  # here: the workers, which draw nothing, import this file

    columns = min(3, len(changing))
    lines = -(-len(changing) // columns)
    panel = plots.Panel(widths=[1] * columns, size=(5 * columns, 3.6 * lines), rows=lines)
    for axes in panel.axes[len(changing) :]:
        axes.set_axis_off()
    for axes, number in zip(panel.axes, changing, strict=False):
        at = found[number]
        words = isinstance(next(iter(at)), str | bool)
        x = [str(value) for value in at] if words else sorted(at)
        every = list(at.values()) if words else [at[value] for value in x]
        axes.fill_between(x, [min(one) for one in every], [max(one) for one in every], color=plots.BLUE, alpha=0.25, linewidth=0)
        axes.plot(x, [sum(one) / len(one) for one in every], color=plots.BLUE, marker="o")
        pieces = number.text.split("#")
        title = "#".join(pieces[: number.number]) + "■" + "#".join(pieces[number.number :])  # ■ is the number that is drawn
        axes.set_title(textwrap.shorten(title, 84), fontsize=10, wrap=True)
        axes.set_xlabel(several[0])
    return panel


def cluster(address, workers):
    """Return a Dask cluster's address, or a new cluster of this machine's cores, as many as its memory lets run."""
    if address:
        return address
    fit = min(os.cpu_count(), int(psutil.virtual_memory().available / WORKER_BYTES))
    return LocalCluster(
        n_workers=workers or max(1, fit), threads_per_worker=1, memory_limit=0, dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )  # fmt: skip


def connected(address, workers):
    """Return a client of a cluster, which has an address or is a new one. Raises NotebookError where there is none."""
    try:
        return Client(cluster(address, workers))
    except (OSError, ValueError) as error:
        if not address:
            raise
        told = f"no Dask scheduler answers at {address!r}, which must be tcp://HOST:PORT ({error})"
        raise execute.NotebookError(told) from error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--param", action="append", required=True, metavar="NAME=VALUES")
    parser.add_argument("--scheduler", metavar="ADDRESS")
    parser.add_argument("--workers", type=int, help="of the local cluster; as many as fit by default")
    parser.add_argument("--retries", type=int, default=1)
    parser.add_argument("--output", type=Path, metavar="DIR")
    given = parser.parse_args()
    for name, value, least in (("--workers", given.workers, 1), ("--retries", given.retries, 0)):
        if value is not None and value < least:
            parser.error(f"{name} must be at least {least}, got {value}")
    folder = given.output or execute.ROOT / "build" / "sweeps" / given.notebook.stem
    try:
        source, points = execute.read(given.notebook), grid(given.param)
        for point in points:
            execute.check(source, point)
        execute.ready(folder)
    except execute.NotebookError as error:
        parser.error(str(error))
    try:
        with connected(given.scheduler, given.workers) as client:
            if not client.scheduler_info()["workers"]:
                print(f"{given.scheduler} has no workers now; waiting for the first", file=sys.stderr)
            failures = sweep(source, points, folder, client, given.retries)
    except KeyboardInterrupt:
        sys.exit(f"Stopped. What is done is kept in {folder}; the same command goes on from there.")
    rows = gather(points, folder)
    write_table(rows, points[0], folder / "table.csv")
    drawn = figure(rows, points)
    if drawn:
        (folder / "figure.png").write_bytes(drawn.file())
    print(f"{len(points) - len(failures)} of {len(points)} points, {len(rows)} numbers: {folder}")
    if failures:
        sys.exit("\n\n".join(f"FAILED {path.stem}: {error}" for path, error in failures.items()))


if __name__ == "__main__":
    execute.said(main)
