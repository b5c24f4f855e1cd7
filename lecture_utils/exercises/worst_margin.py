"""Exercise worst-margin.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps float >= 0 -> min over |delta|_inf <= eps of y(w.(x + delta) + b), one a row.
Shape (B,). No pixel box. Rows that are misclassified already count with their negative margin; eps = 0 gives the margins;
weights may be 0; one row, one dimension, or many.
"""

import torch

from .. import training
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor

REFERENCE = training.worst_margin_linear


def worst_margin_linear(w, b, X, y, eps):
    return y * (X @ w + b) - eps * w.abs().sum()


PROBES = (
    (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
    (tensor(1.0, -2.0, 0.5), -0.3, tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5]), tensor(1.0, -1.0), 0.25),
    (tensor(0.0, 3.0, -1.0, 1.0), 1.0, tensor([1.0, 0.1, 0.0, -1.0], [0.0, -1.0, 2.0, 0.5]), tensor(-1.0, -1.0), 0.5),
    (tensor(1.0, -2.0), 0.3, tensor([-1.0, 0.5], [1.0, 1.5], [0.2, 0.1]), tensor(1.0, -1.0, 1.0), 0.0),
    (tensor(0.0, 0.0), -0.7, tensor([1.0, 2.0], [3.0, -1.0]), tensor(1.0, -1.0), 0.3),
    (tensor(-1.5), 0.2, tensor([0.4], [-0.3]), tensor(1.0, 1.0), 0.25),
)


def random_margins(generator):
    n, d = (1 + int(torch.randint(4, (), generator=generator)) for _ in range(2))
    epsilon = 0.5 * torch.rand((), generator=generator).item()
    return normal(generator, d), normal(generator, 1).item(), normal(generator, n, d), signs(generator, n), epsilon


def reached(answer, w, b, X, y, epsilon):
    attacked = y * ((X - epsilon * y[:, None] * w.sign()) @ w + b)
    if not torch.allclose(answer(w, b, X, y, epsilon), attacked, atol=1e-4):
        return "δ = -ε y sign(w) reaches the worst margin; yours is another number."


def never_beaten(answer, w, b, X, y, epsilon):
    delta = epsilon * signs(torch.Generator().manual_seed(0), 50 * X.numel()).view(50, *X.shape)
    if (y * ((X + delta) @ w + b) < answer(w, b, X, y, epsilon) - 1e-4).any():
        return "Some δ in the ball gives a smaller margin than yours."


def in_more_dimensions(answer, w, b, X, y, epsilon):
    times = 14 // len(w)  # few enough to try all corners, too many to meet the worst one among a few random ones
    wide, rows = w.repeat(times), X.repeat(1, times)
    if not torch.allclose(answer(wide, b, rows, y, epsilon), worst_margin_linear(wide, b, rows, y, epsilon), atol=1e-4):
        return f"In {len(wide)} dimensions (each weight and each row of X repeated {times} times) yours is another number."


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
        "Right for y = +1. For y = -1 the worst δ has the opposite sign, and it costs ε|w|₁ as well: y changes the score alone.",
        example=1,
    ),
    Mistake((lambda w, b, X, y, e: y * (X @ w) - e * w.abs().sum(),), "The bias b is missing."),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w) + b - e * w.abs().sum(),),
        "The label multiplies the bias as well: the margin is y(w·x + b).",
        example=1,
    ),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * w.sum(), lambda w, b, X, y, e: y * (X @ w + b) - e * w.sum().abs()),
        "Σw_i lets weights of different signs cancel; the adversary chooses each sign: Σ|w_i|.",
    ),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b) - e * len(w), lambda w, b, X, y, e: y * (X @ w + b) - e),
        "Each entry of δ counts with its own weight |w_i|.",
    ),
    Mistake(
        (lambda w, b, X, y, e: y * (X @ w + b),), "This is the margin without a perturbation; the ball is missing.", example=0
    ),
    Mistake(
        (lambda w, b, X, y, e: X @ w + b - e * w.abs().sum(),),
        "The label is missing: the margin is y(w·x + b), not the score.",
        example=1,
    ),
    Mistake(
        (lambda w, b, X, y, e: (X @ w + b).abs() - e * w.abs().sum(),),
        "A misclassified sample has a negative margin: y(w·x + b), not |w·x + b|.",
        example=2,
    ),
    Mistake(
        (lambda w, b, X, y, e: (y * (X @ w + b) - e * w.abs().sum()).clamp_min(0),),
        "The worst margin may be negative, which says that the sample can be fooled: do not cut it at 0.",
    ),
    Mistake(
        (lambda w, b, X, y, e: (y * (X @ w + b) - e * w.abs().sum()).min(),),
        "One margin for each row of X is asked for, not the smallest of them.",
    ),
    Mistake(
        (lambda w, b, X, y, e: (y * (X @ w + b) - e * w.abs().sum()).mean(),),
        "One margin for each row of X is asked for, not their mean.",
    ),
    Mistake(
        (lambda w, b, X, y, e: y * ((X - e * y[:, None] * w.sign()).clamp(0, 1) @ w + b),),
        "There is no pixel box here: x + δ may leave [0, 1].",
    ),
)

EXERCISE = Exercise(
    "worst-margin",
    "the linear worst case",
    REFERENCE,
    worst_margin_linear,
    PROBES,
    random=random_margins,
    laws=(reached, never_beaten, in_more_dimensions),
    hints=(
        "The margin is y(w·x + b) + y w·δ. Only the last term depends on δ: how small can it be?",
        "Each entry can be chosen alone: δ_i = -ε y sign(w_i) gives -ε|w_i|. Add up.",
        "y * (X @ w + b) - eps * w.abs().sum()",
    ),
    mistakes=MISTAKES,
    written=(
        "On paper: y w·δ ≥ -Σ|w_i||δ_i| ≥ -ε Σ|w_i| = -ε|w|₁ for every δ in the ball, so no δ does worse, and δ = -ε y sign(w) "
        "attains it (where w_i = 0 any δ_i will do): the dual norm of the largest entry is the sum of the entries."
    ),
)
