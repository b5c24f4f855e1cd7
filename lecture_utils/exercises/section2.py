"""Exercises 2.1 to 2.6: robust networks exist."""

import math

import torch

from .. import data, radii, robustness
from ..networks import two_layer
from .engine import Exercise, Mistake, WrongResult, comparable
from .inputs import normal, signs, tensor, uniform


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# ---- 2.1 ---------------------------------------------------------------------------------------------


def blind_to_signs(answer, X):
    turned = torch.cat([-X[:1], X[1:]])
    if not torch.allclose(answer(turned), answer(X), atol=1e-5):
        return "Turning x_1 into -x_1 changes no |<x_i, x_j>|, so the coherence must stay."


def gram(X):
    return (X @ X.T).fill_diagonal_(0.0)


COHERENCE = Exercise(
    "2.1",
    "coherence",
    robustness.coherence,
    probes=(
        (math.sqrt(2) * tensor([1.0, 0.0], [0.6, 0.8]),),
        (math.sqrt(3) * tensor([1.0, 0.0, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.28, 0.96]),),
        (data.sphere(5, 7, seeded(1)),),
    ),
    random=lambda generator: (data.sphere(6, 5, generator),),
    law=blind_to_signs,
    hints=(
        "X @ X.T holds all inner products. Which of its entries belong to pairs i ≠ j?",
        "On the diagonal stands |x_i|² = d: take it out before the maximum. Both signs of <x_i, x_j> count.",
        "(X @ X.T).fill_diagonal_(0).abs().max() / d",
    ),
    mistakes=(
        Mistake(
            (lambda X: (X @ X.T).abs().max() / X.shape[1],), "A point with itself gives |x_i|²/d = 1: leave out the diagonal."
        ),
        Mistake((lambda X: gram(X).fill_diagonal_(-torch.inf).max() / X.shape[1],), "The size counts: take |<x_i, x_j>|."),
        Mistake((lambda X: gram(X).abs().max(),), "Divide by d: c compares <x_i, x_j> with |x_i|² = d."),
        Mistake(
            (lambda X: gram(X).abs().max() / math.sqrt(X.shape[1]),),
            "Divide by d, not by its root: both points have length sqrt(d).",
        ),
        Mistake(
            (
                lambda X: gram(X).abs().sum() / (len(X) * (len(X) - 1) * X.shape[1]),
                lambda X: gram(X).abs().mean() / X.shape[1],
            ),
            "The theorem needs a bound for every pair, so the largest value counts, not the mean.",
        ),
    ),
    written="For random points c is about sqrt(4 log(m) / d): it falls with d, and rises slowly with m.",
)

# ---- 2.2 ---------------------------------------------------------------------------------------------


def certified_share(answer, X, y, c):
    """Return the share of the theorem's radius that is certified at each point, at most 1, and the margins.

    Any network that passes is right, so its margins are shown as 1.
    """
    made = answer(X.clone(), y.clone(), c)
    if made is None or made is ...:
        return made
    if not (isinstance(made, tuple) and len(made) == 3):
        raise WrongResult("Return three tensors, W, b, a, of shapes (m, d), (m,), (m,).")
    W, b, a = comparable(made)
    b, a = b.expand(len(W)), a.expand(len(W))
    share = (radii.certified_radius(W, b, a, X, y) / robustness.theorem_radius(X.shape[1], c)).clamp(max=1.0)
    margins = y * two_layer(X, W, b, a) + 0.0  # no -0
    margins = torch.ones_like(margins) if (share > 1 - 1e-6).all() else margins
    return share, margins


def construction(first=2.0, bias=lambda c: -(1 + c) / (1 - c), below=lambda c: 1 - c, scale=lambda d: d, label=lambda y: 1.0):
    """Return the construction of Theorem 1 with parts replaced."""

    def build(X, y, c):
        factor = first / (scale(X.shape[1]) * below(c))
        return factor * label(y[:, None]) * X, torch.full_like(y, bias(c)), y

    return build


