"""Exercises 3.1 and 3.6 ask for random networks: what a right answer obeys, and wrong ones.

A right answer draws other numbers than ours. So many networks are drawn, and reduced to statistics; each is rounded to a
grid so coarse that chance never crosses to the next point, and what is compared is the same for every right answer.
"""

import copy
import functools
import math

import torch
from scipy import stats

from .. import concentration, initialization
from .engine import WrongResult, comparable
from .inputs import normal, signs

NETWORKS = 200
ELSEWHERE = torch.Generator().manual_seed(0)  # never the one that is passed in
SAMPLES = 16_000


def settle(value, right, step):
    """Round a statistic to right, right ± step, ...: chance moves it by much less than half a step."""
    steps = (float(value) - right) / step
    return right + step * round(steps) if math.isfinite(steps) else float(value)


def power(ratio):
    """Round a ratio to a power of two."""
    return 2.0 ** settle(math.log2(ratio), 0, 1) if ratio > 0 else 0.0


def parts_of(result, **shapes):
    """Return the parts of an answer's tuple as float64 tensors, or say what is wrong with their number or shape."""
    named = f"({', '.join(shapes)})"
    if not isinstance(result, tuple) or len(result) != len(shapes):
        size = f" of {len(result)}" if isinstance(result, tuple) else ""
        raise WrongResult(f"Expected the tuple {named}, got a {type(result).__name__}{size}.")
    try:
        made = comparable(result)
    except (TypeError, ValueError, RuntimeError):
        raise WrongResult(f"Expected tensors {named}, got something else in the tuple.") from None
    for (name, shape), part in zip(shapes.items(), made, strict=True):
        if part.shape != shape:
            raise WrongResult(f"{name} must have shape {shape}, got {tuple(part.shape)}.")
    return made


def empty(result):
    return result is None or result is ...


# ---- networks with weights (3.1) ---------------------------------------------------------------------


def draw_networks(answer, k, d, sigma, generator):
    """Draw many networks, and reduce them to statistics that are the same for every right answer."""
    again = copy.deepcopy(generator)
    if empty(first := answer(k, d, sigma, generator)):
        return first
    results = [first, *(answer(k, d, sigma, generator) for _ in range(NETWORKS - 1))]
    made = [parts_of(result, x=(d,), W=(k, d), a=(k,), f=()) for result in results]
    x, W, a, f = (torch.stack(part) for part in zip(*made, strict=True))
    if torch.equal(W[0], W[1]):
        return 1.0, 1.0, 1.0, 3.0, 1.0, 0.0, 1.0, 1.0  # one network says nothing of the others
    repeated = parts_of(answer(k, d, sigma, again), x=(d,), W=(k, d), a=(k,), f=())
    rescaled = W * math.sqrt(d) - (W * math.sqrt(d)).mean()
    own = (a * sigma((W @ x[:, :, None])[:, :, 0])).sum(1)
    length = x.square().sum(1) / d
    return (
        settle(((length - 1).abs() < 1e-4).double().mean(), 1, 0.5),
        power(length.mean()),
        power(rescaled.square().mean()),
        settle((rescaled**4).mean() / rescaled.square().mean() ** 2, 3, 0.4),
        settle((a.abs() == 1).double().mean(), 1, 0.5),
        settle(a.mean(), 0, 0.25),
        power((f * own).sum() / own.square().sum() * math.sqrt(k)),
        0.0 if torch.allclose(repeated[1], W[0]) else 2.0,
    )


def network(k, d, sigma, generator, x=None, spread=None, signs_=signs, scale=None, draw=normal):
    """The right answer, and with other arguments a wrong one."""
    point = normal(generator, d)
    point = point / point.norm() * math.sqrt(d) if x is None else x(point)
    W = draw(generator, k, d) * (spread(d) if spread else d**-0.5)
    a = signs_(generator, k)
    return point, W, a, (a * sigma(W @ point)).sum() * (scale(k) if scale else k**-0.5)


def wrong_network(**changes):
    return functools.partial(network, **changes)


# ---- networks without weights (3.6) ------------------------------------------------------------------


@functools.cache
def naive_outputs(k, d):
    """Return f(x - grad f(x)) of many networks that have weights; activation tanh."""
    generator = torch.Generator().manual_seed(0)
    a, u, t, _ = initialization.naive_sampler(k, d, concentration.ACTIVATIONS["tanh"].derivative, 4 * SAMPLES, generator)
    return initialization.output(a, u - t, torch.tanh).numpy()


def draw_samples(answer, k, d, derivative, n, generator):
    """Draw many networks, and reduce them to statistics that are the same for every right answer."""
    if empty(result := answer(k, d, derivative, n, generator)):
        return result
    a, u, t, g2 = parts_of(result, a=(n, k), u=(n, k), t=(n, k), g2=(n,))
    c = a * derivative(u)
    size, along = c.square().sum(1), (c * u).sum(1) / math.sqrt(k)
    rest = t - u * along[:, None] / d  # what is left without the direction of x
    H = (c * rest).sum(1) * math.sqrt(k) / size
    across = u - c * ((c * u).sum(1) / size)[:, None]  # u without its part along c
    beta = ((t * across).sum(1) * along).sum() / (across.square().sum(1) * along.square()).sum() * d
    noise = rest - c * ((c * rest).sum(1) / size)[:, None]
    spread = noise.square().sum(1).mean() / ((k - 1) / k * size.mean() * (d - 1) / d**2)
    same = stats.ks_2samp(initialization.output(a, u - t, torch.tanh).numpy(), naive_outputs(k, d), method="asymp")
    return (
        settle((a.abs() == 1).double().mean() - a.mean().abs(), 1, 0.2),
        settle(u.square().mean(), 1, 0.2),
        float(((c * t).sum(1) / math.sqrt(k) - g2).abs().max() < 1e-3),
        settle(H.mean() * d, d - 1, 1),
        settle(H.var() * d**2 / (2 * (d - 1)), 1, 0.25),
        settle(beta, 1, 0.5),
        settle(spread, 1, 0.25),
        float(same.statistic < 0.03),  # a right answer fails this with probability 2e-10
    )


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
