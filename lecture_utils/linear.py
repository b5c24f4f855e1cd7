"""Linear classifiers, for which every adversarial question has an exact answer.

    margin of w . x + b on a sample (x, y), y = -1 or +1:      y (w . x + b)
    the smallest one over |delta|_inf <= epsilon:              y (w . x + b) - epsilon |w|_1

Points are float tensors X (n, d) without a pixel box, labels y (n,) are -1 and +1. Also here: the maximum of
finitely many functions, whose slope Danskin's theorem gives, and two distributions for which the clean and the
robust accuracy are known in closed form. These numbers are the measure of every attack and every training.
"""

import math

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, ndtr
from torch.nn.functional import logsigmoid

from .checks import check_choice, check_count, check_floats, check_generator, check_number, check_points, check_shape, require


def _check_line(w, b, X, y, epsilon):
    """Check a linear classifier on points, and return b, the labels in X's type, and epsilon."""
    check_points(X, y)
    check_shape("w", w, X.shape[1])
    require(w.dtype == X.dtype, f"w must be of X's type, {X.dtype}, got {w.dtype}")
    return check_number("b", b), y.to(X.dtype), check_number("epsilon", epsilon, 0)


def worst_margin_linear(w, b, X, y, epsilon):
    """Return the exact smallest margin y (w.(x + delta) + b) over the ball |delta|_inf <= epsilon, per sample.

    w: (d,). b: float. X: (n, d). y: (n,) of -1 and +1. Returns (n,): the clean margin minus epsilon |w|_1.
    """
    b, y, epsilon = _check_line(w, b, X, y, epsilon)
    return check_floats("the margins", y * (X @ w + b) - epsilon * w.abs().sum(), 1)


def best_wrong_margin_linear(W, b, x, epsilon):
    """Return the exact max over |delta|_inf <= epsilon and over j != y of f_j(x + delta) - f_y(x + delta).

    The model is f(x) = W x + b, and y is the class that it predicts at x. W: (K, d). b: (K,). x: (d,).
    Returns a float: positive if and only if some delta in the ball puts another class strictly ahead.
    """
    check_floats("W", W, 2)
    check_shape("b", b, len(W))
    check_shape("x", x, W.shape[1])
    require(len(W) > 1 and W.dtype == x.dtype, f"W must have K >= 2 rows and x's type, {x.dtype}, got {len(W)}, {W.dtype}")
    epsilon, logits = check_number("epsilon", epsilon, 0), W @ x + b
    y = logits.argmax()
    margins = check_floats("the margins", logits - logits[y] + epsilon * (W - W[y]).abs().sum(1), 1)
    margins[y] = -torch.inf
    return margins.max().item()


def robust_loss_linear(w, b, X, y, epsilon):
    """Return the adversarial empirical risk of the logistic loss log(1 + exp(-margin)), exactly, as a float.

    The loss falls with the margin, so its maximum over the ball is the loss of the smallest margin (slide "Adversarial risk").
    """
    return 0.0 - logsigmoid(worst_margin_linear(w, b, X, y, epsilon)).mean().item()  # never -0.0


def danskin_gradient(w, b, X, y, epsilon):
    """Return the gradient in w (d,) of ``robust_loss_linear``, by Danskin's theorem.

    The maximiser delta* = -y epsilon sign(w) is held fixed while the loss at x + delta* is differentiated in w. It is the
    gradient wherever no weight is 0; where one is, there are several maximisers and this is the slope for one of them.
    """
    b, y, epsilon = _check_line(w, b, X, y, epsilon)
    attacked = X - epsilon * y[:, None] * w.sign()
    share = torch.sigmoid(-y * (attacked @ w + b))
    return check_floats("the gradient", -(share * y) @ attacked / len(y), 1)


def dir_derivative(G, h):
    """Return phi'(w; h) for phi(w) = max over delta of l(w, delta): the largest slope among the maximisers, as a float.

    G: (m, p), row by row the gradient in w of l at each maximiser. h: (p,), the direction.
    (Slide "Gradient computation: Danskin's theorem".)
    """
    check_floats("G", G, 2)
    check_shape("h", h, G.shape[1])
    require(G.dtype == h.dtype, f"h must be of G's type, {G.dtype}, got {h.dtype}")
    return check_floats("the slopes G h", G @ h, 1).max().item()


def collapse_threshold(X, y):
    """Return the smallest epsilon at which w = 0 minimises the adversarial logistic risk of a linear model without bias.

    X: (n, d). y: (n,) of -1 and +1. Returns max_i |mean of y x_i|, a float: no weight is worth its price any more.
    """
    check_points(X, y)
    return check_floats("the mean", (y[:, None] * X).mean(0), 1).abs().max().item()