def random_points(generator):
    X = data.sphere(4, 10, generator)
    return X, tensor(1.0, -1.0, 1.0, -1.0), min(robustness.coherence(X) + 0.02, 0.95)


ROBUST_NETWORK = Exercise(
    "2.2",
    "build the robust network",
    robustness.robust_network,
    probes=(
        (data.equicorrelated(2, 9, 0.4, seeded(0)), tensor(1.0, -1.0), 0.4),
        (data.equicorrelated(4, 16, 0.1, seeded(1)), tensor(1.0, -1.0, -1.0, 1.0), 0.1),
        (data.equicorrelated(3, 8, 0.6, seeded(2)), tensor(-1.0, -1.0, 1.0), 0.65),
    ),
    random=random_points,
    run=certified_share,
    parts=("share of the theorem's radius that is certified", "y f(x) at the points"),
    hints=(
        "One neuron a point. Neuron j should be 1 at its own point x_j and at most -1 at every other. Inner products there: d, "
        "and at most c d.",
        "The line through (d, 1) and (c d, -1) has slope 2 / (d (1 - c)). What is its value at 0?",
        "w_j = 2 x_j / (d (1 - c)), b_j = -(1 + c) / (1 - c), a_j = y_j.",
    ),
    mistakes=(
        Mistake(
            (construction(first=1.0),),
            "The factor 2 in w_j is missing: z_j has to rise from -1 to 1 over a distance of d (1 - c).",
        ),
        Mistake(
            (construction(bias=lambda c: (1 + c) / (1 - c)),),
            "The bias has the wrong sign: it must hold neurons off away from their point.",
        ),
        Mistake(
            (construction(bias=lambda c: -c / (1 - c)),),
            "With the bias -c/(1 - c) the other neurons are on at x_i, where <x_i, x_j> may be c d. Put -1 there.",
        ),
        Mistake(
            (lambda X, y, c: (*construction()(X, y, c)[:2], torch.ones_like(y)),),
            "The outer weights are the labels, a_j = y_j: with 1 every output is positive.",
        ),
        Mistake((construction(scale=math.sqrt),), "Divide by d, not by its root: <x_j, x_j> is d."),
        Mistake((construction(below=lambda c: 1 + c),), "In w_j the denominator is d (1 - c)."),
        Mistake(
            (construction(label=lambda y: y),),
            "The label stands in w_j as well as in a_j: neuron j must be on at x_j, whatever its label is.",
        ),
    ),
    written=(
        "z_j(x) = (2<x_j, x>/d - 1 - c)/(1 - c), which is 1 at x_j and at most (2c - 1 - c)/(1 - c) = -1 at the others. Any "
        "network passes for which the certificate of exercise 2.3 is at least (1 - c)/4 sqrt(d)."
    ),
)

# ---- 2.3 ---------------------------------------------------------------------------------------------


def reach(W, b, X, norm=lambda W: W.norm(dim=1)):
    """Return z and the distance from each point to where each neuron changes its state."""
    z = X @ W.T + b
    return z, z.abs() / norm(W)


def certificate(norm=lambda W: W.norm(dim=1), own=lambda on: on.amax(1), others=lambda off: off.amin(1)):
    """Return the certificate with parts replaced."""

    def certify(W, b, a, X, y):
        z, far = reach(W, b, X, norm)
        on = torch.where((y[:, None] * a > 0) & (z > 0), far, 0.0)
        off = torch.where(y[:, None] * a < 0, torch.where(z < 0, far, 0.0), torch.nan)
        return torch.minimum(own(on), others(off.nan_to_num(nan=torch.inf)))

    return certify


def slide_constant(W, b, a, X, y):
    d = X.shape[1]
    return ((1 - gram(X).abs().max() / d) / 4 * math.sqrt(d)).expand(len(X))


