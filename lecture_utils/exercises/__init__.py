"""Exercises that check themselves.

    exercise("projection").check(project_linf)    correct, or what went wrong; exercise("1.2") is the same
    exercise("1.2").hint()                        the next hint
    exercise("1.2").solution()                    the function as one writes it in that cell, and the written part

``engine`` knows how to check. Each exercise has a file, called by its name, and each ``sectionN`` lists those of one notebook
in their order, which gives their numbers. A new exercise is a file here, its line in ``sectionN``, and its wrong answers in
``tests/answers``. Such a file is read from top to bottom:

1. the docstring: the statement, clause by clause (domain, ties, zeros, misclassified points, independence, cost);
2. REFERENCE, the library's function;
3. the solution: a plain function as a student writes it in that cell, the exercise's signature, no helper of ours;
4. PROBES, the smallest first: at least one for every clause, with zeros, ties and whatever else tells wrong from right;
   all floating inputs of a call are float64;
5. random inputs, small enough to read (they are shown), and the laws: what holds for every right answer, each able to fail;
6. MISTAKES and their hints. A hint is given where an answer agrees with the mistake on all probes and on random inputs; it
   says only what is true of every answer that does, and ``example`` names the probe that shows it;
7. EXERCISE, which puts them together.
"""

from . import section1, section2, section3, section4
from .engine import Exercise, Feedback, Mistake

EXERCISES = {}
for number, section in enumerate((section1, section2, section3, section4), start=1):
    for place, one in enumerate(section.EXERCISES, start=1):
        one.number = f"{number}.{place}"
        EXERCISES[one.number] = one
_NAMED = {one.name: one for one in EXERCISES.values()}


def exercise(name):
    """Return an exercise by its name, such as "projection", or its number, a string such as "1.2"."""
    known = EXERCISES | _NAMED
    if name not in known:
        raise ValueError(f"name must be a string, one of {', '.join(known)}; got {name!r}")
    return known[name]


__all__ = ["EXERCISES", "Exercise", "Feedback", "Mistake", "exercise"]
