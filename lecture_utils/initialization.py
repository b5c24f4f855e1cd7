"""Section 3: a two-layer network with random weights, its gradient, and one step along it.

The network of the slide "Setting" is f(x) = 1/sqrt(k) sum_j a_j sigma(w_j . x) with w_j ~ N(0, I/d), fair signs a_j, and
|x| = sqrt(d). A sampler returns, for n networks, (a, u, t, g2): the signs a, the pre-activations u_j = w_j . x, their speeds
t_j = w_j . grad f(x), each (n, k), and g2 = |grad f(x)|^2, (n,). Everything on the gradient's line follows from them:
f(x + eta grad f(x)) = output(a, u + eta t, sigma). Two samplers have one law: ``naive`` holds the weights, ``conditional``
never draws them. All numbers are float64. What needs no network is in ``concentration``, and can be had from here as well.
"""

import math
from fractions import Fraction

import torch
from scipy import special

from .checks import check_count, check_floats, check_generator, check_number, check_shape, described, require
from .concentration import ACTIVATIONS, bernstein, chi2_bound, clt_distance, gaussian_moments, log_over  # noqa: F401

FLOAT = torch.float64


def _normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=FLOAT, device=generator.device)


def _signs(*shape, generator):
    return torch.randint(2, shape, generator=generator, device=generator.device).to(FLOAT).mul_(2).sub_(1)


def _check_sampler(k, d, n, derivative, generator):
    for name, value in {"k": k, "d": d, "n": n}.items():
        check_count(name, value)
    require(callable(derivative), f"derivative must be the derivative of the activation; got {described(derivative)}", TypeError)
    check_generator(generator)


def random_network(k, d, sigma, generator):
    """Return (x, W, a, f): a point with |x| = sqrt(d), a random network of width k, and its output there (slide "Setting").

    x: (d,), uniform on the sphere. W: (k, d), entries N(0, 1/d). a: (k,) of -1 and +1. f: a tensor of shape ().
    """
    k, d, generator = check_count("k", k), check_count("d", d), check_generator(generator)
    x = _normal(d, generator=generator)
    x *= math.sqrt(d) / x.norm()
    W, a = _normal(k, d, generator=generator) / math.sqrt(d), _signs(k, generator=generator)
    return x, W, a, output(a, W @ x, sigma)


def output(a, u, sigma):
    """Return 1/sqrt(k) sum_j a_j sigma(u_j), the network's output at pre-activations u. a, u: (..., k). Returns (...)."""
    require(a.shape[-1:] == u.shape[-1:], f"a and u must have one length k, got shapes {tuple(a.shape)} and {tuple(u.shape)}")
    return (a * sigma(u)).sum(-1) / math.sqrt(u.shape[-1])


def gradient(W, a, x, derivative):
    """Return grad f(x) = 1/sqrt(k) sum_j a_j sigma'(w_j . x) w_j. W: (k, d). a: (k,). x: (d,). Returns (d,)."""
    check_floats("W", W, 2)
    signs = isinstance(a, torch.Tensor) and a.shape == W.shape[:1]
    require(signs, f"a must be a tensor of shape {tuple(W.shape[:1])}, got {described(a)}")
    check_shape("x", x, W.shape[1])
    return (a * derivative(W @ x)) @ W / math.sqrt(len(a))


def one_step(x, f, gradient, eta):
    """Return x - eta sign(f) gradient: with eta > 0, the step that takes f towards 0 (Theorem 3, with the sign repaired)."""
    require(x.shape == gradient.shape, f"gradient must have x's shape {tuple(x.shape)}, got {tuple(gradient.shape)}")
    return x - check_number("eta", eta) * f.sign() * gradient


def flip_probability(eta, v0, v1):
    """Return the limit 2 Phi(eta v1 / sqrt(v0)) - 1 of the probability that ``one_step`` changes the sign of f.

    The limit is k, d -> infinity. eta: at least 0. v0, v1: E sigma^2 > 0 and E sigma'^2. (Theorem 3.)
    """
    eta, v0, v1 = (check_number(name, value, 0) for name, value in (("eta", eta), ("v0", v0), ("v1", v1)))
    require(v0 > 0, "v0 must be positive, got 0")
    size = Fraction(eta) * Fraction(v1) / Fraction(math.sqrt(v0))  # floats may leave their range on the way
    return math.erf(min(size, 99) / math.sqrt(2))


def expected_grad_norm_sq(d, v1, e):
    """Return the exact E|grad f(x)|^2 = v1 (d-1)/d + e/d, for every width. v1: E sigma'(X)^2. e: E X^2 sigma'(X)^2."""
    d, v1, e = check_count("d", d), check_number("v1", v1, 0), check_number("e", e, 0)
    return v1 * ((d - 1) / d) + e / d


def grad_norm_sq_bound(k, d, v1, fourth, gamma):
    """Return a number that |grad f(x)|^2 exceeds with probability at least 1 - gamma (Proposition 4, with constants).

    (v1 - sqrt(2 fourth t/k)) (d-1)/d (1 - 2 sqrt(t/(d-1))) with t = log(2/gamma) and fourth = E sigma'(X)^4; 0 where a factor
    is negative: there k or d is too small for this proof to say anything.
    """
    return _drop(k, d, v1, fourth, log_over(2, gamma))


