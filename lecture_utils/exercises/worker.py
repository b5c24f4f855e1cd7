"""The process in which answers run. What it does to itself ends with it; the kernel only gets plain data from it.

One side of a pipe: it is sent an answer, arguments, and the state of the kernel that an answer can see, and sends back
numbers. ``perform`` and ``State`` also serve where an answer runs in the kernel.
"""

import builtins
import contextlib
import ctypes
import dis
import functools
import inspect
import io
import marshal
import math
import os
import pickle
import random
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from dataclasses import dataclass, field
from multiprocessing import reduction
from multiprocessing.connection import Connection

import cloudpickle
import numpy as np
import torch

TEXT = 2000  # characters of a message that are shown
LINES = 20  # printed lines that are shown
LONG = 64  # no exercise asks for so many parts: a list with more items is a tensor
MEMORY = 400_000_000  # bytes that an answer may take; a kernel and its worker fit into Binder's 2 GB
WATCHED = builtins, math, os, random, time, np, np.linalg, np.random, torch, torch.Tensor, torch.autograd, torch.linalg, torch.nn


@dataclass(frozen=True)
class Other:
    """Stands for a result that is no number, and holds no numbers. kind: its type's name."""

    kind: str


@dataclass(frozen=True)
class Failure:
    """Why there is no result. frames: (file, line) from the outermost on. stub: whether a bare stub was reached."""

    kind: str
    text: str = ""
    frames: tuple = ()
    stub: bool = False


@dataclass
class Reply:
    """What a call came to. results: one a repetition, or failure. effects: what it left in its arguments."""

    results: tuple = ()
    failure: Failure | None = None
    printed: str = ""
    effects: tuple = ()
    random_state: torch.Tensor | None = None
    extra: dict = field(default_factory=dict)


# ---- plain data --------------------------------------------------------------------------------------


def plain(value, depth=0):
    """Return a result as numbers, tensors in memory, tuples of those, None, ..., or Other. Lists become tuples."""
    if value is None or value is ... or type(value) in (bool, int, float, Other):
        return value
    if isinstance(value, str | bytes | complex | dict | set | types.GeneratorType) or depth > 8:
        return Other(type(value).__name__)
    try:
        if isinstance(value, torch.Tensor):
            return _dense(value)
        if isinstance(value, list | tuple):
            if len(value) > LONG and (numbers := _stacked(value)) is not None:
                return numbers
            items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
            return tuple(plain(item, depth + 1) for item in items)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biu":
            return torch.from_numpy(np.array(value, dtype=bool if value.dtype.kind == "b" else np.int64))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of complex numbers numpy would drop a part
            return torch.from_numpy(np.array(value, dtype=np.float64))
    except BaseException:  # whatever a class of the answer's own does
        return Other(str(type.__getattribute__(type(value), "__name__")))


def _stacked(values):
    """Return a long list of numbers, of lists of them or of tensors as one tensor, which travels fast; None where it is none."""
    with contextlib.suppress(Exception):  # ragged, or of something else: it is taken item by item
        if isinstance(values[0], torch.Tensor):
            return _dense(torch.stack(tuple(values)))
        numbers = np.array(values)
        if numbers.dtype.kind in "biuf":
            return torch.from_numpy(numbers.astype(np.float64 if numbers.dtype.kind == "f" else np.int64))
    return None


def _dense(value):
    value = value.detach()
    if value.is_nested:
        return tuple(_dense(part) for part in value.unbind())
    if value.is_complex() or value.is_meta:
        return Other("complex tensor" if value.is_complex() else "meta tensor")
    if value.is_quantized:
        value = value.dequantize()
    if value.layout is not torch.strided:
        value = value.to_dense()
    value = value.cpu().resolve_neg().as_subclass(torch.Tensor)
    kind = torch.float64 if value.is_floating_point() else torch.bool if value.dtype == torch.bool else torch.int64
    return value.to(kind, copy=True)  # int8 and the like can't be sent


