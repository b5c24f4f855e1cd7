"""Exercise gaussian-moments.

sigma and its derivative, functions of a tensor -> (v0, v1), two numbers, to four digits.
"""

import math

import torch

from .. import concentration
from .compare import agree, comparable
from .engine import Exercise, Mistake, WrongResult
from .inputs import of_numbers, uniform

REFERENCE = concentration.gaussian_moments


def gaussian_moments(sigma, dsigma):
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    density = (-x * x / 2).exp() / math.sqrt(2 * math.pi)
    step = x[1] - x[0]
    v0 = (sigma(x) ** 2 * density).sum() * step
    v1 = (dsigma(x) ** 2 * density).sum() * step
    return v0, v1


def pair(sigma, derivative, name):
    return of_numbers(sigma, name), of_numbers(derivative, f"{name}_derivative")


PROBES = tuple(pair(*concentration.ACTIVATIONS[name][:2], name) for name in ("tanh", "softplus", "SiLU"))


def to_four_digits(answer, sigma, derivative):
    """Return the answer's result, and where it is right to the fourth digit or decimal, the exact numbers.

    One that is random to the fourth digit is a simulation that is too small.
    """
    first, second = answer.many(2, sigma, derivative)
    try:
        found = comparable(first, 2)
        same = agree(found, comparable(second, 2), ())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return first  # no numbers: said elsewhere
    if not same:
        raise WrongResult(
            "Two calls with the same σ give two results. A mean over N random samples is off by about 1/√N, and four digits are "
            "asked for: replace the samples by a fine grid, weighted with the normal density."
        )
    if len(found) != 2 or any(one.dim() for one in found):
        return first  # said elsewhere, too
    exact = REFERENCE(sigma, derivative)
    units = [10.0 ** max(math.floor(math.log10(value)) - 3, -4) for value in exact]
    return tuple(
        torch.where((one - value).abs() <= 0.501 * unit, value, one) for one, value, unit in zip(found, exact, units, strict=True)
    )


def random_activation(generator):
    b, c = (0.5 + uniform(generator, 2)).tolist()
    return pair(lambda x: torch.sin(b * x + c), lambda x: b * torch.cos(b * x + c), "sine")


def scales(answer, sigma, derivative):
    twice = answer(of_numbers(lambda x: 2 * sigma(x), "twice"), derivative)
    if not torch.allclose(twice[0], 4 * answer(sigma, derivative)[0], rtol=1e-3):
        return "2σ in place of σ must make v0 four times as large."


def mean(function, spread=1.0):
    return concentration.gaussian_mean(lambda x: function(spread * x))


MISTAKES = (
    Mistake(
        (lambda s, ds: (mean(lambda x: s(x) ** 2, 0.5**0.5), mean(lambda x: ds(x) ** 2, 0.5**0.5)),),
        "Your X has variance 1/2: the density of N(0, 1) has exp(-x²/2). "
        "(Gauss-Hermite nodes belong to exp(-x²): multiply them by √2.)",
    ),
    Mistake(
        (lambda s, ds: tuple(math.sqrt(math.pi) * mean(lambda x, f=f: f(x) ** 2, 0.5**0.5) for f in (s, ds)),),
        "You weight with exp(-x²); the density of N(0, 1) is exp(-x²/2)/√(2π). "
        "(Gauss-Hermite nodes and weights belong to exp(-x²): multiply the nodes by √2, and divide the weights by √π.)",
    ),
    Mistake(
        (
            lambda s, ds: tuple(math.sqrt(math.pi) * mean(lambda x, f=f: f(x) ** 2) for f in (s, ds)),
            lambda s, ds: tuple(math.sqrt(2 * math.pi) * mean(lambda x, f=f: f(x) ** 2) for f in (s, ds)),
        ),
        "Your weights do not add up to 1: divide by √π (Gauss-Hermite), or by √(2π) (a grid with exp(-x²/2)).",
    ),
    Mistake(
        (
            lambda s, ds: (mean(lambda x: s(x) ** 2) - mean(s) ** 2, mean(lambda x: ds(x) ** 2)),
            lambda s, ds: tuple(mean(lambda x, f=f: f(x) ** 2) - mean(f) ** 2 for f in (s, ds)),
        ),
        "You subtract the square of the mean. The sign a_j makes the mean 0 already: the second moment is asked for.",
    ),
    Mistake(
        (lambda s, ds: (mean(s) ** 2, mean(ds) ** 2),),
        "Square first, then take the mean: E σ(X)² is not (E σ(X))².",
    ),
    Mistake(
        (lambda s, ds: (mean(s), mean(ds)), lambda s, ds: tuple(mean(lambda x, f=f: f(x).abs()) for f in (s, ds))),
        "Nothing is squared yet: v0 is the mean of σ(X)², v1 that of σ'(X)².",
    ),
    Mistake((lambda s, ds: (mean(lambda x: s(x) ** 2), mean(ds)),), "v0 is right; in v1 the derivative has to be squared too."),
    Mistake((lambda s, ds: (mean(lambda x: ds(x) ** 2), mean(lambda x: s(x) ** 2)),), "v0 and v1 have changed places."),
)

EXERCISE = Exercise(
    "gaussian-moments",
    "Gaussian constants",
    REFERENCE,
    gaussian_moments,
    PROBES,
    random=random_activation,
    run=to_four_digits,
    laws=(scales,),
    parts=("v0", "v1"),
    hints=(
        "E σ(X)² is the integral of σ(x)² times the normal density. What would a sum over a fine grid look like?",
        "A grid from -10 to 10 with step 0.001 is plenty: sum σ(x)² exp(-x²/2)/√(2π) times the step. Mind the factor √(2π).",
        "x = torch.linspace(-10, 10, 20001, dtype=torch.float64); p = torch.exp(-x**2 / 2) * 0.001 / (2 * torch.pi) ** 0.5; "
        "return (p * sigma(x)**2).sum(), (p * dsigma(x)**2).sum()",
    ),
    mistakes=MISTAKES,
    written=(
        "A simulation with N samples is right in the mean, but off by about 1/√N, for tanh a little less, for SiLU 2.5 times as "
        "much: to be sure of four digits takes 10⁹ samples or more. The sum over a grid needs a few hundred values. "
        "Where σ has a kink, as ReLU, "
        "split the integral there: then no accuracy is lost."
    ),
)
