"""Exercises 3.1 to 3.6: adversarial examples at initialization."""

import functools
import math

import torch

from .. import concentration, initialization
from .engine import Exercise, Mistake
from .inputs import normal, signs, uniform
from .random_networks import ELSEWHERE, SAMPLES, draw_networks, draw_samples, network, sampler, wrong_network, wrong_samplers


def seeded(generator):
    return torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))


# ---- 3.1 ---------------------------------------------------------------------------------------------


def random_sizes(generator):
    k, d = torch.randint(16, 33, (2,), generator=generator).tolist()
    return k, d, torch.relu, seeded(generator)


SAMPLE = Exercise(
    "3.1",
    "sample the model",
    initialization.random_network,
    probes=(
        (16, 32, torch.relu, torch.Generator().manual_seed(1)),
        (20, 64, torch.tanh, torch.Generator().manual_seed(2)),
    ),
    random=random_sizes,
    run=draw_networks,
    parts=(
        "share of x with |x|² = d", "mean of |x|²/d", "d times the variance of W", "kurtosis of W", "share of a in {-1, +1}",
        "mean of a", "f over the slide's formula", "randomness (1: the same W twice, 2: the seed does nothing)",
    ),
    hints=(
        "Four things to draw or compute: a point of length √d, a matrix of Gaussians, k fair signs, a sum. "
        "What is the variance of an entry of w when w ~ N(0, I/d)?",
        "torch.randn(k, d, generator=generator, dtype=torch.float64) has variance 1; divide by √d. For x, draw a Gaussian vector "
        "and scale it to length √d. For signs, 2 * torch.randint(2, (k,), generator=generator) - 1.",
        "f = (a * sigma(W @ x)).sum() / k**0.5, and return x, W, a, f.",
    ),
    mistakes=(
        Mistake(
            (wrong_network(spread=lambda d: 1.0),),
            "The entries of W have variance 1 here, so w·x has variance d. N(0, I/d) means variance 1/d: divide by √d.",
        ),
        Mistake(
            (wrong_network(spread=lambda d: 1 / d),),
            "The entries of W have standard deviation 1/d; 1/d is to be the variance, so the standard deviation is 1/√d.",
        ),
        Mistake((wrong_network(x=lambda p: p / p.norm()),), "Your x has length 1; the points of this section have length √d."),
        Mistake(
            (wrong_network(x=lambda p: p),),
            "A Gaussian vector has length √d only on average: divide x by its own length, then multiply by √d.",
        ),
        Mistake((wrong_network(scale=lambda k: 1.0),), "The factor 1/√k before the sum is missing: your f grows with the width."),
        Mistake((wrong_network(scale=lambda k: 1 / k),), "Divide the sum by √k, not by k: your f vanishes as the width grows."),
        Mistake(
            (wrong_network(signs_=normal),),
            "Your a is Gaussian. The variance of f is the same, but its law is not: a_j is -1 or +1.",
        ),
        Mistake(
            (wrong_network(signs_=lambda g, k: (signs(g, k) + 1) / 2),),
            "Your a is 0 or 1: then f has a mean, and half of its neurons. Map the coin to -1 and +1.",
        ),
        Mistake(
            (lambda k, d, sigma, generator: network(k, d, lambda u: u, generator),),
            "The activation is missing: f is the sum of a_j σ(w_j·x).",
        ),
        Mistake(
            (wrong_network(draw=lambda g, *shape: math.sqrt(12) * (uniform(g, *shape) - 0.5)),),
            "W has the right variance but is not Gaussian: use torch.randn.",
        ),
        Mistake(
            (lambda k, d, sigma, generator: network(k, d, sigma, torch.Generator().manual_seed(5)),),
            "Every call gives the same network: draw from the generator that is passed in, and make no new one.",
        ),
        Mistake(
            (lambda k, d, sigma, generator: network(k, d, sigma, ELSEWHERE),),
            "The same seed gives another network: pass generator=generator to every call of torch.randn and torch.randint.",
        ),
    ),
    written=(
        "E f² = (1/k) Σ_i Σ_j E[a_i a_j] E[σ(u_i) σ(u_j)]. The signs are independent with mean 0, so only i = j is left: k terms "
        "v0, over k. Nothing here depends on k, on d or on the direction of x."
    ),
)  # fmt: skip

