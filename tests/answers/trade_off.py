"""Answers to exercise trade-off."""

import math
from statistics import NormalDist

import numpy as np
import torch


def standard_library(p, mu, d, eps, w1, v):
    weak = NormalDist(v * mu * d - eps * (w1 + v * d), v * d**0.5)
    return p * (1 - weak.cdf(-w1)) + (1 - p) * (1 - weak.cdf(w1))


def in_torch(p, mu, d, eps, w1, v):
    normal = torch.distributions.Normal(0.0, 1.0)
    middle, spread = v * d * (mu - eps) - eps * w1, v * math.sqrt(d)
    ends = torch.tensor([(middle + w1) / spread, (middle - w1) / spread])
    return (torch.tensor([p, 1 - p]) * normal.cdf(ends)).sum()


def by_ndtr(p, mu, d, eps, w1, v):
    t = torch.tensor([w1, -w1], dtype=torch.float64) + v * mu * d - eps * (w1 + v * d)
    return torch.special.ndtr(t / (v * math.sqrt(d))) @ torch.tensor([p, 1 - p], dtype=torch.float64)


def by_scipy(p, mu, d, eps, w1, v):
    from scipy.stats import norm

    q = eps * (w1 + v * d)
    return p * norm.sf(q - w1, v * mu * d, v * np.sqrt(d)) + (1 - p) * norm.sf(q + w1, v * mu * d, v * np.sqrt(d))


def by_erfc(p, mu, d, eps, w1, v):
    q, share = eps * (w1 + v * d), 0.0
    for probability, sign in ((p, 1), (1 - p, -1)):
        share += probability * math.erfc(-(sign * w1 + v * mu * d - q) / (v * math.sqrt(2 * d))) / 2
    return share


def with_all_weights(p, mu, d, eps, w1, v):
    w = np.array([w1] + d * [v])
    centre, spread, price = mu * w[1:].sum(), np.linalg.norm(w[1:]), eps * np.abs(w).sum()
    phi = NormalDist().cdf
    return p * phi((centre + w1 - price) / spread) + (1 - p) * phi((centre - w1 - price) / spread)


def scaled_to_v_one(p, mu, d, eps, w1, v):
    return standard_library(p, mu, d, eps, w1 / v, 1.0)


def by_integration(p, mu, d, eps, w1, v):
    t = np.linspace(-10, 10, 400_001)
    density = np.exp(-t * t / 2) / math.sqrt(2 * math.pi) * (t[1] - t[0])
    score = v * (mu * d + math.sqrt(d) * t) - eps * (w1 + v * d)
    return p * density[score + w1 > 0].sum() + (1 - p) * density[score - w1 > 0].sum()


def as_one_minus_the_errors(p, mu, d, eps, w1, v):
    phi, q, spread = NormalDist().cdf, eps * (w1 + v * d), v * d**0.5
    return 1 - p * phi((q - w1 - v * mu * d) / spread) - (1 - p) * phi((q + w1 - v * mu * d) / spread)


def as_a_tensor(p, mu, d, eps, w1, v):
    return torch.tensor(by_erfc(p, mu, d, eps, w1, v), dtype=torch.float32)


RIGHT = [
    standard_library, in_torch, by_ndtr, by_scipy, by_erfc, with_all_weights, scaled_to_v_one, by_integration,
    as_one_minus_the_errors, as_a_tensor,
]  # fmt: skip


def formula(p, mu, d, q, w1, v, spread=None):
    phi, spread = NormalDist().cdf, spread or v * math.sqrt(d)
    return p * phi((w1 + v * mu * d - q) / spread) + (1 - p) * phi((-w1 + v * mu * d - q) / spread)


def clean(p, mu, d, eps, w1, v):
    return formula(p, mu, d, 0.0, w1, v)


def one_weak_feature(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * (w1 + v), w1, v)


def euclidean(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * math.hypot(w1, v * math.sqrt(d)), w1, v)


def reliable_feature_spared(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * v * d, w1, v)


def weak_features_spared(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * w1, w1, v)


def helps(p, mu, d, eps, w1, v):
    return formula(p, mu, d, -eps * (w1 + v * d), w1, v)


def errors(p, mu, d, eps, w1, v):
    return 1 - by_erfc(p, mu, d, eps, w1, v)


def only_where_right(p, mu, d, eps, w1, v):
    return NormalDist().cdf((w1 + v * mu * d - eps * (w1 + v * d)) / (v * math.sqrt(d)))


def exchanged(p, mu, d, eps, w1, v):
    return by_erfc(1 - p, mu, d, eps, w1, v)


def variance(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * (w1 + v * d), w1, v, spread=v * v * d)


def no_root(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * (w1 + v * d), w1, v, spread=v * d)


def noise_of_one(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * (w1 + v * d), w1, v, spread=v)


def in_the_limit(p, mu, d, eps, w1, v):
    q = eps * (w1 + v * d)
    return p * (w1 + v * mu * d > q) + (1 - p) * (v * mu * d - w1 > q)


def reliable_feature_noisy(p, mu, d, eps, w1, v):
    return formula(p, mu, d, eps * (w1 + v * d), w1, v, spread=math.sqrt(v * v * d + w1 * w1))


def logistic_curve(p, mu, d, eps, w1, v):
    q, spread = eps * (w1 + v * d), v * math.sqrt(d)
    right, wrong = (1 / (1 + math.exp(-(sign * w1 + v * mu * d - q) / spread)) for sign in (1, -1))
    return p * right + (1 - p) * wrong


WRONG = [
    (clean, "clean accuracy"),
    (one_weak_feature, "not ε v"),
    (euclidean, "ε|w|₂"),
    (reliable_feature_spared, "x_1 as well"),
    (weak_features_spared, "weak features as well"),
    (helps, "is taken from it"),
    (errors, "share of errors"),
    (only_where_right, "where x_1 = y"),
    (exchanged, "exchanged"),
    (variance, "variance"),
    (no_root, "√d, not d"),
    (noise_of_one, "not v"),
    (in_the_limit, "wanted"),
    (reliable_feature_noisy, "wanted"),
    (logistic_curve, "wanted"),
]


def first_feature_erased_at_most(p, mu, d, eps, w1, v):
    weak = NormalDist(v * d * (mu - eps), v * math.sqrt(d))
    return p * (1 - weak.cdf(-w1 * max(0.0, 1 - eps))) + (1 - p) * (1 - weak.cdf(w1 * (1 + eps)))


WRONG += [(first_feature_erased_at_most, "wanted")]