def random_network(generator):
    X, y, c = random_points(generator)
    W, b, a = robustness.robust_network(X, y, c)
    W = torch.cat([W, W[:1] + 0.1 * normal(generator, 1, 10)])
    return W * (1 + uniform(generator, 5, 1)), torch.cat([b, b[:1]]), torch.cat([a, a[:1]]), X, y


def no_flip_within(answer, W, b, a, X, y):
    delta = normal(seeded(0), 200, *X.shape)
    delta = delta / delta.norm(dim=2, keepdim=True) * 0.999 * answer(W, b, a, X, y)[:, None]
    if not (y * two_layer(X + delta, W, b, a) >= 0).all():
        return "Some perturbation shorter than your radius changes the sign."


CERTIFIED_RADIUS = Exercise(
    "2.3",
    "certify it",
    radii.certified_radius,
    probes=(
        (
            tensor([2.0, 0.0], [0.0, 0.5]),
            tensor(-1.0, -1.0),
            tensor(1.0, -1.0),
            tensor([1.2, 0.4], [-0.5, 3.0]),
            tensor(1.0, -1.0),
        ),
        (
            tensor([1.0, 1.0, 0.0], [0.5, 1.0, 0.2], [-1.0, 0.0, 2.0], [0.0, -2.0, -1.0]),
            tensor(-0.5, 0.1, -1.0, 0.3),
            tensor(1.0, 0.5, -1.0, -2.0),
            tensor([0.4, 1.4, 0.2], [1.5, 0.5, -0.2], [-1.0, -0.6, 0.6], [-0.5, -0.2, 0.9]),
            tensor(1.0, 1.0, -1.0, -1.0),
        ),
        (
            tensor([1.0, 0.0, 2.0], [3.0, 1.0, 0.0], [0.0, 1.0, -1.0]),
            tensor(-0.2, -1.0, -1.0),
            tensor(1.0, 1.0, -1.0),
            tensor([0.2, 0.4, 0.2], [1.1, 0.3, 0.9], [-2.0, 1.9, -1.2]),
            tensor(1.0, 1.0, -1.0),
        ),
    ),
    random=random_network,
    law=no_flip_within,
    hints=(
        "Compute all z_j(x_i). By how much can a δ of length r change z_j? Cauchy-Schwarz.",
        "z_j changes by at most |w_j| r. y f stays positive while one neuron of the label's sign stays on, and no opposite one "
        "switches on.",
        "The smaller of two numbers: the largest z_j/|w_j| over same-sign neurons that are on, and the smallest -z_j/|w_j| "
        "over opposite "
        "neurons (0 if one of those is on already).",
    ),
    mistakes=(
        Mistake(
            (certificate(norm=lambda W: torch.ones_like(W[:, 0])),),
            "z_j is no distance: a step of length r changes it by up to |w_j| r.",
        ),
        Mistake((certificate(norm=lambda W: W.abs().sum(1)),), "The Euclidean norm of w_j counts: δ is measured in it."),
        Mistake(
            (certificate(others=lambda off: torch.where(off.isfinite(), off, 0.0).amax(1)),),
            "All opposite neurons have to stay off, so the nearest one counts: the minimum over them.",
        ),
        Mistake(
            (certificate(own=lambda on: torch.where(on > 0, on, torch.inf).amin(1).nan_to_num(posinf=0.0)),),
            "One neuron of the label's sign that stays on is enough: the maximum over them, not the minimum.",
        ),
        Mistake(
            (
                lambda W, b, a, X, y: reach(W, b, X)[1].diagonal(),
                certificate(others=lambda off: torch.full_like(off[:, 0], torch.inf)),
            ),
            "The label's own neurons are half of it: an opposite neuron may switch on before they switch off.",
        ),
        Mistake(
            (certificate(own=lambda on: torch.full_like(on[:, 0], torch.inf)),),
            "The opposite neurons are half of it: f becomes 0 when the label's own neurons switch off.",
        ),
        Mistake(
            (lambda W, b, a, X, y: reach(W, b, X)[1].amin(1),),
            "Freezing all neurons is valid but weaker: same-sign neurons may switch on.",
        ),
        Mistake((slide_constant,), "This is the constant of the theorem. Compute what this network's weights give."),
    ),
    written=(
        "While neuron i stays on and all opposite ones stay off, y f is at least |a_i| z_i > 0. On the construction both "
        "numbers are at least "
        "1/|w| = (1 - c)/2 sqrt(d), and the first is exactly that: the certificate is exact there."
    ),
)

