"""Exercise iterated-fgsm.

grad_fn, delta0 (d,) in the ball, eps, step size alpha, number of steps -> the last iterate, (d,). Each step: the gradient at the
current iterate, its sign entry by entry (0 stays 0), a step of alpha uphill, the projection onto |delta_i| <= eps. No pixel box.
It starts at delta0, wherever that is; at least one step is made.
"""

import torch

from .. import attacks
from .compare import written
from .engine import Exercise, Mistake
from .inputs import scaled, tensor, uniform

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
        delta = torch.as_tensor(delta)  # of an answer in NumPy
        return self.steepness.to(delta) * (self.top.to(delta) - delta)

    def __repr__(self):
        return f"lambda delta: {written(self.steepness)} * ({written(self.top)} - delta)"


PROBES = (
    (Slope(tensor(1.0, -1.0), tensor(2.0, 0.5)), tensor(0.0, 0.0), 0.1, 0.04, 2),
    (Slope(tensor(0.23, -1.0), tensor(1.0, 3.0)), tensor(0.0, 0.1), 0.5, 0.1, 4),
    # The top lies outside the ball: who projects only at the end walks past it and turns back.
    (Slope(tensor(0.23, 0.05), tensor(1.0, 1.0)), tensor(0.0, 0.0), 0.2, 0.12, 5),
    (Slope(tensor(0.9, -0.9), tensor(1.0, 1.0)), tensor(0.05, 0.0), 0.3, 0.11, 5),
    # One entry is flat: its gradient is exactly 0. Then all of them are.
    (Slope(tensor(0.3, 0.5), tensor(1.0, 0.0)), tensor(0.0, 0.1), 0.5, 0.125, 3),
    (Slope(tensor(0.3, 0.5), tensor(0.0, 0.0)), tensor(0.2, -0.1), 0.5, 0.125, 2),
    (Slope(tensor(-0.9), tensor(1.0)), tensor(0.2), 0.3, 0.25, 1),
    (Slope(tensor(0.15), tensor(1.0)), tensor(0.0), 0.5, 0.1, 3),  # past the top and back
)


def random_ascent(generator):
    n, steps = (1 + int(torch.randint(high, (), generator=generator)) for high in (3, 6))
    epsilon, alpha = 0.1 + 0.4 * uniform(generator, 1).item(), 0.02 + 0.2 * uniform(generator, 1).item()
    top, start = (epsilon * reach * (2 * uniform(generator, n) - 1) for reach in (2.0, 1.0))
    return Slope(top, 0.5 + uniform(generator, n)), start, epsilon, alpha, steps


def stays_in_the_ball(answer, gradient, delta, epsilon, eta, steps):
    if answer(gradient, delta, epsilon, 10.0, steps).abs().max() > epsilon + 1e-6:
        return "With alpha = 10 the iterate must still lie in the ball |δ_i| ≤ ε."


def sees_only_signs(answer, gradient, delta, epsilon, eta, steps):
    for factor in (1000, 1e-12):
        other = Slope(gradient.top, factor * gradient.steepness)
        if not torch.allclose(answer(other, delta, epsilon, eta, steps), answer(gradient, delta, epsilon, eta, steps), atol=1e-5):
            return f"A gradient that is {factor:g} times as long has the same signs, so the iterate must be the same."


def ascent(gradient, delta, epsilon, eta, steps, *, move=torch.sign, project=lambda d, e: d.clamp(-e, e), last=lambda d, e: d):
    """Return an ascent with one part of it exchanged."""
    for _ in range(steps):
        delta = project(delta + eta * move(gradient(delta)), epsilon)
    return last(delta, epsilon)


def unprojected(delta, epsilon):
    return delta


def projected_before(gradient, delta, epsilon, eta, steps):
    for _ in range(steps):
        delta = delta.clamp(-epsilon, epsilon)
        delta = delta + eta * gradient(delta).sign()
    return delta


