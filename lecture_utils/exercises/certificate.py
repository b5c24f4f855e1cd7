"""Exercise certificate.

W (k, d), b (k,), a (k,), X (n, d), y (n,) of -1 and +1 -> radii (n,) within which y f > 0 is certain.

Clauses: one neuron of the label's sign that stays on is enough; all of the opposite sign stay off; Euclidean length;
0 where no own neuron is on, or an opposite one is (a wrong label, say); neurons with a_j = 0 count for nothing; there may
be no opposite neuron, and one sample alone; neurons may outnumber samples and the other way round.
"""

import math

import torch

from .. import radii, robustness
from ..networks import two_layer
from .engine import Exercise, Mistake
from .inputs import gram, normal, random_points, seeded, signs, tensor, uniform

REFERENCE = radii.certified_radius


def certified_radius(W, b, a, X, y):
    z, length = X @ W.T + b, W.norm(dim=1)
    same, opposite = y[:, None] * a > 0, y[:, None] * a < 0
    stays_on = torch.where(same, (z / length).clamp(min=0), 0.0)
    stays_off = torch.where(opposite, (-z / length).clamp(min=0), torch.inf)
    return torch.minimum(stays_on.amax(dim=1), stays_off.amin(dim=1))


PAIR = (tensor([2.0, 0.0], [0.0, 0.5]), tensor(-1.0, -1.0), tensor(1.0, -1.0))

PROBES = (
    (*PAIR, tensor([1.2, 0.4], [-0.5, 3.0]), tensor(1.0, -1.0)),
    (*PAIR, tensor([0.2, 0.4], [1.2, 3.0], [1.2, 0.4]), tensor(1.0, 1.0, -1.0)),  # own one off; opposite one on; label wrong
    (tensor([1.0, 2.0], [3.0, 0.0]), tensor(-1.0, -1.0), tensor(1.0, 2.0), tensor([1.0, 1.0]), tensor(1.0)),
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
    (tensor([1.0], [1.0], [1.0], [-1.0]), tensor(0.0, 3.0, 1.0, -9.0), tensor(1.0, 1.0, 1.0, -1.0), tensor([1.0]), tensor(1.0)),
    (  # the third neuron is not connected
        tensor([3.0, 4.0], [0.0, -2.0], [1.0, 1.0]),
        tensor(1.0, -1.0, 2.0),
        tensor(2.0, -1.0, 0.0),
        tensor([1.0, 0.5], [0.3, -1.4], [-1.0, -2.0]),
        tensor(1.0, 1.0, -1.0),
    ),
    (  # the second neuron is on, and not connected
        tensor([1.0, 0.0], [1.0, 1.0]),
        tensor(0.0, 5.0),
        tensor(1.0, 0.0),
        tensor([-1.0, 0.0]),
        tensor(1.0),
    ),
    (tensor([1.0]), tensor(2e6), tensor(1.0), tensor([0.0]), tensor(1.0)),  # far from its edge, and nothing opposite
    (  # the neuron with the largest z_j is nearer to its edge
        tensor([1.0, 0.0], [3.0, 0.0]),
        tensor(-0.1, -1.5),
        tensor(1.0, 1.0),
        tensor([1.0, 0.0]),
        tensor(1.0),
    ),
)


def random_network(generator):
    """Return the construction with a neuron more, or any network, and points with any label."""
    if uniform(generator, 1) < 0.5:
        n, k = (int(torch.randint(1, 6, (), generator=generator)) for _ in range(2))
        return normal(generator, k, 3), normal(generator, k), normal(generator, k), normal(generator, n, 3), signs(generator, n)
    X, y, c = random_points(generator)
    W, b, a = robustness.robust_network(X, y, c)
    W = torch.cat([W, W[:1] + 0.1 * normal(generator, 1, 10)])
    return W * (1 + uniform(generator, 5, 1)), torch.cat([b, b[:1]]), torch.cat([a, a[:1]]), X, y


def no_flip_within(answer, W, b, a, X, y):
    delta = normal(seeded(0), 200, *X.shape)
    delta = delta / delta.norm(dim=2, keepdim=True) * 0.999 * answer(W, b, a, X, y)[:, None].clamp(max=1e6)
    if not (y * two_layer(X + delta, W, b, a) >= -1e-6)[:, answer(W, b, a, X, y) > 0].all():
        return "Some perturbation shorter than your radius changes the sign."


def euclidean(W):
    return W.norm(dim=1)


def reach(W, b, X, norm=euclidean):
    """Return z and the distance from each point to where each neuron changes its state."""
    z = X @ W.T + b
    return z, z.abs() / norm(W)


