"""Solve the exercises of notebooks, as ``solution()`` shows it, and execute what comes out.

    python scripts/solve.py [NOTEBOOK ...] [--output DIR]

All of notebooks/ without a name, into build/solutions/. A check that does not say "correct" stops the notebook:
a solution that is written shows that every exercise can be solved where it stands.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat

import execute
from lecture_utils.exercises import exercise

CORRECT = "✓ correct"


def exercises(notebook):
    """Return the exercises of a notebook in its order: (number, answer cell, check cell)."""
    answers, checks = ([cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])] for tag in ("exercise", "check"))
    numbers = [re.findall(r'^exercise\("([\w.-]+)"\)\.check\(', cell.source, flags=re.MULTILINE) for cell in checks]
    if len(answers) != len(checks) or any(len(found) != 1 for found in numbers):
        raise execute.NotebookError(f"every answer cell needs a check cell: {len(answers)} answers, checks of {numbers}")
    return [(number, *cells) for (number,), *cells in zip(numbers, answers, checks, strict=True)]


def solve(notebook):
    """Write the solutions into a notebook, and below each check a cell that shows them and the written part."""
    for number, stub, check in exercises(notebook):
        stub.source = exercise(number).solution().code
        shown = nbformat.v4.new_code_cell(f'exercise("{number}").solution()', id=f"{check.id}-solution")
        notebook.cells.insert(notebook.cells.index(check) + 1, shown)
    return notebook


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--output", type=Path, default=execute.ROOT / "build" / "solutions", metavar="DIR")
    given = parser.parse_args()
    os.environ["LECTURE_CHECK"] = "strict"
    paths, failures = given.notebooks or sorted(execute.NOTEBOOKS.glob("*.ipynb")), []
    execute.ready(given.output, paths)
    for path in paths:
        goal = given.output / path.name
        try:
            goal.unlink(missing_ok=True)  # an old result must not look like this one's
            done = execute.execute(solve(execute.read(path)))
            silent = [number for number, _, check in exercises(done) if CORRECT not in str(check.outputs)]
            if silent:
                raise execute.NotebookError(f"no {CORRECT!r} below the checks of {', '.join(silent)}")
            execute.write(done, goal)
            print(f"{path.stem}: {len(exercises(done))} exercises solved, every check correct", flush=True)
        except (execute.NotebookError, OSError) as error:
            failures.append(f"{path}: {error}")
            print(f"{path.stem}: FAILED", flush=True)
    if failures:
        sys.exit("\n\n".join(failures))


if __name__ == "__main__":
    execute.said(main)
