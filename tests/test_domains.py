"""The lecture's formulas: what they are not made for costs a sentence, and gives no number."""

import math

import pytest
import torch

from lecture_utils import attacks, concentration, data, initialization, linear, losses, robustness, training

POINTS, SIGNS = (
    torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
    torch.tensor([1.0, -1.0] * 3).double(),
)
SPHERE, THREE, WEIGHTS = data.sphere(3, 64), SIGNS[:3], torch.tensor([1.0, -2.0, 0.5, 0.0]).double()
NETWORK = robustness.robust_network(SPHERE, THREE, 0.5)
LABELS, DICE = torch.arange(6) % 4, torch.Generator().manual_seed(0)
LINE = {"w": WEIGHTS, "b": 0.1, "X": POINTS, "y": SIGNS, "epsilon": 0.1}
FORMULAS = {
    linear.worst_margin_linear: LINE,
    linear.robust_loss_linear: LINE,
    linear.danskin_gradient: LINE,
    linear.best_wrong_margin_linear: {"W": POINTS, "b": torch.zeros(6).double(), "x": WEIGHTS, "epsilon": 0.1},
    linear.dir_derivative: {"G": POINTS, "h": WEIGHTS},
    linear.collapse_threshold: {"X": POINTS, "y": SIGNS},
    linear.fit_robust_linear: {"X": POINTS, "y": SIGNS, "epsilon": 1.0},
    linear.robust_accuracy_tsipras: {"p": 0.9, "mu": 0.3, "d": 10, "epsilon": 0.1, "w1": 1.0, "v": 0.1},
    linear.sample_tsipras: {"p": 0.9, "mu": 0.3, "d": 10, "n": 5, "generator": DICE},
    attacks.eta_threshold: {"delta": torch.zeros(4), "gradient": torch.ones(4), "epsilon": 0.1},
    attacks.projected_ascent: {"gradient": torch.cos, "delta": torch.zeros(4), "epsilon": 0.1, "eta": 0.1, "steps": 3},
    robustness.theorem_radius: {"d": 10, "c": 0.1},
    robustness.zero_radius: {"d": 10, "c": 0.1},
    robustness.strict_flip_radius: {"r": 0.1, "c": 0.1},
    robustness.nearest_neighbour_radius: {"X": SPHERE, "y": THREE},
    robustness.trained_network: {"X": SPHERE, "y": THREE},
    robustness.kkt_radius_orthogonal: {"d": 10, "m_plus": 2, "m_minus": 2},
    robustness.first_flip_along_ray: dict(zip("Wbaxyu", (*NETWORK, SPHERE[0], 1.0, SPHERE[1]), strict=True)),
    initialization.flip_probability: {"eta": 1.0, "v0": 0.5, "v1": 0.5},
    initialization.expected_grad_norm_sq: {"d": 10, "v1": 0.5, "e": 0.5},
    initialization.grad_norm_sq_bound: {"k": 99, "d": 99, "v1": 0.5, "fourth": 0.5, "gamma": 0.1},
    initialization.certified_step: {"k": 99, "d": 99, "gamma": 0.1, "v1": 0.5, "fourth": 0.5, "curvature": 1.0, "psi": 1.0},
    concentration.bernstein: {"s2": 1.0, "c": 1.0, "k": 10, "gamma": 0.1},
    concentration.chi2_tail: {"k": 10, "r": 1.0},
    concentration.chi2_bound: {"k": 10, "gamma": 0.1},
    concentration.assumption_constants: {"derivative": torch.cos, "highest": 128},
    initialization.gradient: {"W": POINTS, "a": SIGNS, "x": WEIGHTS, "derivative": torch.cos},
    initialization.random_network: {"k": 3, "d": 4, "sigma": torch.tanh, "generator": DICE},
    initialization.naive_sampler: {"k": 3, "d": 4, "derivative": torch.cos, "n": 2, "generator": DICE},
    initialization.conditional_sampler: {"k": 3, "d": 4, "derivative": torch.cos, "n": 2, "generator": DICE},
    data.sphere: {"m": 3, "d": 4, "generator": DICE},
    data.equicorrelated: {"m": 3, "d": 4, "c": 0.1, "generator": DICE},
    training.pgd_attack: {"epsilon": 0.1, "steps": 7},
    training.fgsm_attack: {"epsilon": 0.1},
    losses.log_odds: {"logits": POINTS, "y": LABELS},
    losses.cross_entropy: {"logits": POINTS, "y": LABELS},
    losses.margin: {"logits": POINTS, "y": LABELS},
    losses.log_odds_and_gradient: {"logits": POINTS, "y": LABELS},
    losses.cross_entropy_and_gradient: {"logits": POINTS, "y": LABELS},
    losses.margin_and_gradient: {"logits": POINTS, "y": LABELS},
}
WORDS = [math.nan, "a", None, 10**400]
OUTSIDE = {
    **dict.fromkeys(("epsilon", "eta", "v0", "v1", "w1", "v", "fourth", "e", "s2", "curvature", "psi"), [-0.1, math.inf, *WORDS]),
    **dict.fromkeys(("k", "d", "m", "m_plus"), [0, -1, 2.5, *WORDS]),
    **dict.fromkeys(("n", "steps", "m_minus"), [-1, 2.5, *WORDS]),
    **dict.fromkeys(("p", "gamma"), [-0.1, 1.1, *WORDS]),
    "c": [-0.1, *WORDS], "b": WORDS, "r": [-1.1, *WORDS], "mu": WORDS,
    "X": [None, POINTS[0], POINTS[:0], POINTS * math.nan], "a": [None, SIGNS[:1]], "logits": [POINTS[0], POINTS.long()],
    "y": [None, (SIGNS + 1) / 2, SIGNS[:2], SIGNS > 2, torch.arange(6), -LABELS, LABELS[:1], LABELS.int()],
    "w": [None, WEIGHTS[:2], WEIGHTS * math.nan], "h": [None, WEIGHTS[:2], WEIGHTS.float()],
    "x": [None, WEIGHTS[:2]], "u": [None, WEIGHTS],
    "W": [None, WEIGHTS, POINTS[:0]], "G": [None, WEIGHTS, POINTS[:0]], "highest": [1, 2, 2.5], "generator": [3, "a"],
}  # fmt: skip