def rising(gradient, delta, epsilon, eta, steps):
    """Return an ascent that keeps the iterate with the shortest gradient, as if that were the best."""
    best = delta
    for _ in range(steps):
        delta = (delta + eta * gradient(delta).sign()).clamp(-epsilon, epsilon)
        best = torch.where(gradient(delta).norm() < gradient(best).norm(), delta, best)
    return best


MISTAKES = (
    Mistake(
        (lambda g, d, e, a, n: ascent(lambda _: g(d), d, e, a, n),),
        "The gradient is taken once, at the start: it is to be taken at the current δ, inside the loop.",
        example=1,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v),),
        "This moves by the gradient itself; take its sign.",
    ),
    Mistake(
        (
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v / v.abs()),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: (v / v.abs()).nan_to_num(1.0)),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: torch.where(v >= 0, 1.0, -1.0).to(v)),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: torch.where(v > 0, 1.0, -1.0).to(v)),
        ),
        "Where an entry of the gradient is exactly 0 it has no direction, and δ stays: sign(0) = 0.",
        example=4,
    ),
    Mistake(
        (
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: torch.nn.functional.normalize(v, dim=0)),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v / v.norm()),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v / v.abs().max()),
            lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v / (v.abs().max() + 1e-12)),
        ),
        "This divides the whole gradient by one number; the sign of each entry is asked for, which is -1, 0 or 1.",
        example=0,
    ),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, -a, n),), "This goes downhill: the attack increases the loss."),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected),),
        "δ leaves the ball: the projection is missing.",
        example=3,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected, last=lambda d, e: d.clamp(-e, e)),),
        "The projection belongs inside the loop: the next gradient is taken at the projected point.",
        example=2,
    ),
    Mistake(
        (projected_before,),
        "The projection comes after the step: the last step leaves the ball here.",
        example=2,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda d, e: scaled(d, e, d.norm())),),
        "This projects onto the Euclidean ball; the ball here is |δ_i| ≤ ε in each entry.",
        example=3,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda d, e: scaled(d, e, d.abs().max())),),
        "The whole δ is made shorter here; the nearest point of the ball cuts each entry alone.",
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda v, e: d + (v - d).clamp(-e, e)),),
        "The ball is around 0, and not around delta0.",
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda v, e: v.clamp(max=e)),),
        "The ball has two sides: every entry must be at least -ε, too.",
        example=3,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, torch.zeros_like(d), e, a, n),),
        "The iteration starts at delta0, not at 0.",
        example=6,
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a, 1),),
        "Only one step is made: return after the loop, not inside it.",
        example=0,
    ),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, a, n - 1),), "One step too few is made.", example=0),
    Mistake((lambda g, d, e, a, n: ascent(g, d, e, a, n + 1),), "One step too many is made.", example=6),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, a / n, n),),
        "alpha is the size of one step, and not of all steps together.",
    ),
    Mistake(
        (lambda g, d, e, a, n: ascent(g, d, e, e, n),),
        "Each step has size ε here; the step size is alpha.",
    ),
    Mistake((rising,), "The last iterate is asked for, and not the best of all.", example=2),
)

EXERCISE = Exercise(
    "iterated-fgsm",
    "iterated FGSM",
    REFERENCE,
    pgd,
    PROBES,
    random=random_ascent,
    laws=(stays_in_the_ball, sees_only_signs),
    hints=(
        "A loop over the steps with three lines: gradient at the current δ, a step of size η in each entry, the projection.",
        "grad_fn(delta) must be called inside the loop. The step is alpha * sign(gradient). The projection is a clamp.",
        "delta = (delta + alpha * grad_fn(delta).sign()).clamp(-eps, eps), steps times.",
    ),
    mistakes=MISTAKES,
    written="With steps = 1, a start at 0 and alpha = ε this is FGSM.",
    differs='The library\'s function also steps along the gradient itself, with direction="gradient".',
)
