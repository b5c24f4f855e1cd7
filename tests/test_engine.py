"""An answer can do no harm: whatever it does, the check comes back and the kernel is as it was."""

import contextlib
import ctypes
import dataclasses
import functools
import importlib
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import matplotlib
import numpy as np
import psutil
import pytest
import torch
from matplotlib import pyplot as plt

from lecture_utils.exercises import exercise, runner, worker
from lecture_utils.exercises.engine import is_stub
from test_exercises import right

pytestmark = pytest.mark.slow  # most end a process that has imported torch, and wait for another one
LOCK = threading.Lock()  # what refers to it cannot be sent to another process
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits")


def here(answer):
    """Return an answer that does the same, and has to run in the kernel."""

    @functools.wraps(answer)
    def held(*arguments):
        with LOCK:
            return answer(*arguments)

    return held


def check(answer):
    return exercise("cross-entropy").check(answer)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(exercise("cross-entropy"), "time_limit", 0.5)


def process():
    return psutil.Process(runner._process.process.pid)


# ---- the kernel's state ------------------------------------------------------------------------------


def everything():
    """Return what an answer could have changed, as text."""
    arrays = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), np.random.get_state()[2:], random.getstate()
    torch_state = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads(), torch.is_grad_enabled()
    texts = dict(vars(torch._tensor_str.PRINT_OPTS)), np.get_printoptions(), dict(matplotlib.rcParams)
    system = os.getcwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit(), list(warnings.filters)
    names = torch.allclose, torch.Tensor.abs, math.sqrt, np.allclose, os._exit, print, plt.show, time.monotonic
    return repr((arrays, torch_state, texts, system, names, plt.get_fignums(), sys.stdout, sys.stderr))


def upheaval(logits, y):
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    torch.set_default_dtype(torch.float64), torch.set_num_threads(2), torch.set_printoptions(precision=1)
    torch.set_grad_enabled(False), sys.setrecursionlimit(5000), sys.path.insert(0, "nowhere")
    torch.allclose = torch.Tensor.abs = math.sqrt = np.allclose = time.monotonic = lambda *given, **options: True
    np.set_printoptions(precision=1), warnings.simplefilter("error")
    os.chdir("/"), os.environ.update(LECTURE_CHECK="", MOVED="yes")
    plt.rcParams["font.size"] = 33
    plt.figure(), plt.plot([1, 2])
    return right(logits, y)


@pytest.mark.parametrize("where", [lambda answer: answer, here], ids=["in a process of its own", "in the kernel"])
def test_the_kernels_state_is_bit_for_bit_as_before(where):
    runner.exchange()
    plt.figure()
    before = everything()
    feedback = check(where(upheaval))
    assert feedback.passed, feedback.message
    assert everything() == before
    assert check(right).passed, "the next answer meets what this one left"
    plt.close("all")


def test_what_is_wanted_does_not_depend_on_the_callers_settings():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            fresh = dataclasses.replace(exercise("training-step"))
            fresh.number = exercise("training-step").number
            assert fresh.check(fresh.answer).passed
    finally:
        torch.set_default_dtype(torch.float32)
    assert fresh.check(fresh.answer).passed


def test_an_answer_sees_the_kernels_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("ANSWER", "42")
    monkeypatch.chdir(tmp_path)
    torch.set_default_dtype(torch.float64)
    folder = str(tmp_path)

    def looks(logits, y):
        assert torch.get_default_dtype() == torch.float64 and os.environ["ANSWER"] == "42" and os.getcwd() == folder
        return right(logits, y)

    try:
        assert check(looks).passed
    finally:
        torch.set_default_dtype(torch.float32)


# ---- answers that do not come back -------------------------------------------------------------------


def endless(logits, y):
    while True:
        pass


def asleep(logits, y):
    time.sleep(1000)


def stubborn(logits, y):
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: S110
            pass


@pytest.mark.parametrize("answer", [endless, asleep, stubborn])
def test_an_answer_that_takes_too_long_is_an_error_with_its_line_and_ends(answer, quick):
    feedback = check(right) if answer is endless else check(answer)  # the first one warms up
    if answer is endless:
        assert feedback.passed
        old = process()
        feedback = check(answer)
        assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
    assert feedback.status == "error" and "Still running" in feedback.message and " in line " in feedback.message
    assert check(right).passed


def test_an_endless_loop_in_the_kernel_is_asked_to_stop(quick):
    before = threading.active_count()
    feedback = check(here(endless))
    assert feedback.status == "error" and "Still running" in feedback.message and "in the kernel" in feedback.message
    time.sleep(0.5)
    assert threading.active_count() == before


def test_computing_time_counts_and_waiting_is_allowed_for_longer(quick):
    waited = []

    def waits(logits, y):
        if not waited:
            waited.append(True)
            time.sleep(1)
        return right(logits, y)

    assert check(waits).passed