def wrong_values():
    """Yield a formula, an argument of it and a value that the formula is not made for."""
    for formula, given in FORMULAS.items():
        for name in given:
            for value in OUTSIDE.get(name, []):
                yield pytest.param(formula, name, value, id=f"{formula.__name__}-{name}-{str(value)[:12]}")


@pytest.mark.parametrize(("formula", "name", "value"), list(wrong_values()))
def test_a_formula_outside_its_domain_costs_a_sentence_and_gives_no_number(formula, name, value):
    given = FORMULAS[formula]
    formula(**given)
    with pytest.raises((ValueError, TypeError), match="got"):
        formula(**given | {name: value})


@pytest.mark.parametrize(
    ("formula", "wrong"),
    [(linear.sample_tsipras, {"generator": None}), (initialization.random_network, {"generator": None}),
     (initialization.naive_sampler, {"generator": None}), (linear.best_wrong_margin_linear, {"b": SIGNS[:1]}),
     (linear.worst_margin_linear, {"X": 1e200 * POINTS, "w": 1e200 * WEIGHTS}), (linear.dir_derivative, {"G": 1e308 * POINTS}),
     (linear.best_wrong_margin_linear, {"W": 1e200 * POINTS, "x": 1e200 * WEIGHTS}), (concentration.bernstein, {"c": 1e308}),
     (linear.danskin_gradient, {"epsilon": 1e300, "w": 1e300 * WEIGHTS, "X": 1e300 * POINTS}),
     (linear.collapse_threshold, {"X": 1.7e308 * POINTS.sign() * SIGNS[:, None]}),
     (linear.fit_robust_linear, {"X": 1e-310 * POINTS}),
     (concentration.assumption_constants, {"derivative": lambda x: 1e200 * x}),
     (concentration.assumption_constants, {"derivative": lambda x: 1e-200 * x}),
     (concentration.chi2_bound, {"gamma": 1e-309, "kind": "exact"})],
)  # fmt: skip
def test_where_a_number_cannot_be_had_there_is_a_sentence(formula, wrong):
    with pytest.raises((ValueError, TypeError), match="must .* got"):
        formula(**FORMULAS[formula] | wrong)


def test_a_start_outside_the_ball_has_no_threshold():
    with pytest.raises(ValueError, match="must be at most epsilon = 0.1, got 1"):
        attacks.eta_threshold(torch.ones(4), torch.ones(4), 0.1)
