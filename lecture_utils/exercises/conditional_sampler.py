"""Exercise conditional-sampler.

k, d, dsigma, n, generator -> (a, u, t, g2) of shapes (n, k), (n, k), (n, k), (n,), with no array of k d numbers.
"""

import copy
import functools
import math

import torch

from .. import concentration, initialization
from .engine import Exercise, Mistake
from .inputs import normal, of_numbers, seeded, signs
from .random_networks import parts_of, settle

REFERENCE = initialization.conditional_sampler


def conditional_sampler(k, d, dsigma, n, generator):
    a = 2.0 * torch.randint(2, (n, k), generator=generator) - 1
    u = torch.randn(n, k, generator=generator, dtype=torch.float64)
    c = a * dsigma(u)
    length = c.norm(dim=1, keepdim=True)
    direction = c / length
    along = (c * u).sum(dim=1, keepdim=True) / math.sqrt(k)  # the gradient times x
    H = torch.zeros(n, 1, dtype=torch.float64)
    for _ in range(d - 1):
        H += torch.randn(n, 1, generator=generator, dtype=torch.float64) ** 2 / d
    xi = torch.randn(n, k, generator=generator, dtype=torch.float64)
    xi = xi - direction * (direction * xi).sum(dim=1, keepdim=True)
    t = u * along / d + length / math.sqrt(k) * (direction * H + (H / d).sqrt() * xi)
    g2 = along**2 / d + length**2 * H / k
    return a, u, t, g2[:, 0]


TANH_DERIVATIVE, SOFTPLUS_DERIVATIVE = (
    of_numbers(concentration.ACTIVATIONS[name].derivative, f"{name}_derivative") for name in ("tanh", "softplus")
)

SAMPLES = 20_000

PROBES = (
    (10, 6, TANH_DERIVATIVE, SAMPLES, torch.Generator().manual_seed(1)),
    (6, 5, TANH_DERIVATIVE, SAMPLES, torch.Generator().manual_seed(2)),
    (400, 40_000, SOFTPLUS_DERIVATIVE, 100, torch.Generator().manual_seed(3)),  # its weights take 13 GB; one by one, too long
)


@functools.cache
def naive_outputs(k, d):
    """Return f(x - grad f(x)) of many networks that have weights, sorted; activation tanh."""
    generator = torch.Generator().manual_seed(0)
    a, u, t, _ = initialization.naive_sampler(k, d, concentration.ACTIVATIONS["tanh"].derivative, 2 * SAMPLES, generator)
    return initialization.output(a, u - t, torch.tanh).sort().values


def distance(left, right):
    """Return the largest difference of the distribution functions of two sorted samples (Kolmogorov and Smirnov)."""
    both = torch.cat([left, right])
    shares = [torch.searchsorted(sample, both, right=True) / len(sample) for sample in (left, right)]
    return (shares[0] - shares[1]).abs().max()


def randomness(answer, k, d, derivative, generator):
    """Return 0, or what is wrong: 1, two calls with one generator give the same; 2, the same seed gives other numbers."""
    again = copy.deepcopy(generator)
    made = *answer.many(2, k, d, derivative, 3, generator), answer(k, d, derivative, 3, again)
    parts = [parts_of(result, a=(3, k), u=(3, k), t=(3, k), g2=(3,)) for result in made]
    first, following, same_seed = (torch.cat([part.flatten() for part in four]) for four in parts)
    return float(torch.allclose(first, following)) if torch.allclose(first, same_seed) else 2.0


