"""Exercise sample-network.

k, d, sigma, generator -> (x, W, a, f) of shapes (d,), (k, d), (k,) and (); the generator draws everything.
"""

import copy
import functools
import math

import torch

from .. import initialization
from .engine import Exercise, Mistake
from .inputs import normal, seeded, signs, uniform
from .random_networks import multiple, parts_of, power, settle

REFERENCE = initialization.random_network


def sample_net(k, d, sigma, generator):
    x = torch.randn(d, generator=generator, dtype=torch.float64)
    x = x / x.norm() * math.sqrt(d)
    W = torch.randn(k, d, generator=generator, dtype=torch.float64) / math.sqrt(d)
    a = 2 * torch.randint(2, (k,), generator=generator) - 1
    f = (a * sigma(W @ x)).sum() / math.sqrt(k)
    return x, W, a, f


PROBES = (
    (32, 48, torch.relu, torch.Generator().manual_seed(1)),
    (40, 64, torch.tanh, torch.Generator().manual_seed(2)),
)

SHARP = [probe[:2] for probe in PROBES]  # k and d with more networks than elsewhere: each is one more call
ELSEWHERE = torch.Generator().manual_seed(0)  # never the one that is passed in
STATISTICS = {  # what many networks are reduced to, and what it is for every right answer
    "share of x with |x|² = d": 1.0,
    "mean of |x|²/d, roughly": 1.0,
    "the length of x varies (1: yes)": 0.0,
    "d times the variance of W, rounded": 1.0,
    "kurtosis of W, rounded": 3.0,
    "variance of |w|² over that of a Gaussian vector, rounded": 1.0,
    "the length of W as a whole varies (1: yes)": 1.0,
    "the sums over rows, columns and all of W vary (1: yes)": 1.0,
    "largest correlation of two rows of W, rounded": 0.0,
    "one row of W for all neurons (1: yes)": 0.0,
    "variance of w·x over that of independent w and x, rounded": 1.0,
    "share of a in {-1, +1}": 1.0,
    "mean of a, rounded": 0.0,
    "kurtosis of a, rounded": 1.0,
    "a is the same in every network (1: yes)": 0.0,
    "one sign for all neurons (1: yes)": 0.0,
    "two neurons always have equal or always opposite signs (1: yes)": 0.0,
    "the sum of all a_j varies (1: yes)": 1.0,
    "correlation of a_j with w_j·x": 0.0,
    "correlation of a_j with (w_j·x)²": 0.0,
    "correlation of a_j with an entry of w_j": 0.0,
    "f over the slide's formula (0: no multiple of it)": 1.0,
    "f over the formula without σ (0: no multiple of it)": 0.0,
    "randomness (1: the same W twice, 2: another network for the same seed)": 0.0,
}


