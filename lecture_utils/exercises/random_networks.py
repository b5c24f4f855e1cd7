"""Exercises sample-network and conditional-sampler ask for random networks: how a right answer is told from a wrong one.

A right answer draws other numbers than ours. So many networks are drawn, and reduced to statistics; each is rounded to a
grid so coarse that chance never crosses to the next point, and what is compared is the same for every right answer.
"""

import math

from .engine import WrongResult, comparable


def settle(value, right, step):
    """Round a statistic to right, right ± step, ...: chance moves it by much less than half a step."""
    steps = (float(value) - right) / step
    return right + step * round(steps) if math.isfinite(steps) else float(value)


def power(ratio, step):
    """Round a ratio to a power of two; where that is 1, to 1, 1 ± step, ..."""
    nearest = 2.0 ** settle(math.log2(ratio), 0, 1) if ratio > 0 else 0.0
    return settle(ratio, 1, step) if nearest == 1 else nearest


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
