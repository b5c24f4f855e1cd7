"""Exercise gradient-norm.

d >= 1 an integer, v1 and e floats -> E |grad f(x)|^2 for every d, a float: exact, no limit, and whatever k is. d = 1 has only
the direction of x; large d approaches v1.
"""

import math

import torch

from .. import initialization
from .engine import Exercise, Mistake
from .inputs import uniform

REFERENCE = initialization.expected_grad_norm_sq


def expected_grad_norm_sq(d, v1, e):
    return v1 * (d - 1) / d + e / d


PROBES = ((1, 0.5, 0.25), (3, 0.4644, 0.1078), (10, 0.6, 1.5), (2, 4.0, 12.0), (50, 0.0, 2.0), (7, 0.3, 0.0))


def random_moments(generator):
    return int(torch.randint(1, 40, (), generator=generator)), *(0.1 + uniform(generator, 2)).tolist()


def between_its_parts(answer, d, v1, e):
    if not torch.isclose(answer(d, v1, v1), torch.tensor(v1, dtype=torch.float64), rtol=1e-4):
        return "When e = v1, as for ReLU, the answer is v1 in every dimension."


def only_along_x(answer, d, v1, e):
    if not torch.isclose(answer(1, v1, e), torch.tensor(e, dtype=torch.float64), rtol=1e-4):
        return "With d = 1 there is no direction but that of x: the answer is e."


MISTAKES = (
    Mistake((lambda d, v1, e: v1,), "This is the limit for large d; the exact value for every d is asked for."),
    Mistake(
        (lambda d, v1, e: v1 * (d - 1) / d,),
        "The direction of x itself is forgotten: there w_j is not independent of σ'(w_j·x).",
    ),
    Mistake(
        (lambda d, v1, e: v1 * (d - 1) / d + e,),
        "The part along x lacks a factor 1/d: x has length √d, so (g·x)² is d times the squared length along x.",
    ),
    Mistake(
        (lambda d, v1, e: v1 + e / d,),
        "One of the d directions is counted twice: across x there are d - 1.",
    ),
    Mistake(
        (lambda d, v1, e: v1 * (d - 1) + e,),
        "Each entry of w_j has variance 1/d, not 1: your result is d times too large.",
        example=1,
    ),
    Mistake(
        (lambda d, v1, e: v1 / d + e * (d - 1) / d,),
        "The two parts are swapped: along x is one direction, with e; across x are d - 1, with v1.",
    ),
    Mistake(
        (lambda d, v1, e: v1 * (d - 1) / d + e / d**2,),
        "The part along x has a factor 1/d too many: the gradient's component along x/√d has mean square e/d.",
        example=1,
    ),
    Mistake((lambda d, v1, e: v1 + (e - v1) / d**2,), "The difference to the limit v1 falls like 1/d, not like 1/d².", example=1),
    Mistake(
        (lambda d, v1, e: math.sqrt(v1 * (d - 1) / d + e / d),), "This is a root: the mean of the squared length is asked for."
    ),
    Mistake((lambda d, v1, e: v1 * (d - 1) / d - e / d,), "The part along x is a square, too: it is added."),
    Mistake(
        (lambda d, v1, e: v1 * (d - 2) / d + e / d,),
        "Across x there are d - 1 directions; yours are d - 2.",
    ),
    Mistake((lambda d, v1, e: v1 * (d - 1) / d + e * v1 / d,), "e is the mean of u² σ'(u)² already: v1 is no factor of it."),
)

EXERCISE = Exercise(
    "gradient-norm",
    "the length of the gradient",
    REFERENCE,
    expected_grad_norm_sq,
    PROBES,
    random=random_moments,
    laws=(between_its_parts, only_along_x),
    hints=(
        "Split every w_j into its part along x and the rest. Which of the two does σ'(w_j·x) know of?",
        "w_j = (u_j/d) x + w_j', where u_j = w_j·x ~ N(0, 1) and w_j' is Gaussian in d - 1 directions, with variance 1/d in "
        "each, independent of u_j. The gradient's squared length is the sum over both parts; signs kill the mixed terms.",
        "Across x: v1 (d - 1)/d. Along x: E (g·x)²/d with E (g·x)² = E σ'(u)² u² = e.",
    ),
    mistakes=MISTAKES,
    written=(
        "g = (1/√k) Σ a_j σ'(u_j) w_j. Along x: g·x = (1/√k) Σ a_j σ'(u_j) u_j, with mean square e, and it counts as (g·x)²/d. "
        "Across x, given a and u, g is Gaussian: |g'|² = (1/k) Σ σ'(u_j)² times χ²(d-1)/d, with mean v1 (d - 1)/d; x itself is "
        "the direction that is missing from d. For d → ∞ and k → ∞ both factors concentrate (Bernstein, χ²), so |g|² → v1, "
        "which is positive unless σ' = 0 almost everywhere."
    ),
)