def draw_networks(answer, k, d, sigma, generator):
    """Draw many networks, and return their STATISTICS."""
    again, n = copy.deepcopy(generator), 100 if (k, d) in SHARP else 60
    results = answer.many(n, k, d, sigma, generator)
    made = [parts_of(result, x=(d,), W=(k, d), a=(k,), f=()) for result in results]
    x, W, a, f = (torch.stack(part) for part in zip(*made, strict=True))
    if torch.equal(W[0], W[1]):
        return *list(STATISTICS.values())[:-1], 1.0  # one network says nothing of the others
    repeated = parts_of(answer(k, d, sigma, again), x=(d,), W=(k, d), a=(k,), f=())
    rescaled = W * math.sqrt(d) - (W * math.sqrt(d)).mean()
    u = (W @ x[:, :, None])[:, :, 0]
    length, rows, one_sign = x.square().sum(1) / d, rescaled.square().mean(2), (a == a[:, :1]).all(1).double().mean()
    sizes = rows.mean(1)  # of W as a whole
    sums = [rescaled.sum(axes).square().mean() / m for axes, m in ((2, d), (1, k), ((1, 2), k * d))]  # of m entries each
    units, others = W / W.norm(dim=2, keepdim=True), ~torch.eye(k, dtype=torch.bool)
    pairs = torch.einsum("njd,nld->jl", units, units) / n  # correlations of two rows
    coins = a - a.mean()
    alike = coins.T @ coins / coins.square().sum(0).mean().clamp_min(1e-9)  # and of two signs: chance reaches 0.6
    z = u / u.square().mean().sqrt()
    varies = 0.2  # of what it is in the mean: a right answer has less once in 10^10
    one_row, one = z.mean(1).square().mean() > 0.5, (n * k) ** -0.5
    weights = n**-0.5 if one_row else one  # standard deviations of means over the neurons
    return (
        settle(((length - 1).abs() < 1e-4).double().mean(), 1, 0.5),
        power(length.mean(), 0.5),
        float(length.var() > varies * length.mean() ** 2 * 2 / d),
        power(rescaled.square().mean(), 0.2, math.sqrt(2 / d) * weights),
        settle((rescaled**4).mean() / rescaled.square().mean() ** 2, 3, 0.4, max(0.025, math.sqrt(24 / d) * weights)),
        settle(rows.var() / rows.mean() ** 2 * d / 2, 1, 1, math.sqrt(2 + 12 / d) * weights),
        float(sizes.var() / sizes.mean() ** 2 * k * d / 2 > varies),
        float(min(sums) > varies * sizes.mean()),
        settle(pairs[others].abs().max(), 0, 1, (n * d) ** -0.5),  # that of one pair
        float(one_row),
        settle(u.square().mean() / (length.mean() * W.square().mean() * d), 1, 1, math.sqrt(2) * weights),
        settle((a.abs() == 1).double().mean(), 1, 0.5),
        settle(a.mean(), 0, 0.25, one) if one_sign < 0.5 else 0.0,  # of n coins only: it may be anything
        settle((a**4).mean() / a.square().mean().square(), 1, 1),
        settle((a == a[0]).all(0).double().mean(), 0, 0.5),
        settle(one_sign, 0, 0.5),
        float(alike[others].abs().max() > 0.9),  # chance: 10^-10
        float(a.sum(1).square().mean() > varies * k * a.square().mean()),
        settle((a * z).mean(), 0, 0.25, weights),
        settle(((a - a.mean()) * z.square()).mean(), 0, 0.5, math.sqrt(2) * weights),
        settle((a[:, :, None] * rescaled).mean((0, 1)).abs().max(), 0, 0.5, weights),  # that of one entry
        multiple(f, (a * sigma(u)).sum(1) / math.sqrt(k)),
        multiple(f, (a * u).sum(1) / math.sqrt(k)),
        0.0 if all(torch.allclose(*pair) for pair in zip(repeated, (x[0], W[0], a[0], f[0]), strict=True)) else 2.0,
    )


def random_sizes(generator):
    k, d = torch.randint(32, 49, (2,), generator=generator).tolist()
    return k, d, torch.relu, seeded(generator)


def network(k, d, sigma, generator, x=None, spread=None, signs_=signs, scale=None, draw=normal):
    """The right answer, and with other arguments a wrong one."""
    point = normal(generator, d)
    point = point / point.norm() * math.sqrt(d) if x is None else x(point)
    W = draw(generator, k, d) * (spread(d) if spread else d**-0.5)
    a = signs_(generator, k)
    return point, W, a, (a * sigma(W @ point)).sum() * (scale(k) if scale else k**-0.5)


def with_signs(signs_of, k, d, sigma, generator):
    """A network whose signs depend on its weights."""
    x, W, _, _ = network(k, d, sigma, generator)
    a = signs_of(W @ x)
    return x, W, a, (a * sigma(W @ x)).sum() * k**-0.5


def wrong_network(**changes):
    return functools.partial(network, **changes)


