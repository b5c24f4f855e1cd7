"""Every exercise accepts right answers however written, and tells its mistakes apart; the engine survives anything."""

import functools
import importlib
import inspect
import time

import numpy as np
import pytest
import torch

from lecture_utils import attacks, training
from lecture_utils.exercises import EXERCISES, exercise
from lecture_utils.exercises.engine import agree, comparable

MISTAKES = [
    pytest.param(number, i, j, id=f"{number}-{i}-{j}")
    for number, one in EXERCISES.items()
    for i, mistake in enumerate(one.mistakes)
    for j in range(len(mistake.forms))
]


ANSWERS = {number: importlib.import_module(f"answers.{one.name.replace('-', '_')}") for number, one in EXERCISES.items()}
RIGHT = [pytest.param(number, one, id=f"{number}-{one.__name__}") for number in ANSWERS for one in ANSWERS[number].RIGHT]
WRONG = [
    pytest.param(number, one, words, id=f"{number}-{one.__name__}") for number in ANSWERS for one, words in ANSWERS[number].WRONG
]


@pytest.mark.parametrize("number", EXERCISES)
def test_the_reference_and_the_solution_are_correct(number):
    for answer in (exercise(number).reference, exercise(number).answer):
        feedback = exercise(number).check(answer)
        assert feedback.passed, feedback


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number, answer):
    feedback = exercise(number).check(answer)
    assert feedback.passed, feedback


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong_answers_get_what_they_deserve(number, answer, words):
    feedback = exercise(number).check(answer)
    assert feedback.status in ("incorrect", "error") and words in feedback.message, feedback


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_is_plain_and_equals_the_reference(number):
    one = exercise(number)
    generator = torch.Generator().manual_seed(1)
    for arguments in (*one.probes, *(one.random(generator) for _ in range(20))):
        made, wanted = (one.results(function, arguments) for function in (one.answer, one.reference))
        assert agree(made, wanted, arguments), arguments
    names = {name for code in codes(one.answer.__code__) for name in code.co_names} & one.answer.__globals__.keys()
    assert names <= {"math", "torch", "nn", "np", one.answer.__name__}


