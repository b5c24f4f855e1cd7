"""Exercise ties.

G (m, p), the gradients of all maximisers, h (p,) -> the slope of their maximum along h, a float.
Asked: the largest slope, with its sign, also where all are negative; one maximiser; h of any length, 0 too.
"""

import torch

from .. import linear
from .engine import Exercise, Mistake
from .inputs import normal, tensor

REFERENCE = linear.dir_derivative


def dir_derivative(G, h):
    return (G @ h).max()


PROBES = (
    (tensor([1.0, 0.0], [0.0, 1.0]), tensor(1.0, 2.0)),
    (tensor([-0.1, -0.75], [-0.1, 0.25], [-1.1, -0.75], [-1.1, 0.25]), tensor(0.1, 0.75)),
    (tensor([0.5, -1.0, 2.0], [-2.0, 0.5, 0.3], [1.0, 1.0, 1.5]), tensor(-1.0, -0.5, -0.2)),
    (tensor([1.0, 2.0], [-0.5, 1.0], [2.0, 0.5]), tensor(-1.0, -1.5)),
    (tensor([-3.0, 1.0]), tensor(2.0, 1.0)),
    (tensor([0.5, -1.0], [2.0, 0.0], [1.0, 3.0]), tensor(0.0, 0.0)),
    (tensor([2e6], [3e6]), tensor(-1.0)),  # steep
    (tensor([0.0, 1.0], [-1.0, 0.5]), tensor(1.0, 0.0)),  # the largest is 0
)


def random_gradients(generator):
    m, p = (int(torch.randint(1, 7, (), generator=generator)) for _ in range(2))
    return normal(generator, m, p), normal(generator, p)


def scales_with_the_direction(answer, G, h):
    if (answer(G, 3 * h) - 3 * answer(G, h)).abs() > 1e-4:
        return "φ'(w; 3h) must be 3 φ'(w; h): it is a slope, per length of h."


def grows_with_the_maximisers(answer, G, h):
    if answer(torch.cat([G, G[:1] + h]), h) < answer(G, h) - 1e-6:
        return "One more maximiser can only make φ steeper."


MISTAKES = (
    Mistake(
        (lambda G, h: G[0] @ h,),
        "This is the slope of the first maximiser alone; another one may grow faster along h, and φ follows that one.",
    ),
    Mistake(
        (lambda G, h: G[-1] @ h,),
        "This is the slope of the last maximiser alone; another one may grow faster along h, and φ follows that one.",
    ),
    Mistake((lambda G, h: (G @ h).mean(),), "φ is the maximum of the functions, not their mean."),
    Mistake((lambda G, h: (G @ h).sum(),), "φ is the maximum of the functions, not their sum."),
    Mistake(
        (lambda G, h: (G @ h).median(), lambda G, h: (G @ h).quantile(0.5)),
        "This is the slope in the middle; φ is the maximum of the functions and follows the largest.",
    ),
    Mistake((lambda G, h: (G @ h).min(),), "The smallest slope belongs to the minimum of the functions; φ is their maximum."),
    Mistake((lambda G, h: -(G @ h).max(),), "The sign is turned: along h the function with gradient g grows by ⟨g, h⟩."),
    Mistake((lambda G, h: (G @ -h).max(),), "This is the slope along -h."),
    Mistake(
        (lambda G, h: (G @ h).clamp(min=0).max(),),
        "A slope may be negative: where all functions fall along h, their maximum falls too.",
    ),
    Mistake(
        (lambda G, h: (G @ h).abs().max(), lambda G, h: (G @ h)[(G @ h).abs().argmax()]),
        "A slope may be negative, and the most negative one does not count: the largest, with its sign.",
    ),
    Mistake(
        (lambda G, h: (G @ h).max() / h.norm(), lambda G, h: (G @ (h / h.norm())).max()),
        "You divide by the length of h. φ'(w; h) is the limit of (φ(w + th) - φ(w)) / t: twice the h, twice the slope.",
    ),
    Mistake(
        (lambda G, h: G.norm(dim=1).max(), lambda G, h: G.norm(dim=1).max() * h.norm()),
        "The length of a gradient does not know where h points: take ⟨g, h⟩.",
    ),
    Mistake(
        (lambda G, h: G[G.norm(dim=1).argmax()] @ h,),
        "The longest gradient need not be the one that grows fastest along h.",
    ),
    Mistake(
        (lambda G, h: G.amax(0) @ h, lambda G, h: (G * h).amax(0).sum()),
        "You take the maximum entry by entry, over several maximisers at once: one δ* has one gradient. First ⟨g, h⟩, then max.",
    ),
    Mistake((lambda G, h: (G * h).max(),), "⟨g, h⟩ is a sum over the entries; the maximum is over the maximisers."),
)

EXERCISE = Exercise(
    "ties",
    "ties",
    REFERENCE,
    dir_derivative,
    PROBES,
    random=random_gradients,
    laws=(scales_with_the_direction, grows_with_the_maximisers),
    hints=(
        "φ is a maximum of several functions that are equal at w. When you walk along h, which of them is φ a moment later?",
        "The one that grows fastest along h. Each grows with the slope ⟨g, h⟩, g its gradient.",
        "(G @ h).max()",
    ),
    mistakes=MISTAKES,
    differs="The library's returns a Python float.",
    written=(
        "h is a descent direction if and only if ⟨g, h⟩ < 0 for the gradients of all maximisers. At w = 0 they are -½(x + δ), "
        "|δ_i| ≤ 1, x = (1.2, 0.5): the second entry takes both signs, and the first is negative for all, so h = (1, 0) falls: "
        "φ'(0; h) = -½(1.2 - 1) = -0.1. In general h is minus the shortest vector in the convex hull of the gradients, here "
        "(0.1, 0)."
    ),
)
