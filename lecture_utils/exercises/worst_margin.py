"""Exercise worst-margin.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps -> the smallest margin in the ball, (B,).
"""

import torch

from .. import training
from .engine import Exercise, Mistake
from .inputs import random_linear, tensor

REFERENCE = training.worst_margin_linear


def worst_margin_linear(w, b, X, y, eps):
    return y * (X @ w + b) - eps * w.abs().sum()


PROBES = (
    (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
    (tensor(1.0, -2.0, 0.5), -0.3, tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5]), tensor(1.0, -1.0), 0.25),
    (tensor(0.0, 3.0, -1.0, 1.0), 1.0, tensor([1.0, 0.1, 0.0, -1.0], [0.0, -1.0, 2.0, 0.5]), tensor(-1.0, -1.0), 0.5),
)


def worst_is_reached(answer, w, b, X, y, epsilon):
    attacked = y * ((X - epsilon * y[:, None] * w.sign()) @ w + b)
    if not torch.allclose(answer(w, b, X, y, epsilon), attacked, atol=1e-4):
        return "δ = -ε y sign(w) reaches the worst margin; yours is another number."


MISTAKES = (
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * w.norm(),),
        "|w|₂ answers the Euclidean ball; the dual of the largest entry is the sum.",
    ),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * w.abs().max(),),
        "Every entry of δ helps, not only the one at the largest weight.",
    ),
    Mistake((lambda w, b, X, y, e: y * (X @ w + b) + e * w.abs().sum(),), "The adversary lowers the margin; yours raises it."),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b - e * w.abs().sum()),),
        "The penalty does not depend on the label: y multiplies the score only.",
    ),
    Mistake((lambda w, b, X, y, e: y * (X @ w) - e * w.abs().sum(),), "The bias b is missing."),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * w.sum(),),
        "Σw_i lets weights of different signs cancel; the adversary chooses each sign: Σ|w_i|.",
    ),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * len(w),), "Each entry of δ counts with its own weight |w_i|, not with 1."
    ),
)

EXERCISE = Exercise(
    "worst-margin",
    "the linear worst case",
    REFERENCE,
    worst_margin_linear,
    PROBES,
    random=random_linear,
    laws=(worst_is_reached,),
    hints=(
        "The margin is y(w·x + b) + y w·δ. Only the last term depends on δ: how small can it be?",
        "Each entry can be chosen alone: δ_i = -ε y sign(w_i) gives -ε|w_i|. Add up.",
        "y * (X @ w + b) - eps * w.abs().sum()",
    ),
    mistakes=MISTAKES,
    written=(
        "w·δ ≥ -Σ|w_i||δ_i| ≥ -ε Σ|w_i| = -ε|w|₁ for every δ in the ball, and δ = -ε y sign(w) attains it: the dual norm of the "
        "largest entry is the sum of the entries."
    ),
)
