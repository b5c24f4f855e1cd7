"""Exercise collapse.

X (n, d), y (n,) of -1 and +1 -> the smallest eps for which w = 0 minimises the adversarial logistic risk, a float.
Asked: the mean over samples of y x; its largest entry, whatever its sign; one sample; features that are 0.
"""

import torch

from .. import linear
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor, uniform

REFERENCE = linear.collapse_threshold


def collapse_threshold(X, y):
    return (y[:, None] * X).mean(dim=0).abs().max()


PROBES = (
    (tensor([1.0, 0.5], [-2.0, 0.0]), tensor(1.0, -1.0)),
    (tensor([1.0, 0.2, -0.5], [0.5, -1.5, 0.3], [-0.4, -1.0, 0.9]), tensor(1.0, -1.0, 1.0)),
    (tensor([0.3, -2.0], [-0.1, -1.0], [0.2, 0.5], [0.6, 1.0]), tensor(1.0, 1.0, -1.0, -1.0)),
    (tensor([0.4, -3.0, 1.0]), tensor(1.0)),
    (tensor([0.0, 2.0], [0.0, 2.0]), tensor(1.0, -1.0)),
)


def random_data(generator):
    n, d = (int(torch.randint(1, 8, (), generator=generator)) for _ in range(2))
    y = signs(generator, n)
    return 0.5 * y[:, None] * uniform(generator, 1, d) + normal(generator, n, d), y


def mean_of(X, y):
    return (y[:, None] * X).mean(0)


def slope_turns(answer, X, y):
    threshold = answer(X, y)
    slope = -mean_of(X, y) / 2  # of the clean loss at w = 0; an adversary adds epsilon |h|_1 / 2
    for epsilon, collapses in ((1.001 * threshold, True), (0.999 * threshold, False)):
        if (slope.abs().max() <= epsilon / 2) != collapses:
            return "A little below your ε some direction must go down from w = 0, and a little above it none."


MISTAKES = (
    Mistake((lambda X, y: mean_of(X, y).abs().sum(),), "The dual of |h|₁ is the largest entry, not the sum."),
    Mistake((lambda X, y: mean_of(X, y).norm(),), "The dual of |h|₁ is the largest entry, not the Euclidean length."),
    Mistake(
        (lambda X, y: mean_of(X, y).abs().mean(),),
        "ε must be too large for every feature, so the largest |mean(y x)_i| counts, not their mean.",
    ),
    Mistake(
        (lambda X, y: mean_of(X, y).abs().min(),),
        "At the smallest |mean(y x)_i| the first feature leaves; w = 0 takes that the last one does.",
    ),
    Mistake((lambda X, y: X.mean(0).abs().max(),), "The labels are missing: the slope has the mean of y x, not of x."),
    Mistake(
        (lambda X, y: X.abs().mean(0).max(),),
        "Take the mean first and its absolute value then: samples whose features disagree cancel.",
    ),
    Mistake((lambda X, y: mean_of(X, y).max(),), "A negative mean is worth as much: w_i may be negative. Take |mean(y x)_i|."),
    Mistake((lambda X, y: mean_of(X, y).sum().abs(),), "Each feature counts alone: the largest |mean(y x)_i|, not their sum."),
    Mistake((lambda X, y: (y @ X).abs().max(),), "The risk is the mean over the samples: divide by their number."),
    Mistake(
        (lambda X, y: mean_of(X, y).abs().max() / 2,),
        "The slope -½ of the logistic loss at 0 multiplies ε|h|₁ as well: it cancels.",
    ),
    Mistake((lambda X, y: 2 * mean_of(X, y).abs().max(),), "ε|h|₁ has the slope ½ as well as h·mean(y x): nothing is doubled."),
    Mistake(
        (lambda X, y: mean_of(X - X.mean(0), y).abs().max(),),
        "You take the mean of x away first. There is no bias in the model, so x counts as it is.",
    ),
    Mistake(
        (lambda X, y: X.abs().max(1).values.mean(), lambda X, y: X.abs().max()),
        "The maximum is over the features of the mean, not taken sample by sample.",
    ),
    Mistake(
        (lambda X, y: (y[:, None] * X).median(0).values.abs().max(),),
        "The risk is a mean over the samples, so the mean of y x counts, not its median.",
    ),
)

EXERCISE = Exercise(
    "collapse",
    "when does robust training give up?",
    REFERENCE,
    collapse_threshold,
    PROBES,
    random=random_data,
    laws=(slope_turns,),
    hints=(
        "w = 0 is optimal if no direction h goes down. What is the slope of the robust logistic loss at 0 along h?",
        "Margin y x·w - ε|w|₁, and the slope of log(1 + exp(-m)) at m = 0 is -½: φ'(0; h) = ½(-h·mean(y x) + ε|h|₁). When is it "
        "≥ 0 for all h?",
        "By the dual norm h·mean(y x) ≤ |h|₁ max_i |mean(y x)_i|, so from ε = max_i |mean(y x)_i| on.",
    ),
    mistakes=MISTAKES,
    differs="The library's returns a Python float.",
    written=(
        "The risk is convex, so w = 0 is optimal if and only if φ'(0; h) = ½(ε|h|₁ - h·mean(y x)) ≥ 0 for all h. ⇐: dual norm. "
        "⇒: take h = ±e_i at the largest entry. Below the threshold that feature comes in first: robust training switches "
        "features on one by one."
    ),
)
