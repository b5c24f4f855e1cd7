"""Exercise ray.

W (k, d), b (k,), a (k,), x (d,), y -1.0 or 1.0, u (d,) -> the infimum of the t >= 0 with y f(x + t u) < 0, or inf.

Clauses: y f < 0, with the label; 0 where the sign is wrong at once, from a dead zone too; f = 0 is no flip, on a piece or
at one point; pieces between breakpoints, and beyond the last one; neurons that never switch, breakpoints behind x; t counts
lengths of u, which may be any; inf (or nothing) where no flip comes.
"""

import math

import torch

from .. import robustness
from ..networks import two_layer
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor, uniform

REFERENCE = robustness.first_flip_along_ray


def first_flip_along_ray(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    times = [-z_j / s_j for z_j, s_j in zip(z.tolist(), s.tolist(), strict=True) if s_j != 0]
    times = sorted({0.0, *(t for t in times if t > 0)})
    times.append(times[-1] + 1)  # the slope beyond the last breakpoint
    values = [(y * (a * torch.relu(z + t * s)).sum()).item() for t in times]
    values = [0.0 if abs(value) < 1e-12 else value for value in values]  # rounding where f = 0
    if values[0] < 0:
        return 0.0
    for i in range(1, len(times)):
        slope = (values[i] - values[i - 1]) / (times[i] - times[i - 1])
        last = i == len(times) - 1
        if values[i] < 0 or (last and slope < 0):
            return times[i - 1] - values[i - 1] / slope
    return math.inf


PAIR = (tensor([1.0, 0.0], [0.0, 1.0]), tensor(-0.5, -0.5), tensor(1.0, -1.0))  # neurons on for x_1 > 1/2 and for x_2 > 1/2
VALLEY = (tensor([1.0, 0.0], [-1.0, 0.0]), tensor(0.0, 0.0), tensor(1.0, 1.0))  # f = |x_1|
TWICE = (tensor([1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]), tensor(0.0, -1.0, -3.0, 1.0), tensor(-2.0, 4.0, -4.0, 1.0))

PROBES = (
    (*PAIR, tensor(1.0, 0.0), 1.0, tensor(-1.0, 1.0)),
    (*PAIR, tensor(1.0, 0.2), 1.0, tensor(-1.0, 0.1)),
    (*PAIR, tensor(0.1, 1.2), -1.0, tensor(0.5, -0.25)),
    (*PAIR, tensor(1.0, 0.0), 1.0, tensor(-1.0, 0.0)),  # into the dead zone for ever
    (*PAIR, tensor(0.1, 1.2), 1.0, tensor(0.5, -0.25)),  # wrong at once
    (*PAIR, tensor(0.0, 0.0), -1.0, tensor(2.0, 0.0)),  # from the dead zone
    (*PAIR, tensor(1.5, 1.0), 1.0, tensor(0.0, 1.0)),  # both on, and no breakpoint ahead
    (*PAIR, tensor(2.5, 0.0), 1.0, tensor(0.0, 1.5)),  # beyond the last breakpoint
    (*PAIR, tensor(1.0, 1.0), 1.0, tensor(1.0, 1.0)),  # f = 0 with both on
    (*PAIR, tensor(1.0, 1.0), 1.0, tensor(-1.0, 0.0)),  # f = 0, and falls at once
    (*VALLEY, tensor(1.0, 0.0), 1.0, tensor(-1.0, 0.0)),  # touches 0 and rises again
    (*TWICE, tensor(0.0, 0.0), 1.0, tensor(1.0, 0.0)),  # flips, recovers, flips again
    (tensor([1.0], [1.0]), tensor(1.0, -5.0), tensor(1.0, -2.0), tensor(0.0), 1.0, tensor(1.0)),  # more neurons than dimensions
    (tensor([1.0], [1.0], [-1.0]), tensor(2.0, 1.0, -2.0), tensor(-1.0, 2.0, -1.0), tensor(0.0), 1.0, tensor(1.0)),  # all behind
    (tensor([1.0], [1.0], [0.0]), tensor(-1.0, -1.0, 1.0), tensor(-1.0, -1.0, 1.0), tensor(0.0), 1.0, tensor(1.0)),  # two at once
    (*PAIR, tensor(2.5, 0.0), 1.0, tensor(0.0, 2**-12)),  # 8,192 beyond the last breakpoint
    (tensor([1.0], [1.0], [0.0]), tensor(0.0, -1.0, 1.0), tensor(-1.0015, 2.0, 1.0), tensor(0.0), 1.0, tensor(1.0)),  # -0.0015
    (
        tensor([1.0, 1.0], [1.0, -1.0], [0.5, 2.0], [-1.0, 0.3]),
        tensor(0.3, 0.2, -1.0, 0.5),
        tensor(-1.0, 0.5, 1.0, 1.0),
        tensor(0.1, 1.2),
        1.0,
        tensor(0.4, -0.6),
    ),
)


def random_ray(generator):
    """Return a small random network and a ray from a point, whose label is wrong in a quarter of the cases."""
    W, b, a = normal(generator, 6, 3), normal(generator, 6), signs(generator, 6).double()
    x, u = normal(generator, 3), 2 * normal(generator, 3)
    y = 1.0 if two_layer(x, W, b, a) > 0 else -1.0
    return W, b, a, x, -y if uniform(generator, 1) < 0.25 else y, u


def first_of_a_grid(answer, W, b, a, x, y, u):
    t = answer(W, b, a, x, y, u)
    times = torch.linspace(0, 1, 400, dtype=torch.float64) * t.clamp(max=100)
    if t > 0 and (y * two_layer(x + times[:-1, None] * u, W, b, a) < -1e-6).any():
        return "The sign is wrong already before your t."
    after = 1.0001 * t + 1e-5
    if t.isfinite() and not y * two_layer(x + after * u, W, b, a) < 1e-9:
        return "Right after your t the sign should be wrong, and is not."


def along(W, b, a, x, y, u, wanted, start=True, last=True):
    """Return the first breakpoint, or zero of a piece, that is wanted: (value at the start, at the end) -> a share or None.

    start: whether the sign at x itself is looked at; last: whether the piece beyond the last breakpoint is.
    """
    z, speed = W @ x + b, W @ u
    ends = (-z / speed)[speed != 0]
    ends = [0.0, *ends[ends > 0].sort().values.tolist()]
    ends.append(ends[-1] + 1e6)
    values = [(y * two_layer(x + t * u, W, b, a)).item() for t in ends]
    if start and values[0] < -1e-9:
        return 0.0
    for first, end, high, low in list(zip(ends, ends[1:], values, values[1:], strict=False))[: None if last else -1]:
        share = wanted(high, low)
        if share is not None:
            return first + share * (end - first)
    return math.inf


def extrapolated(W, b, a, x, y, u):
    slope = y * ((W @ x + b > 0) * a) @ (W @ u)
    value = y * two_layer(x, W, b, a)
    return (-value / slope).item() if slope < 0 else math.inf


def touches_zero(high, low):
    return 0.0 if high <= 1e-9 else high / (high - low) if low <= 1e-9 else None


def crosses(high, low):
    return high / (high - low) if low < -1e-9 else None


def falls(high, low):
    return high / (high - low) if low < -1e-9 and high >= -1e-9 else None


def of_sign(W, b, a, x, y, u):
    return along(W, b, a, x, 1.0 if two_layer(x, W, b, a) >= 0 else -1.0, u, crosses)


MISTAKES = (
    Mistake((extrapolated,), "The slope at x holds only up to the first neuron that switches."),
    Mistake(
        (lambda *p: along(*p, lambda high, low: 1.0 if low < -1e-9 else None),),
        "This is the end of the piece in which the sign changes; the change itself comes before, at the zero of the line.",
        example=2,
    ),
    Mistake(
        (lambda *p: along(*p, lambda high, low: 0.0 if low < -1e-9 else None),),
        "This is the start of the piece in which the sign changes; on it f still has to fall to 0.",
    ),
    Mistake(
        (lambda *p: along(*p, touches_zero),),
        "f = 0 is no flip: look for y f < 0, which may come after a dead zone, or never.",
    ),
    Mistake(
        (
            lambda W, b, a, x, y, u: along(W, b, a, x, 1.0, u, crosses),
            lambda W, b, a, x, y, u: along(W, b, a, x, 1.0, u, falls, start=False),
        ),
        "For y = -1 the sign is wrong when f > 0: multiply f by y.",
    ),
    Mistake(
        (of_sign,),
        "y is not used: you start from the sign of f(x). Where that is not y, or f(x) = 0, the label decides what is wrong.",
        example=4,
    ),
    Mistake(
        (lambda *p: along(*p, falls, start=False),),
        "Where y f(x) < 0 the sign is wrong at once: t = 0.",
        example=4,
    ),
    Mistake(
        (lambda *p: along(*p, crosses, last=False), lambda *p: along(*p, falls, start=False, last=False)),
        "Beyond the last breakpoint f is linear for ever, and may still become negative.",
    ),
    Mistake(
        (lambda W, b, a, x, y, u: along(W, b, a, x, y, u, crosses) * u.norm().item(),),
        "This is the length t |u| of the perturbation; t itself is asked, and u may have any length.",
    ),
)

EXERCISE = Exercise(
    "ray",
    "first flip along a ray",
    REFERENCE,
    first_flip_along_ray,
    PROBES,
    random=random_ray,
    laws=(first_of_a_grid,),
    nothing=math.inf,
    hints=(
        "On the ray z_j(t) = z_j + t s_j with s_j = w_j·u. Each neuron switches at most once. Where?",
        "Between the times t_j = -z_j/s_j > 0, sorted, f is linear. Evaluate y f at 0, at each t_j, and once beyond the last.",
        "0 if y f < 0 at 0. Else take the first piece whose end has y f < 0, and the zero of the line through its two ends: "
        "start + (end - start)·high/(high - low). Where y f = 0 at the start of that piece, this is the start. The last piece "
        "has no end: its slope decides. Without such a piece: math.inf.",
    ),
    mistakes=MISTAKES,
    differs="The library's function takes all times at once, and as 0 what is rounding beside the largest neuron.",
    written=("A gradient attack extrapolates, and in a dead zone its slope is 0. The breakpoints see everything on the ray."),
)
