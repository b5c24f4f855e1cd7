"""Answers to exercise conditional-sampler."""

import math

import numpy as np
import torch
from scipy import stats


def numpy(k, d, dsigma, n, generator):
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    a, u, xi = rng.choice([-1.0, 1.0], (n, k)), rng.normal(size=(n, k)), rng.normal(size=(n, k))
    c = a * dsigma(torch.from_numpy(u)).numpy()
    H, size = rng.chisquare(d - 1, (n, 1)) / d, np.linalg.norm(c, axis=1, keepdims=True)
    hat, gx = c / size, (c * u).sum(1, keepdims=True) / np.sqrt(k)
    xi -= hat * (hat * xi).sum(1, keepdims=True)
    t = u * gx / d + size / np.sqrt(k) * (hat * H + np.sqrt(H / d) * xi)
    return a, u, t, (gx**2 / d + size**2 * H / k)[:, 0]


def a_list_of_float32(k, d, dsigma, n, generator):
    return [torch.as_tensor(part).float() for part in numpy(k, d, dsigma, n, generator)]


def rows_of_normals(k, d, dsigma, n, generator):
    a, u, _, _ = map(torch.as_tensor, numpy(k, d, dsigma, n, generator))
    c = a * dsigma(u)
    H = torch.randn(n, d - 1, generator=generator).double().square().sum(1) / d
    noise = torch.randn(n, k, generator=generator).double() * (H / d).sqrt()[:, None]
    hat = c / c.norm(dim=1)[:, None]
    noise = noise - torch.einsum("nj,ni,ni->nj", hat, hat, noise)
    t = u * ((c * u).sum(1) / d / k**0.5)[:, None] + (c.norm(dim=1) / k**0.5)[:, None] * (hat * H[:, None] + noise)
    return a, u, t, (c * t).sum(1) / math.sqrt(k)


def naive(k, d, dsigma, n, generator):
    W = torch.randn(n, k, d, generator=generator) / d**0.5
    a = 2.0 * torch.randint(2, (n, k), generator=generator) - 1
    u = W.sum(2)
    g = ((a * dsigma(u)).float()[:, None] @ W)[:, 0] / k**0.5
    return a, u, (W @ g[:, :, None])[:, :, 0], g.square().sum(1)


def shared_H(k, d, dsigma, n, generator):
    a, u, _, _ = map(torch.as_tensor, numpy(k, d, dsigma, n, generator))
    c, H = a * dsigma(u), stats.chi2(d - 1).rvs(random_state=int(torch.randint(2**31, (), generator=generator))) / d
    hat, xi = c / c.norm(dim=1)[:, None], torch.randn(n, k, generator=generator)
    xi = xi - hat * (hat * xi).sum(1)[:, None]
    t = u * ((c * u).sum(1) / d / k**0.5)[:, None] + (c.norm(dim=1) / k**0.5)[:, None] * (hat * H + (H / d) ** 0.5 * xi)
    return a, u, t, (c * t).sum(1) / math.sqrt(k)


def a_column(k, d, dsigma, n, generator):
    a, u, t, g2 = numpy(k, d, dsigma, n, generator)
    return a, u, t, g2[:, None]


def one_noise_for_all(k, d, dsigma, n, generator):
    a, u, _, _ = map(torch.as_tensor, numpy(k, d, dsigma, n, generator))
    c, H = a * dsigma(u), torch.as_tensor(stats.chi2(d - 1).rvs((n, 1), random_state=3)) / d
    hat, xi = c / c.norm(dim=1)[:, None], torch.randn(1, k, generator=generator).double()
    t = u * ((c * u).sum(1) / d / k**0.5)[:, None] + (c.norm(dim=1) / k**0.5)[:, None] * (hat * H + (H / d).sqrt() * xi)
    return a, u, t, (c * t).sum(1) / math.sqrt(k)


def no_speeds(k, d, dsigma, n, generator):
    return numpy(k, d, dsigma, n, generator)[:3]


RIGHT = [numpy, a_list_of_float32, rows_of_normals]


def with_noise(k, d, dsigma, n, generator, columns, signs):
    a, u = (
        2.0 * torch.randint(2, (n, signs), generator=generator).expand(n, k) - 1,
        torch.randn(n, k, generator=generator).double(),
    )
    c, H = a * dsigma(u), torch.randn(n, d - 1, generator=generator).double().square().sum(1, keepdim=True) / d
    length = c.norm(dim=1, keepdim=True)
    hat, xi = c / length, torch.randn(n, columns, generator=generator).double().expand(n, k)
    xi = xi - hat * (hat * xi).sum(1, keepdim=True)
    t = u * (c * u).sum(1, keepdim=True) / d / k**0.5 + length / k**0.5 * (hat * H + (H / d).sqrt() * xi)
    return a, u, t, (c * t).sum(1) / math.sqrt(k)