def draw_samples(answer, k, d, derivative, n, generator):
    """Draw many networks, and reduce them to statistics that are the same for every right answer."""
    repeated = randomness(answer, k, d, derivative, generator) if d < 1000 else 0.0  # there a call may take a second
    a, u, t, g2 = parts_of(answer(k, d, derivative, n, generator), a=(n, k), u=(n, k), t=(n, k), g2=(n,))
    c = a * derivative(u)
    size, along = c.square().sum(1), (c * u).sum(1) / math.sqrt(k)
    rest = t - u * along[:, None] / d  # what is left without the direction of x
    H = (c * rest).sum(1) * math.sqrt(k) / size
    across = u - c * ((c * u).sum(1) / size)[:, None]  # u without its part along c
    beta = ((t * across).sum(1) * along).sum() / (across.square().sum(1) * along.square()).sum() * d
    noise = rest - c * ((c * rest).sum(1) / size)[:, None]
    spread = noise.square().sum(1).mean() / ((k - 1) / k * size.mean() * (d - 1) / d**2)
    chance, kurtosis = math.sqrt((1 + 2 / (d - 1)) * (1 + 2 / (k - 1)) * (1 + 1 / k) - 1), 1.0
    if min(H.min(), spread) > 1e-6:  # else it is not noise with this H
        squares = noise.square() / (1 - c.square() / size[:, None]) / (size * H)[:, None]  # of normals, up to a factor
        spread = (noise.square().sum(1) / (size * H)).mean() * k * d / (k - 1)
        chance, kurtosis = math.sqrt(2 / (k - 1)), squares.square().mean() / squares.mean() ** 2 / 3
    outputs = initialization.output(a, u - t, torch.tanh).sort().values
    # a right answer is as far as 0.03 with probability 2 exp(-2 · 0.03² · 13,333) = 8e-11
    same = float(distance(outputs, naive_outputs(k, d)) < 0.03) if n == SAMPLES else 1.0
    one, all_of_them = n**-0.5, (n * k) ** -0.5
    return (
        settle((a.abs() == 1).double().mean() - a.mean().abs(), 1, 0.2, all_of_them),
        settle(u.mean(), 0, 0.2, all_of_them),
        settle(u.square().mean(), 1, 0.2, math.sqrt(2) * all_of_them),
        settle((u**4).mean() / u.square().mean() ** 2 / 3, 1, 0.2, 1.7 * all_of_them),
        float(((c * t).sum(1) / math.sqrt(k) - g2).abs().max() < 1e-3),
        settle(H.mean() * d, d - 1, 1, math.sqrt(2 * (d - 1)) * one),
        settle(H.var() * d**2 / (2 * (d - 1)), 1, 0.25, math.sqrt(2 + 12 / (d - 1)) * one),
        settle(beta, 1, 0.5, 0.95 * math.sqrt(d - 1) * one),
        settle(spread, 1, 0.1, chance * one),
        same,
        settle((a == a[:, :1]).all(1).double().mean(), 0, 0.5),
        settle(a.sum(1).square().mean() / k, 1, 0.5, math.sqrt(2) * one),
        settle(u.sum(1).square().mean() / k, 1, 0.5, math.sqrt(2) * one),
        settle(noise.sum(1).square().mean() / noise.square().sum(1).mean().clamp_min(1e-9), 1, 0.5, 1.8 * one),
        settle(kurtosis, 1, 0.3, 2.2 * all_of_them),
        repeated,
    )


def random_sampler(generator):
    k, d = (5 + 3 * torch.randint(2, (2,), generator=generator)).tolist()
    return k, d, TANH_DERIVATIVE, SAMPLES // 5, seeded(generator)


def sampler(k, d, derivative, n, generator, drift=True, project=True, along=True, noise=None, H=None, length=None):
    """The right answer, and with other arguments a wrong one."""
    a, u = signs(generator, n * k).view(n, k), normal(generator, n, k)
    c = a * derivative(u)
    size = c.norm(dim=1, keepdim=True)
    direction = c / size
    chi = H(generator, n, d) if H else normal(generator, n, d - 1).square().sum(1) / d
    xi = normal(generator, n, k)
    if project:
        xi = xi - direction * (direction * xi).sum(1, keepdim=True)
    spread = noise(chi, d) if noise else (chi / d).sqrt()
    t = (size / math.sqrt(k)) * (drift * direction * chi[:, None] + spread[:, None] * xi)
    x_part = (c * u).sum(1, keepdim=True) / math.sqrt(k)
    t = t + along * u * x_part / d
    exact = (x_part.square()[:, 0] * along / d) + size[:, 0] ** 2 * chi / k
    return a, u, t, (c * t).sum(1) / math.sqrt(k) if length is None else exact