# ---- 3.2 ---------------------------------------------------------------------------------------------


def of_numbers(function, name):
    """Return a function of tensors, arrays or floats, with a name."""

    def call(x):
        return function(torch.as_tensor(x, dtype=torch.float64))

    call.__name__ = name
    return call


def pair(sigma, derivative, name):
    return of_numbers(sigma, name), of_numbers(derivative, f"{name}_derivative")


def random_activation(generator):
    b, c = (0.5 + uniform(generator, 2)).tolist()
    return pair(lambda x: torch.sin(b * x + c), lambda x: b * torch.cos(b * x + c), "sine")


def scales(answer, sigma, derivative):
    twice = answer(of_numbers(lambda x: 2 * sigma(x), "twice"), derivative)
    if not torch.allclose(twice[0], 4 * answer(sigma, derivative)[0], rtol=1e-3):
        return "2σ in place of σ must make v0 four times as large."


def mean(function, spread=1.0):
    return concentration.gaussian_mean(lambda x: function(spread * x))


MOMENTS = Exercise(
    "3.2",
    "Gaussian constants",
    concentration.gaussian_moments,
    probes=tuple(pair(*concentration.ACTIVATIONS[name][:2], name) for name in ("tanh", "softplus", "SiLU")),
    random=random_activation,
    law=scales,
    parts=("v0", "v1"),
    hints=(
        "E σ(X)² is the integral of σ(x)² times the normal density. What would a sum over a fine grid look like?",
        "A grid from -10 to 10 with step 0.001 is plenty: sum σ(x)² exp(-x²/2)/√(2π) times the step. Mind the factor √(2π).",
        "x = torch.linspace(-10, 10, 20001, dtype=torch.float64); p = torch.exp(-x**2 / 2) * 0.001 / (2 * torch.pi) ** 0.5; "
        "return (p * sigma(x)**2).sum(), (p * dsigma(x)**2).sum()",
    ),
    mistakes=(
        Mistake(
            (lambda s, ds: (mean(lambda x: s(x) ** 2, 0.5**0.5), mean(lambda x: ds(x) ** 2, 0.5**0.5)),),
            "Your X has variance 1/2: Gauss-Hermite nodes belong to exp(-x²). Multiply the nodes by √2.",
        ),
        Mistake(
            (lambda s, ds: tuple(math.sqrt(math.pi) * mean(lambda x, f=f: f(x) ** 2, 0.5**0.5) for f in (s, ds)),),
            "Gauss-Hermite nodes and weights belong to exp(-x²): multiply the nodes by √2, and divide the weights by √π.",
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
            (lambda s, ds: (mean(s) ** 2, mean(ds) ** 2), lambda s, ds: (mean(s), mean(ds))),
            "Square first, then take the mean: E σ(X)² is not (E σ(X))².",
        ),
        Mistake(
            (lambda s, ds: (mean(lambda x: s(x) ** 2), mean(ds)),), "v0 is right; in v1 the derivative has to be squared too."
        ),
        Mistake((lambda s, ds: (mean(lambda x: ds(x) ** 2), mean(lambda x: s(x) ** 2)),), "v0 and v1 have changed places."),
    ),
    written="Where σ has a kink or a jump in its derivative, as ReLU, split the integral there: then no accuracy is lost.",
)

# ---- 3.3 ---------------------------------------------------------------------------------------------


def random_bernstein(generator):
    s2, c = (0.2 + 2 * uniform(generator, 2)).tolist()
    return s2, c, int(torch.randint(1, 200, (), generator=generator)), 0.001 + 0.5 * uniform(generator, 1).item()


def root_of_the_number(answer, s2, c, k, gamma):
    if not torch.isclose(answer(s2, 0.0, 4 * k, gamma), 2 * answer(s2, 0.0, k, gamma), rtol=1e-4):
        return "With c = 0, four times as many summands must double the bound."