class Pickler(cloudpickle.Pickler):
    """Sends tensors and generators fast and whole: parameters with their gradients."""

    def reducer_override(self, value):
        if type(value) is torch.Tensor and value.layout is torch.strided and value.device.type == "cpu" and value.is_leaf:
            numbers = value.detach().contiguous()
            if numbers.dtype in _BY_NAME.values() and not numbers.is_neg():
                return tensor, (str(numbers.dtype), tuple(numbers.shape), numbers.numpy().tobytes(), value.requires_grad)
        if type(value) is torch.nn.Parameter:
            return parameter, (value.detach(), value.requires_grad, value.grad)
        if isinstance(value, torch.Generator):
            return generator, (value.get_state(),)
        if isinstance(value, types.CodeType):
            return marshal.loads, (marshal.dumps(value),)  # with the name of its file, which cloudpickle 3.1.3 leaves out
        return super().reducer_override(value)


_BY_NAME = {str(one): one for one in (torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool)}


def tensor(name, shape, data, requires_grad=False):
    made = torch.frombuffer(bytearray(data), dtype=_BY_NAME[name]) if data else torch.empty(0, dtype=_BY_NAME[name])
    return made.reshape(shape).requires_grad_(requires_grad)


def parameter(data, requires_grad, grad):
    made = torch.nn.Parameter(data, requires_grad)
    made.grad = grad
    return made


def generator(state):
    made = torch.Generator()
    made.set_state(state)
    return made


class _Unpickler(pickle.Unpickler):
    """Takes nothing from an answer's process but plain data."""

    def find_class(self, module, name):
        if module == __name__ and name in ("tensor", "Other", "Failure", "Reply"):
            return globals()[name]
        if (module, name) == ("builtins", "Ellipsis"):
            return ...
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")


def dumps(value, by_value=()):
    """Return a value in bytes. by_value: modules that the other process must not import: they may have changed since."""
    buffer = io.BytesIO()
    with contextlib.ExitStack() as stack:
        for module in by_value:
            if module.__name__ not in cloudpickle.list_registry_pickle_by_value():
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        Pickler(buffer).dump(value)
    return buffer.getvalue()


def loads_plain(data):
    return _Unpickler(io.BytesIO(data)).load()


# ---- calls -------------------------------------------------------------------------------------------


