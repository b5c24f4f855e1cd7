"""Answers to exercise sample-network."""

import math

import numpy as np
import torch


def loops(k, d, sigma, generator):
    x = [torch.randn((), generator=generator).item() for _ in range(d)]
    length = math.sqrt(sum(value**2 for value in x) / d)
    x = torch.tensor([value / length for value in x])
    W = torch.stack([torch.randn(d, generator=generator) / d**0.5 for _ in range(k)])
    a = torch.tensor([1.0 if torch.rand((), generator=generator) < 0.5 else -1.0 for _ in range(k)])
    return x, W, a, sum(a[j] * sigma(W[j] @ x) for j in range(k)) / k**0.5


def a_list(k, d, sigma, generator):
    x = torch.nn.functional.normalize(torch.randn(d, generator=generator), dim=0) * d**0.5
    W = torch.normal(0.0, d**-0.5, (k, d), generator=generator)
    a = torch.bernoulli(torch.full((k,), 0.5), generator=generator) * 2 - 1
    return [x, W, a, torch.einsum("j,j->", a, sigma(W @ x)) / k**0.5]


def numpy(k, d, sigma, generator):
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    x = rng.normal(size=d)
    x *= np.sqrt(d) / np.linalg.norm(x)
    W, a = rng.normal(scale=d**-0.5, size=(k, d)), rng.choice([-1, 1], k)
    return x, W, a, (a * sigma(torch.from_numpy(W @ x)).numpy()).sum() / np.sqrt(k)


def signs_of_normals(k, d, sigma, generator):
    W = torch.randn(k, d, generator=generator) / d**0.5
    a = torch.randn(k, generator=generator).sign()
    x = torch.ones(d)
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def changed(signs_of):
    def sample_net(k, d, sigma, generator):
        x, W, a, _ = numpy(k, d, sigma, generator)
        x, W, a = map(torch.as_tensor, (x, W, a))
        a = signs_of(a, W, W @ x).double()
        return x, W, a, (a * sigma(W @ x)).sum() / k**0.5

    return sample_net


def named(name, signs_of):
    function = changed(signs_of)
    function.__name__ = name
    return function


def one_row(k, d, sigma, generator):
    x, W, a, _ = numpy(k, d, sigma, generator)
    x, W, a = torch.as_tensor(x), torch.as_tensor(W[:1]).expand(k, d), torch.as_tensor(a)
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def unnormalised(k, d, sigma, generator):
    x = torch.randn(d, generator=generator)
    W = torch.randn(k, d, generator=generator) / d**0.5
    a = torch.randint(0, 2, (k,), generator=generator) * 2 - 1
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def f_without_activation(k, d, sigma, generator):
    x, W, a, _ = map(torch.as_tensor, numpy(k, d, sigma, generator))
    return x, W, a, a.double() @ W @ x / k**0.5


def transposed(k, d, sigma, generator):
    x, W, a, f = loops(k, d, sigma, generator)
    return x, W.T, a, f


def three_parts(k, d, sigma, generator):
    return loops(k, d, sigma, generator)[1:]


RIGHT = [loops, a_list, numpy, signs_of_normals]


def coin_first(k, d, sigma, generator):
    a = (2 * torch.randint(2, (1,), generator=generator) - 1).repeat(k)
    x, W, _, _ = loops(k, d, sigma, generator)
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def x_from_elsewhere(k, d, sigma, generator):
    _, W, a, _ = loops(k, d, sigma, generator)
    x = torch.randn(d, dtype=W.dtype)
    x = x / x.norm() * d**0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def a_from_elsewhere(k, d, sigma, generator):
    x, W, _, _ = loops(k, d, sigma, generator)
    a = 2 * torch.randint(2, (k,)) - 1
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def rows_of_length_one(k, d, sigma, generator):
    x, W, a, _ = loops(k, d, sigma, generator)
    W = W / W.norm(dim=1, keepdim=True)
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def x_along_a_row(k, d, sigma, generator):
    _, W, a, _ = loops(k, d, sigma, generator)
    x = W[0] / W[0].norm() * d**0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def x_along_a_singular_vector(k, d, sigma, generator):
    _, W, a, _ = loops(k, d, sigma, generator)
    x = torch.linalg.svd(W)[2][0] * d**0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def of_one_length(k, d, sigma, generator):
    x, W, a, _ = loops(k, d, sigma, generator)
    W = W / W.norm() * k**0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


WRONG = [
    (of_one_length, "W as a whole"),
    (coin_first, "draw k coins"),
    (x_from_elsewhere, "The same seed gives another network"),
    (a_from_elsewhere, "The same seed gives another network"),
    (rows_of_length_one, "all have the same length"),
    (x_along_a_row, "over that of independent w and x"),
    (x_along_a_singular_vector, "over that of independent w and x"),
    (named("signs_of_the_preactivations", lambda a, W, u: u.sign()), "follows the sign of W @ x"),
    (named("turned_signs_of_the_preactivations", lambda a, W, u: -u.sign()), "correlation of a_j"),
    (named("half_and_half", lambda a, W, u: 2.0 * (torch.arange(len(a)) < len(a) / 2) - 1), "the same in every network"),
    (named("one_sign", lambda a, W, u: a[:1].expand(len(a))), "draw k coins"),
    (named("all_plus", lambda a, W, u: torch.ones(len(a))), "Every a_j is one number"),
    (
        named("uniform", lambda a, W, u: torch.sin(100 * u) * 0 + 2 * torch.special.ndtr(W[:, 0] * W.shape[1] ** 0.5) - 1),
        "interval",
    ),
    (one_row, "the same weights"),
    (unnormalised, "only on average"),
    (f_without_activation, "activation is missing"),
    (transposed, "W must have shape"),
    (three_parts, "Expected the tuple"),
]
