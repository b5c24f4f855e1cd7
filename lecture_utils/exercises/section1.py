"""Exercises 1.1 to 1.6: adversarial examples."""

import itertools

import torch

from .. import attacks, training
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor, uniform

# ---- 1.1 ---------------------------------------------------------------------------------------------


def picked(f, y):
    return f.gather(1, y[:, None])[:, 0]


def random_logits(generator):
    return 3 * normal(generator, 5, 4), torch.randint(4, (5,), generator=generator)


def shift_invariant(answer, logits, y):
    if not torch.allclose(answer(logits + 7.0, y), attacks.cross_entropy(logits, y), atol=1e-4):
        return "Adding the same number to all logits of a sample must not change its loss."


CROSS_ENTROPY = Exercise(
    "1.1",
    "cross-entropy",
    attacks.cross_entropy,
    probes=(
        (tensor([0.0, 1.0]), torch.tensor([0])),
        (tensor([1.0, 2.0, 0.5], [0.0, -1.0, 3.0]), torch.tensor([2, 1])),
        (tensor([1000.0, 0.0, -1000.0], [-1000.0, -1001.0, -999.0]), torch.tensor([1, 0])),
    ),
    random=random_logits,
    law=shift_invariant,
    hints=(
        "Write the sum over the classes first: dim=1 of the logits. Which number of each row does the label pick?",
        "logits.gather(1, y[:, None]) picks one entry a row. For logits of size 1000 the exponential overflows: "
        "subtract the largest logit of each row before, and add it again after the logarithm.",
        "torch.logsumexp does that for you: logits.logsumexp(1) minus the picked entries.",
    ),
    mistakes=(
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
    ),
    written=(
        "Written plainly it is logits.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]; the library takes care of rounding "
        "as well. The loss is 0 or more because the sum of exponentials contains exp(f_y)."
    ),
)

# ---- 1.2 ---------------------------------------------------------------------------------------------


def random_projection(generator):
    x = uniform(generator, 6)
    return normal(generator, 6), x, 0.3


def idempotent(answer, delta, x, epsilon):
    once = answer(delta, x, epsilon)
    if not torch.allclose(once, answer(once, x, epsilon), atol=1e-6):
        return "A projection leaves alone what it has already projected; yours moves it again."


def scaled(delta, epsilon, size):
    return delta * min(1.0, epsilon / size.item()) if size > 0 else delta


def in_box(delta, x, lo, hi):
    return (x + delta).clamp(lo, hi) - x


PROJECTION = Exercise(
    "1.2",
    "projection",
    attacks.project_linf,
    probes=(
        (tensor(0.3, -0.05), tensor(0.5, 0.5), 0.1),
        (tensor(0.3, -0.4, 0.02), tensor(0.95, 0.1, 0.5), 0.2),
        (tensor(-0.9, 0.7, 0.1, 0.0), tensor(0.3, 0.9, 0.0, 1.0), 0.5),
        (tensor(-0.9, 0.7, 0.3), tensor(-0.8, 0.9, 0.0), 0.5, -1.0, 1.0),
    ),
    random=random_projection,
    law=idempotent,
    hints=(
        "Two conditions, entry by entry: |δ_i| ≤ ε, and lo ≤ x_i + δ_i ≤ hi. Both are intervals for δ_i.",
        "clamp cuts to an interval. Cut δ to the ball, add x, cut to the box. What must be taken away in the end?",
        "(x + delta.clamp(-eps, eps)).clamp(lo, hi) - x",
    ),
    mistakes=(
        Mistake(
            (
                lambda d, x, e, lo=0.0, hi=1.0: in_box(scaled(d, e, d.abs().max()), x, lo, hi),
                lambda d, x, e, lo=0.0, hi=1.0: scaled(d, e, d.abs().max()),
            ),
            "Rescaling the whole δ also shrinks entries that were small enough; the nearest point cuts each entry alone.",
        ),
        Mistake(
            (
                lambda d, x, e, lo=0.0, hi=1.0: in_box(scaled(d, e, d.norm()), x, lo, hi),
                lambda d, x, e, lo=0.0, hi=1.0: scaled(d, e, d.norm()),
            ),
            "This is the projection onto the Euclidean ball; the norm here is the largest entry.",
        ),
        Mistake((lambda d, x, e, lo=0.0, hi=1.0: d.clamp(-e, e),), "The pixel box is missing: x + δ must stay in [lo, hi]."),
        Mistake((lambda d, x, e, lo=0.0, hi=1.0: in_box(d, x, lo, hi),), "The ball is missing: every |δ_i| must be at most ε."),
        Mistake(
            (lambda d, x, e, lo=0.0, hi=1.0: (x + d.clamp(-e, e)).clamp(lo, hi),),
            "This is the perturbed image x + δ; the perturbation δ alone is asked for.",
        ),
        Mistake(
            (
                lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e).clamp(lo, hi) - x,
                lambda d, x, e, lo=0.0, hi=1.0: (x + d).clamp(-e, e),
            ),
            "The ball is around x: cut δ to [-ε, ε], not x + δ.",
        ),
        Mistake(
            (lambda d, x, e, lo=0.0, hi=1.0: e * d.sign(), lambda d, x, e, lo=0.0, hi=1.0: in_box(e * d.sign(), x, lo, hi)),
            "ε·sign(δ) moves every entry to the edge; entries inside the ball stay where they are.",
        ),
        Mistake(
            (lambda d, x, e, lo=0.0, hi=1.0: in_box(d.clamp(-e, e), x, 0.0, 1.0),),
            "The box is given by lo and hi; yours is always [0, 1].",
        ),
    ),
    written="Ball and box are products of intervals, so cutting entry by entry gives the nearest point of both.",
)

