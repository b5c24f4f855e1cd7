"""Every exercise accepts right answers however written, and tells its mistakes apart; the engine survives anything."""

import copy
import functools
import importlib
import inspect
import math
import warnings

import numpy as np
import pytest
import torch

from lecture_utils import training
from lecture_utils.exercises import EXERCISES, engine, exercise
from lecture_utils.exercises.compare import agree, comparable, written

MISTAKES = [
    pytest.param(number, i, j, id=f"{number}-{i}-{j}", marks=[pytest.mark.slow] if j else [])  # one form of each is quick
    for number, one in EXERCISES.items()
    for i, mistake in enumerate(one.mistakes)
    for j in range(len(mistake.forms))
]


ANSWERS = {number: importlib.import_module(f"answers.{one.name.replace('-', '_')}") for number, one in EXERCISES.items()}
RIGHT = [
    pytest.param(number, one, id=f"{number}-{one.__name__}", marks=[pytest.mark.slow] if i else [])
    for number in ANSWERS
    for i, one in enumerate(ANSWERS[number].RIGHT)
]
WRONG = [
    pytest.param(number, one, words, id=f"{number}-{one.__name__}") for number in ANSWERS for one, words in ANSWERS[number].WRONG
]


def judged(number, answer):
    """Return status and message of an answer that is called here, not in a process of its own: a third of the work."""
    called = engine.Called(exercise(number), answer, lambda arguments, times: [answer(*arguments) for _ in range(times)])
    try:
        with engine._neutral(), warnings.catch_warnings(action="ignore"):
            exercise(number)._judge(called)
    except engine._Stop as stop:
        return stop.args
    return "correct", ""


@pytest.mark.parametrize("number", EXERCISES)
def test_the_reference_and_the_solution_are_correct(number):
    assert judged(number, exercise(number).reference) == ("correct", "")
    feedback = exercise(number).check(exercise(number).answer)
    assert feedback.passed, feedback


@pytest.mark.parametrize("number", EXERCISES)
def test_the_inputs_that_are_shown_have_the_names_of_the_task(number):
    one = exercise(number)
    names = list(inspect.signature(one.answer).parameters)
    names = names[2:] if one.name == "training-step" else names  # the model and its optimizer are made for each call
    told = one._arguments(one.probes[0])
    places = [f", {told}".index(f", {name} = ") for name in names[: len(one.probes[0])]]
    assert places == sorted(places) and places[0] == 0


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers_pass(number, answer, request):
    """The first of an exercise in a process of its own and on all random inputs, the others on three."""
    if request.node.get_closest_marker("slow"):
        request.getfixturevalue("three_random_inputs")
        assert judged(number, answer) == ("correct", "")
        return
    feedback = exercise(number).check(answer)
    assert feedback.passed, feedback


@pytest.mark.slow
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
    status, message = judged(number, mistake.forms[j])
    assert status == "incorrect" and message.startswith(mistake.hint), message
    assert "wanted" in message and "got" in message


@pytest.mark.slow
@pytest.mark.parametrize("number", EXERCISES)
def test_a_mistake_gets_the_same_hint_from_a_process_of_its_own(number):
    first = exercise(number).mistakes[0].forms[0]
    feedback = exercise(number).check(first)
    assert (feedback.status, feedback.message) == judged(number, first)


@pytest.mark.parametrize("number", EXERCISES)
def test_no_two_mistakes_agree_on_all_probes(number):
    one = exercise(number)
    made = [(i, results) for i, mistake in enumerate(one.mistakes) for results in one._made(mistake)]
    for i, left in made:
        for j, right in made:
            assert i == j or not all(map(agree, left, right, one.probes)), (one.mistakes[i].hint, one.mistakes[j].hint)


@pytest.fixture
def three_random_inputs(monkeypatch):
    """Checks that call the answer on three of the twelve random inputs."""
    for one in EXERCISES.values():
        monkeypatch.setitem(vars(one), "_random_inputs", one._random_inputs[:3])


def right(logits, y):
    """A right answer to the first exercise, for the tests of the engine."""
    return torch.nn.functional.cross_entropy(logits, y, reduction="none")


def each(change, result):
    return type(result)(change(part) for part in result) if isinstance(result, tuple | list) else change(result)


# ---- styles: what makes another right answer of a right one ------------------------------------------


def as_float32(function, *arguments):
    if any(isinstance(a, torch.nn.Module) for a in arguments):
        return function(*arguments)  # the network's weights stay float64
    made = [a.float() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in arguments]
    return function(*made)


def as_numpy(function, *arguments):
    def change(part):
        return part if part is None else part.numpy() if isinstance(part, torch.Tensor) else np.float64(part)

    return each(change, function(*arguments))


def as_tensors_with_gradients(function, *arguments):
    def change(part):
        return part if part is None else torch.as_tensor(part, dtype=torch.float64).clone().requires_grad_()

    return each(change, function(*arguments))


