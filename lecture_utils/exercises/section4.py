"""Exercises 4.1 to 4.6: adversarial training."""

import functools
import itertools
import math

import torch
from torch import nn

from .. import linear, networks, training
from .engine import Exercise, Mistake
from .inputs import normal, signs, tensor, uniform

# ---- 4.1 ---------------------------------------------------------------------------------------------


def logistic(margins):
    return nn.functional.softplus(-margins)


def random_linear(generator):
    return normal(generator, 6), normal(generator, 1).item(), normal(generator, 4, 6), signs(generator, 4), 0.2


def no_vertex_is_worse(answer, w, b, X, y, epsilon):
    corners = torch.tensor(list(itertools.product((-epsilon, epsilon), repeat=len(w))), dtype=w.dtype)
    worst = (y[:, None] * ((X[:, None] + corners) @ w + b)).amin(1)
    if (answer(w, b, X, y, epsilon) - logistic(worst).mean()).abs() > 1e-4:
        return "Trying all corners of the ball, sample by sample, gives another mean loss."


POINTS = tensor([0.2, -1.0, 0.4], [1.0, 0.5, -0.5])
ROBUST_LOSS = Exercise(
    "4.1",
    "robust logistic loss",
    linear.robust_loss_linear,
    probes=(
        (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
        (tensor(1.0, -2.0, 0.5), -0.3, POINTS, tensor(1.0, -1.0), 0.25),
        (tensor(0.0, 3.0, -1.0, 1.0), 1.0, tensor([1.0, 0.1, 0.0, -1.0], [0.0, -1.0, 2.0, 0.5]), tensor(-1.0, -1.0), 0.5),
    ),
    random=random_linear,
    law=no_vertex_is_worse,
    hints=(
        "The loss log(1 + exp(-m)) falls with the margin m. So which margin makes it largest?",
        "Exercise 1.4: the smallest margin in the ball is y(w·x + b) - ε|w|₁. Put it into the loss, then take the mean.",
        "torch.nn.functional.softplus(-(y * (X @ w + b) - eps * w.abs().sum())).mean()",
    ),
    mistakes=(
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
            "ε|w|₁ belongs inside the loss, next to the margin. Outside it is the lasso: a penalty also where the margin is "
            "huge.",
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
    ),
    written="softplus(-m) = log(1 + exp(-m)) falls with m, so its maximum over δ stands where m is smallest: exercise 1.4.",
)

# ---- 4.2 ---------------------------------------------------------------------------------------------


def slope_at(w, b, X, y, *, weights_at, features_at, mean=True):
    """Return the gradient of the logistic loss with its two places exchanged: where the loss is, and which features count."""
    total = -(torch.sigmoid(-y * (weights_at @ w + b)) * y) @ features_at
    return total / len(y) if mean else total


def shifted(w, X, y, epsilon):
    return X - epsilon * y[:, None] * w.sign()


def clean_gradient(w, b, X, y, epsilon):
    return slope_at(w, b, X, y, weights_at=X, features_at=X)


def with_delta(delta, *, features=True, mean=True):
    """Return an answer that takes the gradient at X + delta(w, X, y, epsilon); features False: the features stay at X."""

    def answer(w, b, X, y, epsilon):
        moved = X + delta(w, X, y, epsilon)
        return slope_at(w, b, X, y, weights_at=moved, features_at=moved if features else X, mean=mean)

    return answer


def worst(w, X, y, epsilon):
    return -epsilon * y[:, None] * w.sign()


def matches_finite_differences(answer, w, b, X, y, epsilon):
    h, columns = 1e-5, torch.eye(len(w), dtype=w.dtype)
    loss = functools.partial(linear.robust_loss_linear, b=b, X=X, y=y, epsilon=epsilon)
    slope = torch.tensor([(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in columns], dtype=w.dtype)
    away = w.abs() > 10 * h  # from the kinks
    if (answer(w, b, X, y, epsilon) - slope)[away].abs().max() > 1e-4:
        return "Finite differences of the robust loss (exercise 4.1) give another gradient."


DANSKIN = Exercise(
    "4.2",
    "Danskin's gradient",
    linear.danskin_gradient,
    probes=(
        (tensor(2.0, -1.0), 0.5, tensor([1.0, 1.0]), tensor(1.0), 0.1),
        (tensor(1.0, -2.0, 0.5), -0.3, POINTS, tensor(1.0, -1.0), 0.25),
        (tensor(0.5, 1.0, -1.5), 0.2, tensor([-1.0, 0.3, 0.8], [0.5, 0.5, 0.5], [2.0, -1.0, 1.0]), tensor(-1.0, 1.0, -1.0), 0.4),
    ),
    random=random_linear,
    law=matches_finite_differences,
    hints=(
        "Two steps. Find the worst δ for each sample at these weights. Then forget that it depends on w, and differentiate.",
        "δ* = -y ε sign(w). At the points x + δ* the gradient of log(1 + exp(-m)) in w is -sigmoid(-m) y (x + δ*).",
        "A = X - eps * y[:, None] * w.sign();  -(torch.sigmoid(-y * (A @ w + b)) * y) @ A / len(y)",
    ),
    mistakes=(
        Mistake((clean_gradient,), "This is the gradient of the clean loss: no δ is in it."),
        Mistake(
            (with_delta(lambda w, X, y, e: -worst(w, X, y, e)),),
            "Your δ raises the margins: it is the best case for the classifier, not the worst.",
        ),
        Mistake(
            (with_delta(worst, features=False),),
            "The margin is taken at x + δ*, but the gradient of the margin in w is y(x + δ*), not y x.",
        ),
        Mistake(
            (with_delta(lambda w, X, y, e: -e * w.sign().expand_as(X)),),
            "The label is missing in δ*: for y = -1 the worst direction is +sign(w).",
        ),
        Mistake(
            (with_delta(lambda w, X, y, e: worst(w, X, y, e) / 2),),
            "Your δ is half-way: Danskin's theorem needs an exact maximiser, at the edge of the ball.",
        ),
        Mistake((with_delta(worst, mean=False),), "The risk is the mean over the samples: divide by their number."),
    ),
    written=(
        "Write φ(w) = max_δ l(w, δ). (1) φ(w + th) - φ(w) ≥ l(w + th, δ*) - l(w, δ*) for every maximiser δ* at w: divide by t, "
        "and "
        "φ'(w; h) ≥ ⟨∇l(w, δ*), h⟩. (2) With δ_t a maximiser at w + th, φ(w + th) - φ(w) ≤ l(w + th, δ_t) - l(w, δ_t) = "
        "t⟨∇l(w + sh, δ_t), h⟩ for some s in (0, t). (3) Δ is compact, so a sequence of δ_t converges; its limit is a maximiser "
        "at w, and "
        "∇l is continuous: φ'(w; h) ≤ the largest slope among the maximisers. If they all have the same gradient, it is ∇φ."
    ),
)

# ---- 4.3 ---------------------------------------------------------------------------------------------


def random_gradients(generator):
    return normal(generator, 4, 3), normal(generator, 3)


def scales_with_the_direction(answer, G, h):
    if (answer(G, 3 * h) - 3 * answer(G, h)).abs() > 1e-4:
        return "φ'(w; 3h) must be 3 φ'(w; h): it is a slope, per length of h."


TIES = Exercise(
    "4.3",
    "ties",
    linear.dir_derivative,
    probes=(
        (tensor([1.0, 0.0], [0.0, 1.0]), tensor(1.0, 2.0)),
        (tensor([-0.1, -0.75], [-0.1, 0.25], [-1.1, -0.75], [-1.1, 0.25]), tensor(0.1, 0.75)),
        (tensor([0.5, -1.0, 2.0], [-2.0, 0.5, 0.3], [1.0, 1.0, 1.5]), tensor(-1.0, -0.5, -0.2)),
    ),
    random=random_gradients,
    law=scales_with_the_direction,
    hints=(
        "φ is a maximum of several functions that are equal at w. When you walk along h, which of them is φ a moment later?",
        "The one that grows fastest along h. Each grows with the slope ⟨g, h⟩, g its gradient.",
        "(G @ h).max()",
    ),
    mistakes=(
        Mistake(
            (lambda G, h: G[0] @ h,),
            "This is the slope of the first maximiser alone; another one may grow faster along h, and φ follows that one.",
        ),
        Mistake((lambda G, h: (G @ h).mean(),), "φ is the maximum of the functions, not their mean."),
        Mistake((lambda G, h: (G @ h).min(),), "The smallest slope belongs to the minimum of the functions; φ is their maximum."),
        Mistake(
            (lambda G, h: (G @ h).abs().max(), lambda G, h: (G @ h)[(G @ h).abs().argmax()]),
            "A slope may be negative, and the most negative one does not count: the largest, with its sign.",
        ),
        Mistake((lambda G, h: G.norm(dim=1).max(),), "The length of a gradient does not know where h points: take ⟨g, h⟩."),
    ),
    written=(
        "h is a descent direction if and only if ⟨g, h⟩ < 0 for the gradients of all maximisers. At w = 0 they are -½(x + δ), "
        "|δ_i| ≤ 1, x = "
        "(1.2, 0.5): the second entry takes both signs, so h must not move there, and the first is negative for all. h = (1, 0) "
        "has "
        "φ'(0; h) = -½(1.2 - 1) = -0.1. In general h is minus the shortest vector in the convex hull of the gradients, here "
        "(0.1, 0)."
    ),
)

# ---- 4.4 ---------------------------------------------------------------------------------------------


def after_one_step(answer, X, y, eps, alpha, steps):
    """Run a training step on a fresh network with dropout; return how the weights changed, and whether it is in training mode."""
    torch.manual_seed(5)
    layers = networks.Normalize([0.5], [0.3]), nn.Flatten(), nn.Linear(6, 12), nn.Tanh(), nn.Dropout(0.5), nn.Linear(12, 3)
    model = nn.Sequential(*layers).double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)  # left over from the batch before
    parameters = list(model.parameters())[::-1]
    before = nn.utils.parameters_to_vector(parameters).detach().clone()
    result = answer(model, optimizer, X, y, eps, alpha, steps)
    change = nn.utils.parameters_to_vector(parameters).detach() - before
    if (result is None or result is ...) and not change.any():
        return None  # a stub
    return change, float(model.training)


def images(*rows):
    return tensor(*rows).view(-1, 1, 2, 3)


def random_batch(generator):
    return uniform(generator, 4, 1, 2, 3), torch.randint(3, (4,), generator=generator), 0.2, 0.07, 5


def ascended(model, X, y, eps, alpha, steps, gather, box):
    """Return delta after sign steps; gather: with loss.backward(), which leaves gradients in the weights too. box: of pixels."""
    delta = torch.zeros_like(X)
    for _ in range(steps):
        delta.requires_grad_()
        loss = nn.functional.cross_entropy(model(X + delta), y)
        if gather:
            loss.backward()
        gradient = delta.grad if gather else torch.autograd.grad(loss, delta)[0]
        delta = (delta.detach() + alpha * gradient.sign()).clamp(-eps, eps)
        delta = (X + delta).clamp(0, 1) - X if box else delta
    return delta


def stepped(
    model, optimizer, X, y, eps, alpha, steps, *, dropout=False, gather=False, zero="after", label=None, downhill=False,
    update_mode=True, end_mode=True, moved=True, reduction="mean", box=True,
):  # fmt: skip
    """Make a training step with one part of it exchanged."""
    if zero == "before":
        optimizer.zero_grad()
    model.train(dropout)
    aim = label(model(X)) if label else y
    delta = ascended(model, X, aim, eps, -alpha if downhill else alpha, steps, gather, box)
    if zero == "after":
        optimizer.zero_grad()
    model.train(update_mode)
    nn.functional.cross_entropy(model(X + delta if moved else X), y, reduction=reduction).backward()
    optimizer.step()
    model.train(end_mode)


def slip(hint, *changes):
    """Return a mistake: the training step with these parts exchanged."""
    return Mistake(tuple(functools.partial(stepped, **change) for change in changes), hint)


ADV_TRAIN_STEP = Exercise(
    "4.4",
    "one adversarial training step",
    training.adv_train_step,
    probes=(
        (images([0.5, 0.1, 0.9, 0.3, 0.7, 0.0]), torch.tensor([1]), 0.1, 0.1, 1),
        (
            images([0.2, 0.8, 0.5, 0.4, 0.6, 0.9], [0.9, 0.1, 0.3, 0.7, 0.2, 0.5], [0.4, 0.6, 0.1, 0.8, 0.5, 0.3]),
            torch.tensor([0, 2, 1]),
            0.3,
            0.1,
            5,
        ),
    ),
    random=random_batch,
    run=after_one_step,
    parts=("change of the weights, last layer first", "training mode (1: yes, 0: no)"),
    hints=(
        "Two halves. First find δ: the model in eval mode, the weights untouched. Then train: train mode, gradients at zero, "
        "one step.",
        "For δ use torch.autograd.grad(loss, delta), which leaves the weights' .grad alone; or call zero_grad after the attack "
        "as well.",
        "model.eval(); the loop of exercise 1.5 with a clamp to the ball and to [0, 1]; model.train(); opt.zero_grad(); "
        "loss = cross_entropy(model(X + delta), y); loss.backward(); opt.step()",
    ),
    mistakes=(
        slip(
            "The attack's backward passes have left gradients in the weights: zero_grad belongs after the attack as well.",
            {"zero": "before", "gather": True},
        ),
        slip(
            "Gradients of the batch before are still in the weights: zero_grad is missing.",
            {"zero": "never"},
            {"zero": "never", "gather": True},
        ),
        slip("X + δ leaves the pixel box: it must stay in [0, 1].", {"box": False}, {"box": False, "gather": True}),
        slip("Dropout is active during the attack, so each step attacks another network: model.eval() first.", {"dropout": True}),
        slip(
            "The attack starts from the predicted label; the risk asks for the loss at the true label y.",
            {"label": lambda logits: logits.argmax(1)},
        ),
        slip("The attack goes downhill: it must increase the loss.", {"downhill": True}),
        slip(
            "The model is left in evaluation mode: the next batches would be trained without dropout. model.train() at the end.",
            {"end_mode": False},
        ),
        slip(
            "The update is made in evaluation mode, without dropout: call model.train() after the attack.",
            {"update_mode": False, "end_mode": False},
            {"update_mode": False},
        ),
        slip("The update uses the clean images: train at X + δ.", {"moved": False}),
        slip("The loss of the update is the mean over the batch, not the sum.", {"reduction": "sum"}),
    ),
    written=(
        "δ* is held fixed while we differentiate in w: that is Danskin's theorem. Whether you detach δ makes no difference here, "
        "since the sign has gradient zero."
    ),
)

# ---- 4.5 ---------------------------------------------------------------------------------------------


def normal_cdf(t):
    return 0.5 * (1 + math.erf(t / math.sqrt(2)))


def accuracy_with(price=lambda e, d, w1, v: e * (w1 + v * d), root=math.sqrt, wrong_price=1.0, wrong_share=1.0):
    """Return the closed form with one part exchanged."""

    def answer(p, mu, d, epsilon, w1, v):
        q, spread, centre = price(epsilon, d, w1, v), v * root(d), v * mu * d
        wrong = (1 - p) * normal_cdf((centre - w1 - wrong_price * q) / spread)
        return p * normal_cdf((centre + w1 - q) / spread) + wrong_share * wrong

    return answer


def random_weights(generator):
    p, mu, epsilon, w1, v = uniform(generator, 5).tolist()
    return 0.6 + 0.3 * p, 0.1 + 0.3 * mu, 25, 0.3 * epsilon, 1 + 2 * w1, 0.05 + 0.2 * v


def matches_the_definition(answer, p, mu, d, epsilon, w1, v):
    t = torch.linspace(-9, 9, 4001, dtype=torch.float64)  # the weak features' sum is v (mu d + sqrt(d) t), t ~ N(0, 1)
    density = (-0.5 * t * t).exp() / math.sqrt(2 * math.pi) * (t[1] - t[0])
    weak = v * (mu * d + math.sqrt(d) * t) - epsilon * (w1 + v * d)
    share = p * (density * (weak + w1 > 0)).sum() + (1 - p) * (density * (weak - w1 > 0)).sum()
    if (answer(p, mu, d, epsilon, w1, v) - share).abs() > 0.01:
        return "Integrating over the sum of the weak features gives another accuracy."


TRADE_OFF = Exercise(
    "4.5",
    "the trade-off in closed form",
    linear.robust_accuracy_tsipras,
    probes=(
        (0.9, 0.5, 4, 0.1, 1.0, 0.5),
        (0.8, 0.3, 9, 0.25, 1.5, 0.4),
        (0.7, 0.2, 16, 0.4, 0.8, 0.3),
    ),
    random=random_weights,
    law=matches_the_definition,
    hints=(
        "By symmetry take y = +1. The score is w1 x_1 + v (x_2 + ... + x_{d+1}). By how much can the adversary lower it?",
        "By q = ε(w1 + v d), for every sample. The sum of the d weak features is normal: mean μd, standard deviation √d. x_1 is "
        "+1 or -1.",
        "p Φ((w1 + v μ d - q)/(v √d)) + (1 - p) Φ((-w1 + v μ d - q)/(v √d)), Φ(t) = (1 + math.erf(t / math.sqrt(2))) / 2",
    ),
    mistakes=(
        Mistake(
            (accuracy_with(price=lambda e, d, w1, v: e * (w1 + v)),),
            "There are d weak features and the adversary moves each of them: ε v d, not ε v.",
        ),
        Mistake(
            (accuracy_with(price=lambda e, d, w1, v: e * math.sqrt(w1**2 + d * v**2)),),
            "This is ε|w|₂; for the largest entry of δ the price is ε|w|₁ = ε(w1 + v d).",
        ),
        Mistake((accuracy_with(price=lambda e, d, w1, v: e * v * d),), "The adversary moves x_1 as well: add ε w1."),
        Mistake(
            (accuracy_with(wrong_share=0.0),),
            "Samples with x_1 = -y may still be classified correctly, by the weak features: the term with 1 - p is missing.",
        ),
        Mistake((accuracy_with(price=lambda e, d, w1, v: -e * (w1 + v * d)),), "The adversary lowers the score: minus q."),
        Mistake(
            (accuracy_with(root=float),),
            "The standard deviation of a sum of d independent features is √d, not d.",
        ),
        Mistake(
            (accuracy_with(wrong_price=-1.0),),
            "The adversary also attacks where x_1 = -y: q has the same sign in both terms.",
        ),
    ),
    written=(
        "The weak features together have margin μd and price εd: for ε > μ they are worth less than nothing, and the best "
        "weights are "
        "(1, 0, ..., 0), clean = robust = p. That is the trade-off: 95 % for p = 0.95, where the weak features alone would "
        "reach Φ(μ√d)."
    ),
)

# ---- 4.6 ---------------------------------------------------------------------------------------------


def random_data(generator):
    y = signs(generator, 6)
    return 0.5 * y[:, None] * uniform(generator, 1, 4) + normal(generator, 6, 4), y


def mean_of(X, y):
    return (y[:, None] * X).mean(0)


def slope_turns(answer, X, y):
    threshold = answer(X, y)
    slope = -mean_of(X, y) / 2  # of the clean loss at w = 0; an adversary adds epsilon |h|_1 / 2
    for epsilon, collapses in ((1.001 * threshold, True), (0.999 * threshold, False)):
        if (slope.abs().max() <= epsilon / 2) != collapses:
            return "A little below your ε some direction must go down from w = 0, and a little above it none."


COLLAPSE = Exercise(
    "4.6",
    "when does robust training give up?",
    linear.collapse_threshold,
    probes=(
        (tensor([1.0, 0.5], [-2.0, 0.0]), tensor(1.0, -1.0)),
        (tensor([1.0, 0.2, -0.5], [0.5, -1.5, 0.3], [-0.4, -1.0, 0.9]), tensor(1.0, -1.0, 1.0)),
        (tensor([0.3, -2.0], [-0.1, -1.0], [0.2, 0.5], [0.6, 1.0]), tensor(1.0, 1.0, -1.0, -1.0)),
    ),
    random=random_data,
    law=slope_turns,
    hints=(
        "w = 0 is optimal if no direction h goes down. What is the slope of the robust logistic loss at 0 along h?",
        "Margin y x·w - ε|w|₁, and the slope of log(1 + exp(-m)) at m = 0 is -½: φ'(0; h) = ½(-h·mean(y x) + ε|h|₁). When is it "
        "≥ 0 for all h?",
        "By the dual norm h·mean(y x) ≤ |h|₁ max_i |mean(y x)_i|, so from ε = max_i |mean(y x)_i| on.",
    ),
    mistakes=(
        Mistake((lambda X, y: mean_of(X, y).abs().sum(),), "The dual of |h|₁ is the largest entry, not the sum."),
        Mistake((lambda X, y: mean_of(X, y).norm(),), "The dual of |h|₁ is the largest entry, not the Euclidean length."),
        Mistake((lambda X, y: X.mean(0).abs().max(),), "The labels are missing: the slope has the mean of y x, not of x."),
        Mistake(
            (lambda X, y: X.abs().mean(0).max(),),
            "Take the mean first and its absolute value then: samples whose features disagree cancel.",
        ),
        Mistake(
            (lambda X, y: mean_of(X, y).max(),), "A negative mean is worth as much: w_i may be negative. Take |mean(y x)_i|."
        ),
        Mistake(
            (lambda X, y: X.abs().max(1).values.mean(), lambda X, y: X.abs().max()),
            "The maximum is over the features of the mean, not taken sample by sample.",
        ),
    ),
    written=(
        "The risk is convex, so w = 0 is optimal if and only if φ'(0; h) = ½(ε|h|₁ - h·mean(y x)) ≥ 0 for all h. ⇐: dual norm. "
        "⇒: take h = "
        "±e_i at the largest entry. Below the threshold that feature comes in first: robust training switches features on one "
        "by one."
    ),
)

EXERCISES = (ROBUST_LOSS, DANSKIN, TIES, ADV_TRAIN_STEP, TRADE_OFF, COLLAPSE)
