"""Exercises that check themselves.

    exercise("1.2").check(project_linf)     correct, or what went wrong
    exercise("1.2").hint()                  the next hint
    exercise("1.2").solution()              the library's own function, and the written part

``engine`` knows how to check; each ``sectionN`` declares the exercises of one notebook.
"""

from . import section1, section2, section3, section4
from .engine import Exercise, Feedback, Mistake

EXERCISES = {one.number: one for one in (*section1.EXERCISES, *section2.EXERCISES, *section3.EXERCISES, *section4.EXERCISES)}


def exercise(number):
    """Return an exercise by its number, a string such as "1.2"."""
    if number not in EXERCISES:
        raise ValueError(f"number must be a string, one of {', '.join(EXERCISES)}; got {number!r}")
    return EXERCISES[number]


__all__ = ["EXERCISES", "Exercise", "Feedback", "Mistake", "exercise"]
