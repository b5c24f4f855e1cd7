"""A sweep loses no point and does none twice, whatever happens to its workers, to a point, or to itself."""

import collections
import csv
import functools
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

import execute
from executions import ROOT

pytest.importorskip("distributed", reason="the extra `sweep` is not installed")
pytestmark = pytest.mark.slow
import sweep  # noqa: E402

NUMBERS = 'print(f"seed {seed}: accuracy {100 - 50 * epsilon + seed:.1f}% of 1,000")'
LOG = 'import os\nwith open(log, "a") as file: print(seed, os.getppid(), file=file)  # the kernel\'s parent is the worker'
SLOW = "import time\ntime.sleep(seconds)"


@pytest.fixture
def source(tmp_path):
    """Return the path of a notebook that writes its seed and its worker into a log, beside it, when it starts."""
    return written(tmp_path / "tiny.ipynb", LOG, SLOW, "if seed == fails: 1 / 0")


def written(path, *cells, numbers=NUMBERS):
    cell = nbformat.v4.new_code_cell
    first = f'seed = 0\nepsilon = 0.1\nseconds = 0.0\nfails = -1\nlog = "{path}.log"'
    first, *rest, last = [cell(one, id=f"c{i}") for i, one in enumerate([first, *cells, numbers])]
    first.metadata.tags, last.metadata.tags = ["parameters"], [sweep.TAG]
    execute.write(execute.normalise(nbformat.v4.new_notebook(cells=[first, *rest, last])), path)
    return path


def starts(source):
    """Return the (seed, worker) that have started, as numbers."""
    log = source.with_name(source.name + ".log")
    return [tuple(map(int, line.split())) for line in log.read_text().splitlines()] if log.exists() else []


def latest(source):
    """Return the worker that has just begun its second point or a later one, and whether all it did before is kept."""
    worker = starts(source)[-1][1] if starts(source) else None
    earlier = [seed for seed, by in starts(source)[:-1] if by == worker]
    return worker, earlier and all(any(name.startswith(f"seed={seed},") for name in kept(source)) for seed in earlier)


def command(source, *given):
    return [sys.executable, "scripts/sweep.py", str(source), *given, "--output", str(source.parent / "out")]