def _drop(k, d, v1, fourth, t):
    k, d, v1, fourth = check_count("k", k), check_count("d", d), check_number("v1", v1, 0), check_number("fourth", fourth, 0)
    neurons = v1 - math.sqrt(2 * t / k) * math.sqrt(fourth)
    directions = (d - 1) / d - 2 * math.sqrt(t * (d - 1)) / d
    return max(neurons, 0.0) * max(directions, 0.0)


def certified_step(k, d, gamma, v1, fourth, curvature, psi):
    """Return an eta with which ``one_step`` flips the sign with probability at least 1 - gamma; inf where the proof gives none.

    Theorem 3 with constants. fourth = E sigma'(X)^4; curvature: Lipschitz constant of sigma'; psi: a number with
    E cosh(s sigma(X)) <= exp(s^2 psi^2 / 2) for all s. The signs a_j are not used, so d has to grow like sqrt(k).
    """
    t = log_over(5, gamma)
    curvature, psi = (check_number(name, value, 0) for name, value in (("curvature", curvature), ("psi", psi)))
    drop = _drop(k, d, v1, fourth, t)
    bend = curvature * _chi2_high(d + 2 * k - 2, t) / (2 * d * math.sqrt(k))
    return _step(psi * math.sqrt(2 * t), drop, 0.0, bend)


def certified_step_any_width(k, d, gamma, v1, fourth, lipschitz, curvature, psi):
    """Return what ``certified_step`` does, from the proof that uses the signs: no d is too small for a large k."""
    t = log_over(20, gamma)
    constants = {"lipschitz": lipschitz, "curvature": curvature, "psi": psi}
    lipschitz, curvature, psi = (check_number(name, value, 0) for name, value in constants.items())
    drop = _drop(k, d, v1, fourth, t)
    if drop == 0:
        return math.inf
    z, h = math.sqrt(2 * t), (d - 1) / d - 2 * math.sqrt(t * (d - 1)) / d
    high, U2 = _chi2_high(d - 1, t) / d, _chi2_high(k, t) / k
    third = (high + math.sqrt(high / d) * z) / (2 * math.sqrt(k))
    third += math.sqrt(high * U2 / d) + z * lipschitz * U2 / (d * math.sqrt(drop / h))
    bend = (math.sqrt(6 * t) + 2 * t / math.sqrt(k)) / (2 * d) + (1 + z / math.sqrt(d * h)) * third
    return _step(psi * z, drop, 2 * t * lipschitz / drop * lipschitz * U2 / d, curvature * bend)


def _chi2_high(n, t):
    return n + 2 * math.sqrt(n * t) + 2 * t  # a chi-square variable is above with probability at most e^-t


def _step(size, drop, lost, bend):
    """Return an eta with eta drop (1 - lost - bend eta) > size, or inf if there is none."""
    eta = size / (drop * (1 - lost) / 2) if drop > 0 and lost < 1 else math.inf
    return eta if 2 * bend * eta < 1 - lost else math.inf


def naive_sampler(k, d, derivative, n, generator):
    """Return (a, u, t, g2) of n networks whose weights are drawn and kept: k d numbers a network. See the module's text."""
    _check_sampler(k, d, n, derivative, generator)
    x, parts = torch.ones(d, dtype=FLOAT, device=generator.device), []
    for m in torch.ones(n, device="cpu").split(max(1, 4_000_000 // int(k * d))):
        W = _normal(len(m), k, d, generator=generator).div_(math.sqrt(d))
        a, u = _signs(len(m), k, generator=generator), W @ x
        g = ((a * derivative(u))[:, None] @ W)[:, 0] / math.sqrt(k)
        parts.append((a, u, (W @ g[:, :, None])[:, :, 0], g.square().sum(1)))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def conditional_sampler(k, d, derivative, n, generator):
    """Return (a, u, t, g2) of n networks without their weights: O(k) time and memory a network, whatever d. Exact in law.

    Given a and u, the gradient grad f = 1/sqrt(k) sum_j c_j w_j, c_j = a_j sigma'(u_j), has the part (sum_j c_j u_j) / sqrt(k)
    along x; across x it is Gaussian, |c|/sqrt(k) long in units of N(0, I/d). So with H = chi^2_{d-1} / d and the direction
    c/|c|, the speeds t_j are Gaussian given H: aligned with c_j, plus noise orthogonal to c. (Proof of Theorem 3.)
    """
    _check_sampler(k, d, n, derivative, generator)
    a, u = _signs(n, k, generator=generator), _normal(n, k, generator=generator)
    c = a * derivative(u)
    length = c.norm(dim=1, keepdim=True)
    along = (c * u).sum(1, keepdim=True) / math.sqrt(k)  # grad f . x
    H = _chi_square(d - 1, n, generator)[:, None] / d
    g2 = (along.square() / d + length.square() * H / k)[:, 0]
    direction = c.div_(length.clamp(min=torch.finfo(FLOAT).tiny))  # no neuron active: the gradient is 0, and so is t
    noise = _normal(n, k, generator=generator)
    noise -= direction * (direction * noise).sum(1, keepdim=True)
    t = u * (along / d) + length / math.sqrt(k) * direction.mul_(H).add_(noise.mul_((H / d).sqrt()))
    return a, u, t, g2


def _chi_square(freedom, n, generator):
    """Return n chi-square variables, by inverting their distribution function: torch's own take no generator."""
    uniform = torch.rand(n, generator=generator, dtype=FLOAT, device=generator.device)
    if freedom == 0:
        return torch.zeros_like(uniform)
    return torch.from_numpy(2 * special.gammaincinv(freedom / 2, uniform.cpu().numpy())).to(uniform.device)