def certificate(norm=euclidean, own=lambda on: on.amax(1), others=lambda off: off.amin(1), label=True):
    """Return the certificate with parts replaced."""

    def certify(W, b, a, X, y):
        y = y if label else torch.ones_like(y)
        z, far = reach(W, b, X, norm)
        on = torch.where((y[:, None] * a > 0) & (z > 0), far, 0.0)
        off = torch.where(y[:, None] * a < 0, torch.where(z < 0, far, 0.0), torch.nan)
        return torch.minimum(own(on), others(off.nan_to_num(nan=torch.inf)))

    return certify


def unclamped(W, b, a, X, y):
    far = (X @ W.T + b) / W.norm(dim=1)
    same, opposite = y[:, None] * a > 0, y[:, None] * a < 0
    own, others = torch.where(same, far, -torch.inf).amax(1), torch.where(opposite, -far, torch.inf).amin(1)
    return torch.minimum(own, others)


def of_sizes(W, b, a, X, y):
    far = reach(W, b, X)[1]
    same, opposite = y[:, None] * a > 0, y[:, None] * a < 0
    return torch.minimum(torch.where(same, far, 0.0).amax(1), torch.where(opposite, far, torch.inf).amin(1))


def all_stay_on(W, b, a, X, y):
    far, weight = (X @ W.T + b) / W.norm(dim=1), y[:, None] * a
    own = torch.where(weight > 0, far, torch.inf).amin(1).clamp(min=0)
    return torch.minimum(own, torch.where(weight < 0, -far, torch.inf).amin(1).clamp(min=0))


def slide_constant(W, b, a, X, y):
    d = X.shape[1]
    return ((1 - gram(X).abs().max() / d) / 4 * math.sqrt(d)).expand(len(X))


def lipschitz(W, b, a, X, y):
    return (y * two_layer(X, W, b, a)).clamp(min=0) / (a.abs() * W.norm(dim=1)).sum()


MISTAKES = (
    Mistake(
        (unclamped,),
        "Where no neuron of the label's sign is on, or an opposite one is, nothing is certain: the radius is 0, not less.",
        example=1,
    ),
    Mistake(
        (of_sizes,),
        "This takes |z_j| whatever its sign. An own neuron that is off, or an opposite one that is on, certifies nothing.",
    ),
    Mistake(
        (certificate(norm=lambda W: torch.ones_like(W[:, 0])),),
        "z_j is no distance: a step of length r changes it by up to |w_j| r.",
    ),
    Mistake((certificate(norm=lambda W: W.abs().sum(1)),), "The Euclidean norm of w_j counts: δ is measured in it."),
    Mistake(
        (certificate(norm=lambda W: W.norm().expand(len(W))),),
        "This divides by the norm of the whole matrix. Neuron j moves by at most |w_j| r, row by row: W.norm(dim=1).",
    ),
    Mistake((certificate(norm=lambda W: W.norm(dim=1) ** 2),), "Divide by |w_j|, not by its square."),
    Mistake(
        (certificate(own=lambda on: on.sum(1)),),
        "The own neurons are added up. One that stays on is enough, and certifies its own distance: the maximum.",
    ),
    Mistake(
        (certificate(others=lambda off: torch.where(off.isfinite(), off, 0.0).amax(1)),),
        "All opposite neurons have to stay off, so the nearest one counts: the minimum over them.",
        example=3,
    ),
    Mistake(
        (certificate(own=lambda on: torch.where(on > 0, on, torch.inf).amin(1).nan_to_num(posinf=0.0)), all_stay_on),
        "One neuron of the label's sign that stays on is enough: the maximum over them, not the minimum.",
    ),
    Mistake(
        (
            lambda W, b, a, X, y: reach(W, b, X)[1].diagonal(),
            certificate(others=lambda off: torch.full_like(off[:, 0], torch.inf)),
        ),
        "The label's own neurons are half of it: an opposite neuron may switch on before they switch off.",
        example=3,
    ),
    Mistake(
        (certificate(own=lambda on: torch.full_like(on[:, 0], torch.inf)),),
        "The opposite neurons are half of it: f becomes 0 when the label's own neurons switch off.",
    ),
    Mistake((certificate(label=False),), "The label is not used: for y = -1 the own neurons are those with a_j < 0."),
    Mistake(
        (lambda W, b, a, X, y: reach(W, b, X)[1].amin(1),),
        "Freezing all neurons asks for too much: same-sign neurons may switch on.",
        example=3,
    ),
    Mistake((lipschitz,), "True, from the Lipschitz constant of f, but not what is asked: follow the single neurons."),
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
        "The smaller of two numbers: the largest z_j/|w_j| over same-sign neurons that are on (0 if none is), and the smallest "
        "-z_j/|w_j| over opposite neurons (0 if one of those is on already).",
    ),
    mistakes=MISTAKES,
    differs="The library's function also checks shapes and labels, and knows neurons without weights, which no δ switches.",
    written=(
        "While neuron i stays on and all opposite ones stay off, y f is at least |a_i| z_i > 0. On the construction both "
        "numbers are at least 1/|w| = (1 - c)/2 sqrt(d), and the first is exactly that: the certificate is exact there."
    ),
)
