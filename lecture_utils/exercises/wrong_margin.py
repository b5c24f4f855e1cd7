"""Exercise wrong-margin.

W (K, d), b (K,), x (d,), eps float >= 0 -> max over |delta|_inf <= eps and j != y of f_j(x + delta) - f_y(x + delta), a float.
f = Wx + b, and y is the class that it predicts at x. Minus the smallest margin: negative where no delta changes the class. Every
wrong class counts, y does not. No pixel box; eps = 0 gives the value at x; two classes or more.
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
    (tensor([2.0, 1.0], [1.0, 1.0]), tensor(-1.0, 0.5), tensor(0.5, 1.0), 0.2),  # the bias decides the class
    (tensor([1.0, 2.0], [0.0, -1.0], [0.5, 0.0]), tensor(0.2, 0.1, 0.0), tensor(1.0, 0.3), 0.0),
    (tensor([3.0], [-1.0]), tensor(0.0, 0.2), tensor(0.4), 0.5),
    (tensor([0.0], [-0.25], [1.35]), tensor(0.0, -0.05, -1.65), tensor(0.0), 1.0),  # the loss leads away from the class that wins
    (
        tensor([2.0, 0.0, 1.0], [1.5, 0.5, -1.0], [-1.0, 2.0, 0.5], [1.9, 0.1, 0.9]),
        tensor(0.0, 0.1, 0.2, -0.3),
        tensor(0.5, 0.2, 0.4),
        0.4,
    ),
    (tensor([1.0, 0.0], [0.0, 1.0], [0.0, 0.0]), tensor(0.0, 0.0, 0.0), tensor(1.0, 0.5), 0.25),  # another class just reaches 0
    (tensor([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]), tensor(0.0, 0.0, 0.0), tensor(1.0, 1.0), 0.25),  # two classes are equal at x
    (tensor([0.0], [0.1], [0.2], [0.3], [3.0]), tensor(0.0, -0.1, -0.2, -0.3, -0.4), tensor(0.0), 0.5),  # the last one wins
    (tensor([0.0], [1.0]), tensor(3e6, 0.0), tensor(1.0), 0.1),  # far ahead
)


def random_classes(generator):
    classes, d = 2 + int(torch.randint(4, (), generator=generator)), 1 + int(torch.randint(5, (), generator=generator))
    epsilon = 0.4 * torch.rand((), generator=generator).item()
    return normal(generator, classes, d), normal(generator, classes), normal(generator, d), epsilon


def best_of_all_vertices(answer, W, b, x, epsilon):
    y, logits = (W @ x + b).argmax(), corners(x, epsilon) @ W.T + b
    best = -attacks.margin(logits, y.expand(len(logits))).min()
    if (answer(W, b, x, epsilon) - best).abs() > 1e-4:
        return "Trying all corners of the ball gives another value."


def follows_the_classes(answer, W, b, x, epsilon):
    if (answer(W.flip(0), b.flip(0), x, epsilon) - answer(W, b, x, epsilon)).abs() > 1e-4:
        return "With the classes in the opposite order the value must be the same."


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


def corners(x, epsilon):
    return x + torch.tensor(list(itertools.product((-epsilon, epsilon), repeat=len(x))), dtype=x.dtype)


def of_largest_loss(W, b, x, epsilon, places):
    """Return the largest lead of a wrong class at the one of these places where the cross-entropy is largest."""
    y, logits = (W @ x + b).argmax(), places @ W.T + b
    worst = attacks.cross_entropy(logits, y.expand(len(logits))).argmax()
    return -attacks.margin(logits[worst, None], y[None])[0]


def gradient_sign(W, b, x):
    p = (W @ x + b).softmax(0)
    return (W.T @ p - W[p.argmax()]).sign()


def of_all(W, b, x, epsilon):
    """Return f_j - f_y + epsilon |w_j - w_y|_1 for every class j, y too, and y."""
    logits = W @ x + b
    y = logits.argmax()
    return logits - logits[y] + epsilon * (W - W[y]).abs().sum(1), y


def others(values, y):
    return torch.cat([values[:y], values[y + 1 :]])


MISTAKES = (
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: (W - W[y]).norm(dim=1)),),
        "|w_j - w_y|₂ answers the Euclidean ball; here the sum of the absolute entries counts.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: (W - W[y]).abs().amax(1)),),
        "Every entry of δ helps, not only the one at the largest difference of the weights.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: (W - W[y]).sum(1)),),
        "Differences of different signs cancel in a sum; the adversary chooses each sign: Σ|w_ji - w_yi|.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: W.abs().sum(1)),),
        "The perturbation also moves f_y: the weights of the difference are w_j - w_y.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: W[y].abs().sum()),),
        "The perturbation also moves f_j: the weights of the difference are w_j - w_y.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: W.abs().sum(1) + W[y].abs().sum()),),
        "No single δ raises f_j and lowers f_y as much as each could alone: take the norm of the difference w_j - w_y.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, e, lambda W, y: (W.abs().sum(1) - W[y].abs().sum()).abs()),),
        "The difference of the norms is not the norm of the difference: |w_j - w_y|₁.",
    ),
    Mistake(
        (runner_up,),
        "Not one class alone, such as the runner-up: another, even one that is behind at x, may get further. Try all of them.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, 0.0, lambda W, y: W.abs().sum(1)),),
        "This is the value at δ = 0; the ball is missing.",
    ),
    Mistake(
        (lambda W, b, x, e: of_all(W, b, x, e)[0].max(),),
        "Yours is never negative. The value is, where no δ changes the class: leave y out of the maximum, and cut nothing at 0.",
    ),
    Mistake(
        (lambda W, b, x, e: -others(*of_all(W, b, x, e)).max(),),
        "The sign is turned round: f_j - f_y is asked for, minus the margin.",
    ),
    Mistake(
        (lambda W, b, x, e: wrong_margin(W, b, x, -e, lambda W, y: (W - W[y]).abs().sum(1)),),
        "The adversary raises f_j - f_y; yours lowers it.",
    ),
    Mistake(
        (lambda W, b, x, e: others(*of_all(W, b, x, e)).min(),),
        "One wrong class is enough for the adversary: the largest of the values, not the smallest.",
    ),
    Mistake(
        (
            lambda W, b, x, e: wrong_margin(W, 0 * b, x, e, lambda W, y: (W - W[y]).abs().sum(1)),
            lambda W, b, x, e: others(*(of_all(W, 0 * b, x, e)[0], (W @ x + b).argmax())).max(),
        ),
        "The bias b is missing: it belongs to f_j and f_y, and it may decide the class.",
    ),
    Mistake(
        (
            lambda W, b, x, e: of_largest_loss(W, b, x, e, (x + e * gradient_sign(W, b, x))[None]),
            lambda W, b, x, e: of_largest_loss(W, b, x, e, corners(x, e)),
        ),
        "This is the value where the loss is large, and the loss looks at class y alone: aim at each wrong class by itself.",
        example=5,
    ),
    Mistake(
        (lambda W, b, x, e: others(W @ x + b + e * W.abs().sum(1), (W @ x + b).argmax()).max(),),
        "This is how large f_j becomes alone; f_y is missing.",
    ),
)

EXERCISE = Exercise(
    "wrong-margin",
    "is the argmax adversarial?",
    REFERENCE,
    best_wrong_margin_linear,
    PROBES,
    random=random_classes,
    laws=(best_of_all_vertices, follows_the_classes),
    hints=(
        "Take one wrong class j. f_j - f_y is linear in δ: exercise 1.2 knows how large it gets. With which weights?",
        "The weights of f_j - f_y are w_j - w_y, so its maximum is f_j(x) - f_y(x) + ε|w_j - w_y|₁. Then the best j.",
        "Compute (W - W[y]).abs().sum(1) for all classes at once, and leave out the class y itself before the maximum.",
    ),
    mistakes=MISTAKES,
    written=(
        "In words: in the example with three classes the loss is largest at δ = +1, where p = (.40, .30, .30): two classes share "
        "what the true one lost, and neither passes it. At δ = -1, p = (.45, .55, .00): the loss is smaller, the class is wrong. "
        "The loss looks only at p_y; the prediction compares p_y with each other class alone, as this margin does."
    ),
    differs="The library's function returns a Python float.",
)