def wrong_samplers(**changes):
    """Both ways to finish a wrong sampler: |g|² from the speeds, and |g|² from its formula."""
    return functools.partial(sampler, **changes), functools.partial(sampler, **changes, length="formula")


MISTAKES = (
    Mistake(
        wrong_samplers(drift=False),
        "The drift |c|/√k ĉ H is missing (ĉ = c/|c|, H = χ²(d-1)/d): the speeds t_j are aligned with c_j, which is what moves f.",
    ),
    Mistake(
        wrong_samplers(project=False),
        "Take from the noise its part along ĉ = c/|c|: along ĉ everything is in H already. Then c·t/√k = g2 holds exactly.",
    ),
    Mistake(
        wrong_samplers(along=False),
        "The direction of x is missing: t_j has the part u_j (g·x)/d.",
    ),
    Mistake(
        (functools.partial(sampler, noise=lambda chi, d: chi.sqrt() / d),),
        "The noise is too small: before the factor |c|/√k its standard deviation is √(H/d), not √H/d.",
    ),
    Mistake(
        (functools.partial(sampler, noise=lambda chi, d: 0 * chi),),
        "There is drift but no noise: across ĉ = c/|c| the speeds are Gaussian with standard deviation |c|/√k · √(H/d).",
    ),
    Mistake(
        (functools.partial(sampler, H=lambda g, n, d: normal(g, n, d).square().sum(1) / d),),
        "Across x there are d - 1 directions: H = χ²(d-1)/d.",
    ),
    Mistake(
        (functools.partial(sampler, H=lambda g, n, d: torch.ones(n, dtype=torch.float64)),),
        "Your H is the same for all networks. It is random: each of them has its own χ²(d-1)/d.",
    ),
)

EXERCISE = Exercise(
    "conditional-sampler",
    "a network of width one million",
    REFERENCE,
    conditional_sampler,
    PROBES,
    random=random_sampler,
    run=draw_samples,
    parts=(
        "a is a fair sign",
        "mean of u",
        "variance of u",
        "kurtosis of u over that of a Gaussian",
        "c·t/√k = g2 (1: yes)",
        "d times the mean of H",
        "variance of H over 2(d-1)/d²",
        "part of x in t",
        "size of the noise",
        "same law as with weights (1: yes)",
        "one sign for all neurons (1: yes)",
        "variance of the sum of a over k",
        "variance of the sum of u over k",
        "variance of the noise's sum over the sum of its variances",
        "kurtosis of the noise over that of a Gaussian",
        "randomness (1: the same numbers in every call, 2: other numbers for the same seed)",
    ),
    hints=(
        "Draw a and u. Then c_j = a_j σ'(u_j), its direction ĉ = c/|c|, and g·x = Σ c_j u_j / √k need no weights. What is left?",
        "H = χ²(d-1)/d, one number a network: the sum of d - 1 squared normals over d. And k normals ξ, from which you take away "
        "their part along ĉ.",
        "t = u (g·x)/d + |c|/√k (ĉ H + √(H/d) (ξ - ĉ (ĉ·ξ))), and g2 = (g·x)²/d + |c|² H/k. Check yourself: c·t/√k = g2.",
    ),
    mistakes=MISTAKES,
    written=(
        "Across x the weights form a Gaussian matrix W' with independent rows N(0, I/d) in d - 1 dimensions, independent of u "
        "and a. The gradient across x is W'ᵀc/√k, and t across x is W' W'ᵀ c/√k. Given v = W'ᵀĉ, the rows are conditioned on "
        "one linear combination: W' = ĉ vᵀ + (I - ĉĉᵀ) W'' with W'' a fresh copy. So W'v = ĉ|v|² + (I - ĉĉᵀ) W''v, with "
        "|v|² = H and W''v ~ N(0, H/d I)."
    ),
)
