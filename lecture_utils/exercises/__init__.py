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

import importlib

__all__ = ["EXERCISES", "Exercise", "Feedback", "Mistake", "exercise"]


def __getattr__(name):
    """Load the exercises when they are asked for: the process that answers run in needs none of them."""
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.catalogue"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
