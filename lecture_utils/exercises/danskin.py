"""Exercise danskin.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps -> the gradient in w of the adversarial risk, (d,).
Asked: an exact maximiser for each sample, for both labels; the gradient at x + delta*, of the mean; eps = 0; weights of 0,
where every maximiser is as good as another.
"""

import functools

import torch

from .. import linear
from .compare import comparable
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
    (tensor(1.5, 0.0, -0.5), 0.1, POINTS, tensor(-1.0, 1.0), 0.3),
    (tensor(1.0, -2.0), -1.0, tensor([1.0, 2.0], [-1.0, 0.5], [0.5, 1.0]), tensor(1.0, -1.0, 1.0), 0.0),
)


def any_maximiser(answer, w, b, X, y, eps):
    """Return the gradient; where w_i = 0 every delta_i is a maximiser, and one that some of them gives counts as the middle."""
    result = answer(w, b, X, y, eps)
    try:
        gradient = comparable(result, 1)[0].clone()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return result  # no numbers: the engine says so
    if gradient.shape == w.shape:
        share = torch.sigmoid(-linear.worst_margin_linear(w, b, X, y, eps))
        middle, reach = -(share * y) @ X / len(y), eps * share.mean()
        gradient = torch.where((w == 0) & ((gradient - middle).abs() <= reach + 1e-6), middle, gradient)
    return gradient


def matches_finite_differences(answer, w, b, X, y, epsilon):
    h, columns = 1e-5, torch.eye(len(w), dtype=w.dtype)
    loss = functools.partial(linear.robust_loss_linear, b=b, X=X, y=y, epsilon=epsilon)
    slope = torch.tensor([(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in columns], dtype=w.dtype)
    away = w.abs() > 10 * h  # from the kinks
    gradient = answer(w, b, X, y, epsilon)
    gradient = torch.stack(gradient) if isinstance(gradient, tuple) else gradient  # of an answer that returns a list
    if (gradient - slope)[away].abs().max() > 1e-4:
        return "Finite differences of the robust loss (exercise robust-loss) give another gradient."


def worst(w, X, y, epsilon):
    return -epsilon * y[:, None] * w.sign()


def share_of(w, b, X, y):
    return torch.sigmoid(-y * (X @ w + b))


def with_delta(delta, slope=lambda w, b, A, y: -y * share_of(w, b, A, y), features=True, mean=True):
    """Return an answer that takes the gradient at A = X + delta(w, X, y, epsilon), with this slope in the margin.

    features: whether the features that the slopes multiply are moved as well.
    """

    def answer(w, b, X, y, epsilon):
        moved = X + delta(w, X, y, epsilon)
        total = slope(w, b, moved, y) @ (moved if features else X)
        return total / len(y) if mean else total

    return answer


def lasso(w, b, X, y, epsilon):
    return with_delta(lambda *_: 0.0)(w, b, X, y, epsilon) + epsilon * w.sign()


def in_the_points(w, b, X, y, epsilon):
    moved = X + worst(w, X, y, epsilon)
    return (-y * share_of(w, b, moved, y)).mean() * w


MISTAKES = (
    Mistake((with_delta(lambda *_: 0.0),), "This is the gradient of the clean loss: no δ is in it."),
    Mistake(
        (with_delta(lambda w, X, y, e: -worst(w, X, y, e)),),
        "Your δ raises the margins: it is the best case for the classifier, not the worst.",
    ),
    Mistake(
        (with_delta(worst, features=False),),
        "The margin is taken at x + δ*, but the gradient of the margin in w is y(x + δ*), not y x.",
    ),
    Mistake(
        (lambda w, b, X, y, e: (-y * share_of(w, b, X, y)) @ (X + worst(w, X, y, e)) / len(y),),
        "The gradient of the margin is taken at x + δ*, but the margin itself still at x.",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: -e * w.sign().expand_as(X)),),
        "The label is missing in δ*: for y = -1 the worst direction is +sign(w).",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: worst(w, X, y, e) / 2),),
        "Your δ is half-way: Danskin's theorem needs an exact maximiser, at the edge of the ball.",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: -e * y[:, None] * w),),
        "Your δ is a multiple of w itself: in this ball the worst δ* is -y ε sign(w), at a corner.",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: -e * y[:, None] * w / w.norm()),),
        "Your δ is the worst of the Euclidean ball. Here every entry may move by ε: δ* = -y ε sign(w).",
    ),
    Mistake(
        (with_delta(lambda w, X, y, e: -e * y[:, None] * w / w.abs()),),
        "w / |w| is no number where w_i = 0: there δ_i may be anything in [-ε, ε], and sign(w) takes 0.",
    ),
    Mistake((lasso,), "ε sign(w) belongs inside the loss: like y x it is multiplied by the slope of log(1 + exp(-m))."),
    Mistake(
        (with_delta(worst, slope=lambda w, b, A, y: -y * share_of(w, 0.0, A, y)),),
        "The bias is missing in the margin y(w·(x + δ*) + b).",
    ),
    Mistake(
        (with_delta(worst, slope=lambda w, b, A, y: -share_of(w, b, A, y)),),
        "The gradient of the margin in w is y(x + δ*): the label is missing there.",
    ),
    Mistake(
        (with_delta(worst, slope=lambda w, b, A, y: y * share_of(w, b, A, y)),),
        "This is minus the gradient. The loss falls with the margin: its slope is -sigmoid(-m).",
    ),
    Mistake(
        (with_delta(worst, slope=lambda w, b, A, y: -y * (1 - share_of(w, b, A, y))),),
        "The slope of log(1 + exp(-m)) is -sigmoid(-m), large where the margin is small; yours is -sigmoid(m).",
    ),
    Mistake(
        (with_delta(worst, slope=lambda w, b, A, y: -y * (y * (A @ w + b) < 0).double()),),
        "Only misclassified points count in yours. The logistic loss has the slope -sigmoid(-m) everywhere.",
    ),
    Mistake((in_the_points,), "This is a gradient in x, a multiple of w; asked is the one in w."),
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
    run=any_maximiser,
    hints=(
        "Two steps. Find the worst δ for each sample at these weights. Then forget that it depends on w, and differentiate.",
        "δ* = -y ε sign(w). At the points x + δ* the gradient of log(1 + exp(-m)) in w is -sigmoid(-m) y (x + δ*).",
        "A = X - eps * y[:, None] * w.sign();  -(torch.sigmoid(-y * (A @ w + b)) * y) @ A / len(y)",
    ),
    mistakes=MISTAKES,
    written=(
        "On paper: the formula is log(1 + exp(-m)) with m = y(w·x + b) - ε|w|₁, and its gradient in w is -sigmoid(-m)(y x - "
        "ε sign(w)). Since y² = 1, y x - ε sign(w) = y(x - y ε sign(w)) = y(x + δ*): what ε|w|₁ contributes is exactly what δ* "
        "adds to the features. Where w_i = 0 the formula has a kink, and δ_i may be anything in [-ε, ε]."
    ),
)