# ---- 2.4 ---------------------------------------------------------------------------------------------


def tight_formula(r, c):
    v1, v2 = (1 + c) / 2 - r, -(1 - c) / 2
    return math.sqrt((v1**2 + v2**2 - 2 * r * v1 * v2) / (1 - r**2))


def random_pair(generator):
    c = 0.9 * uniform(generator, 1).item()
    return c * (2 * uniform(generator, 1).item() - 1), c


def falls_with_r(answer, r, c):
    if answer(max(r - 0.01, -c), c) < answer(r, c) - 1e-6:
        return "An opposite point that is nearer (larger r) can't need a longer perturbation; yours does."


STRICT_FLIP = Exercise(
    "2.4",
    "the strict flip of a pair",
    robustness.strict_flip_radius,
    probes=((0.0, 0.2), (0.1, 0.3), (-0.2, 0.3), (0.25, 0.5), (-0.6, 0.7)),
    random=random_pair,
    law=falls_with_r,
    hints=(
        "For y f < 0 neuron j must be on and neuron i must not outweigh it: z_j ≥ 0 and z_j ≥ z_i. Start with both tight, z_i "
        "= z_j = 0.",
        "In units: <x_j, δ> = v₁ d with v₁ = (1 + c)/2 - r, and <x_i, δ> = v₂ d with v₂ = -(1 - c)/2. The shortest such δ lies "
        "in the span of x_i and x_j.",
        "|δ|²/d = (v₁² + v₂² - 2 r v₁ v₂)/(1 - r²). When is it better to drop the condition on z_i? If δ = v₁ x_j alone brings "
        "z_i below 0.",
    ),
    mistakes=(
        Mistake(
            (lambda r, c: math.sqrt((1 - r) / 2),),
            "This is half the distance between the points. f is 0 on a whole region in between, so the flip comes later.",
        ),
        Mistake((lambda r, c: (1 + c) / 2 - r,), "Here neuron j switches on, but neuron i may still be on and outweigh it."),
        Mistake((lambda r, c: (1 - c) / 2,), "Here f becomes 0. A strict flip needs y f < 0, beyond the dead zone."),
        Mistake(
            (tight_formula,),
            "For r < -(1 - c)/2 the way to neuron j switches neuron i off by itself: then only one condition is tight.",
        ),
        Mistake((lambda r, c: math.sqrt((1 + c * c) / 2),), "This is right for r = 0 only."),
        Mistake((lambda r, c: (1 - c) / 4,), "This is the theorem's constant, a lower bound for the distance to f = 0."),
    ),
    written=(
        "With both tight, δ = p x_i + q x_j solves p + r q = v₂, r p + q = v₁, so |δ|² = d (p v₂ + q v₁), the formula. It is "
        "the nearest point of "
        "the convex set if both multipliers have the right sign, -p ≥ 0 and q ≥ 0: the first holds if and only if v₂ ≤ r v₁, "
        "that is r ≥ -(1 - c)/2."
    ),
)

# ---- 2.5 ---------------------------------------------------------------------------------------------


