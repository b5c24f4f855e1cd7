"""All exercises, with their numbers."""

import sys

from . import runner, section1, section2, section3, section4
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


if "ipykernel" in sys.modules:
    runner.warm_up()  # while the student reads

__all__ = ["EXERCISES", "Exercise", "Feedback", "Mistake", "exercise"]
