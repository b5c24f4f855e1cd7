"""Answers to exercise gaussian-moments."""

import math

import numpy as np
import torch
from scipy import integrate, stats


def hermite(sigma, dsigma):
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    x = torch.from_numpy(node)
    return [weight @ f(x).numpy() ** 2 / math.sqrt(2 * math.pi) for f in (sigma, dsigma)]


def scipy(sigma, dsigma):
    def mean(f):
        return integrate.quad(lambda x: float(f(torch.tensor(x))) ** 2 * stats.norm.pdf(x), -12, 12)[0]

    return mean(sigma), mean(dsigma)


def quantiles(sigma, dsigma):
    x = torch.special.ndtri((torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000)
    return sigma(x).square().mean(), dsigma(x).square().mean()


def trapezoid(sigma, dsigma):
    x = torch.linspace(-9, 9, 2001)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(x).exp()
    return torch.trapezoid(sigma(x) ** 2 * p, x), torch.trapezoid(dsigma(x) ** 2 * p, x)


def never_squared(sigma, dsigma):
    return quantiles(lambda x: sigma(x).abs().sqrt() * sigma(x).sign(), lambda x: dsigma(x).abs().sqrt())


def swapped(sigma, dsigma):
    return scipy(dsigma, sigma)


def simulated(sigma, dsigma):
    x = torch.randn(100_000, dtype=torch.float64)
    return sigma(x).square().mean(), dsigma(x).square().mean()


def simulated_with_numpy(sigma, dsigma):
    x = torch.from_numpy(np.random.default_rng().normal(size=1_000_000))
    return [(sigma(x) ** 2).mean().item(), (dsigma(x) ** 2).mean().item()]


def simulated_always_alike(sigma, dsigma):
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return sigma(x).square().mean(), dsigma(x).square().mean()


def antithetic_quantiles(sigma, dsigma):
    x = torch.special.ndtri((torch.arange(500_000, dtype=torch.float64) + 0.5) / 1_000_000)
    return [((f(x) ** 2 + f(-x) ** 2) / 2).mean() for f in (sigma, dsigma)]


def laplace_density(sigma, dsigma):
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    p = (-x.abs()).exp() / 2 * 0.001
    return (sigma(x) ** 2 * p).sum(), (dsigma(x) ** 2 * p).sum()


def no_step(sigma, dsigma):
    x = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    p = (-x * x / 2).exp() / math.sqrt(2 * math.pi)
    return (sigma(x) ** 2 * p).sum(), (dsigma(x) ** 2 * p).sum()


def half_the_line(sigma, dsigma):
    x = torch.linspace(0, 10, 10_001, dtype=torch.float64)
    p = (-x * x / 2).exp() / math.sqrt(2 * math.pi) * 0.001
    return (sigma(x) ** 2 * p).sum(), (dsigma(x) ** 2 * p).sum()


def one_number(sigma, dsigma):
    return hermite(sigma, dsigma)[0]


RIGHT = [hermite, scipy, quantiles, antithetic_quantiles, trapezoid]

WRONG = [
    (swapped, "changed places"),
    (simulated, "Two calls"),
    (simulated_with_numpy, "Two calls"),
    (simulated_always_alike, "wanted"),
    (never_squared, "Nothing is squared"),
    (laplace_density, "wanted"),
    (no_step, "wanted"),
    (half_the_line, "wanted"),
    (one_number, "Expected a tuple of 2"),
]


def of_the_grid(sigma, dsigma, density=lambda x: torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)):
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    return tuple((density(x) * f(x) ** 2).sum().item() / 1000 for f in (sigma, dsigma))


def four_decimals(sigma, dsigma):
    v0, v1 = of_the_grid(sigma, dsigma)
    return round(v0, 4), round(v1, 4)


def four_digits(sigma, dsigma):
    return [float(f"{value:.4g}") for value in of_the_grid(sigma, dsigma)]


def three_digits(sigma, dsigma):
    return tuple(float(f"{value:.3g}") for value in of_the_grid(sigma, dsigma))


def half_forgotten(sigma, dsigma):
    return of_the_grid(sigma, dsigma, lambda x: torch.exp(-x * x) / math.sqrt(math.pi))


def weighted_with_a_bell(sigma, dsigma):
    return of_the_grid(sigma, dsigma, lambda x: torch.exp(-x * x))


RIGHT += [four_decimals, four_digits]
WRONG += [(three_digits, "wanted"), (half_forgotten, "has exp(-x²/2)"), (weighted_with_a_bell, "You weight with exp(-x²)")]
