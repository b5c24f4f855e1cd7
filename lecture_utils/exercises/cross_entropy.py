"""Exercise cross-entropy.

logits (B, K), y (B,) counted from 0 -> one loss a sample, (B,), finite for logits of size 1000.
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
    (tensor([1000.0, 0.0, -1000.0], [-1000.0, -1001.0, -999.0]), torch.tensor([1, 0])),
)


def random_logits(generator):
    return 3 * normal(generator, 5, 4), torch.randint(4, (5,), generator=generator)


def shift_invariant(answer, logits, y):
    if not torch.allclose(answer(logits + 7.0, y), attacks.cross_entropy(logits, y), atol=1e-4):
        return "Adding the same number to all logits of a sample must not change its loss."


def picked(f, y):
    return f.gather(1, y[:, None])[:, 0]


MISTAKES = (
    Mistake(
        (lambda f, y: f.exp().sum(1).log() - picked(f, y), lambda f, y: -picked(f.softmax(1), y).log()),
        "exp(1000) overflows: subtract the row maximum before taking exponentials.",
    ),
    Mistake((lambda f, y: attacks.cross_entropy(f, y).mean(),), "One loss for each sample is asked for, not their mean."),
    Mistake((lambda f, y: -attacks.cross_entropy(f, y),), "The sign is turned round: the loss is never negative."),
    Mistake(
        (lambda f, y: f.sum(1) - picked(f, y),),
        "log exp(sum f) is just sum f: the sum is over the exponentials. The index j on the slide belongs inside exp.",
    ),
    Mistake((lambda f, y: f.logsumexp(1),), "The term - f_y is missing."),
    Mistake(
        (lambda f, y: picked(f.softmax(1), y),),
        "This is the probability of the class y; the loss is minus its logarithm.",
    ),
    Mistake(
        (lambda f, y: f.logsumexp(1) - f[torch.arange(len(y)), y - 1],),
        "Labels are counted from 0 here: use y, not y - 1.",
    ),
)

EXERCISE = Exercise(
    "cross-entropy",
    "cross-entropy",
    REFERENCE,
    cross_entropy,
    PROBES,
    random=random_logits,
    laws=(shift_invariant,),
    hints=(
        "Write the sum over the classes first: dim=1 of the logits. Which number of each row does the label pick?",
        "logits.gather(1, y[:, None]) picks one entry a row. For logits of size 1000 the exponential overflows: "
        "subtract the largest logit of each row before, and add it again after the logarithm.",
        "torch.logsumexp does that for you: logits.logsumexp(1) minus the picked entries.",
    ),
    mistakes=MISTAKES,
    written=(
        "Written plainly it is logits.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]; the library takes care of rounding "
        "as well. The loss is 0 or more because the sum of exponentials contains exp(f_y)."
    ),
)
