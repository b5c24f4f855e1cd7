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


def scaled(factor, name):
    """The right answer with another f: factor(k, d) times it."""

    def sample_net(k, d, sigma, generator):
        x, W, a, f = loops(k, d, sigma, generator)
        return x, W, a, factor(k, d) * f

    sample_net.__name__ = name
    return sample_net


def with_weights(change, name):
    """The right answer with other weights: change(W, generator)."""

    def sample_net(k, d, sigma, generator):
        x, W, a, _ = loops(k, d, sigma, generator)
        W = change(W, generator)
        return x, W, a, (a * sigma(W @ x)).sum() / k**0.5

    sample_net.__name__ = name
    return sample_net


def glorot(k, d, sigma, generator):
    x, W, a, _ = loops(k, d, sigma, generator)
    W = W * (2 * d / (k + d)) ** 0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def a_constant_added(k, d, sigma, generator):
    x, W, a, f = loops(k, d, sigma, generator)
    return x, W, a, f + 0.3


def noisy(k, d, sigma, generator):
    x, W, a, _ = loops(k, d, sigma, generator)
    return x, W, a, (a * sigma(W @ x + 0.1 * torch.randn(k, generator=generator))).sum() / k**0.5


def forgotten_in_float32(k, d, sigma, generator):
    x, W, a, f = loops(k, d, sigma, generator)
    return x, W, a, f.float() / k**0.5


def standardised(k, d, sigma, generator):
    _, W, a, _ = loops(k, d, sigma, generator)
    z = torch.randn(d, generator=generator)
    x = (z - z.mean()) / z.std()
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def uniform_x(k, d, sigma, generator):
    _, W, a, _ = loops(k, d, sigma, generator)
    x = (2 * torch.rand(d, generator=generator) - 1) * 3**0.5
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


def alternating(a, W, u):
    return a[0] * (1 - 2 * (torch.arange(len(a)) % 2))


def balanced(a, W, u):
    return 2.0 * (W[:, 1].argsort().argsort() < len(a) // 2) - 1


WRONG = [
    (of_one_length, "W as a whole"),
    (scaled(lambda k, d: (k / d) ** 0.5, "over_the_root_of_d"), "the dimension d is not in it"),
    (scaled(lambda k, d: d**0.5, "times_the_root_of_d"), "the dimension d is not in it"),
    (scaled(lambda k, d: k**0.5, "no_root_of_k"), "1/√k before the sum is missing"),
    (scaled(lambda k, d: 1.3, "three_tenths_more"), "f over the slide's formula"),
    (forgotten_in_float32, "by √k, not by k"),
    (glorot, "d times the variance of W"),
    (a_constant_added, "no multiple of it"),
    (noisy, "no multiple of it"),
    (standardised, "always has the same length"),
    (uniform_x, "The length of your x varies"),
    (named("alternating", alternating), "always opposite signs"),
    (named("balanced", balanced), "the sum of all a_j varies"),
    (named("sign_of_an_entry", lambda a, W, u: W[:, 0].sign()), "an entry of w_j"),
    (named("signs_of_sizes", lambda a, W, u: (u.abs() - 0.6745).sign()), "(w_j·x)²"),
    (with_weights(lambda W, g: torch.cat([W[: len(W) // 2], -W[: len(W) - len(W) // 2]]), "opposite_rows"), "two rows of W"),
    (with_weights(lambda W, g: torch.cat([W[: len(W) // 2], W[: len(W) - len(W) // 2]]), "rows_twice"), "two rows of W"),
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
        named("uniform", lambda a, W, u: 2 * (1e4 * W[:, 0]).remainder(1) - 1),
        "interval",
    ),
    (one_row, "the same weights"),
    (unnormalised, "only on average"),
    (f_without_activation, "activation is missing"),
    (transposed, "W must have shape"),
    (three_parts, "Expected the tuple"),
]


def shrunk(k, d, sigma, generator):
    """W is shorter along x: w·x has 0.7 of its variance."""
    x, W, a, _ = loops(k, d, sigma, generator)
    W = W - (1 - 0.7**0.5) * (W @ x)[:, None] * x / d
    return x, W, a, (a * sigma(W @ x)).sum() / k**0.5


WRONG += [
    (with_weights(lambda W, g: W - W.mean(1, keepdim=True), "centred_rows"), "sums over rows, columns and all"),
    (with_weights(lambda W, g: W - W.mean(0), "centred_columns"), "sums over rows, columns and all"),
    (with_weights(lambda W, g: W - W.mean(), "centred"), "sums over rows, columns and all"),
    (shrunk, "over that of independent w and x"),
    (with_weights(lambda W, g: 0.97 * W, "three_per_cent_less"), "d times the variance of W"),
    (with_weights(lambda W, g: W + 0.3 * W.roll(1, 0), "neighbours_mixed"), "two rows of W"),
]
