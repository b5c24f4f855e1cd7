"""What section 3 knows before it meets a network: Gaussian moments of activations, and how sums of random variables concentrate.

X is a standard normal variable, sigma an activation, derivative its derivative; both map float64 tensors entry by entry.
One neuron is a * sigma(X) with a fair sign a, and k of them, divided by the root of k, are the network's output.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize, special
from torch.nn import functional

from .checks import check_choice, check_count, check_number, described, require

ERF = 2 / math.sqrt(math.pi)  # the slope of erf at 0
TINY = np.finfo(float).tiny  # smaller numbers lose digits


class Activation(NamedTuple):
    """An activation, its derivative, and the Lipschitz constants of both: the derivative's is infinite at a kink."""

    sigma: Callable
    derivative: Callable
    lipschitz: float
    curvature: float


def _density(x):
    return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS = {
    "ReLU": Activation(torch.relu, lambda x: (x > 0).to(x), 1.0, math.inf),
    "tanh": Activation(torch.tanh, lambda x: 1 - torch.tanh(x).square(), 1.0, 4 / math.sqrt(27)),
    "sigmoid": Activation(torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x), 0.25, 1 / math.sqrt(108)),
    "softplus": Activation(lambda x: -functional.logsigmoid(-x), torch.sigmoid, 1.0, 0.25),
    "GELU": Activation(functional.gelu, lambda x: torch.special.ndtr(x) + x * _density(x), 1.129, math.sqrt(2 / math.pi)),
    "SiLU": Activation(functional.silu, lambda x: torch.sigmoid(x) * (1 + x * torch.sigmoid(-x)), 1.1, 0.5),
    "ELU": Activation(functional.elu, lambda x: x.clamp(max=0).exp(), 1.0, 1.0),
    "erf": Activation(torch.erf, lambda x: ERF * torch.exp(-x.square()), ERF, math.sqrt(8 / math.pi / math.e)),
    "sin": Activation(torch.sin, torch.cos, 1.0, 1.0),
}


@functools.cache
def _quadrature(reach=36, panels=8):
    """Return nodes and weights for the normal law: Gauss-Legendre on panels of width 1 / panels; a kink at 0 is an end of two."""
    node, weight = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(8))
    left = torch.arange(-reach * panels, reach * panels, dtype=torch.float64, device="cpu")
    nodes = ((left[:, None] + (node + 1) / 2) / panels).flatten()
    return nodes, weight.repeat(len(left)) / (2 * panels) * _density(nodes)


def _values(function, nodes, name="the function"):
    """Return function(nodes) in float64, checked: numbers, one a node."""
    require(callable(function), f"{name} must be a function of a tensor, got {type(function).__name__}", TypeError)
    values = function(nodes.clone())
    if not isinstance(values, torch.Tensor) or values.shape != nodes.shape or values.is_complex():
        raise TypeError(f"{name} must map a tensor to real numbers of its shape {tuple(nodes.shape)}, got {described(values)}")
    if values.isnan().any():
        raise ValueError(f"{name} must return numbers, got NaN at x = {nodes[values.isnan()][0].item():g}")
    return values.detach().double()


def gaussian_mean(function):
    """Return E function(X), X ~ N(0, 1), to about 1e-13 of its size; kinks and jumps may stand at multiples of 1/8.

    function: maps a float64 tensor entry by entry. Only |x| < 36 is looked at: what is 0 there, such as x > 40, has the mean 0.
    Raises ValueError where the mean does not exist or is no float64, or where values beyond |x| = 35 count.
    """
    nodes, weights = _quadrature()
    values = _values(function, nodes)
    parts = values * weights
    outer, total = parts[nodes.abs() > 35].abs().sum(), parts.abs().sum()
    if not parts.isfinite().all() or outer > 1e-12 * total or (total < TINY and values.any()):
        raise ValueError("E function(X) does not exist, or cannot be computed: values at |x| > 35 still count, or are no float64")
    return parts.sum().item()


def gaussian_moments(sigma, derivative):
    """Return (v0, v1) = (E sigma(X)^2, E sigma'(X)^2), X ~ N(0, 1), as floats. (Slides "Setting" and "Proposition 4".)

    v0 is the variance of the network's output, for every width; v1 is the limit of the squared length of its gradient.
    """
    moments = []
    for name, function in {"sigma": sigma, "derivative": derivative}.items():
        values = _values(function, _quadrature()[0], name)
        size = 2.0 ** max(values.abs().max().frexp().exponent.item() - 1, -1022)  # with it squares are numbers
        moments.append(gaussian_mean(lambda _, scaled=values / size: scaled.square()) * size * size)
        right = TINY <= moments[-1] < math.inf or not values.any()
        require(right, f"{name} must have a square whose mean is a float64, got {moments[-1]:g} for it")
    return tuple(moments)


