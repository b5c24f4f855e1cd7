"""Exercise certificate.

W (k, d), b (k,), a (k,), X (n, d), y (n,) of -1 and +1 -> radii (n,) within which y f > 0 is certain.
"""

import math

import torch

from .. import radii, robustness
from ..networks import two_layer
from .engine import Exercise, Mistake
from .inputs import gram, normal, random_points, seeded, tensor, uniform

REFERENCE = radii.certified_radius


def certified_radius(W, b, a, X, y):
    z, length = X @ W.T + b, W.norm(dim=1)
    same, opposite = y[:, None] * a > 0, y[:, None] * a < 0
    stays_on = torch.where(same, (z / length).clamp(min=0), 0.0)
    stays_off = torch.where(opposite, (-z / length).clamp(min=0), torch.inf)
    return torch.minimum(stays_on.amax(dim=1), stays_off.amin(dim=1))


PROBES = (
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
)


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


MISTAKES = (
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
)

EXERCISE = Exercise(
    "certificate",
    "certify it",
    REFERENCE,
    certified_radius,
    PROBES,
    random=random_network,
    laws=(no_flip_within,),
    hints=(
        "Compute all z_j(x_i). By how much can a δ of length r change z_j? Cauchy-Schwarz.",
        "z_j changes by at most |w_j| r. y f stays positive while one neuron of the label's sign stays on, and no opposite one "
        "switches on.",
        "The smaller of two numbers: the largest z_j/|w_j| over same-sign neurons that are on, and the smallest -z_j/|w_j| "
        "over opposite "
        "neurons (0 if one of those is on already).",
    ),
    mistakes=MISTAKES,
    written=(
        "While neuron i stays on and all opposite ones stay off, y f is at least |a_i| z_i > 0. On the construction both "
        "numbers are at least "
        "1/|w| = (1 - c)/2 sqrt(d), and the first is exactly that: the certificate is exact there."
    ),
)
