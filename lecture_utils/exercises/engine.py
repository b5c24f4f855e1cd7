"""How an answer is checked.

An exercise is a declaration: a reference, probes, random inputs with a law that a right answer obeys, hints, and the
typical mistakes. An answer is right if it agrees with the reference on the probes and on the random inputs, and obeys
the law. A wrong one that agrees with a mistake on every probe gets that mistake's hint; any other is shown the first
probe on which it fails. Nothing the answer does reaches the caller: not an exception, not an endless loop, not a
change of its arguments or of the random state.
"""

import copy
import ctypes
import functools
import html
import inspect
import itertools
import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

RANDOM_INPUTS = 12
STATUSES = {"correct": "✓ correct", "incorrect": "✗ not yet", "unattempted": "○ not attempted yet", "error": "! error"}
COLOURS = {"correct": "#1b7f3b", "incorrect": "#b35900", "unattempted": "#5f6b7a", "error": "#b00020"}


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer and the hint that it deserves.

    forms: functions that make it, one or more ways. example: the index of the probe that exhibits it; the first one
        that it gets wrong by default.
    """

    forms: tuple[Callable, ...]
    hint: str
    example: int | None = None


@dataclass(frozen=True)
class Feedback:
    """What ``check`` found. status: "correct", "incorrect", "unattempted" or "error"."""

    title: str
    status: str
    message: str

    @property
    def passed(self):
        return self.status == "correct"

    def __repr__(self):
        return f"{self.title}: {STATUSES[self.status]}. {self.message}"

    def _repr_html_(self):
        head = f"<strong>{html.escape(self.title)}: {STATUSES[self.status]}.</strong>"
        return (
            f'<div role="status" style="border-left: 5px solid {COLOURS[self.status]}; padding: 0.3em 0.8em">{head} '
            f'<span style="white-space: pre-wrap">{html.escape(self.message)}</span></div>'
        )


@dataclass(frozen=True)
class Text:
    """A hint or a solution: words, and code where there is any."""

    words: str
    code: str = ""

    def __repr__(self):
        return "\n\n".join(part for part in (self.words, self.code) if part)

    def _repr_html_(self):
        code = f"<pre><code>{html.escape(self.code)}</code></pre>" if self.code else ""
        return f'<div style="white-space: pre-wrap">{html.escape(self.words)}</div>{code}'


class WrongResult(Exception):
    """Raised by an exercise's ``run``: what is wrong with the form of an answer's result, in words."""


class _OutOfTime(BaseException):
    """Raised inside an answer that runs too long."""


class _Stop(Exception):
    """Ends a check with a status and a message."""


@dataclass
class Exercise:
    """An exercise, as a declaration.

    name: it never changes. title: of its heading. reference: the right answer, a function of the library.
    answer: the right answer as a student writes it in that cell, with the exercise's own signature.
    probes: tuples of arguments, the smallest first. random: (generator) -> a tuple of arguments.
    hints: from a nudge to almost the solution. mistakes: see Mistake. written: the answer to the written part.
    laws: (answer, *arguments) -> None, or a sentence saying what a right answer would do; called with random arguments,
        and with an answer that returns float64 tensors.
    run: (answer, *arguments) -> what is compared: a number, a tensor, or a tuple of them; the answer's own result by default.
        May raise WrongResult. parts: what the parts of that tuple are called.
    differs: where the library's function differs from the solution, and why.
    number: such as "1.2", given by the exercise's place in the list of its section.
    """

    name: str
    title: str
    reference: Callable
    answer: Callable
    probes: tuple[tuple, ...]
    random: Callable
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    written: str = ""
    laws: tuple[Callable, ...] = ()
    run: Callable = lambda answer, *arguments: answer(*arguments)
    parts: tuple[str, ...] = ()
    differs: str = ""
    time_limit: float = 10.0
    number: str = field(default="", init=False)
    _shown: int = field(default=0, init=False, repr=False)
    _results: dict = field(default_factory=dict, init=False, repr=False)

    def check(self, answer):
        """Return Feedback on an answer, a function like the reference.

        Never raises and never hangs; but where LECTURE_CHECK=strict is set in the environment, and where nbgrader
        autogrades or validates, anything but "correct" raises AssertionError.
        """
        try:
            status, message = "correct", self._examine(answer)
        except _Stop as stop:
            status, message = stop.args
        feedback = Feedback(f"Exercise {self.number}, {self.title}", status, message)
        if not feedback.passed and (
            os.environ.get("LECTURE_CHECK") == "strict" or os.environ.get("NBGRADER_EXECUTION") in ("autograde", "validate")
        ):
            raise AssertionError(repr(feedback))
        return feedback

    def hint(self):
        """Return the next hint; after the last one, the first again."""
        self._shown = self._shown % len(self.hints) + 1
        more = "call again for the next" if self._shown < len(self.hints) else f'exercise("{self.number}").solution() is next'
        return Text(f"Hint {self._shown} of {len(self.hints)}, {more}.\n{self.hints[self._shown - 1]}")

    def solution(self):
        """Return the solution, what the library's function does besides, and the answer to the written part."""
        place = f"{self.reference.__module__}.{self.reference.__name__}"
        words = f"One way to solve exercise {self.number}; the library has it as {place}. {self.differs} {self.written}"
        return Text(" ".join(words.split()), inspect.getsource(self.answer))

    def _examine(self, answer):
        """Return the words for a right answer, or raise _Stop."""
        if answer is None or answer is ...:
            raise _Stop("unattempted", "Write your function, then run this cell again.")
        if not callable(answer):
            raise _Stop("incorrect", f"check takes your function itself, without calling it; it got a {type(answer).__name__}.")
        results, wanted = [], self._wanted
        for probe, target in zip(self.probes, wanted, strict=True):
            results.append(self._result(answer, probe, target))
        wrong = [not agree(*pair) for pair in zip(results, wanted, self.probes, strict=True)]
        if any(wrong):
            first = wrong.index(True)
            for mistake in self.mistakes:
                if any(all(map(agree, results, made, self.probes)) for made in self._made(mistake)):
                    example = first if mistake.example is None else mistake.example
                    raise _Stop("incorrect", f"{mistake.hint}\n{self._difference(example, results, wanted)}")
            raise _Stop("incorrect", self._difference(first, results, wanted))

        def numeric(*arguments):
            values = comparable(answer(*copy.deepcopy(arguments)))
            return values if len(values) > 1 else values[0]

        generator = torch.Generator().manual_seed(0)
        for _ in range(RANDOM_INPUTS):
            arguments = self.random(generator)
            target = comparable(self.run(self.reference, *copy.deepcopy(arguments)))
            result = self._result(answer, arguments, target)
            if not agree(result, target, arguments):
                where = "Right on our examples, wrong on random inputs."
                raise _Stop("incorrect", f"{where}\n{self._describe(arguments, target, result)}")
            for law in self.laws:
                broken = self._guarded(lambda law=law, arguments=arguments: law(numeric, *arguments), answer, arguments)
                if broken:
                    raise _Stop("incorrect", f"{broken}\n{self._describe(arguments, target, result)}")
        return f"{len(self.probes)} examples and {RANDOM_INPUTS} random inputs agree with the reference."

    @functools.cached_property
    def _wanted(self):
        return [comparable(self.run(self.reference, *copy.deepcopy(probe))) for probe in self.probes]

    def _made(self, mistake):
        """Yield, for each form of a mistake, its results on the probes."""
        for form in mistake.forms:
            if form not in self._results:
                self._results[form] = [comparable(self.run(form, *copy.deepcopy(probe))) for probe in self.probes]
            yield self._results[form]

    def _result(self, answer, arguments, target):
        """Return the answer's comparable result on copies of the arguments, or raise _Stop."""
        raw = self._guarded(lambda: self.run(answer, *copy.deepcopy(arguments)), answer, arguments)
        if raw is None or raw is ...:
            empty = "None" if raw is None else "..."
            raise _Stop("unattempted", f"Your function returns {empty}: fill it in, and return the result.")
        try:
            result = comparable(raw)
        except (TypeError, ValueError, RuntimeError):
            raise _Stop("incorrect", f"Expected {kind(target)}, got a {type(raw).__name__} that is no number.") from None
        if len(result) != len(target):
            raise _Stop("incorrect", f"Expected {kind(target)}, got {kind(result)}.")
        return result

    def _guarded(self, call, answer, arguments):
        """Return call(), under the time limit and with the random state put back; or raise _Stop."""
        box = {}

        def work():
            try:
                with torch.random.fork_rng(devices=[]):
                    box["value"] = call()
            except BaseException as error:
                box["error"] = error

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            thread.join(self.time_limit)
        finally:
            if thread.is_alive():
                line = _line(traceback.extract_stack(sys._current_frames()[thread.ident]), answer)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_OutOfTime))
        if not box:
            raise _Stop("error", f"Still running after {self.time_limit:g} seconds{line}. Does every loop end?")
        error = box.get("error")
        if error is None:
            return box["value"]
        if isinstance(error, WrongResult):
            raise _Stop("incorrect", str(error)) from None
        if isinstance(error, NotImplementedError) or "ellipsis" in str(error):
            raise _Stop("unattempted", "Replace the dots by your own code.") from None
        line = _line(traceback.extract_tb(error.__traceback__), answer)
        raise _Stop("error", f"{type(error).__name__}{line}: {error}\nCalled with {self._arguments(arguments)}") from None

    def _difference(self, index, results, wanted):
        return self._describe(self.probes[index], wanted[index], results[index])

    def _describe(self, arguments, target, result):
        names = self.parts
        if names:  # of named parts, only those that differ
            wrong = [not agree((ours,), (theirs,), arguments) for ours, theirs in zip(result, target, strict=True)]
            names, target, result = (list(itertools.compress(every, wrong)) for every in (names, target, result))
        return f"With {self._arguments(arguments)}\nwanted {shown(target, names)}\ngot    {shown(result, names)}"

    def _arguments(self, arguments):
        names = list(inspect.signature(self.run).parameters)[1:]
        if names == ["arguments"]:  # run passes them on as they are
            names = inspect.signature(self.reference).parameters
        return ", ".join(f"{name} = {_text(value)}" for name, value in zip(names, arguments, strict=False))


