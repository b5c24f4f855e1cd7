"""Exercise robust-loss.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps -> the mean of the largest logistic losses in the ball, a float.
"""

import itertools

import torch
from torch import nn

from .. import linear
from .engine import Exercise, Mistake
from .inputs import random_linear, tensor

REFERENCE = linear.robust_loss_linear


def robust_loss_linear(w, b, X, y, eps):
    worst = y * (X @ w + b) - eps * w.abs().sum()
    return torch.nn.functional.softplus(-worst).mean()


POINTS = tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5])


def logistic(margins):
    return nn.functional.softplus(-margins)


PROBES = (
    (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
    (tensor(1.0, -2.0, 0.5), -0.3, POINTS, tensor(1.0, -1.0), 0.25),
    (tensor(0.0, 3.0, -1.0, 1.0), 1.0, tensor([1.0, 0.1, 0.0, -1.0], [0.0, -1.0, 2.0, 0.5]), tensor(-1.0, -1.0), 0.5),
)


def no_vertex_is_worse(answer, w, b, X, y, epsilon):
    corners = torch.tensor(list(itertools.product((-epsilon, epsilon), repeat=len(w))), dtype=w.dtype)
    worst = (y[:, None] * ((X[:, None] + corners) @ w + b)).amin(1)
    if (answer(w, b, X, y, epsilon) - logistic(worst).mean()).abs() > 1e-4:
        return "Trying all corners of the ball, sample by sample, gives another mean loss."


def worst(w, X, y, epsilon):
    return -epsilon * y[:, None] * w.sign()


MISTAKES = (
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w + b) + e * w.abs().sum()).mean(),),
        "The adversary lowers the margin: minus ε|w|₁. Yours helps the classifier.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w + b) - e * w.norm()).mean(),),
        "|w|₂ answers the Euclidean ball; for the largest entry of δ it is the sum of the |w_i|.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w + b)).mean() + e * w.abs().sum(),),
        "ε|w|₁ belongs inside the loss, next to the margin. Outside it is the lasso: a penalty also where the margin is huge.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(linear.worst_margin_linear(w, b, X, y, e)).sum(),),
        "The risk is the mean over the samples, not their sum.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(-linear.worst_margin_linear(w, b, X, y, e)).mean(),),
        "The loss must fall when the margin grows: log(1 + exp(-m)).",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(linear.worst_margin_linear(w, b, X, y, e).mean()),),
        "This is the loss of the mean margin; the risk is the mean of the losses.",
    ),
)

EXERCISE = Exercise(
    "robust-loss",
    "robust logistic loss",
    REFERENCE,
    robust_loss_linear,
    PROBES,
    random=random_linear,
    laws=(no_vertex_is_worse,),
    hints=(
        "The loss log(1 + exp(-m)) falls with the margin m. So which margin makes it largest?",
        "Exercise 1.2: the smallest margin in the ball is y(w·x + b) - ε|w|₁. Put it into the loss, then take the mean.",
        "torch.nn.functional.softplus(-(y * (X @ w + b) - eps * w.abs().sum())).mean()",
    ),
    mistakes=MISTAKES,
    written=("softplus(-m) = log(1 + exp(-m)) falls with m, so its maximum over δ stands where m is smallest: exercise 1.2."),
)