MISTAKES = (
    Mistake(
        (wrong_network(spread=lambda d: 1.0),),
        "The entries of W have variance 1 here, so w·x has variance d. N(0, I/d) means variance 1/d: divide by √d.",
    ),
    Mistake(
        (wrong_network(spread=lambda d: 1 / d),),
        "The entries of W have standard deviation 1/d; 1/d is to be the variance, so the standard deviation is 1/√d.",
    ),
    Mistake((wrong_network(x=lambda p: p / p.norm()),), "Your x has length 1; the points of this section have length √d."),
    Mistake(
        (wrong_network(x=lambda p: p),),
        "The length of your x varies, and is √d only on average: divide x by its own length, then multiply by √d.",
    ),
    Mistake(
        (wrong_network(x=lambda p: (p - p.mean()) / p.std()),),
        "Your x always has the same length, but not √d: divide x by its norm, not by a standard deviation, then multiply by √d.",
    ),
    Mistake((wrong_network(scale=lambda k: 1.0),), "The factor 1/√k before the sum is missing: your f grows with the width."),
    Mistake(
        (
            lambda k, d, sigma, generator: network(k, d, sigma, generator, scale=lambda k: d**-0.5),
            lambda k, d, sigma, generator: network(k, d, sigma, generator, scale=lambda k: (d / k) ** 0.5),
        ),
        "The factor before the sum is 1/√k, with the number of neurons; the dimension d is not in it.",
    ),
    Mistake((wrong_network(scale=lambda k: 1 / k),), "Divide the sum by √k, not by k: your f vanishes as the width grows."),
    Mistake(
        (wrong_network(signs_=normal),),
        "Your a is Gaussian. The variance of f is the same, but its law is not: a_j is -1 or +1.",
    ),
    Mistake(
        (wrong_network(signs_=lambda g, k: 2 * uniform(g, k) - 1),),
        "Your a is spread over an interval: a_j is -1 or +1, each with probability 1/2.",
    ),
    Mistake(
        (lambda k, d, sigma, generator: with_signs(torch.sign, k, d, sigma, generator),),
        "Your a follows the sign of W @ x: the signs are coins of their own, independent of W. Here f has a mean.",
    ),
    Mistake(
        (wrong_network(signs_=lambda g, k: 1.0 - 2 * (torch.arange(k) % 2)),),
        "Your a is the same in every network: each a_j is a fair coin, drawn from the generator.",
    ),
    Mistake(
        (wrong_network(signs_=lambda g, k: signs(g, 1).expand(k)),),
        "All neurons of a network have one sign: draw k coins, one for each neuron.",
    ),
    Mistake(
        (wrong_network(signs_=lambda g, k: torch.ones(k)),),
        "Every a_j is one number, in all networks: it is a fair coin, -1 or +1.",
    ),
    Mistake(
        (wrong_network(draw=lambda g, k, d: (W := normal(g, k, d)) / W.norm(dim=1, keepdim=True) * math.sqrt(d)),),
        "The rows of W all have the same length. That of w ~ N(0, I/d) varies: leave the Gaussian numbers as they are drawn.",
    ),
    Mistake(
        (
            wrong_network(draw=lambda g, k, d: (W := normal(g, k, d)) / W.norm() * math.sqrt(k * d)),
            wrong_network(draw=lambda g, k, d: ((W := normal(g, k, d)) - W.mean()) / W.std()),
        ),
        "W as a whole always has the same length here. That of k d Gaussian numbers varies: leave them as they are drawn.",
    ),
    Mistake(
        (wrong_network(signs_=lambda g, k: (signs(g, k) + 1) / 2),),
        "Your a is 0 or 1: then f has a mean, and half of its neurons. Map the coin to -1 and +1.",
    ),
    Mistake(
        (lambda k, d, sigma, generator: network(k, d, lambda u: u, generator),),
        "The activation is missing: f is the sum of a_j σ(w_j·x).",
    ),
    Mistake(
        (wrong_network(draw=lambda g, *shape: math.sqrt(12) * (uniform(g, *shape) - 0.5)),),
        "W has the right variance but is not Gaussian: use torch.randn.",
    ),
    Mistake(
        (wrong_network(draw=lambda g, k, d: normal(g, 1, d).expand(k, d)),),
        "All neurons have the same weights, so f is one neuron many times: draw k rows, torch.randn(k, d, ...).",
    ),
    Mistake(
        (lambda k, d, sigma, generator: network(k, d, sigma, torch.Generator().manual_seed(5)),),
        "Every call gives the same network: draw from the generator that is passed in, and make no new one.",
    ),
    Mistake(
        (lambda k, d, sigma, generator: network(k, d, sigma, ELSEWHERE),),
        "The same seed gives another network: pass generator=generator to every call of torch.randn and torch.randint.",
    ),
)

EXERCISE = Exercise(
    "sample-network",
    "sample the model",
    REFERENCE,
    sample_net,
    PROBES,
    random=random_sizes,
    run=draw_networks,
    parts=tuple(STATISTICS),
    hints=(
        "Four things to draw or compute: a point of length √d, a matrix of Gaussians, k fair signs, a sum. "
        "What is the variance of an entry of w when w ~ N(0, I/d)?",
        "torch.randn(k, d, generator=generator, dtype=torch.float64) has variance 1; divide by √d. For x, draw a Gaussian vector "
        "and scale it to length √d. For signs, 2 * torch.randint(2, (k,), generator=generator) - 1.",
        "f = (a * sigma(W @ x)).sum() / k**0.5, and return x, W, a, f.",
    ),
    mistakes=MISTAKES,
    written=(
        "E f² = (1/k) Σ_i Σ_j E[a_i a_j] E[σ(u_i) σ(u_j)]. The signs are independent with mean 0, so only i = j is left: k terms "
        "v0, over k. Nothing here depends on k, on d or on the direction of x."
    ),
)