# ---- 1.3 ---------------------------------------------------------------------------------------------


def random_threshold(generator):
    return 0.2 * uniform(generator, 5) - 0.1, normal(generator, 5), 0.1


def threshold_is_sharp(answer, delta, gradient, epsilon):
    eta, corner = answer(delta, gradient, epsilon), epsilon * gradient.sign()
    above, below = ((delta + eta * (1 + side) * gradient).clamp(-epsilon, epsilon) for side in (1e-4, -1e-2))
    if not torch.allclose(above, corner, atol=1e-9) or torch.allclose(below, corner, atol=1e-9):
        return "Just above your η the clipped step must be ε·sign(g), and just below it must not."


def thresholds(delta, gradient, epsilon):
    moved = gradient != 0
    return (epsilon - gradient[moved].sign() * delta[moved]) / gradient[moved].abs()


ETA_THRESHOLD = Exercise(
    "1.3",
    "when does only the sign matter?",
    attacks.eta_threshold,
    probes=(
        (tensor(0.0, 0.05), tensor(2.0, -0.5), 0.1),
        (tensor(0.04, -0.1, 0.02), tensor(-0.5, 0.25, 2.0), 0.1),
        (tensor(-0.15, 0.2, 0.05, 0.1), tensor(4.0, 1.0, 0.0, 0.8), 0.2),
    ),
    random=random_threshold,
    law=threshold_is_sharp,
    hints=(
        "Take one entry. It starts at δ_i and moves by η g_i. How far is it from the edge that it moves towards?",
        "With s_i = sign(g_i) the edge is ε s_i, the distance ε - s_i δ_i, the speed |g_i|. Every entry has to arrive.",
        "The largest of (ε - s_i δ_i) / |g_i| over the entries with g_i ≠ 0.",
    ),
    mistakes=(
        Mistake(
            (lambda d, g, e: e / g[g != 0].abs().min(),),
            "This is right for a start at 0; entries that start elsewhere have a shorter or a longer way.",
        ),
        Mistake(
            (lambda d, g, e: 2 * e / g[g != 0].abs().min(),),
            "This η is large enough for every start, but it is not the smallest for this one.",
        ),
        Mistake(
            (lambda d, g, e: ((e + g[g != 0].sign() * d[g != 0]) / g[g != 0].abs()).max(),),
            "The distance to the edge in the direction of g is ε - s δ, with s = sign(g); yours has the sign of δ turned round.",
        ),
        Mistake(
            (lambda d, g, e: ((e - d[g != 0].abs()) / g[g != 0].abs()).max(),),
            "ε - |δ| is the distance to the nearest edge; the entry moves to the edge that sign(g) points at.",
        ),
        Mistake((lambda d, g, e: thresholds(d, g, e).min(),), "All entries have to arrive, so the slowest counts: max, not min."),
        Mistake(
            (lambda d, g, e: ((e - g.sign() * d) / g.abs()).max(),),
            "Entries with g_i = 0 never move and are not asked to: leave them out.",
        ),
    ),
    written=(
        "Fix i with g_i ≠ 0, s = sign(g_i). Clipping gives ε s exactly when s(δ_i + η g_i) ≥ ε, that is s δ_i + η |g_i| ≥ ε, "
        "that is η ≥ (ε - s δ_i)/|g_i|. All i together: η ≥ the maximum. Entries with g_i = 0 stay at δ_i."
    ),
)

