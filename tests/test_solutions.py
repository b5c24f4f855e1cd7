"""The exercises can be solved where they stand, with the solutions that they show."""

import re

import nbformat
import pytest

import execute
import solve
from executions import NOTEBOOKS, run
from lecture_utils.exercises import EXERCISES, exercise

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
STUB, CHECK = "def cross_entropy(logits, y):\n    ...", 'exercise("1.1").check(cross_entropy)'


def cell(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def written(path, *cells):
    start = cell("import torch\nfrom lecture_utils.exercises import exercise")
    execute.write(execute.normalise(nbformat.v4.new_notebook(cells=[start, *cells])), path)
    return path


@each_notebook
def test_every_exercise_of_a_notebook_is_solved_where_it_stands(path, runs):
    status, printed, output = runs[path, "again"]
    assert status == 0, printed
    cells = {one.id: one for one in execute.read(output).cells}
    checks = [cells[check.id] for _, _, check in solve.exercises(execute.read(path))]
    assert len(checks) == 6 and all(solve.CORRECT in str(one.outputs) for one in checks)


@each_notebook
def test_a_solution_changes_the_answers_and_shows_the_functions(path):
    before, after = execute.read(path), solve.solve(execute.read(path))
    kept = {one.id: one.source for one in after.cells}
    added = [one.source for one in after.cells if one.id not in {cell.id for cell in before.cells}]
    numbers = [number for number, _, _ in solve.exercises(before)]
    assert added == [f'exercise("{number}").solution()' for number in numbers]
    changed = {one.id for one in before.cells if one.source != kept[one.id]}
    assert changed == {answer.id for _, answer, _ in solve.exercises(before)}


def test_the_notebooks_have_every_exercise_once():
    found = [number for path in NOTEBOOKS for number, _, _ in solve.exercises(execute.read(path))]
    assert sorted(found) == sorted(number for number in EXERCISES if number[0] in {path.name[0] for path in NOTEBOOKS})


@each_notebook
def test_a_solution_has_the_signature_that_the_task_gives_it(path):
    for number, stub, _ in solve.exercises(execute.read(path)):
        sources = stub.source, exercise(number).solution().code
        task, made = (re.findall(r"^def .*:$", source, flags=re.MULTILINE) for source in sources)
        assert task == made[:1]


@pytest.mark.slow
def test_a_notebook_whose_checks_are_correct_is_written(tmp_path):
    source = written(tmp_path / "a.ipynb", cell(STUB, "exercise"), cell(CHECK, "check"))
    status, printed = run(["scripts/solve.py", source, "--output", tmp_path / "out"])
    assert (status, printed) == (0, "a: 1 exercises solved, every check correct\n")
    answer, check, solution = execute.read(tmp_path / "out" / "a.ipynb").cells[1:]
    assert answer.source == exercise("1.1").solution().code
    assert solve.CORRECT in str(check.outputs) and "One way to solve" in str(solution.outputs)


@pytest.mark.slow
def test_nothing_is_written_where_a_check_is_not_correct_or_says_nothing(tmp_path):
    shadowed = written(tmp_path / "a.ipynb", cell(STUB, "exercise"), cell("cross_entropy = abs"), cell(CHECK, "check"))
    silent = written(tmp_path / "b.ipynb", cell(STUB, "exercise"), cell(f"{CHECK}\nNone", "check"))
    status, printed = run(["scripts/solve.py", shadowed, silent, "--output", tmp_path / "out"])
    assert status != 0 and not list((tmp_path / "out").iterdir())
    assert "Exercise 1.1, cross-entropy: ! error" in printed and "no '✓ correct' below the checks of 1.1" in printed


def test_an_answer_that_nothing_checks_is_refused():
    with pytest.raises(execute.NotebookError, match="every answer cell needs a check cell: 1 answers"):
        solve.exercises(nbformat.v4.new_notebook(cells=[cell(STUB, "exercise")]))