def comparable(result):
    """Return a result as a tuple of float64 tensors. Raises TypeError, ValueError or RuntimeError if it holds no numbers."""
    parts = result if isinstance(result, tuple) else (result,)
    return tuple(_numbers(part).to(torch.float64) for part in parts)


def _numbers(part):
    if isinstance(part, list) and any(isinstance(item, torch.Tensor) for item in part):
        return torch.stack([_numbers(item) for item in part])
    numbers = torch.as_tensor(part).detach()
    if numbers.is_complex():
        raise TypeError("complex numbers")
    return numbers


def agree(result, target, arguments):
    """Whether two comparable results are equal, up to the rounding of a computation in float32."""
    inputs = [torch.as_tensor(a).abs().max() for a in arguments if isinstance(a, int | float | torch.Tensor)]
    for ours, theirs in zip(result, target, strict=True):
        if ours.shape != theirs.shape:
            return False
        size = theirs[theirs.isfinite()].abs().max().item() if theirs.isfinite().any() else 0.0
        tolerance = 1e-4 * size + 1e-6 * max(inputs, default=1.0)
        if not torch.allclose(ours, theirs, rtol=0, atol=float(tolerance), equal_nan=True):
            return False
    return True


def kind(values):
    """Describe the shapes of a comparable result in words."""
    shapes = [f"a tensor of shape {tuple(value.shape)}" if value.dim() else "a number" for value in values]
    return shapes[0] if len(shapes) == 1 else f"a tuple of {len(shapes)}: " + ", ".join(shapes)


def shown(values, names=()):
    """Write a comparable result out, with its shape, and the names of its parts if they have any."""
    texts = [_text(value) + (f"  (shape {tuple(value.shape)})" if value.dim() else "") for value in values]
    return "; ".join([f"{name}: {text}" for name, text in zip(names, texts, strict=True)] if names else texts)


def _text(value):
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, torch.Generator):
        return f"a generator of seed {value.initial_seed()}"
    if callable(value):
        return getattr(value, "__name__", repr(value))
    if isinstance(value, list):
        rest = ", ..." if len(value) > 6 else ""
        return "[" + ", ".join(_text(item) for item in value[:6]) + rest + "]"
    return f"{value:.5g}" if isinstance(value, float) else repr(value)


def _line(frames, answer):
    """Say in which line of the answer's own file the innermost of these frames stands."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    return f' in line {own[-1].lineno}, "{own[-1].line}"' if own else ""