def one_noise_a_network(k, d, dsigma, n, generator):
    return with_noise(k, d, dsigma, n, generator, columns=1, signs=k)


def one_sign_a_network(k, d, dsigma, n, generator):
    return with_noise(k, d, dsigma, n, generator, columns=k, signs=1)


def noise_of_signs(k, d, dsigma, n, generator):
    a, u = 2.0 * torch.randint(2, (n, k), generator=generator) - 1, torch.randn(n, k, generator=generator).double()
    c, H = a * dsigma(u), torch.randn(n, d - 1, generator=generator).double().square().sum(1, keepdim=True) / d
    length = c.norm(dim=1, keepdim=True)
    hat, xi = c / length, 2.0 * torch.randint(2, (n, k), generator=generator) - 1
    xi = xi - hat * (hat * xi).sum(1, keepdim=True)
    t = u * (c * u).sum(1, keepdim=True) / d / k**0.5 + length / k**0.5 * (hat * H + (H / d).sqrt() * xi)
    return a, u, t, (c * t).sum(1) / math.sqrt(k)


def from_elsewhere(k, d, dsigma, n, generator):
    return rows_of_normals(k, d, dsigma, n, torch.Generator().manual_seed(torch.seed() % 2**31))


def always_one_seed(k, d, dsigma, n, generator):
    return rows_of_normals(k, d, dsigma, n, torch.Generator().manual_seed(5))


WRONG = [
    (noise_of_signs, "kurtosis of the noise"),
    (from_elsewhere, "randomness"),
    (always_one_seed, "randomness"),
    (one_noise_a_network, "variance of the noise's sum"),
    (one_sign_a_network, "one sign for all neurons"),
    (naive, "d = 40000"),
    (shared_H, "variance of H"),
    (a_column, "g2 must have shape"),
    (one_noise_for_all, "wanted"),
    (no_speeds, "the tuple"),
]


def seed_used_again(k, d, dsigma, n, generator):
    return numpy(k, d, dsigma, n, torch.Generator().manual_seed(generator.initial_seed()))


WRONG += [(seed_used_again, "in every call")]


def changed(name, noise=1.0, H=1.0, along=1.0, coin=0.5, normal=torch.randn, signs=lambda a: a):
    """The right answer with factors in it, with other signs or other pre-activations."""

    def sampler(k, d, dsigma, n, generator):
        a = signs(2 * (torch.rand(n, k, generator=generator).double() < coin) - 1)
        u = normal(n, k, generator=generator).double()
        c, chi = a * dsigma(u), H * torch.randn(n, d - 1, generator=generator).double().square().sum(1, keepdim=True) / d
        length = c.norm(dim=1, keepdim=True)
        hat, xi = c / length, noise * torch.randn(n, k, generator=generator).double()
        xi = xi - hat * (hat * xi).sum(1, keepdim=True)
        gx = (c * u).sum(1, keepdim=True) / k**0.5
        t = along * u * gx / d + length / k**0.5 * (hat * chi + (chi / d).sqrt() * xi)
        return a, u, t, (c * t).sum(1) / math.sqrt(k)

    sampler.__name__ = name
    return sampler


def uniform(*shape, generator):
    return math.sqrt(12) * (torch.rand(*shape, generator=generator) - 0.5)


def shifted(*shape, generator):
    return torch.randn(*shape, generator=generator) + 0.05


RIGHT += [changed("with_factors_of_one")]
WRONG += [
    (changed("small_noise", noise=0.96), "size of the noise"),
    (changed("large_noise", noise=1.04), "size of the noise"),
    (changed("small_H", H=0.96), "d times the mean of H"),
    (changed("part_of_x_too_small", along=0.85), "wanted"),
    (changed("a_coin_of_53", coin=0.53), "a is a fair sign"),
    (changed("uniform_u", normal=uniform), "kurtosis of u"),
    (changed("shifted_u", normal=shifted), "mean of u"),
]


def neighbours_mixed(*shape, generator):
    u = torch.randn(*shape, generator=generator)
    return (u + 0.5 * u.roll(1, 1)) / 1.25**0.5


def alternating(a):
    return a[:, :1] * (1 - 2 * (torch.arange(a.shape[1]) % 2))


def always_tanh(k, d, dsigma, n, generator):
    return changed("right")(k, d, lambda u: 1 - torch.tanh(u) ** 2, n, generator)


WRONG += [
    (always_tanh, "softplus_derivative"),
    (changed("alternating_signs", signs=alternating), "variance of the sum of a"),
    (changed("neighbours_mixed", normal=neighbours_mixed), "variance of the sum of u"),
]