BERNSTEIN = Exercise(
    "3.3",
    "Bernstein",
    concentration.bernstein,
    probes=((2.0, 2.0, 1, 0.1), (0.25, 0.5, 10, 0.01), (3.0, 0.3, 100, 0.05)),
    random=random_bernstein,
    law=root_of_the_number,
    hints=(
        "Theorem 2 bounds P(S ≥ r). The same holds for -S. How are two events of probability at most γ/2 each combined?",
        "Take the one-sided bound with γ/2 in the place of γ: its logarithm becomes log(2/γ).",
        "t = math.log(2 / gamma); return math.sqrt(2 * s2 * k * t) + c * t",
    ),
    mistakes=(
        Mistake(
            (lambda s2, c, k, g: concentration.bernstein(s2, c, k, g, sides=1),),
            "This is the one-sided bound. For |S| use the union bound: log(2/γ).",
        ),
        Mistake(
            (lambda s2, c, k, g: concentration.bernstein(s2**2, c, k, g),),
            "s2 is the square already (a variance): do not square it again.",
        ),
        Mistake((lambda s2, c, k, g: concentration.bernstein(s2 / 2, c, k, g),), "The factor 2 under the root is missing."),
        Mistake(
            (lambda s2, c, k, g: concentration.bernstein(s2, 0.0, k, g),),
            "The linear term c log(2/γ) is missing: it is the price for tails heavier than Gaussian.",
        ),
        Mistake(
            (lambda s2, c, k, g: math.sqrt(2 * s2 * k * math.log10(2 / g)) + c * math.log10(2 / g),),
            "This is the logarithm to base 10; the theorem has the natural one.",
        ),
        Mistake(
            (lambda s2, c, k, g: concentration.bernstein(s2, c, k, g) / k,),
            "This bounds the mean S/k; the sum S is asked for.",
        ),
    ),
    written=(
        "Summing the moment condition, log E exp(λX) ≤ λ² s2 / (2(1 - cλ)) for 0 ≤ λ < 1/c. Markov's inequality for exp(λS) with "
        "λ = μ/(1 + cμ), μ = √(2t/(k s2)), gives P(S ≥ √(2 s2 k t) + ct) ≤ exp(-t). For X² - 1, log E exp(λ(X² - 1)) = "
        "-λ - ½ log(1 - 2λ) ≤ λ²/(1 - 2λ), the same form with s2 = 2 and c = 2: 2√(kt) + 2t. The slide's 4√(kt) is larger as "
        "long as t ≤ k, and can fail beyond: k = 1 and γ = 0.0001 is an example, with a true probability of more than twice γ."
    ),
)

# ---- 3.4 ---------------------------------------------------------------------------------------------


def random_moments(generator):
    return int(torch.randint(1, 40, (), generator=generator)), *(0.1 + uniform(generator, 2)).tolist()


def between_its_parts(answer, d, v1, e):
    if not torch.isclose(answer(d, v1, v1), torch.tensor(v1, dtype=torch.float64), rtol=1e-4):
        return "When e = v1, as for ReLU, the answer is v1 in every dimension."


