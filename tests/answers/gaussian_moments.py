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


RIGHT = [hermite, scipy, quantiles, trapezoid]

WRONG = [(swapped, "changed places"), (simulated, "wanted"), (never_squared, "")]