def codes(code):
    """Yield a function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from codes(constant)


@pytest.mark.parametrize(("number", "i", "j"), MISTAKES)
def test_every_mistake_gets_its_own_hint(number, i, j):
    mistake = exercise(number).mistakes[i]
    feedback = exercise(number).check(mistake.forms[j])
    assert feedback.status == "incorrect"
    assert feedback.message.startswith(mistake.hint)
    assert "wanted" in feedback.message and "got" in feedback.message


@pytest.mark.parametrize("number", EXERCISES)
def test_no_two_mistakes_agree_on_all_probes(number):
    one = exercise(number)
    made = [(i, results) for i, mistake in enumerate(one.mistakes) for results in one._made(mistake)]
    for i, left in made:
        for j, right in made:
            assert i == j or not all(map(agree, left, right, one.probes)), (one.mistakes[i].hint, one.mistakes[j].hint)


def each(change, result):
    return tuple(change(part) for part in result) if isinstance(result, tuple) else change(result)


def as_float32(function, *arguments):
    made = [a.float() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in arguments]
    return function(*made)


def as_numpy(function, *arguments):
    return each(lambda part: part.numpy() if isinstance(part, torch.Tensor) else np.float64(part), function(*arguments))


def as_zero_dimensional_tensor(function, *arguments):
    return each(lambda part: torch.as_tensor(part).clone().requires_grad_(), function(*arguments))


def as_nested_lists(function, *arguments):
    return each(lambda part: list(part) if isinstance(part, torch.Tensor) and part.dim() else part, function(*arguments))


def in_place(function, *arguments):
    result = function(*arguments)
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            argument.zero_()  # the student's function gets copies
    return result


@pytest.mark.parametrize("way", [as_float32, as_numpy, as_zero_dimensional_tensor, as_nested_lists, in_place])
@pytest.mark.parametrize("number", EXERCISES)
def test_a_right_answer_passes_however_it_is_written(number, way):
    feedback = exercise(number).check(functools.partial(way, exercise(number).reference))
    assert feedback.passed, feedback


@pytest.mark.parametrize("number", EXERCISES)
def test_stubs_are_unattempted_and_not_wrong(number):
    def stub(*arguments): ...

    def dots(*arguments):
        result = ...
        return result

    def not_implemented(*arguments):
        raise NotImplementedError

    def half_filled(*arguments):
        return 2 * ... + 1

    for answer in (None, ..., stub, dots, not_implemented, half_filled):
        assert exercise(number).check(answer).status == "unattempted", answer


def test_an_exception_is_an_error_with_its_line():
    def broken(logits, y):
        wrong = logits.no_such_method()
        return wrong

    feedback = exercise("1.1").check(broken)
    assert feedback.status == "error"
    assert "AttributeError" in feedback.message and "wrong = logits.no_such_method()" in feedback.message
    assert f"line {broken.__code__.co_firstlineno + 1}" in feedback.message


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt(), RecursionError(), MemoryError()])
def test_nothing_that_an_answer_raises_gets_out(raised):
    def rude(*arguments):
        raise raised

    assert exercise("1.3").check(rude).status == "error"


def test_an_endless_loop_is_an_error_with_its_line_and_ends(monkeypatch):
    monkeypatch.setattr(exercise("1.1"), "time_limit", 0.2)
    turns = [0]

    def endless(logits, y):
        while True:
            turns[0] += 1

    feedback = exercise("1.1").check(endless)
    assert feedback.status == "error" and "Still running" in feedback.message and "line" in feedback.message
    time.sleep(0.2)
    before = turns[0]
    time.sleep(0.2)
    assert turns[0] == before, "the loop still runs in the background"


def test_an_answer_that_swallows_every_exception_does_not_hang_the_check(monkeypatch):
    monkeypatch.setattr(exercise("1.1"), "time_limit", 0.2)
    finished = [False]

    def stubborn(logits, y):
        while not finished[0]:
            try:
                time.sleep(0.01)
            except BaseException:  # noqa: S110
                pass

    assert exercise("1.1").check(stubborn).status == "error"
    finished[0] = True


@pytest.mark.parametrize("result", ["four", {"a": 1}, object(), (1.0, 2.0), torch.zeros(3, 3), [], float("nan"), 1j])
def test_a_result_of_the_wrong_kind_is_incorrect(result):
    for number in EXERCISES:
        feedback = exercise(number).check(lambda *arguments: result)
        assert feedback.status == "incorrect", (number, feedback)


def test_something_that_is_no_function_is_incorrect():
    assert "takes your function itself" in exercise("1.3").check(0.5).message


def test_hard_coded_answers_fail():
    for one in EXERCISES.values():
        known = {}

        def learn(*arguments, known=known, one=one):
            return known.setdefault(repr(arguments), one.reference(*arguments))

        for probe in one.probes:
            one.results(learn, probe)

        def memorised(*arguments, known=known):
            return known.get(repr(arguments), next(iter(known.values())))

        assert one.check(memorised).status == "incorrect"


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()

    def noisy(logits, y):
        torch.manual_seed(0)
        torch.rand(10)
        return attacks.cross_entropy(logits, y)

    assert exercise("1.1").check(noisy).passed
    assert torch.equal(before, torch.get_rng_state())


STRICT = [("LECTURE_CHECK", "strict"), ("NBGRADER_EXECUTION", "autograde"), ("NBGRADER_EXECUTION", "validate")]


@pytest.mark.parametrize(("name", "value"), STRICT)
def test_grading_raises_for_anything_but_correct(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert exercise("1.4").check(training.worst_margin_linear).passed
    for answer in (None, exercise("1.4").mistakes[0].forms[0]):
        with pytest.raises(AssertionError, match="Exercise 1.4"):
            exercise("1.4").check(answer)


@pytest.mark.parametrize("number", EXERCISES)
def test_hints_come_in_steps_and_the_solution_names_the_library_function(number):
    one = exercise(number)
    words = [one.hint().words for _ in one.hints]
    assert len(one.hints) >= 3 and len(set(words)) == len(one.hints)
    assert all(hint in text for hint, text in zip(one.hints, words, strict=True))
    assert one.solution().code.startswith(f"def {one.answer.__name__}(") and one.reference.__name__ in one.solution().words
    assert one.reference.__module__.startswith("lecture_utils.") and "exercises" not in one.reference.__module__


def test_feedback_has_a_text_face_and_an_html_face():
    feedback = exercise("1.1").check(lambda f, y: "<script>")
    assert "Exercise 1.1" in repr(feedback) and "not yet" in repr(feedback)
    assert "<script>" not in feedback._repr_html_() and 'role="status"' in feedback._repr_html_()


def test_an_exercise_is_found_by_its_name_and_by_its_number():
    for number, one in EXERCISES.items():
        assert exercise(number) is exercise(one.name) is one and one.number == number
    with pytest.raises(ValueError, match="1.1, 1.2.*cross-entropy"):
        exercise("9.9")


def test_infinite_and_missing_values_compare_as_equal_only_to_themselves():
    inf, nan = comparable(torch.inf), comparable(torch.nan)
    assert agree(inf, inf, ()) and agree(nan, nan, ())
    assert not agree(inf, nan, ()) and not agree(inf, comparable(1.0), ())