EXPECTED_GRADIENT = Exercise(
    "3.4",
    "Proposition 4 exactly",
    initialization.expected_grad_norm_sq,
    probes=((1, 0.5, 0.25), (3, 0.4644, 0.1078), (10, 0.6, 1.5)),
    random=random_moments,
    law=between_its_parts,
    hints=(
        "Split every w_j into its part along x and the rest. Which of the two does σ'(w_j·x) know of?",
        "w_j = (u_j/d) x + w_j', where u_j = w_j·x ~ N(0, 1) and w_j' is Gaussian in d - 1 directions, with variance 1/d in "
        "each, independent of u_j. The gradient's squared length is the sum over both parts; signs kill the mixed terms.",
        "Across x: v1 (d - 1)/d. Along x: E (g·x)²/d with E (g·x)² = E σ'(u)² u² = e.",
    ),
    mistakes=(
        Mistake((lambda d, v1, e: v1,), "This is the limit for large d; the exact value for every d is asked for."),
        Mistake(
            (lambda d, v1, e: v1 * (d - 1) / d,),
            "The direction of x itself is forgotten: there w_j is not independent of σ'(w_j·x).",
        ),
        Mistake(
            (lambda d, v1, e: v1 * (d - 1) / d + e,),
            "The part along x lacks a factor 1/d: x has length √d, so (g·x)² is d times the squared length along x.",
        ),
        Mistake(
            (lambda d, v1, e: v1 + e / d,),
            "One of the d directions is counted twice: across x there are d - 1.",
        ),
        Mistake(
            (lambda d, v1, e: v1 * (d - 1) + e,),
            "Each entry of w_j has variance 1/d, not 1: your result is d times too large.",
        ),
    ),
    written=(
        "g = (1/√k) Σ a_j σ'(u_j) w_j. Along x: g·x = (1/√k) Σ a_j σ'(u_j) u_j, with mean square e, and it counts as (g·x)²/d. "
        "Across x, given a and u, g is Gaussian: |g'|² = (1/k) Σ σ'(u_j)² times χ²(d-1)/d, with mean v1 (d - 1)/d; x itself is "
        "the direction that is missing from d. For d → ∞ and k → ∞ both factors concentrate (Bernstein, χ²), so |g|² → v1, "
        "which is positive unless σ' = 0 almost everywhere."
    ),
)

# ---- 3.5 ---------------------------------------------------------------------------------------------


def phi(z):
    return 0.5 * math.erfc(-z / math.sqrt(2))


def random_step(generator):
    return tuple((0.2 + 1.5 * uniform(generator, 3)).tolist())


def no_step_no_flip(answer, eta, v0, v1):
    if answer(0.0, v0, v1).abs() > 1e-6:
        return "With η = 0 nothing moves: the probability of a flip is 0."


FLIP = Exercise(
    "3.5",
    "one step",
    initialization.flip_probability,
    probes=((1.0, 0.5, 0.4), (2.0, 0.3943, 0.4644), (0.5, 2.0, 3.0)),
    random=random_step,
    law=no_step_no_flip,
    hints=(
        "For large k and d, f(x) ~ N(0, v0), and the step changes f by -η sign(f) |∇f|², |∇f|² → v1. When does the sign change?",
        "It changes when |f(x)| < η v1. What is the probability that a N(0, v0) variable lies between -η v1 and η v1?",
        "2 Φ(η v1 / √v0) - 1, which is math.erf(eta * v1 / math.sqrt(2 * v0)).",
    ),
    mistakes=(
        Mistake(
            (lambda eta, v0, v1: phi(eta * v1 / math.sqrt(v0)),),
            "Φ alone counts one side and everything below: |f| has to be small, so take both sides, 2Φ - 1.",
        ),
        Mistake(
            (lambda eta, v0, v1: phi(eta * v1 / math.sqrt(v0)) - 0.5,),
            "This is the slide's fixed sign of η: it flips only one half of the networks. The sign of the step follows f(x).",
        ),
        Mistake(
            (lambda eta, v0, v1: 2 * phi(eta * math.sqrt(v1) / math.sqrt(v0)) - 1,),
            "√v1 is the length of the gradient; f changes by η times its square, v1.",
        ),
        Mistake(
            (lambda eta, v0, v1: 2 * phi(eta * v1 / v0) - 1,),
            "v0 is the variance of f(x): divide by its standard deviation √v0.",
        ),
        Mistake(
            (lambda eta, v0, v1: 2 - 2 * phi(eta * v1 / math.sqrt(v0)),),
            "This is the probability that the sign stays.",
        ),
        Mistake(
            (lambda eta, v0, v1: 2 * phi(eta / math.sqrt(v0)) - 1,),
            "The factor |∇f|² is missing: a step of η along the gradient changes f by η |∇f|², not by η.",
        ),
    ),
    written=(
        "Taylor: f(x + η∇f) = f(x) + η|∇f|² + R, and R → 0 for a fixed η as k and d grow. With sign(η) = -sign f(x) the sign "
        "changes when |f(x)| < |η||∇f|² → |η| v1. For failure at most γ, |η| = (√v0/v1) Φ⁻¹(1 - γ/2) = O(√log(1/γ)) is enough."
    ),
)