def test_an_interrupt_ends_the_answer():
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    assert check(right).passed
    old = process()
    timer = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            check(endless)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
    assert check(right).passed


# ---- answers that break things -----------------------------------------------------------------------


def recursive(logits, y):
    return recursive(logits, y)


def bottomless(logits, y):
    sys.setrecursionlimit(10**9)

    def down(f):
        return sorted([1, 2], key=lambda one: down(f))

    return down(0)


def leaves(logits, y):
    os._exit(3)


def crashes(logits, y):
    ctypes.string_at(0)


def takes_all(logits, y):
    kept = []
    while True:
        kept.append(torch.ones(10_000_000))


def leaves_much_behind(logits, y):
    if not hasattr(torch, "left_behind"):
        torch.left_behind = torch.empty(220_000_000, dtype=torch.uint8)
    return right(logits, y)


def needs_much(logits, y):
    return right(logits, y) + 0 * torch.empty(220_000_000, dtype=torch.uint8)[0]


def lists_all(logits, y):
    return list(range(10**9))


@pytest.mark.parametrize("answer", [recursive, bottomless, leaves, crashes])
def test_an_answer_that_breaks_its_process_is_an_error(answer):
    feedback = check(answer)
    assert feedback.status == "error" and "Called with logits" in feedback.message
    assert check(right).passed


def ends_the_process_that_starts_others(logits, y):
    os.kill(os.getppid(), signal.SIGKILL)
    return right(logits, y)


@needs_linux
def test_the_next_answer_has_a_process_soon_or_after_all_of_them_have_ended():
    assert check(right).passed
    old, parent = process(), process().parent()
    used = sum(parent.cpu_times()[:2])
    assert check(leaves).status == "error" and check(right).passed
    assert process() != old and process().parent() == parent
    assert sum(parent.cpu_times()[:2]) - used < 0.5, "seconds of computing to start a process: torch is imported once"
    check(ends_the_process_that_starts_others)
    parent.wait(10)
    assert check(right).passed and process().parent() != parent


@needs_linux
@pytest.mark.parametrize("answer", [takes_all, lists_all])
def test_memory_is_limited(answer):
    feedback = check(answer)
    assert feedback.status == "error" and "memory" in feedback.message.lower()


@needs_linux
def test_an_answer_has_the_same_memory_whatever_came_before_it():
    runner.exchange()
    assert check(leaves_much_behind).passed
    assert check(needs_much).passed
    runner.exchange()


def test_an_answer_that_exits_in_the_kernel_is_an_error():
    assert check(here(leaves)).status == "error"


def test_a_thread_that_is_left_running_ends_with_its_process():
    started = []

    def spins(logits, y):
        if not started:
            started.append(threading.Thread(target=time.sleep, args=(1000,), daemon=True))
            started[0].start()
        return right(logits, y)

    assert check(right).passed
    old = process()
    assert check(spins).passed
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE


def test_patching_the_judge_does_not_help():
    def cheats(logits, y):
        torch.allclose = torch.equal = lambda *given, **options: True
        worker.plain = lambda value, depth=0: 0.0
        return torch.zeros(len(y))

    assert check(cheats).status != "correct"
    assert check(here(cheats)).status != "correct"
    assert check(right).passed


class Rude:
    """Misbehaves wherever it is asked anything."""

    def __array__(self, *given, **options):
        raise SystemExit

    def __str__(self):
        raise KeyboardInterrupt

    def __getitem__(self, index):
        return self

    def __len__(self):
        return 5

    __repr__ = __float__ = __iter__ = __str__

    def __eq__(self, other):
        raise ValueError

    __hash__ = None


class Slow:
    def __array__(self, *given, **options):
        while True:
            pass