# ---- 1.4 ---------------------------------------------------------------------------------------------


def random_linear(generator):
    return normal(generator, 6), normal(generator, 1).item(), normal(generator, 4, 6), signs(generator, 4), 0.2


def worst_is_reached(answer, w, b, X, y, epsilon):
    attacked = y * ((X - epsilon * y[:, None] * w.sign()) @ w + b)
    if not torch.allclose(answer(w, b, X, y, epsilon), attacked, atol=1e-4):
        return "δ = -ε y sign(w) reaches the worst margin; yours is another number."


WORST_MARGIN = Exercise(
    "1.4",
    "the linear worst case",
    training.worst_margin_linear,
    probes=(
        (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
        (tensor(1.0, -2.0, 0.5), -0.3, tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5]), tensor(1.0, -1.0), 0.25),
        (tensor(0.0, 3.0, -1.0, 1.0), 1.0, tensor([1.0, 0.1, 0.0, -1.0], [0.0, -1.0, 2.0, 0.5]), tensor(-1.0, -1.0), 0.5),
    ),
    random=random_linear,
    law=worst_is_reached,
    hints=(
        "The margin is y(w·x + b) + y w·δ. Only the last term depends on δ: how small can it be?",
        "Each entry can be chosen alone: δ_i = -ε y sign(w_i) gives -ε|w_i|. Add up.",
        "y * (X @ w + b) - eps * w.abs().sum()",
    ),
    mistakes=(
        Mistake(
            (lambda w, b, X, y, e: y * (X @ w + b) - e * w.norm(),),
            "|w|₂ answers the Euclidean ball; the dual of the largest entry is the sum.",
        ),
        Mistake(
            (lambda w, b, X, y, e: y * (X @ w + b) - e * w.abs().max(),),
            "Every entry of δ helps, not only the one at the largest weight.",
        ),
        Mistake(
            (lambda w, b, X, y, e: y * (X @ w + b) + e * w.abs().sum(),), "The adversary lowers the margin; yours raises it."
        ),
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
    ),
    written=(
        "w·δ ≥ -Σ|w_i||δ_i| ≥ -ε Σ|w_i| = -ε|w|₁ for every δ in the ball, and δ = -ε y sign(w) attains it: the dual norm of the "
        "largest entry is the sum of the entries."
    ),
)

# ---- 1.5 ---------------------------------------------------------------------------------------------


class Slope:
    """The gradient of -½ Σ a_i (δ_i - c_i)²: a hill with its top at c."""

    def __init__(self, top, steepness):
        self.top, self.steepness = top, steepness

    def __call__(self, delta):
        return self.steepness.to(delta) * (self.top.to(delta) - delta)

    def __repr__(self):
        return f"the gradient of a hill with its top at {self.top.tolist()}"


def ascent(gradient, delta, epsilon, eta, steps, *, move=torch.sign, project=lambda d, e: d.clamp(-e, e), last=lambda d, e: d):
    """Return an ascent with one part of it exchanged."""
    for _ in range(steps):
        delta = project(delta + eta * move(gradient(delta)), epsilon)
    return last(delta, epsilon)


def unprojected(delta, epsilon):
    return delta


def random_ascent(generator):
    top = signs(generator, 3) * (2 + uniform(generator, 3))
    return Slope(top, 1 + uniform(generator, 3)), 0.1 * uniform(generator, 3), 0.3, 0.07, 6


def stays_in_the_ball(answer, gradient, delta, epsilon, eta, steps):
    if answer(gradient, delta, epsilon, 10.0, steps).abs().max() > epsilon + 1e-6:
        return "With η = 10 the iterate must still lie in the ball |δ_i| ≤ ε."


