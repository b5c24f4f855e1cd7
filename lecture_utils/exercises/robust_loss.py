"""Exercise robust-loss.

w (d,), b float, X (B, d), y (B,) of -1 and +1, eps -> the mean of the largest logistic losses in the ball, a float.
Asked: the worst case of each sample, for both labels, also of misclassified ones; the bias; eps = 0; weights of 0; no box.
log(1 + exp(-m)) as it is written will do: no margin here is near -709, where float64 overflows.
"""

import itertools

import torch
from torch import nn

from .. import linear
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor

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
    (tensor(1.5, -0.5), -2.0, tensor([1.0, 2.0], [-1.0, 0.5], [0.0, 1.0]), tensor(1.0, -1.0, 1.0), 0.0),
    (tensor(0.0, 0.0), 0.7, tensor([1.0, 2.0], [3.0, -1.0]), tensor(-1.0, 1.0), 0.3),
)


def any_size(generator):
    d, n = (int(torch.randint(1, most, (), generator=generator)) for most in (9, 7))
    return normal(generator, d), normal(generator, 1).item(), normal(generator, n, d), signs(generator, n), 0.2


def no_vertex_is_worse(answer, w, b, X, y, epsilon):
    corners = torch.tensor(list(itertools.product((-epsilon, epsilon), repeat=len(w))), dtype=w.dtype)
    worst = (y[:, None] * ((X[:, None] + corners) @ w + b)).amin(1)
    if (answer(w, b, X, y, epsilon) - logistic(worst).mean()).abs() > 1e-4:
        return "Trying all corners of the ball, sample by sample, gives another mean loss."


def clean(w, b, X, y):
    return y * (X @ w + b)


def with_price(price, loss=logistic):
    """Return an answer that takes price(w, epsilon) from every margin."""
    return lambda w, b, X, y, e: loss(clean(w, b, X, y) - price(w, e)).mean()


def price(w, e):
    return e * w.abs().sum()


MISTAKES = (
    Mistake(
        (with_price(lambda w, e: -price(w, e)),), "The adversary lowers the margin: minus ε|w|₁. Yours helps the classifier."
    ),
    Mistake((with_price(lambda w, e: 0.0),), "No adversary is in it: this is the clean risk."),
    Mistake(
        (with_price(lambda w, e: e * w.norm()),),
        "|w|₂ answers the Euclidean ball; for the largest entry of δ it is the sum of the |w_i|.",
    ),
    Mistake(
        (with_price(lambda w, e: e * w.abs().max()),),
        "This moves one entry of x only. Each entry may move by ε: the price is the sum of the |w_i|.",
    ),
    Mistake(
        (with_price(lambda w, e: e * w.abs().mean()),),
        "The price is ε times the sum of the |w_i|, not times their mean.",
    ),
    Mistake(
        (with_price(lambda w, e: e * w.sum()), with_price(lambda w, e: e * w.sum().abs())),
        "The adversary chooses a sign for each entry: the price is the sum of the |w_i|, not of the w_i.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w + b - price(w, e))).mean(),),
        "For y = -1 this raises the margin: ε|w|₁ is taken from y(w·x + b), and is not multiplied by y.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w) - price(w, e)).mean(),),
        "The bias is missing: the margin is y(w·x + b).",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(y * (X @ w) + b - price(w, e)).mean(),),
        "The label multiplies the bias as well: the margin is y(w·x + b).",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(X @ w + b - price(w, e)).mean(),),
        "The label is missing: the margin is y(w·x + b).",
    ),
    Mistake(
        (
            lambda w, b, X, y, e: logistic(clean(w, b, X, y)).mean() + price(w, e),
            lambda w, b, X, y, e: logistic(clean(w, b, X, y)).sum() + price(w, e),
        ),
        "ε|w|₁ belongs inside the loss, next to the margin. Outside it is the lasso: a penalty also where the margin is huge.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(clean(w, b, X, y) - price(w, e)).sum(),),
        "The risk is the mean over the samples, not their sum.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(clean(w, b, X, y) - price(w, e)).max(),),
        "The maximum is over δ, for each sample; over the samples the risk is the mean.",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic(price(w, e) - clean(w, b, X, y)).mean(),),
        "The loss must fall when the margin grows: log(1 + exp(-m)).",
    ),
    Mistake(
        (lambda w, b, X, y, e: logistic((clean(w, b, X, y) - price(w, e)).mean()),),
        "This is the loss of the mean margin; the risk is the mean of the losses.",
    ),
    Mistake(
        (with_price(price, loss=lambda m: (1 - m).clamp(min=0)),),
        "This is the hinge loss; the logistic loss is log(1 + exp(-m)).",
    ),
    Mistake((with_price(price, loss=lambda m: (-m).exp()),), "The logistic loss is log(1 + exp(-m)), not exp(-m)."),
    Mistake(
        (with_price(price, loss=lambda m: (m <= 0).double()), with_price(price, loss=lambda m: (m < 0).double())),
        "This is the share of errors; the risk is the mean of log(1 + exp(-m)).",
    ),
)

EXERCISE = Exercise(
    "robust-loss",
    "robust logistic loss",
    REFERENCE,
    robust_loss_linear,
    PROBES,
    random=any_size,
    laws=(no_vertex_is_worse,),
    hints=(
        "The loss log(1 + exp(-m)) falls with the margin m. So which margin makes it largest?",
        "The smallest margin in the ball is y(w·x + b) - ε|w|₁ (exercise worst-margin of section 1). Put it into the loss, then "
        "take the mean.",
        "torch.nn.functional.softplus(-(y * (X @ w + b) - eps * w.abs().sum())).mean()",
    ),
    mistakes=MISTAKES,
    differs="The library's returns a Python float.",
    written=(
        "On paper: log(1 + exp(-m)) falls with m, so the loss of a sample is largest where its margin y w·(x + δ) + y b is "
        "smallest. Each entry of δ enters alone, as y w_i δ_i, which is smallest at δ_i = -y ε sign(w_i) and is -ε|w_i| there; "
        "where w_i = 0 every δ_i will do. So m = y(w·x + b) - ε|w|₁."
    ),
)
