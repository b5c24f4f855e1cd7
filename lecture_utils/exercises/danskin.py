"""Exercise danskin.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps -> the gradient in w of the adversarial risk, (d,).
"""

import functools

import torch

from .. import linear
from .engine import Exercise, Mistake
from .inputs import random_linear, tensor

REFERENCE = linear.danskin_gradient


def danskin_gradient(w, b, X, y, eps):
    worst = X - eps * y[:, None] * w.sign()
    slope = -y * torch.sigmoid(-y * (worst @ w + b))
    return slope @ worst / len(y)


POINTS = tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5])

PROBES = (
    (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
    (tensor(1.0, -2.0, 0.5), -0.3, POINTS, tensor(1.0, -1.0), 0.25),
    (tensor(0.5, 1.0, -1.5), 0.2, tensor([-1.0, 0.3, 0.8], [0.5, 0.5, 0.5], [2.0, -1.0, 1.0]), tensor(-1.0, 1.0, -1.0), 0.4),
)


def matches_finite_differences(answer, w, b, X, y, epsilon):
    h, columns = 1e-5, torch.eye(len(w), dtype=w.dtype)
    loss = functools.partial(linear.robust_loss_linear, b=b, X=X, y=y, epsilon=epsilon)
    slope = torch.tensor([(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in columns], dtype=w.dtype)
    away = w.abs() > 10 * h  # from the kinks
    if (answer(w, b, X, y, epsilon) - slope)[away].abs().max() > 1e-4:
        return "Finite differences of the robust loss (exercise 4.1) give another gradient."


def slope_at(w, b, X, y, *, weights_at, features_at, mean=True):
    """Return the gradient of the logistic loss with its two places exchanged: where the loss is, and which features count."""
    total = -(torch.sigmoid(-y * (weights_at @ w + b)) * y) @ features_at
    return total / len(y) if mean else total


def clean_gradient(w, b, X, y, epsilon):
    return slope_at(w, b, X, y, weights_at=X, features_at=X)


def with_delta(delta, *, features=True, mean=True):
    """Return an answer that takes the gradient at X + delta(w, X, y, epsilon); features False: the features stay at X."""

    def answer(w, b, X, y, epsilon):
        moved = X + delta(w, X, y, epsilon)
        return slope_at(w, b, X, y, weights_at=moved, features_at=moved if features else X, mean=mean)

    return answer


def worst(w, X, y, epsilon):
    return -epsilon * y[:, None] * w.sign()


MISTAKES = (
    Mistake((clean_gradient,), "This is the gradient of the clean loss: no δ is in it."),
    Mistake(
        (with_delta(lambda w, X, y, e: -worst(w, X, y, e)),),
        "Your δ raises the margins: it is the best case for the classifier, not the worst.",
    ),
    Mistake(
        (with_delta(worst, features=False),),
        "The margin is taken at x + δ*, but the gradient of the margin in w is y(x + δ*), not y x.",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: -e * w.sign().expand_as(X)),),
        "The label is missing in δ*: for y = -1 the worst direction is +sign(w).",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: worst(w, X, y, e) / 2),),
        "Your δ is half-way: Danskin's theorem needs an exact maximiser, at the edge of the ball.",
    ),
    Mistake((with_delta(worst, mean=False),), "The risk is the mean over the samples: divide by their number."),
)

EXERCISE = Exercise(
    "danskin",
    "Danskin's gradient",
    REFERENCE,
    danskin_gradient,
    PROBES,
    random=random_linear,
    laws=(matches_finite_differences,),
    hints=(
        "Two steps. Find the worst δ for each sample at these weights. Then forget that it depends on w, and differentiate.",
        "δ* = -y ε sign(w). At the points x + δ* the gradient of log(1 + exp(-m)) in w is -sigmoid(-m) y (x + δ*).",
        "A = X - eps * y[:, None] * w.sign();  -(torch.sigmoid(-y * (A @ w + b)) * y) @ A / len(y)",
    ),
    mistakes=MISTAKES,
    written=(
        "Write φ(w) = max_δ l(w, δ). (1) φ(w + th) - φ(w) ≥ l(w + th, δ*) - l(w, δ*) for every maximiser δ* at w: divide by t, "
        "and "
        "φ'(w; h) ≥ ⟨∇l(w, δ*), h⟩. (2) With δ_t a maximiser at w + th, φ(w + th) - φ(w) ≤ l(w + th, δ_t) - l(w, δ_t) = "
        "t⟨∇l(w + sh, δ_t), h⟩ for some s in (0, t). (3) Δ is compact, so a sequence of δ_t converges; its limit is a maximiser "
        "at w, and "
        "∇l is continuous: φ'(w; h) ≤ the largest slope among the maximisers. If they all have the same gradient, it is ∇φ."
    ),
)
