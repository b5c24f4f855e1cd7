"""Where an answer is called: in a process of its own, that stays warm, or where it cannot go there, in the kernel.

Both come as a function (arguments, times) -> Reply, and never raise what the answer raised.
"""

import contextlib
import ctypes
import functools
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import Pipe, reduction

import psutil
import torch

from . import worker
from .worker import Failure, Reply

WALL = 6  # a busy machine may take so many times the limit, which is of computing time
WARM_UP = 60.0
POLL = 0.02
MOST_MEMORY = 450_000_000  # a process that has grown beyond it is exchanged for a new one


class CannotTravel(Exception):
    """Raised where an answer cannot be sent to another process. Says why."""


class _Gone(Exception):
    """The process ended."""


def _started(target, *arguments):
    """Return a new process that calls a function with one end of a pipe and these arguments, and the other end."""
    from loky.backend import get_context

    context = get_context("loky")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


class Forked:
    """A process as multiprocessing has them, forked from a parent that has imported torch, which takes two seconds."""

    parent = None  # that one, and a pipe to it

    def __init__(self, theirs, trace):
        self.exitcode = None
        for _ in range(2):
            Forked.parent = Forked.parent or _started(worker.fork)
            try:
                _, self.line = Forked.parent
                self.line.send(trace)
                reduction.send_handle(self.line, theirs.fileno(), None)
                break
            except OSError:  # it has ended
                Forked.parent = None

    @functools.cached_property
    def pid(self):
        while self.line.poll(WARM_UP):
            if isinstance(told := self.line.recv(), int):  # else of one before, whose end was not awaited
                return told
        raise EOFError

    def join(self, seconds):
        number = None
        try:
            if self.exitcode is None:
                self.line.send((self.pid, seconds))
                while number != self.pid:
                    number, self.exitcode = self.line.recv()
        except (EOFError, OSError):
            self.exitcode = -signal.SIGTERM  # with its parent

    def is_alive(self):
        self.join(0)
        return self.exitcode is None


class Process:
    """A process that answers run in. Starting it takes a moment, in which the kernel goes on."""

    def __init__(self):
        handle, self.trace = tempfile.mkstemp(prefix="exercise-")
        os.close(handle)
        if sys.platform == "linux":
            self.connection, theirs = Pipe()
            self.process = Forked(theirs, self.trace)
            theirs.close()
        else:  # there is no fork, or it is not safe
            self.process, self.connection = _started(worker.serve, self.trace)
        self.ready = False

    def ask(self, what, payload, limit):
        """Return the Reply. limit: seconds of computing, WALL times as many on the clock; then the process ends."""
        try:
            if not self.ready:
                self._wait(WARM_UP, WARM_UP)
                self.ready = True
            self.connection.send_bytes(worker.dumps((what, payload)))
        except (EOFError, OSError) as error:
            raise _Gone from error
        return self._wait(limit, WALL * limit)

    def _wait(self, computing, clock):
        began, used, limit = time.monotonic(), self._used(), None
        while not self.connection.poll(POLL):
            if self._used() - used > computing:
                limit = computing
            elif time.monotonic() - began > clock:
                limit = clock
            if limit:
                frames = self._place()
                self.end()
                return Reply(failure=Failure("OutOfTime", f"{limit:g}", frames))
        try:
            return worker.loads_plain(self.connection.recv_bytes())
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise _Gone from error

    def _used(self):
        """Return the seconds that the process has computed."""
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self.process.pid).cpu_times()
            return times.user + times.system
        return 0.0

    def _place(self):
        """Return where the process stands, from the outermost call on."""
        if not hasattr(signal, "SIGUSR1"):
            return ()
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, signal.SIGUSR1)
            for _ in range(20):
                time.sleep(0.01)
                with open(self.trace, encoding="utf-8", errors="replace") as file:
                    found = re.findall(r'^  File "(.*)", line (\d+) in', file.read(), flags=re.MULTILINE)
                if found:
                    return tuple((name, int(line)) for name, line in reversed(found))
        return ()

    def end(self):
        """End the process and whatever it has started."""
        with contextlib.suppress(EOFError, OSError):
            number = self.process.pid
            if not hasattr(os, "killpg"):
                self.process.terminate()
            elif os.getpgid(number) == number:
                os.killpg(number, signal.SIGKILL)
            else:  # still starting
                os.kill(number, signal.SIGKILL)
        self.process.join(2)
        self.connection.close()
        with contextlib.suppress(OSError):
            os.unlink(self.trace)


_lock = threading.RLock()
_process = None


def warm_up():
    """Start the process, if there is none, and return at once. Where none can be started, answers run in the kernel."""
    global _process
    with _lock:
        if _process is None or not _process.process.is_alive():
            try:
                _process = Process()
            except Exception:
                _process = None
        return _process


def exchange():
    """End the process, and start another one."""
    global _process
    with _lock:
        if _process is not None:
            _process.end()
        _process = None
        return warm_up()


