"""Exercise ties.

G (m, p), the gradients of all maximisers, h (p,) -> the slope of their maximum along h, a float.
"""

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
)


def random_gradients(generator):
    return normal(generator, 4, 3), normal(generator, 3)


def scales_with_the_direction(answer, G, h):
    if (answer(G, 3 * h) - 3 * answer(G, h)).abs() > 1e-4:
        return "φ'(w; 3h) must be 3 φ'(w; h): it is a slope, per length of h."


MISTAKES = (
    Mistake(
        (lambda G, h: G[0] @ h,),
        "This is the slope of the first maximiser alone; another one may grow faster along h, and φ follows that one.",
    ),
    Mistake((lambda G, h: (G @ h).mean(),), "φ is the maximum of the functions, not their mean."),
    Mistake((lambda G, h: (G @ h).min(),), "The smallest slope belongs to the minimum of the functions; φ is their maximum."),
    Mistake(
        (lambda G, h: (G @ h).abs().max(), lambda G, h: (G @ h)[(G @ h).abs().argmax()]),
        "A slope may be negative, and the most negative one does not count: the largest, with its sign.",
    ),
    Mistake((lambda G, h: G.norm(dim=1).max(),), "The length of a gradient does not know where h points: take ⟨g, h⟩."),
)

EXERCISE = Exercise(
    "ties",
    "ties",
    REFERENCE,
    dir_derivative,
    PROBES,
    random=random_gradients,
    laws=(scales_with_the_direction,),
    hints=(
        "φ is a maximum of several functions that are equal at w. When you walk along h, which of them is φ a moment later?",
        "The one that grows fastest along h. Each grows with the slope ⟨g, h⟩, g its gradient.",
        "(G @ h).max()",
    ),
    mistakes=MISTAKES,
    written=(
        "h is a descent direction if and only if ⟨g, h⟩ < 0 for the gradients of all maximisers. At w = 0 they are -½(x + δ), "
        "|δ_i| ≤ 1, x = "
        "(1.2, 0.5): the second entry takes both signs, so h must not move there, and the first is negative for all. h = (1, 0) "
        "has "
        "φ'(0; h) = -½(1.2 - 1) = -0.1. In general h is minus the shortest vector in the convex hull of the gradients, here "
        "(0.1, 0)."
    ),
)