def assumption_constants(derivative, highest=128):
    """Return the smallest (s2, c) with E |sigma'(X)|^(2q) <= q!/2 s2 c^(q-2) for q = 2, ..., highest (slide "Assumption 1").

    Raises ValueError where the c that is needed keeps growing with q: then no constants serve all q, as for x^3 and exp.
    """
    check_count("highest", highest, 3)
    nodes, weights = _quadrature()
    q = torch.arange(2, highest + 1, dtype=torch.float64, device=nodes.device)
    logs = 2 * torch.outer(q, _values(derivative, nodes, "derivative").abs().log()) + weights.log()
    moments = logs.logsumexp(1)
    if moments[0] == -torch.inf:
        return 0.0, 0.0  # a constant or a step: the derivative vanishes
    needed = ((moments + math.log(2) - torch.lgamma(q + 1) - moments[0])[1:] / (q[1:] - 2)).exp()
    far = nodes[logs.argmax(1)].abs().max() > 35
    if far or needed[-1] > 1.1 * needed[len(needed) // 2]:
        at = f"c = {needed[len(needed) // 2]:.3g} for q <= {highest // 2}, {needed[-1]:.3g} for q <= {highest}"
        at = "values at |x| > 35 count, of which nothing is known" if far else f"the moments grow faster than q!: {at}"
        raise ValueError(f"Assumption 1 fails{' or cannot be judged' * bool(far)}: {at}")
    s2, c = moments[0].exp().item(), needed.max().item()
    require(TINY <= s2 < math.inf and 0 < c, f"derivative must have a fourth power whose mean is a float64, got {s2:g} for it")
    return s2, c


def clt_error(sigma, k, x):
    """Return P(f <= x sqrt(v0)) - Phi(x) for a network of width k <= 10^9, by Fourier inversion. x: floats (m,). Returns (m,).

    The signs make f symmetric, so its characteristic function is the real E[cos(t sigma(X) / sqrt(k v0))]^k. What is inverted is
    its difference from exp(-t^2 / 2), computed so that nothing cancels in wide networks. An atom of f at 0 (ReLU: no neuron is
    active) is taken out first. From |x| = 5 pi on the error is 0 to nine digits. Raises ValueError where f's tail is heavier,
    where sigma grows like exp(x^2), and where the rest decays too slowly (narrow networks, bounded or not monotone activations).
    """
    require(check_count("k", k) <= 10**9, f"k must be at most 10^9, got {k:,}: beyond, the difference is lost in rounding")
    try:
        at = torch.as_tensor(x, dtype=None if isinstance(x, torch.Tensor) else torch.float64, device="cpu").detach()
        right = at.dim() == 1 and at.dtype != torch.bool and not at.is_complex() and not at.isnan().any()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        right = False
    require(right, f"x must be numbers of shape (m,), got {x!r}")
    nodes, weights = _quadrature(reach=9, panels=32)
    values = _values(sigma, nodes, "sigma")
    size, scale = values.abs().max(), math.sqrt(k)
    require(0 < size < math.inf, f"sigma must be finite and not 0 all over [-9, 9], got {size:g} for the largest value")
    values = values / size / (weights @ (values / size).square()).sqrt()
    far = weights[nodes.abs() > 8] @ values[nodes.abs() > 8].square()
    require(far < 1e-4, f"sigma must grow more slowly: got {far:.1g} for the share of E sigma(X)^2 from |X| > 8")
    silent = (weights @ (values == 0).to(weights)).item()
    level = torch.nn.functional.pad(values[1:] == values[:-1], (1, 1))  # a lattice's characteristic function comes back for ever
    atoms = (weights @ (level[1:] | level[:-1]).to(weights)).item() ** k - silent**k
    require(atoms < 2e-3, f"k must be larger for this activation, got {k}: it is constant on intervals (none will do for a step)")
    step, frequencies, transform = 0.2, [], []
    for start in range(0, 100_000, 64):
        t = step * (torch.arange(start, start + 64, dtype=torch.float64, device=nodes.device) + 0.5)
        drop = 2 * torch.sin(torch.outer(t / (2 * scale), values)).square() @ weights  # 1 - E cos, as exact for wide networks
        whole, normal = (1 - drop) ** k, torch.exp(-t.square() / 2)
        near = normal * torch.expm1(k * torch.log1p(-drop) + t.square() / 2)  # whole - normal, where these are all but equal
        frequencies.append(t)
        transform.append(torch.where((t < 6) & (drop < 0.5), near, whole - normal) - silent**k)
        rest = (whole - silent**k).abs().max().item()
        if rest < 1e-9 or t[-1] > 140 * scale:  # beyond, the cosines turn faster than the nodes follow
            break
    require(rest < 2e-3, f"k must be larger for this activation, got {k}: its characteristic function is still {rest:.1g}")
    t, x, edge = torch.cat(frequencies), at.double(), math.pi / step
    at = torch.cat([x, x.new_tensor([edge])])  # beyond the edge, what is computed repeats itself with the other sign
    error = torch.sin(torch.outer(at, t)) @ (torch.cat(transform) / t) * step / math.pi + silent**k * ((at >= 0).double() - 0.5)
    tail = error[-1].abs().item()
    require(tail < 1e-9 or (x.abs() < edge).all(), f"x must lie within {edge:.3g} of 0, got more: f has a tail of {tail:.1g}")
    return torch.where(x.abs() < edge, error[:-1], 0.0)


def clt_distance(sigma, k):
    """Return sup_x |P(f <= x sqrt(v0)) - Phi(x)|, the distance of a network of width k from the normal law, as a float."""
    return clt_error(sigma, k, torch.linspace(0, 6, 1201, dtype=torch.float64, device="cpu")).abs().max().item()


def log_over(factor, gamma):
    """Return log(factor / gamma) for a probability gamma, which is checked."""
    number = check_number("gamma", gamma, 0, 1)
    require(0 < number < 1, f"gamma must be a probability strictly between 0 and 1, got {gamma!r}")
    return math.log(factor) - math.log(number)


def bernstein(s2, c, k, gamma, *, sides=2):
    """Return r with P(|X_1 + ... + X_k| >= r) <= gamma: sqrt(2 s2 k log(2/gamma)) + c log(2/gamma).

    For independent X_j of mean 0 with E|X_j|^q <= q!/2 s2 c^(q-2) for q = 2, 3, ... sides: 2, or 1 for the printed
    one-sided bound, without |.| and with log(1/gamma). (Slide "Preliminaries: Bernstein's inequality", Theorem 2.)
    """
    check_choice("sides", sides, (1, 2))
    k, s2, c, t = check_count("k", k), check_number("s2", s2, 0), check_number("c", c, 0), log_over(sides, gamma)
    return check_number("the bound", math.sqrt(s2) * math.sqrt(2 * k * t) + c * t)


def chi2_tail(k, r):
    """Return the exact P(|X_1^2 + ... + X_k^2 - k| > r), X_j ~ N(0, 1). k: 1 to a million. r: at least 0. 0.0 below 2.3e-308."""
    check_count("k", k)
    require(k <= 1_000_000, f"k must be at most 1,000,000, got {k:,}: beyond, the lower tail cannot be had to eight digits")
    r = check_number("r", r, 0)
    return float(special.chdtrc(k, k + r) + special.chdtr(k, max(k - r, 0)))


def chi2_bound(k, gamma, kind="slide"):
    """Return r such that |X_1^2 + ... + X_k^2 - k| <= r with probability at least 1 - gamma, X_j ~ N(0, 1).

    kind: "slide", 4 sqrt(k t) with t = log(2/gamma): proved for k >= t only (slide "Sum of squared normal random variables");
    "Laurent-Massart", 2 sqrt(k t) + 2 t: always true; "exact", the smallest r, for gamma of at least 2.3e-308.
    """
    check_count("k", k)
    check_choice("kind", kind, ("slide", "Laurent-Massart", "exact"))
    t, gamma = log_over(2, gamma), check_number("gamma", gamma)
    if kind == "slide":
        return 4 * math.sqrt(k * t)
    sure = 2 * math.sqrt(k * t) + 2 * t
    if kind == "Laurent-Massart":
        return sure
    require(gamma >= 2.3e-308, f"gamma must be at least 2.3e-308 for an exact bound: smaller tails lose digits, got {gamma!r}")
    if gamma < 0.9:
        return optimize.brentq(lambda r: chi2_tail(k, r) - gamma, 0, sure, xtol=1e-300, maxiter=2000)
    node, weight = np.polynomial.legendre.leggauss(8)  # the tail has no digits of 1 - gamma: the density from k - r to k + r has
    peak = (special.chdtrc(k + 2, k) - special.chdtrc(k, k)) / 2  # the density at k

    def missed(r):
        return gamma - 1 + r * peak * (weight @ np.exp((k / 2 - 1) * np.log1p(node * r / k) - node * r / 2))

    return optimize.brentq(missed, 0, math.sqrt(k) / 2, xtol=1e-300, maxiter=2000)