def along(W, b, a, x, y, u, wanted):
    """Return the first breakpoint, or zero of a piece, that is wanted: (value at the start, at the end) -> a share or None."""
    z, speed = W @ x + b, W @ u
    ends = (-z / speed)[speed != 0]
    ends = [0.0, *ends[ends > 0].sort().values.tolist()]
    ends.append(ends[-1] + 1000.0)
    values = [(y * two_layer(x + t * u, W, b, a)).item() for t in ends]
    for start, end, high, low in zip(ends, ends[1:], values, values[1:], strict=False):
        share = wanted(high, low)
        if share is not None:
            return start + share * (end - start)
    return math.inf


def extrapolated(W, b, a, x, y, u):
    slope = y * ((W @ x + b > 0) * a) @ (W @ u)
    value = y * two_layer(x, W, b, a)
    return (-value / slope).item() if slope < 0 else math.inf


def touches_zero(high, low):
    return None if low > 1e-9 else 0.0 if high <= 1e-9 else high / (high - low)


def crosses(high, low):
    return high / (high - low) if low < -1e-9 else None


def random_ray(generator):
    W, b, a = normal(generator, 6, 5), normal(generator, 6), signs(generator, 6).double()
    x, u = normal(generator, 5), normal(generator, 5)
    return W, b, a, x, 1.0 if two_layer(x, W, b, a) > 0 else -1.0, u


def first_of_a_grid(answer, W, b, a, x, y, u):
    t = answer(W, b, a, x, y, u)
    times = torch.linspace(0, 1, 400, dtype=torch.float64) * t.clamp(max=100)
    if (y * two_layer(x + times[:-1, None] * u, W, b, a) < -1e-6).any():
        return "The sign is wrong already before your t."
    after = 1.0001 * t + 1e-5
    if t.isfinite() and not y * two_layer(x + after * u, W, b, a) < 1e-9:
        return "Right after your t the sign should be wrong, and is not."


PAIR = (tensor([1.0, 0.0], [0.0, 1.0]), tensor(-0.5, -0.5), tensor(1.0, -1.0))  # neurons on for x_1 > 1/2 and for x_2 > 1/2

FIRST_FLIP = Exercise(
    "2.5",
    "first flip along a ray",
    robustness.first_flip_along_ray,
    probes=(
        (*PAIR, tensor(1.0, 0.0), 1.0, tensor(-1.0, 1.0)),
        (*PAIR, tensor(1.0, 0.2), 1.0, tensor(-1.0, 0.1)),
        (*PAIR, tensor(0.1, 1.2), -1.0, tensor(0.5, -0.25)),
        (*PAIR, tensor(1.0, 0.0), 1.0, tensor(-1.0, 0.0)),
        (
            tensor([1.0, 1.0], [1.0, -1.0], [0.5, 2.0], [-1.0, 0.3]),
            tensor(0.3, 0.2, -1.0, 0.5),
            tensor(-1.0, 0.5, 1.0, 1.0),
            tensor(0.1, 1.2),
            1.0,
            tensor(0.4, -0.6),
        ),
    ),
    random=random_ray,
    law=first_of_a_grid,
    hints=(
        "On the ray z_j(t) = z_j + t s_j with s_j = w_j·u. Each neuron switches at most once. Where?",
        "Between the times t_j = -z_j/s_j > 0, sorted, f is linear. Evaluate y f at 0, at each t_j, and once beyond the last.",
        "Take the first piece whose end has y f < 0, and the zero of the line through its two ends: start + (end - "
        "start)·high/(high - low). "
        "Where y f = 0 at the start of that piece, this is the start. Without such a piece: math.inf.",
    ),
    mistakes=(
        Mistake((extrapolated,), "The slope at x holds only up to the first neuron that switches."),
        Mistake(
            (lambda *p: along(*p, lambda high, low: 1.0 if low < -1e-9 else None),),
            "This is the end of the piece in which the sign changes; the change itself comes before, at the zero of the line.",
        ),
        Mistake(
            (lambda *p: along(*p, touches_zero),),
            "f = 0 is no flip: look for y f < 0, which may come after a dead zone, or never.",
        ),
        Mistake(
            (lambda W, b, a, x, y, u: along(W, b, a, x, 1.0, u, crosses),),
            "For y = -1 the sign is wrong when f > 0: multiply f by y.",
        ),
    ),
    written="A gradient attack extrapolates, and in a dead zone its slope is 0. The breakpoints see everything on the ray.",
)

