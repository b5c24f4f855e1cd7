"""nbgrader takes the notebooks as they are: points for right answers, none for anything else."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import execute
import solve
from executions import NOTEBOOKS, ROOT
from lecture_utils.exercises import exercise

pytest.importorskip("nbgrader", reason="the extra `grading` is not installed")
pytestmark = pytest.mark.slow
from nbgrader.nbgraderformat import MetadataValidator  # noqa: E402

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
NAME = "1_adversarial_examples.ipynb"
WARNS = """

right = {name}


def {name}(*given):
    __import__('warnings').warn('deprecated')
    print('told', file=__import__('sys').stderr)
    return right(*given)"""


def solved(notebook, count=3):
    """Solve the first exercises; the other answers are wrong. The first one warns as well, as torch likes to do."""
    for i, (number, answer, _) in enumerate(solve.exercises(notebook)):
        answer.source = exercise(number).solution().code if i < count else answer.source.replace("...", "return 0.0")
    number, first, _ = solve.exercises(notebook)[0]
    first.source += WARNS.format(name=exercise(number).answer.__name__)
    return notebook


def cheated(notebook):
    """Edit every check but the last, which goes."""
    *checks, last = [check for _, _, check in solve.exercises(notebook)]
    for check in checks:
        check.source = 'print("✓ correct")'
    notebook.cells.remove(last)
    return notebook


def copied(notebook):
    """Copy an answer and its check, as a notebook's own commands do."""
    for cell in solve.exercises(notebook)[0][1:]:
        copy = nbformat.from_dict(cell | {"id": f"{cell.id}-copied"})
        notebook.cells.insert(notebook.cells.index(cell), copy)
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course as GRADING.md makes one, of three of section 1's exercises, with what every command printed."""
    root = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "grading" / "nbgrader_config.py", root)
    notebook = execute.read(execute.NOTEBOOKS / NAME)
    kept = [cell for cell in notebook.cells if "nbgrader" in cell.metadata][: 2 * 3]
    imports = next(cell for cell in notebook.cells if "import exercise" in cell.source)
    notebook.cells = [imports, *kept]
    execute.write(notebook, root / "source" / "section1" / NAME)
    printed = {"generate_assignment": nbgrader(root, "generate_assignment", "section1")}

    def released():
        return execute.read(root / "release" / "section1" / NAME)

    handed_in = {"ada": copied(solved(released(), 2)), "anna": solved(released()), "ben": released(), "dora": cheated(released())}
    for student, submission in handed_in.items():
        execute.write(submission, root / "downloaded" / "section1" / "archive" / f"{student}_{NAME}")
    for command in ("zip_collect", "autograde", "generate_feedback"):
        printed[command] = nbgrader(root, command, "section1")
    printed["export"] = nbgrader(root, "export")
    return root, printed


def nbgrader(folder, *command):
    """Run nbgrader where its environment is active: it starts other programs of it by name."""
    active = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    start = [sys.executable, "-m", "nbgrader", *map(str, command)]
    done = subprocess.run(start, cwd=folder, env=active, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_right_answers_earn_their_points_and_an_edited_check_earns_none(course):
    root, _ = course
    with open(root / "grades.csv", newline="") as file:
        grades = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert grades == {"ada": (2, 3), "anna": (3, 3), "ben": (0, 3), "dora": (0, 3)}


def test_a_copied_cell_is_skipped_and_told_and_stops_nobody(course):
    _, printed = course
    assert "ada has copied a cell: the copy is skipped" in printed["autograde"]


def test_what_is_released_is_the_notebook_with_locked_checks_and_no_outputs(course):
    root, _ = course
    before, after = (execute.read(root / folder / "section1" / NAME) for folder in ("source", "release"))
    assert [cell.source for cell in before.cells] == [cell.source for cell in after.cells]
    assert not [cell for cell in after.cells if cell.outputs]
    assert all(check.metadata.editable is False for _, _, check in solve.exercises(after))
    assert all(answer.metadata.get("editable", True) for _, answer, _ in solve.exercises(after))


def test_the_feedback_says_what_was_wrong(course):
    root, _ = course
    pages = {student: root / "feedback" / student / "section1" / NAME for student in ("anna", "ada")}
    anna, ada = (page.with_suffix(".html").read_text(encoding="utf-8") for page in pages.values())
    assert "✗ not yet" in ada and "✗ not yet" not in anna


def test_validate_passes_on_solved_notebooks_and_names_the_failures_of_others(course, tmp_path):
    root, _ = course
    execute.write(solved(execute.read(root / "release" / "section1" / NAME), 2), tmp_path / NAME)
    printed = nbgrader(root, "validate", root / "submitted" / "anna" / "section1" / NAME, tmp_path / NAME)
    passed, failed = printed.index("Success! Your notebook passes all the tests."), printed.index("FAILED ON 1 CELL(S)")
    assert passed < failed and printed.count("Success!") == 1


@each_notebook
def test_every_exercise_is_worth_a_point_and_its_check_is_locked(path):
    notebook = execute.read(path)
    MetadataValidator().validate_nb(notebook)
    marked = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    names = [number.replace(".", "-") for number, _, _ in solve.exercises(notebook)]
    assert [one.grade_id for one in marked] == [f"{kind}-{name}" for name in names for kind in ("answer", "exercise")]
    assert [(one.solution, one.grade, one.locked, one.get("points")) for one in marked] == [
        (True, False, False, None),
        (False, True, True, 1),
    ] * len(names)


def test_a_courses_own_points_stay():
    notebook = execute.read(execute.NOTEBOOKS / NAME)
    check = solve.exercises(notebook)[0][2]
    check.metadata.nbgrader.points = 5
    assert solve.exercises(execute.normalise(notebook))[0][2].metadata.nbgrader.points == 5


def test_the_six_commands_that_are_tested_are_the_six_that_are_told():
    told = (ROOT / "GRADING.md").read_text(encoding="utf-8")
    commands = [
        "generate_assignment section1",
        "zip_collect section1",
        "autograde section1",
        "generate_feedback section1",
        "export",
    ]
    places = [told.index(f"    nbgrader {command}") for command in commands]
    assert places == sorted(places)
