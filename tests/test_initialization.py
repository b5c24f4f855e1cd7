"""Section 3: moments, concentration bounds and samplers against closed forms, brute force, and each other."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

import bench_initialization
import execute
from lecture_utils import concentration, initialization
from lecture_utils.concentration import ACTIVATIONS

each_activation = pytest.mark.parametrize("name", ACTIVATIONS)
SAMPLERS = [initialization.naive_sampler, initialization.conditional_sampler]
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda one: one.__name__)
fractions = st.floats(1e-6, 0.999)
widths = st.integers(1, 10_000)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def cube(x):
    return 3 * x.square()


# ---- Gaussian moments --------------------------------------------------------------------------------

MOMENTS = {  # v0, v1, E X^2 sigma'^2, E sigma'^4
    "ReLU": (1 / 2, 1 / 2, 1 / 2, 1 / 2),
    "erf": (2 / math.pi * math.asin(2 / 3), 4 / (math.pi * math.sqrt(5)), 4 / (math.pi * 5**1.5), 16 / (3 * math.pi**2)),
    "sin": ((1 - math.exp(-2)) / 2, (1 + math.exp(-2)) / 2, (1 - 3 * math.exp(-2)) / 2, None),
    "tanh": (0.39429, 0.46440, 0.10781, 0.34151),
    "sigmoid": (0.29338, 0.04484, 0.02371, 0.00229),
    "softplus": (0.92125, 0.29338, 0.35578, 0.13159),
    "GELU": (0.42522, 0.45585, 0.57837, 0.43396),
    "SiLU": (0.35578, 0.37948, 0.51748, 0.28658),
    "ELU": (0.64495, 0.66810, 0.54263, 0.59441),
}


@each_activation
def test_moments_agree_with_closed_forms_and_independent_values(name):
    sigma, derivative, *_ = ACTIVATIONS[name]
    v0, v1, e, fourth = MOMENTS[name]
    tolerance = 1e-12 if name in ("ReLU", "erf", "sin") else 6e-6
    assert concentration.gaussian_moments(sigma, derivative) == pytest.approx((v0, v1), abs=tolerance)
    assert concentration.gaussian_mean(lambda x: (x * derivative(x)).square()) == pytest.approx(e, abs=tolerance)
    if fourth:
        assert concentration.assumption_constants(derivative)[0] == pytest.approx(fourth, abs=tolerance)


@each_activation
def test_every_derivative_is_the_derivative(name):
    x = torch.linspace(-6, 6, 240, dtype=torch.float64).requires_grad_()  # without 0, where ReLU has none
    (slope,) = torch.autograd.grad(ACTIVATIONS[name].sigma(x).sum(), x)
    assert torch.allclose(slope, ACTIVATIONS[name].derivative(x.detach()), atol=1e-12)


@each_activation
def test_the_lipschitz_constant_is_the_largest_slope(name):
    slopes = ACTIVATIONS[name].derivative(torch.linspace(-10, 10, 100_001, dtype=torch.float64))
    assert slopes.abs().max().item() == pytest.approx(ACTIVATIONS[name].lipschitz, rel=1e-3)
    assert slopes.abs().max() <= ACTIVATIONS[name].lipschitz + 1e-3
    steepest = slopes.diff().abs().max().item() / 2e-4
    assert steepest == pytest.approx(ACTIVATIONS[name].curvature, rel=1e-3) or (steepest > 4999 and name == "ReLU")


def test_the_softplus_moments_are_those_of_its_derivatives():
    softplus, sigmoid, silu = (ACTIVATIONS[name] for name in ("softplus", "sigmoid", "SiLU"))
    v0, v1 = concentration.gaussian_moments(softplus.sigma, softplus.derivative)
    assert v1 == pytest.approx(concentration.gaussian_moments(*sigmoid[:2])[0], rel=1e-12)
    e = concentration.gaussian_mean(lambda x: (x * softplus.derivative(x)).square())
    assert e == pytest.approx(concentration.gaussian_moments(*silu[:2])[0], rel=1e-12)


@pytest.mark.parametrize("power", range(0, 21, 2))
def test_the_quadrature_knows_the_moments_of_the_normal_law(power):
    double_factorial = math.prod(range(power - 1, 0, -2))
    assert concentration.gaussian_mean(lambda x: x**power) == pytest.approx(double_factorial, rel=1e-12)
    assert concentration.gaussian_mean(lambda x: x ** (power + 1)) == pytest.approx(0, abs=1e-12 * double_factorial)


def test_moments_are_right_at_every_scale_and_in_every_type():
    moments = concentration.gaussian_moments(lambda x: 1e154 * x, lambda x: (20 * (x > 0)).to(torch.int8))
    assert moments == pytest.approx((1e308, 200.0), rel=1e-12)
    assert concentration.gaussian_moments(lambda x: 1e-30 * x.float(), torch.zeros_like) == (pytest.approx(1e-60, rel=1e-6), 0.0)


def test_a_function_that_works_in_place_changes_no_later_number():
    assert concentration.gaussian_moments(torch.nn.ReLU(inplace=True), lambda x: x.mul_(2)) == pytest.approx((0.5, 4.0))
    assert concentration.gaussian_moments(torch.nn.ReLU(inplace=True), lambda x: x.mul_(2)) == pytest.approx((0.5, 4.0))


def test_a_kink_at_zero_costs_no_accuracy():
    for power in (1, 3, 5):
        half = concentration.gaussian_mean(lambda x, power=power: torch.relu(x) ** power)
        exact = math.prod(range(power - 1, 0, -2)) / math.sqrt(2 * math.pi)
        assert half == pytest.approx(exact, rel=1e-13)


def test_exponential_moments_are_found_and_moments_that_do_not_exist_are_refused():
    assert concentration.gaussian_mean(lambda x: torch.exp(2 * x)) == pytest.approx(math.e**2, rel=1e-12)
    for function in (lambda x: torch.exp(x**2), lambda x: torch.exp(x**2 / 2), lambda x: torch.exp(40 * x)):
        with pytest.raises(ValueError, match="does not exist"):
            concentration.gaussian_mean(function)


def test_assumption_1_holds_with_the_lipschitz_constants_or_smaller():
    for one in ACTIVATIONS.values():
        s2, c = concentration.assumption_constants(one.derivative)
        assert s2 <= one.lipschitz**4 + 1e-12 and c <= one.lipschitz**2 + 1e-12
        for q in range(2, 12):
            moment = concentration.gaussian_mean(lambda x, q=q, one=one: one.derivative(x).abs() ** (2 * q))
            assert moment <= math.factorial(q) / 2 * s2 * c ** (q - 2) * (1 + 1e-9)


def test_assumption_1_holds_for_the_square_and_fails_for_the_cube_and_the_exponential():
    s2, c = concentration.assumption_constants(lambda x: 2 * x)
    assert s2 == pytest.approx(48) and 7.5 < c < 8
    assert concentration.assumption_constants(lambda x: (x > 40).to(x)) == (0.0, 0.0)
    for derivative in (cube, torch.exp):
        with pytest.raises(ValueError, match="Assumption 1 fails"):
            concentration.assumption_constants(derivative)


# ---- the central limit theorem -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "k", "distance"),
    [("ReLU", 16, 0.0755), ("ReLU", 64, 0.0703), ("ReLU", 256, 0.0692), ("tanh", 16, 0.0319), ("tanh", 64, 0.0316),
     ("sigmoid", 16, 0.0342), ("softplus", 16, 0.0060), ("GELU", 16, 0.1075), ("GELU", 64, 0.0992)],
)  # fmt: skip
def test_the_distance_from_the_normal_law_times_the_width(name, k, distance):
    assert k * concentration.clt_distance(ACTIVATIONS[name].sigma, k) == pytest.approx(distance, abs=6e-5)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_distance_of_a_narrow_relu_network_is_at_least_half_its_atom(k):
    assert concentration.clt_distance(torch.relu, k) >= 2 ** -(k + 1) - 1e-9
    jump = concentration.clt_error(torch.relu, k, [-1e-9, 0.0])
    assert (jump[1] - jump[0]).item() == pytest.approx(2**-k, abs=1e-6)


@pytest.mark.parametrize(("name", "k"), [("ReLU", 1), ("ReLU", 3), ("tanh", 4), ("softplus", 1), ("sin", 8), ("GELU", 4)])
def test_the_distribution_function_agrees_with_simulated_networks(name, k):
    sigma, generator, n = ACTIVATIONS[name].sigma, seeded(1), 200_000
    u = torch.randn(n, k, generator=generator, dtype=torch.float64)
    a = 2.0 * torch.randint(2, (n, k), generator=generator) - 1
    f = initialization.output(a, u, sigma) / math.sqrt(concentration.gaussian_mean(lambda x: sigma(x).square()))
    x = torch.linspace(-3, 3, 41, dtype=torch.float64)
    simulated = torch.searchsorted(f.sort().values, x, right=True) / n - torch.special.ndtr(x)
    assert (simulated - concentration.clt_error(sigma, k, x)).abs().max() < 4.5 * 0.5 / math.sqrt(n)


def test_one_relu_neuron_has_the_law_that_one_can_write_down():
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    exact = torch.where(x >= 0, 0.75 + 0.25 * torch.erf(x / 2), 0.25 * torch.erfc(-x / 2))  # f = a relu(X), scale sqrt(1/2)
    assert torch.allclose(concentration.clt_error(torch.relu, 1, x), exact - torch.special.ndtr(x), atol=1e-8)


def prediction(sigma, k):
    """Return the leading term of the distance from the normal law, Edgeworth's, and Berry and Esseen's bound on it."""
    v0, third, fourth = (concentration.gaussian_mean(lambda x, q=q: sigma(x).abs() ** q) for q in (2, 3, 4))
    return 0.550588 * abs(fourth / v0**2 - 3) / (24 * k), 0.4748 * third / (v0**1.5 * math.sqrt(k))


@each_activation
def test_the_distance_falls_like_one_over_k_and_stays_below_berry_esseen(name):
    sigma = ACTIVATIONS[name].sigma
    for k in (64, 256, 1024):
        exact = concentration.clt_distance(sigma, k)
        leading, bound = prediction(sigma, k)
        assert exact == pytest.approx(leading, rel=4 / k) and exact < bound
    assert prediction(torch.relu, 64) == (pytest.approx(3 * 0.550588 / 24 / 64, rel=1e-9), pytest.approx(0.1339, abs=1e-4))


@pytest.mark.parametrize("name", ["tanh", "ReLU", "softplus", "erf"])
@pytest.mark.parametrize("k", [10**6, 10**7, 10**9])
def test_the_distance_of_a_wide_network_is_not_lost_in_rounding(name, k):
    sigma = ACTIVATIONS[name].sigma
    assert concentration.clt_distance(sigma, k) == pytest.approx(prediction(sigma, k)[0], rel=1e-4)
    assert concentration.clt_error(sigma, k, [0.0]).abs().max() < 1e-20


@pytest.mark.parametrize("size", [1e-310, 1e-160, 1e-100, 1e160, 1e300])
@pytest.mark.parametrize("name", ["tanh", "ReLU"])
def test_the_distance_from_the_normal_law_has_no_unit(name, size):
    sigma = ACTIVATIONS[name].sigma
    exact = concentration.clt_distance(sigma, 30)
    assert concentration.clt_distance(lambda x: size * sigma(x), 30) == pytest.approx(exact, rel=1e-9)
    assert concentration.clt_distance(lambda x: sigma(x).float(), 30) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(("name", "k"), [("ReLU", 1), ("ReLU", 3), ("tanh", 300), ("softplus", 3)])
def test_far_out_both_laws_agree(name, k):
    x = torch.tensor([14.0, 20.0, 24.0, 26.0, 31.4, 35.0, 50.0, 1e300, math.inf])
    errors = concentration.clt_error(ACTIVATIONS[name].sigma, k, torch.cat([x, -x]))
    assert errors.abs().max() < 1e-8


def test_far_out_a_heavy_tail_is_no_zero():
    assert concentration.clt_error(lambda x: x**3, 10, [0.0]).abs() < 1e-9
    with pytest.raises(ValueError, match="x must lie within 15.7 of 0, got more: f has a tail of 1e-07"):
        concentration.clt_error(lambda x: x**3, 10, [0.0, 20.0])


@pytest.mark.parametrize(("k", "missing"), [(1, 1e-9), (10, 1e-9), (10, 1e-11), (1000, 1e-6), (1, 2**-53), (9, 2**-53)])
def test_the_exact_bound_is_exact_where_it_is_small(k, missing):
    r = concentration.chi2_bound(k, 1 - missing, "exact")
    expected = (1 - (1 - missing)) / (2 * stats.chi2.pdf(k, k))  # the density is flat over so short a stretch
    assert r == pytest.approx(expected, rel=1e-9, abs=0)


def test_a_law_that_cannot_be_inverted_is_refused():
    with pytest.raises(ValueError, match="k must be larger"):
        concentration.clt_distance(ACTIVATIONS["GELU"].sigma, 1)
    with pytest.raises(ValueError, match="k must be larger"):
        concentration.clt_distance(torch.ones_like, 10)  # a sum of signs: a lattice


@pytest.mark.parametrize("k", [10, 100, 1000, 10**6])
@pytest.mark.parametrize("step", [torch.ones_like, torch.sign, lambda x: (x > 0).double()], ids=["one", "sign", "step"])
def test_a_lattice_is_refused_for_every_width(step, k):
    with pytest.raises(ValueError, match="constant on intervals"):
        concentration.clt_distance(step, k)


def test_an_activation_that_is_clipped_has_a_law_all_the_same():
    assert concentration.clt_distance(lambda x: x.clamp(-1, 1), 100) == pytest.approx(0.0229 * 1.29 / 100, rel=0.2)


def test_chi_square_says_what_it_cannot_compute():
    with pytest.raises(ValueError, match="k must be at most 1,000,000"):
        concentration.chi2_tail(10**9, 1e5)
    for k in (1, 10**6):
        assert 0 < concentration.chi2_bound(k, 1 - 1e-16, "exact") < 1e-12 * k


# ---- Bernstein and chi-square ------------------------------------------------------------------------


SUMMANDS = {  # moments of Theorem 2 (s2, c), and the variable
    "a ReLU(X)": (0.5, 0.55, lambda a, X: a * torch.relu(X)),
    "ReLU'(X)^2 - 1/2": (0.25, 1 / 6, lambda a, X: (X > 0).double() - 0.5),
    "X^2 - 1": (2.0, 2.0, lambda a, X: X.square() - 1),
}


@pytest.mark.parametrize("name", SUMMANDS)
@pytest.mark.parametrize("k", [1, 10, 100])
def test_bernsteins_bound_is_not_exceeded_more_often_than_it_says(name, k):
    s2, c, variable = SUMMANDS[name]
    n, generator = 400_000 // k, seeded(k)
    X = torch.randn(n, k, generator=generator, dtype=torch.float64)
    S = variable(2.0 * torch.randint(2, (n, k), generator=generator) - 1, X).sum(1)
    for gamma in (0.1, 0.01, 0.001):
        for sides, exceeds in ((2, S.abs()), (1, S), (1, -S)):
            beyond = int((exceeds >= concentration.bernstein(s2, c, k, gamma, sides=sides)).sum())
            assert stats.binom.sf(beyond - 1, n, gamma) > 1e-6, (gamma, sides, beyond / n)


@pytest.mark.parametrize("name", SUMMANDS)
def test_the_summands_satisfy_the_moment_condition(name):
    s2, c, variable = SUMMANDS[name]
    for q in range(2, 12):
        moment = concentration.gaussian_mean(lambda x, q=q: variable(1.0, x).abs() ** q)
        assert moment <= math.factorial(q) / 2 * s2 * c ** (q - 2) * (1 + 1e-9)


@given(widths, fractions, st.floats(0.01, 10), st.floats(0, 10))
@settings(max_examples=60, deadline=None)
def test_bernstein_is_the_formula(k, gamma, s2, c):
    t = math.log(2 / gamma)
    assert concentration.bernstein(s2, c, k, gamma) == pytest.approx((2 * s2 * k * t) ** 0.5 + c * t)
    one_sided = concentration.bernstein(s2, c, k, gamma / 2, sides=1)
    assert one_sided == pytest.approx(concentration.bernstein(s2, c, k, gamma))


@given(widths, st.floats(1e-8, 0.9))
@settings(max_examples=60, deadline=None)
def test_laurent_massart_is_true_and_is_bernstein_for_the_square(k, gamma):
    r = concentration.chi2_bound(k, gamma, "Laurent-Massart")
    assert r == pytest.approx(concentration.bernstein(2.0, 2.0, k, gamma))
    assert concentration.chi2_tail(k, r) <= gamma
    exact = concentration.chi2_bound(k, gamma, "exact")
    assert concentration.chi2_tail(k, exact) == pytest.approx(gamma, rel=1e-6) and exact <= r


THRESHOLDS = {1: 8.64, 2: 11.13, 3: 13.39, 5: 17.57, 10: 27.2, 20: 45.3, 50: 97.4, 100: 182.8}


@pytest.mark.parametrize("k", THRESHOLDS)
def test_the_slides_chi_square_bound_is_true_from_its_smallest_gamma_on_and_false_below(k):
    cells = {cell.id: cell.source for cell in execute.read(execute.NOTEBOOKS / "3_initialization.ipynb").cells}
    names = {"math": math, "optimize": optimize, "concentration": concentration}
    exec(cells["s3-36"], names)
    smallest = names["least_gamma"](k)
    assert math.log(2 / smallest) == pytest.approx(THRESHOLDS[k], abs=0.06)
    for factor, holds in ((1.01, True), (10, True), (0.99, False), (0.5, False)):
        gamma = smallest * factor
        assert gamma >= 1 or (concentration.chi2_tail(k, concentration.chi2_bound(k, gamma)) <= gamma) == holds


def test_the_slides_bound_fails_for_one_variable_and_a_small_gamma():
    assert concentration.chi2_tail(1, concentration.chi2_bound(1, 1e-4)) == pytest.approx(2.3e-4, rel=0.02)
    assert concentration.chi2_tail(1, concentration.chi2_bound(1, 3.54e-4)) > 3.54e-4
    for k in range(1, 40):
        assert concentration.chi2_tail(k, concentration.chi2_bound(k, 3.6e-4)) <= 3.6e-4


def test_the_tail_has_both_sides():
    assert concentration.chi2_tail(1, 0.5) == pytest.approx(math.erf(0.5) + math.erfc(math.sqrt(0.75)), rel=1e-12)


# ---- the network -------------------------------------------------------------------------------------


def test_a_random_network_is_the_formula_of_the_slide():
    x, W, a, f = initialization.random_network(7, 5, torch.tanh, seeded(3))
    by_hand = sum(a[j].item() * math.tanh(sum(W[j, i].item() * x[i].item() for i in range(5))) for j in range(7)) / math.sqrt(7)
    assert f.item() == pytest.approx(by_hand, rel=1e-12)
    assert x.norm().item() == pytest.approx(math.sqrt(5)) and set(a.tolist()) <= {-1.0, 1.0}


def test_the_weights_of_a_random_network_have_the_right_law():
    x, W, a, _ = initialization.random_network(2000, 50, torch.relu, seeded(4))
    assert stats.kstest((W * math.sqrt(50)).flatten().numpy(), "norm").pvalue > 0.01
    assert abs(a.mean().item()) < 4 / math.sqrt(2000)
    assert abs(x.mean().item()) < 4 / math.sqrt(50)


@pytest.mark.slow
def test_the_variance_of_the_output_is_v0_for_every_width():
    for k in (1, 2, 7):
        generator = seeded(k)
        f = torch.stack([initialization.random_network(k, 3, torch.relu, generator)[3] for _ in range(4000)])
        error = math.sqrt((2 + 3 / k) / 4000)
        assert f.square().mean().item() / 0.5 == pytest.approx(1, abs=4.5 * error)


@each_activation
def test_the_gradient_is_the_gradient(name):
    sigma, derivative, *_ = ACTIVATIONS[name]
    x, W, a, _ = initialization.random_network(6, 4, sigma, seeded(5))
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(initialization.output(a, W @ point, sigma), point)
    assert torch.allclose(initialization.gradient(W, a, x, derivative), slope, atol=1e-12)


def test_one_step_moves_the_output_towards_zero_whatever_its_sign():
    for seed in range(8):
        x, W, a, f = initialization.random_network(500, 500, torch.tanh, seeded(seed))
        slope = initialization.gradient(W, a, x, ACTIVATIONS["tanh"].derivative)
        small = initialization.one_step(x, f, slope, 1e-3)
        assert f.sign() * (initialization.output(a, W @ small, torch.tanh) - f) < 0
        assert torch.allclose(x - small, f.sign() * 1e-3 * slope)


def test_the_flip_probability_is_that_of_a_normal_output_between_two_numbers():
    values = torch.randn(200_000, generator=seeded(6), dtype=torch.float64) * math.sqrt(0.4)
    for eta in (0.0, 0.5, 2.0):
        share = (values.abs() < eta * 0.7).double().mean().item()
        assert initialization.flip_probability(eta, 0.4, 0.7) == pytest.approx(share, abs=4.5 * 0.5 / math.sqrt(200_000))


# ---- the samplers ------------------------------------------------------------------------------------


@each_sampler
@pytest.mark.parametrize(("k", "d"), [(1, 1), (1, 3), (4, 1), (5, 7), (130, 20)])
@pytest.mark.parametrize("name", ["ReLU", "tanh"])
def test_the_speeds_and_the_gradient_fit_together(sampler, k, d, name):
    a, u, t, g2 = sampler(k, d, ACTIVATIONS[name].derivative, 40, seeded(1))
    assert [part.shape for part in (a, u, t, g2)] == [(40, k)] * 3 + [(40,)]
    c = a * ACTIVATIONS[name].derivative(u)
    assert ((c * t).sum(1) / math.sqrt(k) - g2).abs().max() < 1e-10
    assert set(a.flatten().tolist()) <= {-1.0, 1.0}


@each_sampler
def test_the_output_on_the_gradients_line_moves_as_fast_as_the_gradient_is_long(sampler):
    a, u, t, g2 = sampler(30, 10, ACTIVATIONS["sin"].derivative, 20, seeded(2))
    drop = initialization.output(a, u + 1e-6 * t, torch.sin) - initialization.output(a, u, torch.sin)
    assert torch.allclose(drop / 1e-6, g2, atol=1e-5)


def statistics_of(sample, sigma):
    a, u, t, g2 = sample
    yield "|g|^2", g2
    yield "one speed", t[:, 0] * a[:, 0]
    for eta in (-1.0, 0.5, 3.0):
        f, stepped = (initialization.output(a, u + step * t, sigma) for step in (0.0, eta))
        yield from ((f"f after {eta}", stepped), (f"drop {eta}", stepped - f), (f"product {eta}", f * stepped))


CASES = [(1, 3, "tanh"), (1, 1, "sin"), (3, 1, "GELU"), (10, 6, "tanh"), (5, 40, "ReLU"), (40, 5, "softplus"), (20, 20, "ReLU")]


@pytest.mark.parametrize(("k", "d"), [(1, 2), (20, 5), (5000, 20)])
def test_the_gradient_is_as_short_as_the_proof_says_however_wide_the_network(k, d):
    tau, n = 3.0, 2000
    g2 = initialization.conditional_sampler(k, d, ACTIVATIONS["tanh"].derivative, n, seeded(24))[3]
    most = (d - 1 + 2 * math.sqrt((d - 1) * tau) + 2 * tau) / d + 2 * tau * (1 + 2 * math.sqrt(tau / k) + 2 * tau / k) / d
    assert (g2 > most).double().mean() <= 4 * math.exp(-tau)


@pytest.mark.parametrize(("k", "d", "name"), CASES)
def test_the_conditional_sampler_has_the_law_of_networks_with_weights(k, d, name):
    sigma, derivative, *_ = ACTIVATIONS[name]
    exact = initialization.conditional_sampler(k, d, derivative, 10_000, seeded(11))
    naive = initialization.naive_sampler(k, d, derivative, 10_000, seeded(12))
    for (what, left), (_, right) in zip(statistics_of(exact, sigma), statistics_of(naive, sigma), strict=True):
        assert stats.ks_2samp(left.numpy(), right.numpy(), method="asymp").pvalue > 1e-3, what


@pytest.mark.parametrize("name", ["ReLU", "tanh", "GELU"])
@pytest.mark.parametrize("d", [1, 2, 10])
def test_the_mean_of_the_squared_gradient_is_exact(name, d):
    derivative = ACTIVATIONS[name].derivative
    v1, e = (
        concentration.gaussian_mean(lambda x: derivative(x) ** 2),
        concentration.gaussian_mean(lambda x: (x * derivative(x)) ** 2),
    )
    expected = initialization.expected_grad_norm_sq(d, v1, e)
    for k in (1, 12):
        g2 = initialization.conditional_sampler(k, d, derivative, 40_000, seeded(16))[3]
        assert g2.mean().item() == pytest.approx(expected, abs=4.5 * g2.std().item() / 200)


@pytest.mark.parametrize("name", ["ReLU", "tanh"])
@pytest.mark.parametrize(("k", "d"), [(100, 100), (1000, 1000), (300, 10_000)])
def test_the_lower_bound_of_proposition_4_is_not_missed_more_often_than_it_says(name, k, d):
    derivative = ACTIVATIONS[name].derivative
    v1, fourth = (concentration.gaussian_mean(lambda x, p=p: derivative(x) ** p) for p in (2, 4))
    g2 = initialization.conditional_sampler(k, d, derivative, 2000, seeded(17))[3]
    for gamma in (0.5, 0.1, 0.01):
        bound = initialization.grad_norm_sq_bound(k, d, v1, fourth, gamma)
        below = int((g2 < bound).sum())
        assert stats.binom.sf(below - 1, 2000, gamma) > 1e-6
        assert bound > 0.3 * v1 or k == 100 or gamma == 0.01


def test_the_lower_bound_has_the_measured_values():
    fourth = concentration.assumption_constants(ACTIVATIONS["tanh"].derivative)[0]
    assert initialization.grad_norm_sq_bound(1000, 1000, 0.5, 0.5, 0.05) == pytest.approx(0.386, abs=1e-3)
    assert initialization.grad_norm_sq_bound(1000, 1000, 0.4644, fourth, 0.05) == pytest.approx(0.364, abs=1e-3)
    for k, d in ((2, 2), (1000, 2), (2, 1000)):  # too small for the proof to say anything
        assert initialization.grad_norm_sq_bound(k, d, 0.5, 0.5, 0.05) == 0.0


CERTIFIED = [  # activation, psi^2, and the smallest k = d, then the smallest d at k = 10^6, for gamma = 0.05 and 0.01
    ("tanh", 0.3942944904, (798, 1076), (851, 1083)), ("erf", 0.4645590544, (934, 1260), (971, 1235)),
    ("softplus", 1.0, (604, 814), (749, 952)),
]  # fmt: skip


def certified(name, proxy, gamma):
    """Return the steps of both proofs, as functions of k and d."""
    _, derivative, lipschitz, curvature = ACTIVATIONS[name]
    v1, fourth = (concentration.gaussian_mean(lambda x, p=p: derivative(x) ** p) for p in (2, 4))
    short, psi = (gamma, v1, fourth), math.sqrt(proxy)
    return (
        lambda k, d: initialization.certified_step(k, d, *short, curvature, psi),
        lambda k, d: initialization.certified_step_any_width(k, d, *short, lipschitz, curvature, psi),
    )


@pytest.mark.parametrize(("name", "proxy", "square", "wide"), CERTIFIED)
def test_theorem_3_is_certified_from_the_listed_sizes_on(name, proxy, square, wide):
    for gamma, edge, bound in zip((0.05, 0.01), square, wide, strict=True):
        short, any_width = certified(name, proxy, gamma)
        assert short(edge - 1, edge - 1) == math.inf > short(edge, edge)
        assert any_width(10**6, bound - 1) == math.inf > any_width(10**6, bound)
        assert short(10**6, bound) == math.inf  # the short proof needs d to grow like the root of k
        assert any_width(10**12, 2 * bound) < math.inf and any_width(1, 1) == short(1, 1) == math.inf


@pytest.mark.parametrize(("name", "proxy", "square", "wide"), CERTIFIED)
@pytest.mark.parametrize("gamma", [0.999, 0.5, 0.05, 1e-5, 1e-50])
def test_the_conditions_in_words_are_enough(name, proxy, square, wide, gamma):
    _, derivative, lipschitz, curvature = ACTIVATIONS[name]
    v1, fourth = (concentration.gaussian_mean(lambda x, p=p: derivative(x) ** p) for p in (2, 4))
    short, any_width = certified(name, proxy, gamma)
    r, spread = curvature * math.sqrt(proxy) / v1, lipschitz**2 / v1
    for times in (1, 30, 1e6):
        t = math.log(5 / gamma)
        k = math.ceil(times * max(32 * fourth / v1**2, 214 * r**2) * t)
        d = math.ceil(max(65 * t + 1, 30 * r * math.sqrt(k * t)))
        assert short(k, d) <= 4 * math.sqrt(2 * proxy * t) / v1
        t = math.log(20 / gamma)
        k = math.ceil(times * max(32 * fourth / v1**2, 1000 * r**2) * t)
        assert any_width(k, math.ceil(max(72, 2400 * r**2) * spread * t) + 1) < math.inf


@pytest.mark.parametrize(("name", "proxy", "square", "wide"), CERTIFIED)
@pytest.mark.parametrize("proof", [0, 1])
def test_a_certified_step_flips_nearly_all_networks(name, proxy, square, wide, proof):
    sigma, derivative, *_ = ACTIVATIONS[name]
    k, d = (square[0], square[0]) if proof == 0 else (30_000, 2 * wide[0])
    n, eta = 20_000_000 // (10 * k), certified(name, proxy, 0.05)[proof](k, d)
    a, u, t, _ = initialization.conditional_sampler(k, d, derivative, n, seeded(23))
    f = initialization.output(a, u, sigma)
    after = initialization.output(a, u - eta * f.sign()[:, None] * t, sigma)
    assert eta < math.inf and (f * after >= 0).double().mean() <= 0.05


FLIPS = [  # k, d, activation, eta, share of flips among 20,000 networks
    (10, 10, "ReLU", 1, 0.425), (10, 10, "tanh", 3, 0.862), (10, 1000, "tanh", 1, 0.535), (100, 100, "ReLU", 3, 0.943),
    (1000, 10, "ReLU", 3, 0.864), (1000, 10, "tanh", 1, 0.479), (1000, 1000, "ReLU", 1, 0.516), (1000, 1000, "tanh", 3, 0.971),
    (1000, 10**6, "tanh", 1, 0.539),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("k", "d", "name", "eta", "share"), FLIPS)
def test_one_step_flips_as_many_networks_as_measured_before(k, d, name, eta, share):
    sigma, derivative, *_ = ACTIVATIONS[name]
    n = 4000 if k == 1000 else 20_000
    a, u, t, _ = initialization.conditional_sampler(k, d, derivative, n, seeded(18))
    f = initialization.output(a, u, sigma)
    flipped = (f * initialization.output(a, u - eta * f.sign()[:, None] * t, sigma) < 0).double().mean().item()
    assert flipped == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) * (1 / n + 1 / 20_000)))


def test_relu_networks_whose_other_sign_is_silent_never_flip():
    a, u, t, _ = initialization.conditional_sampler(10, 10**12, ACTIVATIONS["ReLU"].derivative, 20_000, seeded(19))
    f = initialization.output(a, u, torch.relu)
    stepped = initialization.output(a, u - 1e3 * f.sign()[:, None] * t, torch.relu)
    stuck = 2 * 0.75**10 - 2**-10
    assert (f * stepped >= 0).double().mean().item() == pytest.approx(stuck, abs=4.5 * math.sqrt(stuck / 20_000))


def test_a_network_of_width_one_million_in_a_million_dimensions_flips():
    a, u, t, g2 = initialization.conditional_sampler(10**6, 10**6, ACTIVATIONS["tanh"].derivative, 1, seeded(20))
    f = initialization.output(a, u, torch.tanh)
    eta = 2 * f.abs().item() / g2.item()
    assert f * initialization.output(a, u - eta * f.sign() * t, torch.tanh) < 0
    assert g2.item() == pytest.approx(0.4644, rel=0.01)


@pytest.mark.slow
def test_such_a_step_takes_less_than_a_second_and_200_megabytes():
    seconds, mebibytes = bench_initialization.measure("conditional", 1_000_000)
    assert seconds < 1 and mebibytes < 190


def test_samplers_leave_the_global_random_state_alone_and_follow_their_generator():
    state = torch.get_rng_state()
    for sampler in SAMPLERS:
        one, again, other = (sampler(6, 4, torch.cos, 5, seeded(seed)) for seed in (1, 1, 2))
        assert all(torch.equal(left, right) for left, right in zip(one, again, strict=True))
        assert not torch.equal(one[1], other[1])
    assert torch.equal(state, torch.get_rng_state())


# ---- wrong arguments ---------------------------------------------------------------------------------


@each_sampler
@pytest.mark.parametrize(("k", "d", "n", "name"), [(0, 3, 1, "k"), (3, 0, 1, "d"), (3, 3, 0, "n"), (2.0, 3, 1, "k")])
def test_sizes_below_one_are_refused(sampler, k, d, n, name):
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 1"):
        sampler(k, d, torch.cos, n, seeded(0))


@each_sampler
def test_an_activation_without_derivative_is_refused(sampler):
    with pytest.raises(TypeError, match="derivative of the activation; got NoneType"):
        sampler(3, 3, None, 1, seeded(0))


@pytest.mark.parametrize("gamma", [0, 1, -0.1, 1.5, math.nan])
def test_a_gamma_outside_zero_and_one_is_refused(gamma):
    calls = [
        lambda: concentration.bernstein(1.0, 1.0, 3, gamma), lambda: concentration.chi2_bound(3, gamma),
        lambda: initialization.grad_norm_sq_bound(9, 9, 0.5, 0.5, gamma),
        lambda: initialization.certified_step(9, 9, gamma, 0.5, 0.5, 1.0, 1.0),
        lambda: initialization.certified_step_any_width(9, 9, gamma, 0.5, 0.5, 1.0, 1.0, 1.0),
    ]  # fmt: skip
    kind = "probability strictly between" if gamma in (0, 1) else "number from"
    for call in calls:
        with pytest.raises(ValueError, match=f"gamma must be a {kind} 0 (to|and) 1, got {gamma}"):
            call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: concentration.gaussian_mean(None), TypeError, "must be a function"),
        (lambda: concentration.gaussian_mean(lambda x: 1.0), TypeError, "got float"),
        (lambda: concentration.gaussian_mean(torch.log), ValueError, "NaN at x = -3"),
        (lambda: concentration.clt_distance(torch.relu, 0), ValueError, "k must be an integer"),
        (lambda: concentration.clt_distance(torch.zeros_like, 9), ValueError, "sigma must be finite and not 0"),
        (lambda: concentration.clt_distance(lambda x: (x * x).exp(), 9), ValueError, "sigma must grow more slowly"),
        (lambda: concentration.clt_error(torch.relu, 9, [math.nan]), ValueError, "x must be numbers of shape"),
        (lambda: concentration.clt_error(torch.relu, 9, 1.0), ValueError, "x must be numbers of shape"),
        (lambda: concentration.clt_error(torch.relu, 9, "a"), ValueError, "x must be numbers of shape"),
        (lambda: concentration.clt_error(torch.relu, 9, torch.ones(1) * 1j), ValueError, "x must be numbers of shape"),
        (lambda: concentration.clt_distance(torch.tanh, 10**12), ValueError, "k must be at most 10.9, got 1,000,000,000,000"),
        (lambda: concentration.gaussian_mean(lambda x: 1e-320 * x * x), ValueError, "are no float64"),
        (lambda: concentration.gaussian_moments(None, torch.cos), TypeError, "sigma must be a function"),
        (lambda: concentration.gaussian_moments(lambda x: 1e-200 * x, torch.cos), ValueError, "sigma must .* got 0 for it"),
        (lambda: concentration.gaussian_moments(torch.tanh, lambda x: 1e155 * x), ValueError, "derivative must .* got inf for"),
        (lambda: concentration.assumption_constants(lambda x: 2 * x, 1000), ValueError, "fails or cannot be judged"),
        (lambda: concentration.bernstein(1.0, 1.0, 3, b"0.5"), TypeError, "gamma must be a number, got b'0.5'"),
        (lambda: concentration.bernstein(np.True_, 1.0, 3, 0.5), TypeError, "s2 must be a number, got np.True_"),
        (lambda: concentration.chi2_tail(3, torch.tensor(1j)), TypeError, "r must be a number, got torch.complex64"),
        (lambda: initialization.output(torch.ones(1), torch.ones(2, 3), torch.relu), ValueError, "a and u must have one length"),
        (lambda: initialization.one_step(torch.ones(3), torch.ones(()), torch.ones(1), 1), ValueError, "gradient must have x's"),
        (lambda: concentration.chi2_bound(3, 0.1, "best"), ValueError, "kind must be one of"),
        (lambda: concentration.chi2_tail(0, 1.0), ValueError, "k must be"),
        (lambda: concentration.bernstein(-1.0, 1.0, 3, 0.1), ValueError, "s2 must be a number from 0"),
        (lambda: concentration.bernstein(1.0, 1.0, 3, 0.1, sides=3), ValueError, "sides must be"),
        (lambda: initialization.flip_probability(-1.0, 0.5, 0.5), ValueError, "eta must be a number from 0"),
        (lambda: initialization.expected_grad_norm_sq(0, 0.5, 0.5), ValueError, "d must be"),
        (lambda: initialization.random_network(3, 0, torch.relu, seeded(0)), ValueError, "d must be"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_every_public_name_of_the_section_can_be_imported_from_one_module():
    for name in ("gaussian_moments", "clt_distance", "bernstein", "chi2_bound", "ACTIVATIONS", "random_network", "one_step"):
        assert hasattr(initialization, name)


def test_tail_bounds_keep_their_digits_for_gamma_near_1_and_near_0():
    assert concentration.bernstein(1.0, 0.0, 1, 1 - 2**-53, sides=1) == pytest.approx(2**-26, rel=1e-9)
    for gamma in (1e-309, 5e-324):
        t = math.log(2) - math.log(gamma)
        assert concentration.bernstein(1.0, 1.0, 1, gamma, sides=2) == pytest.approx(math.sqrt(2 * t) + t)
        assert math.isfinite(concentration.chi2_bound(10, gamma, "slide"))
        sizes = 10**7, 10**7, gamma, 0.5, 0.5
        steps = initialization.certified_step(*sizes, 1.0, 1.0), initialization.certified_step_any_width(*sizes, 1.0, 1.0, 1.0)
        assert steps == pytest.approx((2 * math.sqrt(2 * t) / 0.5,) * 2, rel=0.1)


@pytest.mark.parametrize(
    ("eta", "v0", "v1", "z"),
    [(1e200, 1e300, 1e150, 1e200), (1e-200, 1e-300, 1e-200, 1e-250), (1.0, 1e308, 1e154, 1.0), (5e-324, 1e-300, 1e308, 4.94e134),
     (0.0, 1e-300, 1e308, 0.0), (1e300, 1e-300, 1e300, 9.0)],
)  # fmt: skip
def test_the_flip_probability_is_right_at_every_scale(eta, v0, v1, z):
    assert initialization.flip_probability(eta, v0, v1) == pytest.approx(math.erf(z / math.sqrt(2)), rel=1e-12, abs=0)


def test_the_gradients_length_is_right_at_every_scale():
    for size in (1e-150, 1e150):
        assert initialization.grad_norm_sq_bound(1000, 1000, 0.5 * size, 0.5 * size**2, 0.05) == pytest.approx(
            0.386 * size, rel=1e-2
        )
    assert initialization.expected_grad_norm_sq(10, 1e308, 1e308) == pytest.approx(1e308)
    assert concentration.bernstein(1e308, 1.0, 100, 0.1) == pytest.approx(1e155 * math.sqrt(2 * math.log(20)))
