"""Exercises sample-network and conditional-sampler ask for random networks: how a right answer is told from a wrong one.

A right answer draws other numbers than ours. So many networks are drawn, and reduced to statistics; each is rounded, so that
what is compared is the same for every right answer. Chance moves a right one by SURELY standard deviations once in 10^9 at
most (a normal one in 10^15; some have longer tails), and by so many it may be off.
"""

import math

from .engine import WrongResult, comparable

SURELY = 8


def settle(value, right, step, chance=None):
    """Round a statistic to right, right ± step, ...; to right only within SURELY times chance, its standard deviation.

    Without chance to the nearest of them: chance moves it by much less than half a step.
    """
    value = float(value)
    steps = (value - right) / step
    if not math.isfinite(steps):
        return value
    if chance is None or abs(value - right) <= SURELY * chance:
        return right + step * (round(steps) if chance is None else 0)
    return right + step * math.copysign(max(1, round(abs(steps))), steps)


def power(ratio, step, chance=None):
    """Round a ratio to a power of two; where that is 1, to 1, 1 ± step, ..., as settle does."""
    nearest = 2.0 ** settle(math.log2(ratio), 0, 1) if ratio > 0 else 0.0
    return settle(ratio, 1, step, chance) if nearest == 1 else nearest


def multiple(f, own):
    """Return the factor by which all of f differs from own, up to rounding; 0 where there is none."""
    factor = (f * own).sum() / own.square().sum()
    return factor.item() if (f - factor * own).abs().max() <= 1e-4 * factor.abs() * own.abs().max() else 0.0


def parts_of(result, **shapes):
    """Return the parts of an answer's tuple as float64 tensors, or say what is wrong with their number or shape."""
    named = f"({', '.join(shapes)})"
    if not isinstance(result, tuple) or len(result) != len(shapes):
        size = f" of {len(result)}" if isinstance(result, tuple) else ""
        raise WrongResult(f"Expected the tuple {named}, got a {type(result).__name__}{size}.")
    try:
        made = comparable(result)
    except (TypeError, ValueError, RuntimeError):
        raise WrongResult(f"Expected tensors {named}, got something else in the tuple.") from None
    for (name, shape), part in zip(shapes.items(), made, strict=True):
        if part.shape != shape:
            raise WrongResult(f"{name} must have shape {shape}, got {tuple(part.shape)}.")
    return made
