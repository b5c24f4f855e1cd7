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
    status, printed, _ = runs[path, "solved"]
    assert status == 0 and f"{path.stem}: 6 exercises solved, every check correct" in printed, printed


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
@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([cell(STUB, "exercise"), cell("cross_entropy = abs"), cell(CHECK, "check")], "Exercise 1.1, cross-entropy: ! error"),
        ([cell(STUB, "exercise"), cell(f"{CHECK}\nNone", "check")], "no '✓ correct' below the checks of 1.1"),
    ],
    ids=["a check that is not correct", "a check that says nothing"],
)
def test_nothing_is_written_for(cells, message, tmp_path):
    status, printed = run(["scripts/solve.py", written(tmp_path / "a.ipynb", *cells), "--output", tmp_path / "out"])
    assert status != 0 and message in printed
    assert not (tmp_path / "out").exists()


def test_an_answer_that_nothing_checks_is_refused():
    with pytest.raises(execute.NotebookError, match="every answer cell needs a check cell: 1 answers"):
        solve.exercises(nbformat.v4.new_notebook(cells=[cell(STUB, "exercise")]))