ITERATED_FGSM = Exercise(
    "1.5",
    "iterated FGSM",
    attacks.projected_ascent,
    probes=(
        (Slope(tensor(1.0, -1.0), tensor(2.0, 0.5)), tensor(0.0, 0.0), 0.1, 0.04, 2),
        (Slope(tensor(0.23, -1.0), tensor(1.0, 3.0)), tensor(0.0, 0.1), 0.5, 0.1, 4),
        # The top lies outside the ball: who projects only at the end walks past it and turns back.
        (Slope(tensor(0.23, 0.05), tensor(1.0, 1.0)), tensor(0.0, 0.0), 0.2, 0.12, 5),
        (Slope(tensor(0.9, -0.9), tensor(1.0, 1.0)), tensor(0.05, 0.0), 0.3, 0.11, 5),
    ),
    random=random_ascent,
    law=stays_in_the_ball,
    hints=(
        "A loop over the steps with three lines: gradient at the current δ, a step of size η in each entry, the projection.",
        "grad_fn(delta) must be called inside the loop. The step is alpha * sign(gradient). The projection is a clamp.",
        "delta = (delta + alpha * grad_fn(delta).sign()).clamp(-eps, eps), steps times.",
    ),
    mistakes=(
        Mistake(
            (lambda g, d, e, a, n: ascent(lambda _: g(d), d, e, a, n),),
            "The gradient is taken once, at the start: on the slide the index of δ_k is missing; it belongs inside the loop.",
        ),
        Mistake(
            (lambda g, d, e, a, n: ascent(g, d, e, a, n, move=lambda v: v),), "This moves by the gradient itself; take its sign."
        ),
        Mistake((lambda g, d, e, a, n: ascent(g, d, e, -a, n),), "This goes downhill: the attack increases the loss."),
        Mistake(
            (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected),), "δ leaves the ball: the projection is missing."
        ),
        Mistake(
            (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=unprojected, last=lambda d, e: d.clamp(-e, e)),),
            "The projection belongs inside the loop: the next gradient is taken at the projected point.",
        ),
        Mistake(
            (lambda g, d, e, a, n: ascent(g, d, e, a, n, project=lambda d, e: scaled(d, e, d.norm())),),
            "This projects onto the Euclidean ball; the ball here is |δ_i| ≤ ε in each entry.",
        ),
        Mistake((lambda g, d, e, a, n: ascent(g, d, e, a, 1),), "Only one step is made: return after the loop, not inside it."),
    ),
    written="With steps = 1, a start at 0 and η = ε this is FGSM.",
)

# ---- 1.6 ---------------------------------------------------------------------------------------------


def random_classes(generator):
    return normal(generator, 4, 5), normal(generator, 4), normal(generator, 5), 0.3


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


def best_of_all_vertices(answer, W, b, x, epsilon):
    y, logits = (W @ x + b).argmax(), []
    for corner in itertools.product((-epsilon, epsilon), repeat=len(x)):
        logits.append(W @ (x + torch.tensor(corner, dtype=x.dtype)) + b)
    best = -attacks.margin(torch.stack(logits), y.expand(len(logits))).min()
    if (answer(W, b, x, epsilon) - best).abs() > 1e-4:
        return "Trying all corners of the ball gives another value."


IS_ARGMAX_ADVERSARIAL = Exercise(
    "1.6",
    "is the argmax adversarial?",
    training.best_wrong_margin_linear,
    probes=(
        (tensor([1.0, 0.0], [0.0, 1.0]), tensor(0.0, 0.0), tensor(1.0, 0.5), 0.1),
        (tensor([1.0, -1.0], [0.8, -0.9], [-2.0, 3.0]), tensor(0.5, 0.3, -0.5), tensor(0.6, -0.2), 0.3),
        (
            tensor([2.0, 0.0, 1.0], [1.5, 0.5, -1.0], [-1.0, 2.0, 0.5], [1.9, 0.1, 0.9]),
            tensor(0.0, 0.1, 0.2, -0.3),
            tensor(0.5, 0.2, 0.4),
            0.4,
        ),
    ),
    random=random_classes,
    law=best_of_all_vertices,
    hints=(
        "Take one wrong class j. f_j - f_y is linear in δ: exercise 1.4 knows how large it gets. With which weights?",
        "The weights of f_j - f_y are w_j - w_y, so its maximum is f_j(x) - f_y(x) + ε|w_j - w_y|₁. Then the best j.",
        "Compute (W - W[y]).abs().sum(1) for all classes at once, and leave out the class y itself before the maximum.",
    ),
    mistakes=(
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
    ),
    written=(
        "In the example of three classes the cross-entropy is largest at δ = +1, where p = (.40, .30, .30): two classes share "
        "what the true one lost, and neither passes it. At δ = -1, p = (.45, .55, .00): the loss is smaller, the class is wrong. "
        "The loss looks only at p_y; the prediction compares p_y with each other class alone, as this margin does."
    ),
)

EXERCISES = (CROSS_ENTROPY, PROJECTION, ETA_THRESHOLD, WORST_MARGIN, ITERATED_FGSM, IS_ARGMAX_ADVERSARIAL)