def run(source, *given):
    done = subprocess.run(command(source, *given), cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def kept(source):
    return sorted(path.stem for path in (source.parent / "out" / "points").glob("*"))


def table(source):
    with open(source.parent / "out" / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def wait(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Start a scheduler and two workers on loopback, as someone with a cluster would; yield the address."""
    folder, log = tmp_path_factory.mktemp("cluster"), open(os.devnull, "w")
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    options = {"cwd": folder, "stdout": log, "stderr": log, "start_new_session": True}
    start = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    running = [subprocess.Popen(start, **options)]
    workers = [*dask, "worker", "--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    running.append(subprocess.Popen([*workers, "--host", "127.0.0.1"], **options))
    wait(file.exists)
    with sweep.Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(2, timeout=600)
        address = client.scheduler.address
    yield address
    for process in reversed(running):
        process.terminate()
        process.wait(30)


def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(source, scheduler):
    given = ("--param", "seed=0:5", "--param", "seconds=1.0", "--scheduler", scheduler)
    process = subprocess.Popen(command(source, *given), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait(lambda: latest(source)[1] and len({worker for _, worker in starts(source)}) == 2)
    victim, _ = latest(source)
    kernels = psutil.Process(victim).children(recursive=True)
    os.kill(victim, signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode == 0 and "5 of 5 points" in printed, printed
    assert kept(source) == [f"seed={seed},seconds=1.0" for seed in range(5)]
    assert [row["seed"] for row in table(source) if row["number"] == "2"] == [str(seed) for seed in range(5)]
    often = collections.Counter(seed for seed, _ in starts(source))
    again = [seed for seed, count in often.items() if count > 1]
    assert len(again) == 1 and (again[0], victim) in starts(source), starts(source)  # what the dead worker had in hand
    psutil.wait_procs(kernels, timeout=20)
    assert not [kernel for kernel in kernels if kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE]


def test_a_point_that_fails_is_tried_again_then_reported_and_stops_no_other(source, scheduler):
    status, printed = run(source, "--param", "seed=0:3", "--param", "fails=0", "--scheduler", scheduler)
    assert status == 1 and "2 of 3 points" in printed and "FAILED seed=0,fails=0" in printed and "ZeroDivisionError" in printed
    assert kept(source) == ["seed=1,fails=0", "seed=2,fails=0"]
    assert sorted(seed for seed, _ in starts(source)) == [0, 0, 1, 2]
    assert (source.parent / "out" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_that_is_stopped_goes_on_elsewhere_and_a_changed_notebook_starts_afresh(source, scheduler):
    given = ("--param", "epsilon=0.1,0.2,0.3", "--param", "seconds=1.0")
    first = command(source, *given, "--scheduler", scheduler)
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs do not
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "preexec_fn": listens}
    process = subprocess.Popen(first, cwd=ROOT, **piped)
    wait(lambda: kept(source))
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 1 and "Stopped." in printed and "Traceback" not in printed, printed
    points = source.parent / "out" / "points"
    times = {name: (points / f"{name}.ipynb").stat().st_mtime_ns for name in kept(source)}
    assert 1 <= len(times) < 3

    status, printed = run(source, *given, "--workers", "1")
    assert status == 0 and "3 of 3 points" in printed, printed
    assert times == {name: (points / f"{name}.ipynb").stat().st_mtime_ns for name in times}
    found = [(row["epsilon"], float(row["value"])) for row in table(source) if row["number"] == "2"]
    assert found == [("0.1", 95.0), ("0.2", 90.0), ("0.3", 85.0)]

    point = {"epsilon": 0.1, "seconds": 1.0}
    assert sweep.is_done(execute.read(source), point, points.parent)
    assert not sweep.is_done(execute.read(written(source, LOG)), point, points.parent)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["epsilno=0.5"], "the parameters are seed, epsilon, seconds, fails, log, got 'epsilno'"),
        (["seed=0,one"], "parameter seed must be int like 0, got 'one'"),
        (["seed=1,2,1"], "values must be different and at least one, got '1,2,1'"),
        (["seed=3:3"], "values must be different and at least one, got '3:3'"),
        (["seed=1", "seed=2"], "each name once, got 'seed=2'"),
        (["seed"], "--param takes NAME=VALUES, each name once, got 'seed'"),
        (["seed=0:3:0"], "parameter seed must be int like 0, got '0:3:0'"),
        (["seed=0:99999999999"], "a sweep has 100,000 points at most, got more"),
        (["seed=0:1000", "fails=0:1000"], "a sweep has 100,000 points at most, got more"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_runs(source, given, message, monkeypatch, capsys):
    words = [word for one in given for word in ("--param", one)]
    monkeypatch.setattr(sys, "argv", command(source, *words)[1:])
    monkeypatch.setattr(sweep, "cluster", None)
    with pytest.raises(SystemExit, match="2"):
        sweep.main()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--workers", "-1"], "--workers must be at least 1, got -1"),
        (["--retries", "-1"], "--retries must be at least 0, got -1"),
        (["--output", "tiny.ipynb"], "no folder to write to"),
        (["--scheduler", "nonsense"], "no Dask scheduler answers at 'nonsense', which must be tcp://HOST:PORT"),
        (["--scheduler", "foo://127.0.0.1:9"], "no Dask scheduler answers at 'foo://127.0.0.1:9'"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_sentence(source, given, message, monkeypatch, capsys):
    monkeypatch.chdir(source.parent)
    monkeypatch.setattr(sys, "argv", ["sweep.py", str(source), "--param", "seed=0:2", "--output", "out", *given])
    with pytest.raises(SystemExit) as end:
        execute.said(sweep.main)
    assert message in str(end.value) + capsys.readouterr().err and not starts(source)


def test_a_point_whose_file_is_damaged_is_executed_again(source, scheduler):
    damaged = source.parent / "out" / "points" / "seed=0.ipynb"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{half")
    status, printed = run(source, "--param", "seed=0", "--scheduler", scheduler)
    assert status == 0 and "1 of 1 points" in printed and execute.read(damaged).metadata.sweep, printed


def test_values_are_lists_or_ranges():
    assert sweep.values("0:3") == [0, 1, 2] and sweep.values("-2:7:4") == [-2, 2, 6] and sweep.values("2:0:-1") == [2, 1]
    assert sweep.values("0.05,2,digits,True") == [0.05, 2, "digits", True]
    assert sweep.grid(["a=1,2", "b=x"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


def test_every_point_has_a_place_of_its_own(tmp_path):
    points = [{"a": "x,b=1"}, {"a": "x", "b": 1}, {"a": "../x"}, {"a": ""}, {"a": 1}, {"a": 1.0}]
    places = [sweep.place(point, tmp_path) for point in points]
    assert len(set(places)) == len(places) and {path.parent for path in places} == {tmp_path / "points"}


def test_numbers_are_found_in_what_was_printed():
    output = nbformat.v4.new_output("stream", text="10,000 of s1: -1.5e-03 and 99.3%\n\nx² in 8 x 8: +2\n")
    cell = nbformat.v4.new_code_cell(id="a", outputs=[output], metadata={"tags": [sweep.TAG]})
    found = list(sweep.numbers(nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(outputs=[output])])))
    assert [value for _, value in found] == [10000, -0.0015, 99.3, 8, 8, 2]
    assert found[1][0] == ("a", 1, "# of s1: # and #%", 2) and found[-1][0] == ("a", 3, "x² in # x #: #", 3)


def test_the_figure_shows_what_changes(tmp_path):
    points = sweep.grid(["epsilon=0.2,0.1", "seed=0,1"])
    rows = [(one, sweep.Number("a", 1, "# of #", 1), 10 * one["epsilon"] + one["seed"]) for one in points]
    rows += [(one, sweep.Number("a", 1, "# of #", 2), 5.0) for one in points]
    rows += [(one, sweep.Number("a", 2, "seed #", 1), float(one["seed"])) for one in points]
    axes = [axes for axes in sweep.figure(rows, points).axes if axes.lines]
    assert [one.get_title() for one in axes] == ["■ of #"] and axes[0].get_xlabel() == "epsilon"
    assert axes[0].lines[0].get_xydata().tolist() == [[0.1, 1.5], [0.2, 2.5]]
    assert sweep.figure(rows[len(points) :], points) is None and sweep.figure(rows[:1], points[:1]) is None