class Printed(io.TextIOBase):
    """Keeps the first lines of what is printed, from stdout and stderr."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        text = str(text)
        if self.text.count("\n") <= LINES and len(self.text) <= TEXT:
            self.text += text[: TEXT + 1]
        return len(text)

    def shown(self):
        lines = self.text.splitlines()
        text = "\n".join(lines[:LINES])
        cut = len(lines) > LINES or len(text) > TEXT
        return text[:TEXT] + ("\n[...]" if cut else "")


def own_code(answer):
    """Return the code of the function that an answer is: of what a partial, a method or a decorator holds. None without one."""
    for _ in range(20):
        if isinstance(answer, functools.partial | types.MethodType):
            answer = answer.func if isinstance(answer, functools.partial) else answer.__func__
        elif isinstance(answer, types.FunctionType):
            inner = answer.__dict__.get("__wrapped__")
            if inner is None:
                return answer.__code__
            answer = inner
        else:
            answer = None if isinstance(answer, type) else inspect.getattr_static(type(answer), "__call__", None)
    return None


def perform(answer, arguments, times):
    """Return the Reply to so many calls of an answer. Raises nothing."""
    printed, results, failure = Printed(), [], None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            for _ in range(times):
                results.append(plain(answer(*arguments)))
        except BaseException as error:
            failure = described(error, own_code(answer))
    return Reply(tuple(results), failure, printed.shown())


def close_figures(kept=()):
    if "matplotlib.pyplot" in sys.modules:
        plt = sys.modules["matplotlib.pyplot"]
        for number in set(plt.get_fignums()) - set(kept):
            plt.close(number)


def described(error, code):
    """Return an exception as a Failure."""
    try:
        text = str(error)[:TEXT]
    except BaseException:
        text = "(its text cannot be shown)"
    frames = list(traceback.walk_tb(error.__traceback__))
    stub, last = False, error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    if last and last.tb_frame.f_code is code:
        raised = code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
        stub = isinstance(error, NotImplementedError) and raised
        stub |= isinstance(error, TypeError) and not raised and "'ellipsis'" in text and ... in code.co_consts
    return Failure(type(error).__name__, text, tuple((frame.f_code.co_filename, line) for frame, line in frames), stub)


# ---- the state that an answer can change -------------------------------------------------------------


class State:
    """What an answer can change besides its arguments, as it is now; ``restore`` puts it back."""

    def __init__(self):
        torch_text = torch._tensor_str.PRINT_OPTS
        self.settings = [
            (torch.set_rng_state, torch.get_rng_state()),
            (np.random.set_state, np.random.get_state()),
            (random.setstate, random.getstate()),
            (torch.set_default_dtype, torch.get_default_dtype()),
            (torch.set_grad_enabled, torch.is_grad_enabled()),
            (lambda options: np.set_printoptions(**options), np.get_printoptions()),
            (lambda options: vars(torch_text).update(options), dict(vars(torch_text))),
            (_put_back(os.environ), dict(os.environ)),
            (sys.setrecursionlimit, sys.getrecursionlimit()),
            (lambda filters: warnings.filters.__setitem__(slice(None), filters), list(warnings.filters)),
            (lambda path: sys.path.__setitem__(slice(None), path), list(sys.path)),
            (set_device, torch.get_default_device()),
            (_set_threads, torch.get_num_threads()),
            (os.chdir, folder()),
        ]
        if "matplotlib" in sys.modules:
            parameters = sys.modules["matplotlib"].rcParams
            self.settings.append((lambda values: dict.update(parameters, values), dict(dict.items(parameters))))
        plt = sys.modules.get("matplotlib.pyplot")
        self.figures = (plt.get_fignums(), plt.gcf().number if plt.get_fignums() else None) if plt else ((), None)
        ours = [module for name, module in list(sys.modules.items()) if name.startswith("lecture_utils")]
        self.names = [(one, dict(vars(one))) for one in (*WATCHED, torch.nn.functional, *ours)]

    def restore(self):
        for owner, names in self.names:
            now = vars(owner)
            for name in now.keys() - names.keys() if isinstance(owner, type) else ():
                delattr(owner, name)  # it hides what is inherited
            for name, value in names.items():
                if now.get(name) is not value and (callable(value) or isinstance(value, types.ModuleType)):
                    setattr(owner, name, value)
        for put_back, value in self.settings:
            with contextlib.suppress(OSError):  # a folder that is gone
                put_back(value)
        figures, current = self.figures
        close_figures(figures)
        if current is not None:
            plt = sys.modules["matplotlib.pyplot"]
            if plt.gcf().number != current:
                plt.figure(current)


def _put_back(mapping):
    def put_back(values):
        if dict(mapping) != values:
            mapping.clear()
            mapping.update(values)

    return put_back


def set_device(device):
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)


def _set_threads(number):
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)


def folder():
    try:
        return os.getcwd()
    except OSError:
        return "/"


# ---- the process -------------------------------------------------------------------------------------


def fork(kernel):
    """Fork processes for a kernel until it is gone.

    It sends a file for ``serve`` and a pipe, and gets a process's number; or a number and seconds, within which that process
    may end, and gets the number and its exit code, None while it runs.
    """
    _leave_the_kernels_group()
    while True:
        try:
            asked = kernel.recv()
            if isinstance(asked, str):
                pipe = reduction.recv_handle(kernel)
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(asked, str):
            number = os.fork()
            if number == 0:
                try:
                    kernel.close()
                    serve(Connection(pipe), asked)
                finally:
                    os._exit(1)
            os.close(pipe)
            kernel.send(number)
        else:
            number, seconds = asked
            end = time.monotonic() + seconds
            while not (ended := os.waitpid(number, os.WNOHANG))[0] and time.monotonic() < end:
                time.sleep(0.01)
            kernel.send((number, os.waitstatus_to_exitcode(ended[1]) if ended[0] else None))


def serve(connection, trace):
    """Answer to a kernel until it is gone. trace: a file for the place where the process stands, asked for by a signal."""
    _settle_in(trace)
    known, threads = set(sys.modules), threading.active_count()
    connection.send_bytes(dumps(Reply()))
    answer, state = None, State()
    while True:
        try:
            what, payload = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
        reply = Reply()
        try:
            if what == "answer":
                code, seen = payload
                _look_like(seen)
                _limit_memory()
                answer = pickle.loads(code)
            elif what == "call":
                reply = _called(answer, *payload)
            else:
                answer = None
                state.restore()
                _forget(known)
                _give_back()
                reply.extra = {"threads": threading.active_count() - threads, "memory": _resident()}
        except BaseException as error:
            reply = Reply(failure=described(error, None))
        try:
            data = dumps(reply)
        except BaseException as error:
            data = dumps(Reply(failure=described(error, None)))
        connection.send_bytes(data)


def _called(answer, payload, times, random_state):
    arguments = pickle.loads(payload)
    torch.set_rng_state(random_state)
    began = time.process_time()
    reply = perform(answer, arguments, times)
    close_figures()
    reply.extra["seconds"] = time.process_time() - began
    reply.random_state = torch.get_rng_state()
    reply.effects = tuple(map(effects, arguments))
    return reply


def effects(argument):
    """Return what a call may have left in an argument that is not its copy alone: a generator, a network, an object of ours."""
    if isinstance(argument, torch.Generator):
        return argument.get_state()
    if isinstance(argument, torch.nn.Module):
        tensors = [*argument.parameters(), *argument.buffers()]
        grads = [None if one.grad is None else plain(one.grad) for one in argument.parameters()]
        return tuple(map(plain, tensors)), tuple(grads), tuple(one.training for one in argument.modules())
    if type(argument).__module__.startswith("lecture_utils.exercises"):
        return tuple((name, plain(value)) for name, value in getattr(argument, "__dict__", {}).items())
    return None


def apply(argument, left):
    """Put ``effects`` into the kernel's own argument."""
    if left is None:
        return
    if isinstance(argument, torch.Generator):
        argument.set_state(left)
    elif isinstance(argument, torch.nn.Module):
        tensors, grads, training = left
        with torch.no_grad():
            for own, value in zip([*argument.parameters(), *argument.buffers()], tensors, strict=True):
                own.copy_(value)
        for own, value in zip(argument.parameters(), grads, strict=True):
            own.grad = None if value is None else value.to(own.dtype)
        for own, value in zip(argument.modules(), training, strict=True):
            own.training = value
    else:
        vars(argument).update({name: value for name, value in left if not isinstance(value, Other)})