# ---- 2.6 ---------------------------------------------------------------------------------------------


def counts(generator):
    m_plus, m_minus = (int(n) for n in torch.randint(2, 20, (2,), generator=generator))
    return 4 * (m_plus + m_minus), m_plus, m_minus


def fewer_points_help(answer, d, m_plus, m_minus):
    shared, memorising = answer(4 * d, m_plus, m_minus)
    if not torch.allclose(torch.stack([shared, memorising]), 2 * torch.stack(answer(d, m_plus, m_minus)), rtol=1e-4):
        return "Four times the dimension doubles the length of the points, and both radii with it."


KKT_RADII = Exercise(
    "2.6",
    "what training finds",
    robustness.kkt_radius_orthogonal,
    probes=((64, 8, 8), (100, 9, 4), (50, 3, 12)),
    random=counts,
    parts=("shared", "memorising"),
    law=fewer_points_help,
    hints=(
        "For a positive point x_i of the shared network, P = [Σ₊<x_j, x>/d]₊ and Q = [Σ₋<x_j, x>/d]₊. P = 1, Q = 0 at x_i. "
        "Move by -s x_j for a positive j, and by +s x_j for a negative one.",
        "Along δ = -s Σ y_j x_j: P falls by s m₊ and Q rises by s m₋, so the sign flips at s = 1/m. How long is δ? The points "
        "are orthogonal, each of length sqrt(d).",
        "Shared: |δ| = s sqrt(m d) = sqrt(d/m). Memorising: only x_i and the m₋ opposite neurons matter, so 1 + m₋ takes the "
        "place of m.",
    ),
    mistakes=(
        Mistake(
            (lambda d, p, n: (math.sqrt(d / p), math.sqrt(d / (1 + n))),),
            "Shared: both classes help the attacker. Lowering the own neuron and raising the opposite one share the work among "
            "all m points.",
        ),
        Mistake(
            (lambda d, p, n: (math.sqrt(d / (p + n)), math.sqrt(d / (1 + p))),),
            "The classes are swapped: a positive point is attacked by the m₋ opposite neurons.",
        ),
        Mistake((lambda d, p, n: (d / (p + n), d / (1 + n)),), "These are the squares of the lengths."),
        Mistake(
            (lambda d, p, n: (math.sqrt(d / (p + n)), math.sqrt(d / n)),),
            "Memorising: the point's own neuron has to come down while the m₋ opposite ones go up. That makes 1 + m₋ that help.",
        ),
        Mistake(
            (lambda d, p, n: (1 / math.sqrt(p + n), 1 / math.sqrt(1 + n)),),
            "The points have length sqrt(d), not 1.",
        ),
        Mistake(
            (lambda d, p, n: (math.sqrt(d * (p + n)), math.sqrt(d * (1 + n))),),
            "More points make it worse: s = 1/m, and |δ| = s sqrt(m d).",
        ),
        Mistake(
            (lambda d, p, n: (math.sqrt(d / (1 + n)), math.sqrt(d / (p + n))),),
            "The order is (shared, memorising).",
        ),
    ),
    written=(
        "Cauchy-Schwarz shows that nothing is shorter: y f(x_i + δ) ≥ 1 + <Σ y_j x_j, δ>/d as long as both sums are positive, "
        "and |Σ y_j x_j| = sqrt(m d). "
        "The memorising network gives the same with the sum over x_i and the opposite points."
    ),
)

EXERCISES = (COHERENCE, ROBUST_NETWORK, CERTIFIED_RADIUS, STRICT_FLIP, FIRST_FLIP, KKT_RADII)
