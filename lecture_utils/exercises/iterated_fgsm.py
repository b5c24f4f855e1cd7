"""Exercise iterated-fgsm.

grad_fn, delta0 (d,), eps, step size alpha, number of steps -> the last iterate, (d,).
"""

import torch

from .. import attacks
from .engine import Exercise, Mistake
from .inputs import scaled, signs, tensor, uniform

REFERENCE = attacks.projected_ascent


def pgd(grad_fn, delta0, eps, alpha, steps):
    delta = delta0
    for _ in range(steps):
        delta = (delta + alpha * grad_fn(delta).sign()).clamp(-eps, eps)
    return delta


class Slope:
    """The gradient of -½ Σ a_i (δ_i - c_i)²: a hill with its top at c."""

    def __init__(self, top, steepness):
        self.top, self.steepness = top, steepness

    def __call__(self, delta):
        return self.steepness.to(delta) * (self.top.to(delta) - delta)

    def __repr__(self):
        return f"the gradient of a hill with its top at {self.top.tolist()}"


PROBES = (
    (Slope(tensor(1.0, -1.0), tensor(2.0, 0.5)), tensor(0.0, 0.0), 0.1, 0.04, 2),
    (Slope(tensor(0.23, -1.0), tensor(1.0, 3.0)), tensor(0.0, 0.1), 0.5, 0.1, 4),
    # The top lies outside the ball: who projects only at the end walks past it and turns back.
    (Slope(tensor(0.23, 0.05), tensor(1.0, 1.0)), tensor(0.0, 0.0), 0.2, 0.12, 5),
    (Slope(tensor(0.9, -0.9), tensor(1.0, 1.0)), tensor(0.05, 0.0), 0.3, 0.11, 5),
)


def random_ascent(generator):
    top = signs(generator, 3) * (2 + uniform(generator, 3))
    return Slope(top, 1 + uniform(generator, 3)), 0.1 * uniform(generator, 3), 0.3, 0.07, 6


def stays_in_the_ball(answer, gradient, delta, epsilon, eta, steps):
    if answer(gradient, delta, epsilon, 10.0, steps).abs().max() > epsilon + 1e-6:
        return "With η = 10 the iterate must still lie in the ball |δ_i| ≤ ε."


def ascent(gradient, delta, epsilon, eta, steps, *, move=torch.sign, project=lambda d, e: d.clamp(-e, e), last=lambda d, e: d):
    """Return an ascent with one part of it exchanged."""
    for _ in range(steps):
        delta = project(delta + eta * move(gradient(delta)), epsilon)
    return last(delta, epsilon)


def unprojected(delta, epsilon):
    return delta


MISTAKES = (
    Mistake(
        (lambda g, d, e, a, n: ascent(lambda _: g(d), d, e, a, n),),
        "The gradient is taken once, at the start: on the slide the index of δ_k is missing; it belongs inside the loop.",
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v),), "This moves by the gradient itself; take its sign."
    ),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, -a, n),), "This goes downhill: the attack increases the loss."),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected),), "δ leaves the ball: the projection is missing."),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected, last=lambda d, e: d.clamp(-e, e)),),
        "The projection belongs inside the loop: the next gradient is taken at the projected point.",
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda d, e: scaled(d, e, d.norm())),),
        "This projects onto the Euclidean ball; the ball here is |δ_i| ≤ ε in each entry.",
    ),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, a, 1),), "Only one step is made: return after the loop, not inside it."),
)

EXERCISE = Exercise(
    "iterated-fgsm",
    "iterated FGSM",
    REFERENCE,
    pgd,
    PROBES,
    random=random_ascent,
    laws=(stays_in_the_ball,),
    hints=(
        "A loop over the steps with three lines: gradient at the current δ, a step of size η in each entry, the projection.",
        "grad_fn(delta) must be called inside the loop. The step is alpha * sign(gradient). The projection is a clamp.",
        "delta = (delta + alpha * grad_fn(delta).sign()).clamp(-eps, eps), steps times.",
    ),
    mistakes=MISTAKES,
    written=("With steps = 1, a start at 0 and η = ε this is FGSM."),
)