# ---- 3.6 ---------------------------------------------------------------------------------------------


def random_sampler(generator):
    k, d = torch.randint(5, 9, (2,), generator=generator).tolist()
    return k, d, TANH_DERIVATIVE, SAMPLES, seeded(generator)


TANH_DERIVATIVE = of_numbers(concentration.ACTIVATIONS["tanh"].derivative, "tanh_derivative")

SAMPLER = Exercise(
    "3.6",
    "a network of width one million",
    initialization.conditional_sampler,
    probes=(
        (10, 6, TANH_DERIVATIVE, SAMPLES, torch.Generator().manual_seed(1)),
        (6, 5, TANH_DERIVATIVE, SAMPLES, torch.Generator().manual_seed(2)),
    ),
    random=random_sampler,
    run=draw_samples,
    parts=(
        "a is a fair sign", "variance of u", "c·t/√k = g2 (1: yes)", "d times the mean of H", "variance of H over 2(d-1)/d²",
        "part of x in t", "size of the noise", "same law as with weights (1: yes)",
    ),
    hints=(
        "Draw a and u. Then c_j = a_j σ'(u_j), its direction ĉ = c/|c|, and g·x = Σ c_j u_j / √k need no weights. What is left?",
        "H = χ²(d-1)/d, one number a network: the sum of d - 1 squared normals over d. And k normals ξ, from which you take away "
        "their part along ĉ.",
        "t = u (g·x)/d + |c|/√k (ĉ H + √(H/d) (ξ - ĉ (ĉ·ξ))), and g2 = (g·x)²/d + |c|² H/k. Check yourself: c·t/√k = g2.",
    ),
    mistakes=(
        Mistake(
            wrong_samplers(drift=False),
            "The drift ĉ H is missing: the speeds t_j are aligned with c_j, and this is what moves f.",
        ),
        Mistake(
            wrong_samplers(project=False),
            "Take from ξ its part along ĉ: along ĉ everything is in H already. Then c·t/√k = g2 holds exactly.",
        ),
        Mistake(
            wrong_samplers(along=False),
            "The direction of x is missing: t_j has the part u_j (g·x)/d.",
        ),
        Mistake(
            (functools.partial(sampler, noise=lambda chi, d: chi.sqrt() / d),),
            "The noise is too small: its standard deviation is √(H/d), not √H/d.",
        ),
        Mistake(
            (functools.partial(sampler, noise=lambda chi, d: 0 * chi),),
            "There is drift but no noise: across ĉ the speeds are Gaussian with standard deviation √(H/d).",
        ),
        Mistake(
            (functools.partial(sampler, H=lambda g, n, d: normal(g, n, d).square().sum(1) / d),),
            "Across x there are d - 1 directions: H = χ²(d-1)/d.",
        ),
        Mistake(
            (functools.partial(sampler, H=lambda g, n, d: torch.ones(n, dtype=torch.float64)),),
            "H is random: χ²(d-1)/d. Its mean is (d-1)/d, and for small d it varies a lot.",
        ),
    ),
    written=(
        "Across x the weights form a Gaussian matrix W' with independent rows N(0, I/d) in d - 1 dimensions, independent of u "
        "and a. The gradient across x is W'ᵀc/√k, and t across x is W' W'ᵀ c/√k. Given v = W'ᵀĉ, the rows are conditioned on "
        "one linear combination: W' = ĉ vᵀ + (I - ĉĉᵀ) W'' with W'' a fresh copy. So W'v = ĉ|v|² + (I - ĉĉᵀ) W''v, with "
        "|v|² = H and W''v ~ N(0, H/d I)."
    ),
)  # fmt: skip

EXERCISES = (SAMPLE, MOMENTS, BERNSTEIN, EXPECTED_GRADIENT, FLIP, SAMPLER)
