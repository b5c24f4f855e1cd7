"""Exercise cross-entropy.

logits (B, K), y (B,) counted from 0 -> one loss a sample, shape (B,): log(sum_j exp(f_j)) - f_y. Any B, any K from 2 on.
Right for logits of size 1000: where exp overflows, where it underflows, and where the probability of y does. A row is scaled by
itself: rows of very different size may stand in one batch. Labels name the true class, not the predicted one.
"""

import torch

from .. import attacks
from .engine import Exercise, Mistake
from .inputs import normal, tensor

REFERENCE = attacks.cross_entropy


def cross_entropy(logits, y):
    largest = logits.max(dim=1, keepdim=True).values
    log_sum = (logits - largest).exp().sum(dim=1).log() + largest[:, 0]
    return log_sum - logits[torch.arange(len(y)), y]


PROBES = (
    (tensor([0.0, 1.0]), torch.tensor([0])),
    (tensor([1.0, 2.0, 0.5], [0.0, -1.0, 3.0]), torch.tensor([2, 1])),
    (tensor([1000.0, 999.0]), torch.tensor([0])),  # exp overflows
    (tensor([0.0, -800.0]), torch.tensor([1])),  # the probability of y underflows
    (tensor([1000.0, 999.0], [-1000.0, -1001.0]), torch.tensor([0, 1])),  # no number fits both rows
    (tensor([1000.0, 0.0, -1000.0], [-1000.0, -1001.0, -999.0]), torch.tensor([1, 0])),
    (tensor([0.5] * 10), torch.tensor([7])),  # every class counts as much as the largest
)


def random_logits(generator):
    n, classes, power = (int(torch.randint(high, (), generator=generator)) for high in (5, 4, 3))
    logits = (3.0, 30.0, 300.0)[power] * normal(generator, n + 1, classes + 2)
    return logits, torch.randint(classes + 2, (n + 1,), generator=generator)


def shift_invariant(answer, logits, y):
    if not torch.allclose(answer(logits + 7.0, y), attacks.cross_entropy(logits, y), atol=1e-3):
        return "Adding the same number to all logits of a sample must not change its loss."


def one_a_sample(answer, logits, y):
    if not torch.allclose(answer(logits, y)[-1:], answer(logits[-1:], y[-1:]), atol=1e-3):
        return "The loss of a sample must not depend on which other samples are in the batch."


def picked(f, y):
    return f.gather(1, y[:, None])[:, 0]


def lowered(f):
    return f - f.amax(1, keepdim=True)


MISTAKES = (
    Mistake(
        (
            lambda f, y: f.exp().sum(1).log() - picked(f, y),
            lambda f, y: -picked(f.exp() / f.exp().sum(1, keepdim=True), y).log(),
            lambda f, y: f.exp().sum(1).log() - picked(f, y).exp().log(),
        ),
        "exp(1000) overflows: subtract the row maximum before taking exponentials, and add it again after the logarithm.",
        example=2,
    ),
    Mistake(
        (
            lambda f, y: -picked(f.softmax(1), y).log(),
            lambda f, y: (f - picked(f, y)[:, None]).exp().sum(1).log(),
        ),
        "The probability p of class y can be so small that the computer takes it for 0, and 1/p for infinite: form neither of "
        "them, subtract f_y from the logarithm of the sum.",
        example=3,
    ),
    Mistake(
        tuple(
            lambda f, y, tiny=tiny: -picked(f.softmax(1), y).clamp_min(tiny).log() for tiny in (1e-7, 1e-8, 1e-10, 1e-12, 1e-15)
        )
        + tuple(lambda f, y, tiny=tiny: -(picked(f.softmax(1), y) + tiny).log() for tiny in (1e-7, 1e-8, 1e-10, 1e-12, 1e-15)),
        "A smallest value in the logarithm caps the loss: do not form the probability, subtract f_y from the log of the sum.",
        example=3,
    ),
    Mistake(
        (lambda f, y: lowered(f).exp().sum(1).log() - picked(f, y),),
        "The row maximum was subtracted from the exponents; it has to be added again after the logarithm.",
    ),
    Mistake(
        (lambda f, y: (f - f.max()).exp().sum(1).log() + f.max() - picked(f, y),),
        "One maximum for the whole batch is too large for the other rows, whose exponentials all become 0: take each row's own.",
        example=4,
    ),
    Mistake((lambda f, y: attacks.cross_entropy(f, y).mean(),), "One loss for each sample is asked for, not their mean."),
    Mistake((lambda f, y: attacks.cross_entropy(f, y).sum(),), "One loss for each sample is asked for, not their sum."),
    Mistake(
        (lambda f, y: attacks.cross_entropy(f, y)[:, None],),
        "The losses are right; the shape is to be (B,), not (B, 1): leave the axis of the classes away.",
    ),
    Mistake(
        (lambda f, y: f.logsumexp(1) - f.gather(1, y[:, None]), lambda f, y: f.logsumexp(1, keepdim=True) - picked(f, y)),
        "Of shapes (B,) and (B, 1) broadcasting makes (B, B): bring both terms to shape (B,) first.",
        example=1,
    ),
    Mistake(
        (lambda f, y: f.logsumexp(1, keepdim=True) - f[:, y], lambda f, y: f.logsumexp(1) - f[:, y]),
        "f[:, y] takes the columns y of every row, which is (B, B); one entry a row is f[torch.arange(B), y].",
        example=1,
    ),
    Mistake((lambda f, y: -attacks.cross_entropy(f, y),), "The sign is turned round: the loss is never negative."),
    Mistake((lambda f, y: f.sum(1) - picked(f, y),), "log exp(sum f) is just sum f: the sum is over the exponentials."),
    Mistake((lambda f, y: f.logsumexp(1),), "The term - f_y is missing."),
    Mistake(
        (lambda f, y: picked(f.softmax(1), y), lambda f, y: -picked(f.softmax(1), y)),
        "The loss is minus the logarithm of the probability of class y; yours has no logarithm.",
    ),
    Mistake(
        (lambda f, y: f.logsumexp(1) - f[torch.arange(len(y)), y - 1],),
        "Labels are counted from 0 here: use y, not y - 1.",
    ),
    Mistake(
        (lambda f, y: f.logsumexp(1) - f.amax(1),),
        "This is the loss of the class that is predicted; y may be another one.",
    ),
)

EXERCISE = Exercise(
    "cross-entropy",
    "cross-entropy",
    REFERENCE,
    cross_entropy,
    PROBES,
    random=random_logits,
    laws=(shift_invariant, one_a_sample),
    hints=(
        "Write the sum over the classes first: dim=1 of the logits. Which number of each row does the label pick?",
        "logits.gather(1, y[:, None]) picks one entry a row. For logits of size 1000 the exponential overflows: "
        "subtract the largest logit of each row before, and add it again after the logarithm.",
        "torch.logsumexp does that for you: logits.logsumexp(1) minus the picked entries.",
    ),
    mistakes=MISTAKES,
    written="On paper: the sum contains exp(f_y), and what else it contains is positive; so its logarithm is above f_y.",
    differs=(
        "With torch.logsumexp it is one line: logits.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]. The library computes "
        "-log sigmoid(log(p_y / (1 - p_y))), the same number: where the network is confident, the difference of two nearly equal "
        "float32 numbers would have a gradient whose signs are noise."
    ),
)
