"""How an answer is checked.

An exercise is a declaration: a reference, probes, random inputs with laws that a right answer obeys, hints, and the
typical mistakes. An answer is right if it agrees with the reference on the probes and on the random inputs, and obeys
the laws. A wrong one that agrees with a mistake on every probe, and on random inputs, gets that mistake's hint; any other
is shown the first input on which it fails. The answer runs in a process of its own (``runner``) and is judged here: nothing
it does reaches the caller, and nothing the caller has set changes what is wanted.
"""

import contextlib
import copy
import dis
import functools
import html
import inspect
import io
import itertools
import linecache
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from . import runner, worker
from .compare import agree, comparable, cut, kind, shown, type_of, written

RANDOM_INPUTS = 12
SURE = 3  # random inputs on which an answer has to agree with a mistake as well
PATIENCE = 120.0  # seconds of computing for a whole check; on the clock a busy machine may take three times as many
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


class _Stop(BaseException):
    """Ends a check with a status and a message. Not for an exercise's ``run`` to catch."""


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
    nothing: what returning nothing means, where that is right: None itself where ``run`` looks elsewhere; ... where it is wrong.
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
    nothing: object = ...
    differs: str = ""
    time_limit: float = 10.0
    number: str = field(default="", init=False)
    _shown: int = field(default=0, init=False, repr=False)
    _results: dict = field(default_factory=dict, init=False, repr=False)

    def check(self, answer):
        """Return Feedback on an answer, a function like the reference.

        Never raises and never hangs; but where LECTURE_CHECK=strict is set in the environment, and where nbgrader
        autogrades or validates, anything but "correct" raises AssertionError. An interrupt ends the answer.
        """
        state = worker.State()
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # for nbgrader, what is written there costs the point
                status, message, printed = self._examine(answer)
        finally:
            state.restore()
        if printed:
            print(printed)
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
        """Return status, message, and what the answer has printed."""
        called = None
        try:
            if answer is None or answer is ... or is_stub(answer):
                raise _Stop("unattempted", "Write your function, then run this cell again.")
            if not callable(answer):
                raise _Stop("incorrect", f"check takes your function itself, without calling it; it got a {_kind_of(answer)}.")
            called = Called(self, answer)
            with _neutral():
                self._judge(called)
            count = f"{len(self.probes)} examples and {RANDOM_INPUTS} random inputs agree with the reference."
            status, message = "correct", count
        except _Stop as stop:
            status, message = stop.args
        finally:
            if called:
                called.place.close()
        if called and called.place.note:
            message = f"{message}\n{called.place.note}"
        return status, message, called.printed if called else ""

    def _judge(self, answer):
        """Raise _Stop, unless the answer is right."""
        wanted = self._wanted
        results = [self._result(answer, probe, target) for probe, target in zip(self.probes, wanted, strict=True)]
        wrong = [not agree(*pair) for pair in zip(results, wanted, self.probes, strict=True)]
        if any(wrong):
            first = wrong.index(True)
            for mistake in self.mistakes:
                if self._makes(mistake, answer, results):
                    example = first if mistake.example is None else mistake.example
                    raise _Stop("incorrect", f"{mistake.hint}\n{self._difference(example, results, wanted)}")
            raise _Stop("incorrect", self._difference(first, results, wanted))
        for arguments, target in self._random_inputs:
            result = self._result(answer, arguments, target)
            if not agree(result, target, arguments):
                where = "Right on our examples, wrong on a random input."
                raise _Stop("incorrect", f"{where}\n{self._describe(arguments, target, result)}")
            for law in self.laws:
                if broken := self._broken(law, answer, arguments):
                    raise _Stop("incorrect", f"{broken}\nWith {self._arguments(arguments)}")

    def _broken(self, law, answer, arguments):
        """Return what a law has to say of an answer; where the result does not even fit, that."""
        try:
            return law(answer.numeric, *copy.deepcopy(arguments))
        except Exception as error:
            return f"What you return does not fit: {cut(str(error))}"

    def results(self, function, arguments, parts=None):
        """Return what ``run`` makes of a function of ours on copies of the arguments, comparable."""
        ours = Called(self, function, runner=lambda arguments, times: [function(*arguments) for _ in range(times)])
        return comparable(worker.plain(self.run(ours, *copy.deepcopy(arguments))), parts)

    @functools.cached_property
    def _wanted(self):
        return [self.results(self.reference, probe) for probe in self.probes]

    @functools.cached_property
    def _random_inputs(self):
        """Random arguments, and what is wanted: the same in every check."""
        generator = torch.Generator().manual_seed(0)
        inputs = [self.random(generator) for _ in range(RANDOM_INPUTS)]
        return [(arguments, self.results(self.reference, arguments)) for arguments in inputs]

    def _makes(self, mistake, answer, results):
        """Whether the answer does what a mistake does: on the probes, and on random inputs."""
        for form, made in zip(mistake.forms, self._made(mistake), strict=True):
            if all(map(agree, results, made, self.probes)):
                try:
                    for arguments, target in self._random_inputs[:SURE]:
                        made = self.results(form, arguments, len(target))
                        if not agree(self._result(answer, arguments, target), made, arguments):
                            break
                    else:
                        return True
                except (_Stop, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
                    continue
        return False

    def _made(self, mistake):
        """Yield, for each form of a mistake, its results on the probes."""
        for form in mistake.forms:
            if form not in self._results:
                pairs = zip(self.probes, self._wanted, strict=True)
                self._results[form] = [self.results(form, probe, len(target)) for probe, target in pairs]
            yield self._results[form]

    def _result(self, answer, arguments, target):
        """Return the answer's comparable result on copies of the arguments, or raise _Stop."""
        try:
            raw = worker.plain(self.run(answer, *copy.deepcopy(arguments)))
        except WrongResult as wrong:
            raise _Stop("incorrect", cut(str(wrong))) from None
        except Exception as error:  # ours, with a result that no right answer has
            told = f"What you return does not fit: {cut(str(error))}\nCalled with {self._arguments(arguments)}"
            raise _Stop("incorrect", told) from None
        try:
            result = comparable(raw, len(target), truth=torch.bool)  # to be shown as such
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise _Stop("incorrect", f"Expected {kind(target)}, got a {type_of(raw)} that is no number.") from None
        if len(result) != len(target):
            raise _Stop("incorrect", f"Expected {kind(target)}, got {kind(result)}.")
        return result

    def _difference(self, index, results, wanted):
        return self._describe(self.probes[index], wanted[index], results[index])

    def _describe(self, arguments, target, result):
        names = self.parts
        if names:  # of named parts, only those that differ
            wrong = [not agree((ours,), (theirs,), arguments) for ours, theirs in zip(result, target, strict=True)]
            names, target, result = (list(itertools.compress(every, wrong)) for every in (names, target, result))
        return f"With {self._arguments(arguments)}\nwanted {shown(target, names)}\ngot    {shown(result, names)}"

    def _arguments(self, arguments):
        names, given = (list(inspect.signature(one).parameters) for one in (self.answer, self.run))
        if len(arguments) == len(given[1:]) and set(given[1:]) < set(names):  # ``run`` makes the others itself
            names = given[1:]
        return ", ".join(f"{name} = {written(value)}" for name, value in zip(names, arguments, strict=False))


class Called:
    """An answer as ``run`` and the laws call it: it raises _Stop where the answer fails, and counts the time."""

    def __init__(self, exercise, answer, runner=None):
        self.exercise, self.answer, self.printed = exercise, answer, ""
        self.began, self.computed = time.monotonic(), -time.process_time()
        self.place, self._ours = None, runner
        if runner is None:
            self.place = place(answer, exercise.time_limit)

    def __call__(self, *arguments):
        return self.many(1, *arguments)[0]

    def many(self, times, *arguments):
        """Return the results of so many calls with the same arguments, faster than one by one."""
        nothing = self.exercise.nothing
        if self._ours:
            made = [worker.plain(one) for one in self._ours(arguments, times)]
        else:
            made = self._replied(arguments, times)
            if any(one is ... for one in made):
                raise _Stop("unattempted", "Your function returns ...: fill it in, and return the result.")
            if nothing is ... and any(one is None for one in made):
                raise _Stop("incorrect", "Your function returns nothing: does every way through it end in a return?")
        return [nothing if one is None else one for one in made]

    def _replied(self, arguments, times):
        if self.computed + time.process_time() > PATIENCE or time.monotonic() - self.began > 3 * PATIENCE:
            raise _Stop("error", f"Still running after {time.monotonic() - self.began:.0f} seconds: every call is slow.")
        given = copy.deepcopy(arguments) if self.place.note else arguments  # in the kernel it may change them
        reply = self.place(arguments, times)
        self.printed = self.printed or reply.printed
        self.computed += reply.extra.get("seconds", 0.0)  # elsewhere
        if reply.failure:
            self.printed = reply.printed or self.printed
            raise _Stop(*self._told(reply.failure, given))
        return reply.results

    def _told(self, failure, arguments):
        if failure.stub:
            return "unattempted", "Replace the dots by your own code."
        line, inputs = self._line(failure.frames), f"Called with {self.exercise._arguments(arguments)}"
        if failure.kind == "OutOfTime":
            ends = "Does every loop end, and soon, also where the input is large?"
            return "error", f"Still running after {failure.text} seconds{line}. {ends}\n{cut(inputs)}"
        if failure.kind == "Ended":
            memory = "It ended itself, or took more memory than there is."
            return "error", f"The process that ran your function ended (exit code {failure.text}). {memory}\n{inputs}"
        return "error", f"{failure.kind}{line}: {cut(failure.text)}\n{inputs}"

    def _line(self, frames):
        """Say in which line of the answer's own file the innermost of these frames stands."""
        code = worker.own_code(self.answer)
        own = [line for file, line in frames if code and file == code.co_filename]
        return f' in line {own[-1]}, "{linecache.getline(code.co_filename, own[-1]).strip()}"' if own else ""

    def numeric(self, *arguments):
        """Return the answer's result in float64: a tensor, or a tuple of them."""
        raw = self(*copy.deepcopy(arguments))
        wanted = 1 if self.exercise.run is Exercise.run and len(self.exercise._wanted[0]) == 1 else None
        try:
            values = comparable(raw, wanted)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            text = f"Expected numbers, got a {type_of(raw)}.\nCalled with {self.exercise._arguments(arguments)}"
            raise _Stop("incorrect", text) from None
        return values if len(values) > 1 else values[0]


place = runner.place


@contextlib.contextmanager
def _neutral():
    """What is wanted does not depend on the caller's default dtype, device, gradient mode and random state."""
    torch.set_default_dtype(torch.float32)
    worker.set_device(torch.device("cpu"))
    torch.manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad():
        yield


def is_stub(answer):
    """Whether a function's body is empty: nothing, ..., pass, a docstring, or a bare NotImplementedError."""
    code = worker.own_code(answer)
    if code is None:
        return False
    silent = {"RESUME", "NOP", "CACHE", "PRECALL", "PUSH_NULL", "MAKE_CELL", "COPY_FREE_VARS"}
    steps = [(one.opname, one.argval) for one in dis.get_instructions(code) if one.opname not in silent]
    names = [name for name, _ in steps]
    if names in (["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"]):
        return steps[0][1] is None or steps[0][1] is ...
    raises = names[:1] == ["LOAD_GLOBAL"] and names[-1:] == ["RAISE_VARARGS"] and steps[0][1] == "NotImplementedError"
    return raises and set(names[1:-1]) <= {"LOAD_CONST", "CALL"}


def _kind_of(answer):
    return worker.plain(answer).kind if isinstance(worker.plain(answer), worker.Other) else type(answer).__name__
