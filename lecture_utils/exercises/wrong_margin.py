"""Exercise wrong-margin.

W (K, d), b (K,), x (d,), eps -> the largest f_j - f_y in the ball, over j != y, y predicted at x; a float.
"""

import itertools

import torch

from .. import attacks, training
from .engine import Exercise, Mistake
from .inputs import normal, tensor

REFERENCE = training.best_wrong_margin_linear


def best_wrong_margin_linear(W, b, x, eps):
    f = W @ x + b
    y = f.argmax()
    best = f - f[y] + eps * (W - W[y]).abs().sum(dim=1)
    best[y] = -torch.inf
    return best.max()


PROBES = (
    (tensor([1.0, 0.0], [0.0, 1.0]), tensor(0.0, 0.0), tensor(1.0, 0.5), 0.1),
    (tensor([1.0, -1.0], [0.8, -0.9], [-2.0, 3.0]), tensor(0.5, 0.3, -0.5), tensor(0.6, -0.2), 0.3),
    (
        tensor([2.0, 0.0, 1.0], [1.5, 0.5, -1.0], [-1.0, 2.0, 0.5], [1.9, 0.1, 0.9]),
        tensor(0.0, 0.1, 0.2, -0.3),
        tensor(0.5, 0.2, 0.4),
        0.4,
    ),
)


def random_classes(generator):
    return normal(generator, 4, 5), normal(generator, 4), normal(generator, 5), 0.3


def best_of_all_vertices(answer, W, b, x, epsilon):
    y, logits = (W @ x + b).argmax(), []
    for corner in itertools.product((-epsilon, epsilon), repeat=len(x)):
        logits.append(W @ (x + torch.tensor(corner, dtype=x.dtype)) + b)
    best = -attacks.margin(torch.stack(logits), y.expand(len(logits))).min()
    if (answer(W, b, x, epsilon) - best).abs() > 1e-4:
        return "Trying all corners of the ball gives another value."


def wrong_margin(W, b, x, epsilon, reach):
    """Return max over j != y of f_j - f_y + epsilon * reach(W, y)_j, y being the class predicted at x."""
    logits = W @ x + b
    y = logits.argmax()
    margins = logits - logits[y] + epsilon * reach(W, y)
    return torch.cat([margins[:y], margins[y + 1 :]]).max()


def runner_up(W, b, x, epsilon):
    logits = W @ x + b
    y, j = logits.topk(2).indices
    return logits[j] - logits[y] + epsilon * (W[j] - W[y]).abs().sum()


MISTAKES = (
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: (W - W[y]).norm(dim=1)),),
        "|w_j - w_y|₂ answers the Euclidean ball; here the sum of the absolute entries counts.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: W.abs().sum(1)),),
        "The perturbation also moves f_y: the weights of the difference are w_j - w_y.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: W.abs().sum(1) + W[y].abs().sum()),),
        "No single δ raises f_j and lowers f_y as much as each could alone: take the norm of the difference w_j - w_y.",
    ),
    Mistake((runner_up,), "Not only the runner-up: a class that is behind at x can be reached more easily. Try all of them."),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, 0.0, lambda W, y: W.abs().sum(1)),),
        "This is the value at δ = 0; the ball is missing.",
    ),
)

EXERCISE = Exercise(
    "wrong-margin",
    "is the argmax adversarial?",
    REFERENCE,
    best_wrong_margin_linear,
    PROBES,
    random=random_classes,
    laws=(best_of_all_vertices,),
    hints=(
        "Take one wrong class j. f_j - f_y is linear in δ: exercise 1.2 knows how large it gets. With which weights?",
        "The weights of f_j - f_y are w_j - w_y, so its maximum is f_j(x) - f_y(x) + ε|w_j - w_y|₁. Then the best j.",
        "Compute (W - W[y]).abs().sum(1) for all classes at once, and leave out the class y itself before the maximum.",
    ),
    mistakes=MISTAKES,
    written=(
        "In the example of three classes the cross-entropy is largest at δ = +1, where p = (.40, .30, .30): two classes share "
        "what the true one lost, and neither passes it. At δ = -1, p = (.45, .55, .00): the loss is smaller, the class is wrong. "
        "The loss looks only at p_y; the prediction compares p_y with each other class alone, as this margin does."
    ),
)