class Away:
    """An answer in the process of its own."""

    note = ""

    def __init__(self, answer, seen, limit):
        self.limit = limit
        try:
            code = worker.dumps(answer, by_value=_modules_of(answer))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise CannotTravel(_first_line(error)) from None
        self.process = warm_up()
        if self.process is None:
            raise CannotTravel("this system starts none")
        reply = self._ask("answer", (code, seen))
        if reply.failure:
            raise CannotTravel(f"{reply.failure.kind} {reply.failure.text}".splitlines()[0])

    def __call__(self, arguments, times=1):
        try:
            ours = {type(one).__module__ for one in arguments if type(one).__module__.startswith("lecture_utils.exercises.")}
            payload = worker.dumps(arguments, by_value=[sys.modules[one] for one in ours])  # their imports stay here
        except Exception as error:
            return Reply(failure=Failure(type(error).__name__, f"the inputs cannot be sent: {_first_line(error)}"))
        reply = self._ask("call", (payload, times, torch.get_rng_state()))
        if reply.random_state is not None:
            torch.set_rng_state(reply.random_state)
        for argument, left in zip(arguments, reply.effects, strict=False):
            with contextlib.suppress(Exception):  # an answer that rebuilt the network: what it left is compared as it is
                worker.apply(argument, left)
        return reply

    def _ask(self, what, payload):
        """Return the Reply; whatever happens to the process, the next one is warm."""
        for attempt in range(2):
            try:
                reply = self.process.ask(what, payload, self.limit)
            except _Gone:
                self.process.process.join(1)
                code, fresh = self.process.process.exitcode, exchange()
                if what == "answer" and attempt == 0 and fresh:
                    self.process = fresh  # the other one had ended before
                    continue
                return Reply(failure=Failure("Ended", f"{code}"))
            except BaseException:
                exchange()
                raise
            if reply.failure and reply.failure.kind == "OutOfTime":
                exchange()
            return reply

    def close(self):
        """Make the process ready for the next answer."""
        if self.process is not _process:
            return  # it has ended
        reply = self._ask("end", None)
        if reply.failure or reply.extra["threads"] > 0 or reply.extra["memory"] > MOST_MEMORY:
            exchange()


class Here:
    """An answer in the kernel: in a thread that is asked to stop at the limit; then the kernel's state is put back."""

    def __init__(self, answer, seen, limit, why):
        self.answer, self.seen, self.limit = answer, seen, limit
        self.note = f"It ran in the kernel, for it cannot be sent to a process of its own ({why})."

    def __call__(self, arguments, times=1):
        box, streams, leave, state = [], (sys.stdout, sys.stderr), os._exit, worker.State()
        plt, pages = sys.modules.get("matplotlib.pyplot"), None

        def stay(status=0):
            raise SystemExit(status)

        if plt:
            pages, plt.show = plt.show, lambda *arguments, **options: None
        os._exit = stay
        grad, wait, now = torch.is_grad_enabled(), time.monotonic, time.process_time
        torch.set_default_dtype(getattr(torch, self.seen["dtype"]))

        def work():
            with torch.set_grad_enabled(grad):
                box.append(worker.perform(self.answer, arguments, times))

        thread = threading.Thread(target=work, daemon=True)
        used, began, limit = now(), wait(), None
        try:
            thread.start()
            while thread.is_alive() and not limit:
                thread.join(POLL)
                if now() - used > self.limit:
                    limit = self.limit
                elif wait() - began > WALL * self.limit:
                    limit = WALL * self.limit
        finally:
            frames = ()
            if thread.is_alive():
                frame = sys._current_frames().get(thread.ident)
                while frame:
                    frames = ((frame.f_code.co_filename, frame.f_lineno), *frames)
                    frame = frame.f_back
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
            sys.stdout, sys.stderr = streams
            os._exit = leave
            if plt:
                plt.show = pages
            state.restore()
        return Reply(failure=Failure("OutOfTime", f"{limit:g}", frames)) if limit else box[0]  # it may catch what stops it

    def close(self):
        pass


def place(answer, limit):
    """Return the answer as a function (arguments, times) -> Reply."""
    seen = {
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "device": str(torch.get_default_device()),
        "folder": worker.folder(),
        "environment": dict(os.environ),
        "path": list(sys.path),
    }
    try:
        return Away(answer, seen, limit)
    except CannotTravel as reason:
        return Here(answer, seen, limit, reason)


def _modules_of(answer):
    """Return the answer's module, where it is one that may change: none that is installed, and none of ours."""
    code = worker.own_code(answer)
    name = getattr(answer, "__module__", None) if code is None else None
    names = {name} if name else set()
    if code is not None:
        names |= {one for one, module in list(sys.modules.items()) if getattr(module, "__file__", None) == code.co_filename}
    kept = ("lecture_utils.", "torch", "numpy", "builtins", "__main__")
    return [sys.modules[one] for one in names if one in sys.modules and not one.startswith(kept)]


def _first_line(error):
    return worker.described(error, None).text.partition("\n")[0] or type(error).__name__