def as_lists(function, *arguments):
    result = function(*arguments)
    parts = each(lambda part: part.tolist() if isinstance(part, torch.Tensor) else part, result)
    return list(parts) if isinstance(parts, tuple) else parts


def as_lists_of_tensors(function, *arguments):
    result = function(*arguments)
    made = each(lambda part: list(part) if isinstance(part, torch.Tensor) and part.dim() else part, result)
    return list(made) if isinstance(made, tuple) else made


def in_place(function, *arguments):
    result = copy.deepcopy(function(*arguments))  # it may hold an argument
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            argument.zero_()  # the student's function gets copies
    return result


def as_class(function):
    class Answer:
        def __call__(self, *arguments):
            return function(*arguments)

    return Answer()


def as_method(function):
    class Answer:
        def solve(self, *arguments):
            return function(*arguments)

    return Answer().solve


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **options):
        return function(*arguments, **options)

    return wrapper


def in_two_cells(function):
    """The function stands in another cell than the one that calls it."""
    cell = {"__name__": "__main__", "math": math, "torch": torch, "nn": torch.nn, "np": np}
    exec(inspect.getsource(function), cell)
    exec(f"def answer(*arguments): return {function.__name__}(*arguments)", cell)
    return cell["answer"]


def with_keywords(function):
    def answer(*arguments):
        names = inspect.signature(function).parameters
        return function(**dict(zip(names, arguments, strict=False)))

    return answer


RESULTS = [as_float32, as_numpy, as_tensors_with_gradients, as_lists, as_lists_of_tensors]
FORMS = [as_class, as_method, decorated, in_two_cells, with_keywords]  # that travel to another process


@pytest.mark.slow
@pytest.mark.parametrize("way", [*RESULTS, in_place, *FORMS])
@pytest.mark.parametrize("number", EXERCISES)
def test_a_right_answer_passes_however_it_is_written(number, way, three_random_inputs):
    answer = exercise(number).answer
    if way in RESULTS:
        assert judged(number, functools.partial(way, answer)) == ("correct", "")
        return
    feedback = exercise(number).check(functools.partial(way, answer) if way is in_place else way(answer))
    assert feedback.passed and "kernel" not in feedback.message, feedback


@pytest.mark.parametrize("number", EXERCISES)
def test_the_inputs_of_a_call_have_one_dtype_and_can_be_pasted(number):
    one = exercise(number)
    generator = torch.Generator().manual_seed(2)
    for arguments in (*one.probes, *(one.random(generator) for _ in range(5))):
        assert {a.dtype for a in arguments if isinstance(a, torch.Tensor) and a.is_floating_point()} <= {torch.float64}
        for value in arguments:
            if isinstance(value, torch.Tensor | int | float):
                pasted = eval(written(value), {"torch": torch})
                assert torch.allclose(torch.as_tensor(pasted), torch.as_tensor(value), rtol=1e-5), value
                assert type(pasted) is type(value) and getattr(pasted, "dtype", None) == getattr(value, "dtype", None)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_example_shown_with_a_hint_exhibits_the_mistake(number):
    one = exercise(number)
    for mistake in one.mistakes:
        for results in one._made(mistake):
            wrong = [not agree(*pair) for pair in zip(results, one._wanted, one.probes, strict=True)]
            assert wrong[wrong.index(True) if mistake.example is None else mistake.example], mistake.hint


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


@pytest.mark.slow
@pytest.mark.parametrize("result", ["four", {"a": 1}, object(), (1.0, 2.0), torch.zeros(3, 3), [], float("nan"), 1j])
def test_a_result_of_the_wrong_kind_is_incorrect(result):
    for number in EXERCISES:
        status, message = judged(number, lambda *arguments: result)
        assert status == "incorrect", (number, message)


def test_something_that_is_no_function_is_incorrect():
    assert "takes your function itself" in exercise("1.3").check(0.5).message


@pytest.mark.slow
def test_hard_coded_answers_fail():
    for one in EXERCISES.values():
        known = {}

        def learn(*arguments, known=known, one=one):
            return known.setdefault(repr(arguments), one.reference(*arguments))

        for probe in one.probes:
            one.results(learn, probe)

        def memorised(*arguments, known=known):
            return known.get(repr(arguments), next(iter(known.values())))

        assert judged(one.number, memorised)[0] == "incorrect"


STRICT = [("LECTURE_CHECK", "strict"), ("NBGRADER_EXECUTION", "autograde"), ("NBGRADER_EXECUTION", "validate")]


@pytest.mark.parametrize(("name", "value"), STRICT)
def test_grading_raises_for_anything_but_correct(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert exercise("worst-margin").check(training.worst_margin_linear).passed
    for answer in (None, exercise("worst-margin").mistakes[0].forms[0]):
        with pytest.raises(AssertionError, match="the linear worst case"):
            exercise("worst-margin").check(answer)


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