class Shy(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("where", [lambda answer: answer, here], ids=["in a process of its own", "in the kernel"])
def test_results_that_misbehave_are_told_in_a_sentence(where, quick):
    assert "a Rude that is no number" in check(where(lambda logits, y: Rude())).message
    assert check(where(lambda logits, y: Slow())).status == "error"

    def shy(logits, y):
        raise Shy

    assert "Shy" in check(where(shy)).message
    assert check(where(lambda logits, y: right(logits, y).to("meta"))).status == "incorrect"


def nested_list(values):
    return [np.float32(value) for value in values.tolist()]


def parameter(values):
    return torch.nn.Parameter(values)


class Boxed:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


@pytest.mark.parametrize(
    "change",
    [torch.Tensor.to_sparse, nested_list, tuple, parameter, Boxed, torch.Tensor.numpy, torch.Tensor.float, torch.Tensor.tolist],
)
def test_numbers_count_in_whatever_they_are_wrapped(change):
    assert check(lambda logits, y: change(right(logits, y))).passed


# ---- what is seen of an answer -----------------------------------------------------------------------


@pytest.mark.parametrize("where", [lambda answer: answer, here], ids=["in a process of its own", "in the kernel"])
def test_what_is_printed_is_shown_once_and_cut_and_nothing_is_left_on_stderr(where, capsys):
    def talks(logits, y):
        for i in range(15):
            print("line", i)
            print("told", i, file=sys.stderr)
        warnings.warn("deprecated", stacklevel=1)
        return right(logits, y)

    assert check(where(talks)).passed
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[:3] == ["line 0", "told 0", "line 1"] and len(lines) == 21 and lines[-1] == "[...]"


def test_long_texts_are_cut(capsys):
    def shouts(logits, y):
        print("x" * 100_000)
        raise ValueError("y" * 100_000)

    assert len(check(shouts).message) < 3000 and len(capsys.readouterr().out) < 3000
    assert len(check(lambda logits, y: torch.zeros(300, 300)).message) < 3000


def test_a_figure_of_an_answer_is_closed_and_the_kernels_own_stay():
    own = plt.figure().number

    def draws(logits, y):
        plt.figure()
        plt.plot([1, 2])
        plt.show()
        return right(logits, y)

    assert check(draws).passed and check(here(draws)).passed
    assert plt.get_fignums() == [own]
    plt.close("all")


def test_helpers_travel_by_value_and_what_cannot_travel_is_told():
    cell = {"__name__": "__main__", "right": right}
    exec("scale = 1.0\ndef helper(logits, y): return scale * right(logits, y)", cell)
    exec("def answer(logits, y): return helper(logits, y)", cell)
    assert check(cell["answer"]).passed and "kernel" not in check(cell["answer"]).message
    exec("scale = 2.0", cell)
    assert check(cell["answer"]).status == "incorrect"
    feedback = check(here(right))
    assert feedback.passed and "ran in the kernel, for it cannot be sent" in feedback.message


def test_where_no_process_can_be_started_answers_run_in_the_kernel(monkeypatch):
    monkeypatch.setattr(runner, "_process", None)
    monkeypatch.setattr(runner, "Process", lambda: 1 / 0)
    feedback = check(right)
    assert feedback.passed and "this system starts none" in feedback.message


def test_a_module_of_the_students_that_changes_is_the_kernels(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "my_answers.py"
    file.write_text("from test_exercises import right\nfactor = 2.0\ndef answer(logits, y): return factor * right(logits, y)\n")
    my_answers = importlib.import_module("my_answers")
    assert check(my_answers.answer).status == "incorrect"
    my_answers.factor = 1.0
    assert check(my_answers.answer).passed


# ---- stubs -------------------------------------------------------------------------------------------


def documented(logits, y):
    """Says what is wanted."""


def unfinished(logits, y):
    """Says what is wanted."""
    raise NotImplementedError("your code here")


def silent(logits, y):
    right(logits, y)


def of_integers(logits, y):
    return -logits.long().softmax(1)


def mentions_it(logits, y):
    raise ValueError("no 'ellipsis' here")


def zero(logits, y):
    """Says what is wanted."""
    return 0.0


def calls_a_stub(logits, y):
    return unfinished(logits, y)


def test_only_an_empty_body_is_a_stub():
    stubs = [documented, unfinished, functools.partial(documented), lambda logits, y: ..., lambda logits, y: None]
    assert all(check(stub).status == "unattempted" and is_stub(stub) for stub in stubs)
    others = {silent: "incorrect", of_integers: "error", mentions_it: "error", zero: "incorrect", calls_a_stub: "error"}
    for answer, status in others.items():
        assert check(answer).status == status and not is_stub(answer), answer.__name__
    assert "returns nothing" in check(silent).message


# ---- costs -------------------------------------------------------------------------------------------


@needs_linux
def test_the_process_is_small_is_used_again_and_answers_soon():
    runner.exchange()
    assert check(lambda logits, y: torch.func.vmap(lambda f: f.logsumexp(0))(logits) - logits.gather(1, y[:, None])[:, 0]).passed
    first = process()
    assert first.memory_info().rss < 350e6
    used, own = first.cpu_times(), time.process_time()
    for _ in range(10):
        assert check(right).passed
    assert process() == first
    spent = time.process_time() - own + sum(process().cpu_times()[:2]) - sum(used[:2])
    assert spent < 10 * 0.25, "seconds of computing, here and there, for ten checks"


STARTS = """
import os, signal
from lecture_utils.exercises import exercise, runner
assert exercise("cross-entropy").check(exercise("cross-entropy").answer).passed
print(runner._process.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_linux
def test_the_process_ends_with_the_kernel():
    done = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True)
    number = int(done.stdout.split()[-1])
    for _ in range(60):
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.2)
                continue
        return
    pytest.fail("the process is still there")