def fit_robust_linear(X, y, epsilon, bias=False):
    """Return the weights (d,) and the bias (float) that minimise the adversarial logistic risk, exactly.

    A convex problem: with w = p - q, p and q >= 0, the sum of p + q stands for |w|_1, and L-BFGS-B keeps the bounds. Weights
    that robust training switches off are exact zeros. X: (n, d). bias: whether there is one (else it is 0).
    """
    check_points(X, y)
    check_choice("bias", bias, (False, True))
    given, X, y = X, X.detach().cpu().double(), y.detach().cpu()
    (n, d), size = X.shape, X.abs().max().item() or 1.0
    epsilon, centre = check_number("epsilon", epsilon, 0) / size, X.mean(0) * bias  # the tolerances are for numbers of size 1
    signed, sign = (y[:, None] * (X - centre) / size).numpy(), y.double()[:, None].numpy()
    Z = np.hstack([signed - epsilon, -signed - epsilon, sign * bias])  # the smallest margins are Z v, v = (p, q, bias)
    require(np.isfinite(Z).all(), "X must have entries of epsilon's size that can be added, got some too small or too large")
    bounded = np.arange(2 * d + 1) < 2 * d

    def objective(v):
        margin = Z @ v
        return np.logaddexp(0, -margin).mean(), -expit(-margin) @ Z / n

    v, bounds, options = np.zeros(2 * d + 1), [(0, None)] * (2 * d) + [(None, None)], {"maxiter": 5000, "ftol": 0, "gtol": 1e-12}
    for _ in range(20):
        v = minimize(objective, v, jac=True, bounds=bounds, options=options).x
        margin, (_, slope) = Z @ v, objective(v)
        require(margin.min() <= 0, "X must not be separable with this epsilon: there is no minimiser, longer weights are better")
        inside = (v > 0) | ~bounded
        if np.where(inside, abs(slope), -slope).max() <= 1e-9 * (expit(-margin) @ abs(Z) / n).max():
            w = torch.from_numpy(v[:d] - v[d : 2 * d]) / size
            return check_floats("the weights", w.to(given), 1), float(v[2 * d]) - (w @ centre).item()
        curvature = (Z[:, inside].T * (expit(margin) * expit(-margin) / n)) @ Z[:, inside]  # and a step of Newton's method
        v[inside] -= np.linalg.lstsq(curvature, slope[inside], rcond=None)[0]
        v = np.where(bounded, v.clip(min=0), v)
    raise ArithmeticError("the minimiser cannot be had to nine digits: the columns of X are all but dependent")


def sample_tsipras(p, mu, d, n, generator):
    """Return n samples X (n, 1 + d), y (n,) of Tsipras et al. (2019): one reliable feature, and d weak ones.

    x_1 = y with probability p, else -y; x_2, ..., x_{d+1} ~ N(mu y, 1); y is -1 or +1, a coin toss. float64.
    """
    p, mu, d, n = check_number("p", p, 0, 1), check_number("mu", mu), check_count("d", d), check_count("n", n)
    options = {"generator": check_generator(generator), "dtype": torch.float64, "device": generator.device}
    y = 2.0 * torch.randint(2, (n,), **options) - 1
    kept = torch.rand(n, 1, **options) < p
    weak = mu * y[:, None] + torch.randn(n, d, **options)
    return torch.cat([torch.where(kept, y[:, None], -y[:, None]), weak], 1), y


def robust_accuracy_tsipras(p, mu, d, epsilon, w1, v):
    """Return the exact robust accuracy on ``sample_tsipras`` of the weights (w1, v, ..., v), w1 and v >= 0.

    The score is w1 x_1 + v (x_2 + ... + x_{d+1}), and the adversary lowers every margin by epsilon (w1 + v d). Returns a float;
    epsilon = 0 gives the clean accuracy.
    """
    p, mu, d = check_number("p", p, 0, 1), check_number("mu", mu), check_count("d", d)
    epsilon, w1, v = (check_number(name, one, 0) for name, one in (("epsilon", epsilon), ("w1", w1), ("v", v)))
    size = max(w1, v) or 1.0
    w1, v = w1 / size, v / size
    if v == 0:  # nothing is random but the reliable feature; a margin of 0 counts as an error
        return p * (w1 > 0 and epsilon < 1)
    right, wrong = (math.sqrt(d) * (mu - epsilon) + w1 * (sign - epsilon) / v / math.sqrt(d) for sign in (1, -1))
    return float(p * ndtr(right) + (1 - p) * ndtr(wrong))