def _leave_the_kernels_group():
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt is for the kernel, which ends this process itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _settle_in(trace):
    _leave_the_kernels_group()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.environ["MPLBACKEND"] = "agg"
    torch.set_num_threads(1)
    torch.ones(2, 2, requires_grad=True).matmul(torch.ones(2)).sum().backward()  # what a first use sets up
    if hasattr(signal, "SIGUSR1"):
        import faulthandler

        faulthandler.register(signal.SIGUSR1, file=open(trace, "w"), all_threads=False)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent):
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(0)


def _limit_memory():
    """Let the next answer take so much more memory than the process has, where the system can say how much and hold it to it."""
    try:
        import resource

        with open("/proc/self/status") as file:
            data = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = data + MEMORY if most == resource.RLIM_INFINITY else min(most, data + MEMORY)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))  # above it only the soft one: the next answer has as much
    except (ImportError, OSError, ValueError):
        pass


def _give_back():
    """Give memory that is free back to the system, where its C library can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident():
    import psutil

    return psutil.Process().memory_info().rss


def _look_like(seen):
    """Take over what the kernel's answers can see: default dtype and device, folder, environment, path."""
    torch.set_default_dtype(getattr(torch, seen["dtype"]))
    with contextlib.suppress(Exception):  # a device that only one process can have
        set_device(torch.device(seen["device"]))
    with contextlib.suppress(OSError):
        os.chdir(seen["folder"])
    _put_back(os.environ)(seen["environment"] | {"MPLBACKEND": "agg"})
    sys.path[:] = seen["path"]
    np.random.seed(0)
    random.seed(0)


def _forget(known):
    """Forget modules that an answer brought along: the kernel's may change until the next one."""
    installed = tuple({os.path.dirname(os.path.dirname(torch.__file__)), os.path.dirname(os.__file__)})
    for name in sys.modules.keys() - known:
        file = getattr(sys.modules[name], "__file__", None)
        if file and not file.startswith(installed) and not name.startswith("lecture_utils"):
            del sys.modules[name]
