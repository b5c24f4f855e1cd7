"""The exact linear cases agree with brute force, with finite differences, with sampling, and with the attacks."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lecture_utils import attacks, linear, training


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def problem(seed, n=30, d=6):
    """Random weights, bias, points and labels."""
    generator = seeded(seed)
    w, X = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((d,), (n, d)))
    y = torch.randint(2, (n,), generator=generator).double() * 2 - 1
    return w, 0.3, X, y


def corners(d):
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=d)), dtype=torch.float64)


SEEDS = pytest.mark.parametrize("seed", range(3))

# ---- the robust loss and its gradient ----------------------------------------------------------------


@SEEDS
def test_the_robust_loss_is_the_mean_of_the_largest_losses_over_all_corners(seed):
    w, b, X, y = problem(seed)
    losses = softplus(-y[:, None] * ((X[:, None] + 0.2 * corners(6)) @ w + b))
    assert linear.robust_loss_linear(w, b, X, y, 0.2) == pytest.approx(losses.amax(1).mean().item(), rel=1e-12)


@SEEDS
def test_no_random_perturbation_does_worse(seed):
    w, b, X, y = problem(seed)
    exact = softplus(-linear.worst_margin_linear(w, b, X, y, 0.2))
    for delta in 0.4 * torch.rand(200, *X.shape, generator=seeded(seed), dtype=torch.float64) - 0.2:
        assert (softplus(-y * ((X + delta) @ w + b)) <= exact + 1e-12).all()


@SEEDS
def test_the_robust_loss_does_not_fall_when_epsilon_grows(seed):
    w, b, X, y = problem(seed)
    curve = [linear.robust_loss_linear(w, b, X, y, epsilon) for epsilon in (0.0, 0.01, 0.1, 0.2, 0.5, 1.0)]
    assert curve == sorted(curve) and curve[0] == pytest.approx(softplus(-y * (X @ w + b)).mean().item(), rel=1e-12)


@SEEDS
def test_danskins_gradient_is_the_slope_of_the_robust_loss(seed):
    w, b, X, y = problem(seed, n=200, d=50)
    assert w.abs().min() > 1e-3  # away from ties
    gradient, h = linear.danskin_gradient(w, b, X, y, 0.2), 1e-4
    for direction in torch.randn(5, 50, generator=seeded(seed), dtype=torch.float64):
        step = h * direction / direction.abs().max()
        above, below = (linear.robust_loss_linear(w + sign * step, b, X, y, 0.2) for sign in (1, -1))
        assert (above - below) / 2 == pytest.approx((gradient @ step).item(), rel=1e-6, abs=1e-12)


def test_at_half_of_delta_the_slope_is_another():
    w, b, X, y = problem(0, n=200, d=50)
    exact = linear.danskin_gradient(w, b, X, y, 0.2)
    for epsilon in (0.0, 0.1):
        assert (linear.danskin_gradient(w, b, X, y, epsilon) - exact).norm() > 0.2 * exact.norm()


def test_an_adversarial_training_step_is_a_danskin_step_on_a_linear_model():
    class Logistic(nn.Module):
        """Two logits, 0 and w.x + b: their cross-entropy is the logistic loss."""

        def __init__(self, w, b):
            super().__init__()
            self.w, self.b = nn.Parameter(w.clone()), nn.Parameter(torch.tensor(b, dtype=w.dtype))

        def forward(self, x):
            score = x @ self.w + self.b
            return torch.stack([torch.zeros_like(score), score], 1)

    w, b, X, y = problem(0)
    X = 0.5 + 0.3 * X.clamp(-1, 1)  # the box is never reached
    model, labels = Logistic(w, b), (y > 0).long()
    loss = training.adv_train_step(model, torch.optim.SGD(model.parameters(), lr=1.0), X, labels, 0.1, 0.02, 5)
    assert loss == pytest.approx(linear.robust_loss_linear(w, b, X, y, 0.1), rel=1e-10)
    assert torch.allclose(w - model.w.detach(), linear.danskin_gradient(w, b, X, y, 0.1), atol=1e-12)


# ---- ties --------------------------------------------------------------------------------------------


def test_at_a_tie_the_slope_is_the_largest_of_the_maximisers():
    # At w = 0 every delta is a maximiser: the gradients at the corners are -(x + delta) y / 2.
    x, y = torch.tensor([1.2, 0.5], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    G, t = -0.5 * (x + corners(2)), 1e-6
    for h in torch.randn(50, 2, generator=seeded(0), dtype=torch.float64):
        slope = (linear.robust_loss_linear(t * h, 0.0, x[None], y, 1.0) - math.log(2)) / t
        assert linear.dir_derivative(G, h) == pytest.approx(slope, abs=1e-5)
    for g in [*G, -0.5 * x]:  # minus the gradient of any maximiser goes up
        assert linear.dir_derivative(G, -g) > 0
    shortest = -0.5 * (x.abs() - 1).clamp(min=0) * x.sign()
    assert linear.dir_derivative(G, -shortest) == pytest.approx(-(shortest @ shortest).item())
    assert linear.dir_derivative(G, torch.tensor([1.0, 0.0], dtype=torch.float64)) == pytest.approx(-0.1)
    assert linear.robust_loss_linear(-t * shortest, 0.0, x[None], y, 1.0) < math.log(2)


# ---- the exact minimiser, and when it is zero --------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_no_weights_near_the_minimiser_have_a_smaller_risk(seed):
    _, _, X, y = problem(seed, n=200)
    y = torch.where(torch.rand(200, generator=seeded(seed)) < 0.9, (X[:, 0] + 0.5 * X[:, 1] + 0.7).sign(), y)
    w, b = linear.fit_robust_linear(X, y, 0.1, bias=True)
    least = linear.robust_loss_linear(w, b, X, y, 0.1)
    for size in (1e-4, 1e-2, 1.0):
        for move in size * torch.randn(20, 7, generator=seeded(seed), dtype=torch.float64):
            assert linear.robust_loss_linear(w + move[:6], b + move[6].item(), X, y, 0.1) >= least - 1e-9


@pytest.mark.parametrize("size", [1e-12, 1e-8, 1e-5, 1e3, 1e12])
def test_the_minimiser_has_the_unit_of_the_inputs_and_no_other(size):
    _, _, X, y = problem(0, n=200)
    y = torch.where(torch.rand(200, generator=seeded(0)) < 0.9, (X[:, 0] + 0.5 * X[:, 1] + 0.7).sign(), y)
    w, b = linear.fit_robust_linear(X, y, 0.1, bias=True)
    scaled, shift = linear.fit_robust_linear(size * X, y, 0.1 * size, bias=True)
    assert torch.allclose(size * scaled, w, rtol=1e-6, atol=1e-7) and shift == pytest.approx(b, abs=1e-6)


@pytest.mark.parametrize("away", [30, 100, 1e4])
def test_points_far_from_the_origin_have_the_same_weights(away):
    X = torch.randn(100, 5, generator=seeded(1), dtype=torch.float64)
    y = (torch.randn(100, generator=seeded(2), dtype=torch.float64) + X[:, 0]).sign()
    (w, b), (moved, shift) = (linear.fit_robust_linear(points, y, 0.01, bias=True) for points in (X, X + away))
    assert torch.allclose(moved, w, rtol=1e-6, atol=1e-8)
    assert shift == pytest.approx(b - away * w.sum().item(), rel=1e-6)


def test_columns_that_are_nearly_alike_do_not_stop_the_minimiser_early():
    X = torch.randn(100, 9, generator=seeded(0), dtype=torch.float64) + 100
    y = (torch.randn(100, generator=seeded(1), dtype=torch.float64) + X[:, 0] - 100).sign()
    w, _ = linear.fit_robust_linear(X, y, 0.0)
    share = torch.sigmoid(-y * (X @ w))
    assert (share * y @ X / 100).abs().max() < 1e-6  # the gradient, of terms of size 50


def test_points_that_a_line_separates_have_no_minimiser():
    X, y = torch.tensor([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.5]]).double(), torch.tensor([1.0, 1.0, -1.0]).double()
    with pytest.raises(ValueError, match="must not be separable"):
        linear.fit_robust_linear(X, y, 0.3)
    assert linear.fit_robust_linear(X, y, 3.0)[0].abs().max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_weights_are_zero_exactly_from_the_collapse_threshold_on(seed):
    _, _, X, y = problem(seed, n=60)
    threshold = linear.collapse_threshold(X, y)
    below, above = (linear.fit_robust_linear(X, y, share * threshold)[0] for share in (0.99, 1.01))
    assert below.abs().max() > 1e-4 and (above == 0).all()


def test_robust_training_switches_features_off_one_by_one():
    X, y = linear.sample_tsipras(0.95, 0.3, 30, 4000, seeded(0))
    kept = [int((linear.fit_robust_linear(X, y, epsilon)[0] != 0).sum()) for epsilon in (0.0, 0.2, 0.3, 0.5)]
    assert kept == sorted(kept, reverse=True) and kept[0] == 31 and kept[-1] == 1


@pytest.mark.slow
def test_a_network_trained_beyond_the_threshold_has_no_weights_left():
    _, _, X, y = problem(0, n=64, d=4)
    X, epsilon = (X / 8).clamp(-0.4, 0.4) + 0.1 * y[:, None], 0.3
    assert epsilon > 1.2 * linear.collapse_threshold(X, y)
    model = nn.Linear(4, 2, bias=False).double()
    box = {"low": -math.inf, "high": math.inf}
    attack = training.pgd_attack(epsilon, generator=seeded(0), **box)
    training.fit(model, X, (y > 0).long(), epochs=300, attack=attack, learning_rate=0.02, progress=False)
    difference = (model.weight[1] - model.weight[0]).detach()
    assert difference.abs().max() < 0.05


# ---- closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epsilon", "w1", "v"), [(0.0, 1.0, 0.1), (0.1, 2.0, 0.2), (0.25, 0.5, 0.3), (0.3, 1.0, 0.0)])
def test_the_robust_accuracy_of_tsipras_is_what_sampling_finds(epsilon, w1, v):
    X, y = linear.sample_tsipras(0.9, 0.3, 20, 100_000, seeded(1))
    w = torch.tensor([w1] + [v] * 20, dtype=torch.float64)
    found = (linear.worst_margin_linear(w, 0.0, X, y, epsilon) > 0).double().mean().item()
    assert linear.robust_accuracy_tsipras(0.9, 0.3, 20, epsilon, w1, v) == pytest.approx(found, abs=0.006)


@pytest.mark.parametrize("size", [1e-310, 1e-160, 1e160, 1e308])
def test_the_accuracy_of_tsipras_has_no_unit(size):
    for d in (10, 2**62):
        exact = linear.robust_accuracy_tsipras(0.9, 0.3, d, 0.2, 1.0, 0.5)
        assert linear.robust_accuracy_tsipras(0.9, 0.3, d, 0.2, size, 0.5 * size) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("score", [-1e300, -700.0, -21.0, -19.0, 0.0, 21.0, 700.0])
def test_the_loss_has_all_its_digits_far_out(score):
    exact = math.log1p(math.exp(-abs(score))) + max(-score, 0)
    found = linear.robust_loss_linear(torch.ones(1).double(), score, torch.zeros(1, 1).double(), torch.ones(1), 0.0)
    assert found == pytest.approx(exact, rel=1e-15, abs=0) and math.copysign(1, found) == 1


def test_the_trade_off_has_its_known_values():
    mean = [linear.robust_accuracy_tsipras(0.95, 0.3, 100, epsilon, 0.0, 1.0) for epsilon in (0.0, 0.1, 0.3, 0.6)]
    assert mean == pytest.approx([0.99865, 0.97725, 0.5, 0.00135], abs=1e-5)
    assert linear.robust_accuracy_tsipras(0.95, 0.3, 100, 0.9, 1.0, 0.0) == 0.95
    assert linear.robust_accuracy_tsipras(0.95, 0.3, 100, 1.1, 1.0, 0.0) == 0.0


def test_the_samples_of_tsipras_are_distributed_as_they_say():
    X, y = linear.sample_tsipras(0.9, 0.3, 5, 100_000, seeded(0))
    assert X.shape == (100_000, 6) and y.unique().tolist() == [-1, 1] and y.mean().abs() < 0.02
    assert (X[:, 0] == y).double().mean().item() == pytest.approx(0.9, abs=0.006)
    signed = y[:, None] * X[:, 1:]
    assert (signed.mean(0) - 0.3).abs().max() < 0.02 and (signed.std(0) - 1).abs().max() < 0.02


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_the_gaussian_accuracy_is_what_sampling_finds(epsilon):
    generator = seeded(0)
    theta, w = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    w = theta + 0.5 * w
    y = torch.randint(2, (100_000,), generator=generator).double() * 2 - 1
    X = y[:, None] * theta + 2.0 * torch.randn(100_000, 8, generator=generator, dtype=torch.float64)
    found = (linear.worst_margin_linear(w, 0.0, X, y, epsilon) > 0).double().mean().item()
    margin = (w @ theta - epsilon * w.abs().sum()) / (2.0 * w.norm())
    assert torch.special.ndtr(margin).item() == pytest.approx(found, abs=0.006)


def test_sign_steps_reach_the_exact_maximum_after_twice_the_radius():
    # From any start in the ball, 2 epsilon / eta steps are enough; with fewer, some start is too far away.
    w, b, X, y = problem(3, n=100)
    start = 0.2 * corners(6)[torch.randint(64, (100,), generator=seeded(0))]
    for steps, exact in ((8, True), (7, False)):
        delta = attacks.projected_ascent(lambda delta: -y[:, None] * w.expand_as(delta), start, 0.2, 0.05, steps)
        found = softplus(-y * ((X + delta) @ w + b)).mean().item()
        assert (linear.robust_loss_linear(w, b, X, y, 0.2) - found < 1e-12) == exact


@pytest.mark.parametrize("kind", [torch.int64, torch.float32])
def test_labels_of_another_type_cost_no_digit(kind):
    w, X, y = torch.tensor([1.0]).double(), torch.tensor([[0.3]]).double(), torch.tensor([1.0])
    exact = linear.danskin_gradient(w, 0.0, X, y.double(), 0.1)
    assert torch.equal(linear.danskin_gradient(w, 0.0, X, y.to(kind), 0.1), exact)
    half = torch.float16
    assert linear.danskin_gradient(w.to(half), 0.0, X.to(half), y.to(kind), 0.1).item() == pytest.approx(exact.item(), rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_labels_and_bias_of_any_type_leave_the_type_of_the_points(dtype):
    w, _, X, y = problem(0)
    y, line = y.to(torch.bfloat16), (w.to(dtype), np.array(0.25), X.to(dtype))
    for formula in (linear.worst_margin_linear, linear.danskin_gradient):
        found, exact = formula(*line, y, 0.1), formula(w, 0.25, X, y.double(), 0.1)
        assert found.dtype == dtype and (found - exact).abs().max() < 4 * torch.finfo(dtype).eps * exact.abs().max()
    found, exact = (linear.fit_robust_linear(points, y, 0.4, bias=True) for points in (X.to(dtype).requires_grad_(), X))
    assert found[0].dtype == dtype and torch.allclose(found[0].double(), exact[0], atol=8 * torch.finfo(dtype).eps)
    with pytest.raises(ValueError, match="bias must be one of"):
        linear.fit_robust_linear(X, y, 0.4, bias="no")
