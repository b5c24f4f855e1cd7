"""Exercise training-step.

model, opt, X, y, eps, alpha, steps -> nothing: the model's weights change, and it is left in training mode.
Asked: delta from 0 by so many sign steps, uphill at the true label, without dropout, projected onto ball and box after each;
then one step at X + delta on the mean loss, with dropout, without old gradients.
"""

import functools

import torch
from torch import nn

from .. import networks, training
from .engine import Exercise, Mistake
from .inputs import tensor, uniform

REFERENCE = training.adv_train_step


def adv_train_step(model, opt, X, y, eps, alpha, steps):
    model.eval()
    delta = torch.zeros_like(X)
    for _ in range(steps):
        delta.requires_grad_()
        loss = nn.functional.cross_entropy(model(X + delta), y)
        gradient = torch.autograd.grad(loss, delta)[0]
        delta = (delta.detach() + alpha * gradient.sign()).clamp(-eps, eps)
        delta = (X + delta).clamp(0, 1) - X
    model.train()
    opt.zero_grad()
    nn.functional.cross_entropy(model(X + delta), y).backward()
    opt.step()


RATE = 0.75  # of learning


def images(*rows):
    return tensor(*rows).view(-1, 1, 2, 3)


PROBES = (
    (images([0.5, 0.1, 0.9, 0.3, 0.7, 0.0]), torch.tensor([1]), 0.1, 0.1, 1),
    (
        images([0.2, 0.8, 0.5, 0.4, 0.6, 0.9], [0.9, 0.1, 0.3, 0.7, 0.2, 0.5], [0.4, 0.6, 0.1, 0.8, 0.5, 0.3]),
        torch.tensor([0, 2, 1]),
        0.3,
        0.1,
        5,
    ),
    (images([0.6, 0.4, 0.5, 0.45, 0.55, 0.5], [0.5, 0.6, 0.35, 0.5, 0.4, 0.65]), torch.tensor([2, 0]), 0.2, 0.07, 3),
    (images([1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.5, 1.0, 1.0, 0.2]), torch.tensor([1, 1]), 0.25, 0.2, 4),
)


class Dropout(nn.Dropout):
    """Drops the same third of the units in every pass: an answer may make more of them, for its log, or shuffle the batch."""

    def forward(self, x):
        return x * (torch.arange(x.shape[-1], device=x.device) % 3 != 1) * 1.5 if self.training else x


def after_one_step(answer, X, y, eps, alpha, steps):
    """Run a training step on a fresh network with dropout; return how the weights changed, and whether it is in training mode."""
    torch.manual_seed(5)
    first, last = (nn.Linear(*size, dtype=torch.float64, device="cpu") for size in ((6, 12), (12, 3)))
    normalize = networks.Normalize([0.5], [0.25]).double()  # numbers that every dtype holds exactly
    model = nn.Sequential(normalize, nn.Flatten(), first, nn.Tanh(), Dropout(1 / 3), last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)  # left over from the batch before
    parameters = list(model.parameters())[::-1]
    before = nn.utils.parameters_to_vector(parameters).detach().clone()
    answer(model, optimizer, X, y, eps, alpha, steps)
    change = nn.utils.parameters_to_vector(parameters).detach() - before
    return change, float(model.training)


def random_batch(generator):
    return uniform(generator, 4, 1, 2, 3), torch.randint(3, (4,), generator=generator), 0.2, 0.07, 5


def ascended(model, X, y, eps, alpha, steps, gather, box, *, sign=True, ball=True, each=True):
    """Return delta after steps uphill.

    gather: with loss.backward(), which leaves gradients in the weights too. box: of pixels. sign: of the gradient; ball: cut
    to it. each: cut after every step, else after the last one.
    """
    delta = torch.zeros_like(X)
    for step in range(steps):
        delta.requires_grad_()
        loss = nn.functional.cross_entropy(model(X + delta), y)
        if gather:
            loss.backward()
        gradient = delta.grad if gather else torch.autograd.grad(loss, delta)[0]
        delta = delta.detach() + alpha * (gradient.sign() if sign else gradient)
        if each or step == steps - 1:
            delta = delta.clamp(-eps, eps) if ball else delta
            delta = (X + delta).clamp(0, 1) - X if box else delta
    return delta


def stepped(
    model, optimizer, X, y, eps, alpha, steps, *, dropout=False, gather=False, zero="after", label=None, downhill=False,
    update_mode=True, end_mode=True, moved=True, reduction="mean", box=True, made=1, by_hand=0.0, **attack,
):  # fmt: skip
    """Make a training step with one part of it exchanged. made: steps of the optimizer. by_hand: the size of one without it."""
    if zero == "before":
        optimizer.zero_grad()
    model.train(dropout)
    aim = label(model(X)) if label else y
    delta = ascended(model, X, aim, eps, -alpha if downhill else alpha, steps, gather, box, **attack)
    if zero == "after":
        optimizer.zero_grad()
    model.train(update_mode)
    nn.functional.cross_entropy(model(X + delta if moved else X), y, reduction=reduction).backward()
    if zero == "too late":
        optimizer.zero_grad()
    for _ in range(made):
        optimizer.step()
    if by_hand:
        for parameter in model.parameters():
            parameter.data -= by_hand * parameter.grad
    model.train(end_mode)


def with_arguments(change):
    """Return a training step whose eps, alpha and steps are exchanged for change(eps, alpha, steps)."""
    return lambda model, optimizer, X, y, *sizes: stepped(model, optimizer, X, y, *change(*sizes))


def slip(hint, *changes):
    """Return a mistake: the training step with these parts exchanged."""
    return Mistake(tuple(functools.partial(stepped, **change) for change in changes), hint)


def every_way(**change):
    """Return the change twice: with torch.autograd.grad, and with loss.backward()."""
    return change, change | {"gather": True}


MISTAKES = (
    slip(
        "The weights have not changed: backward() fills the gradients, and opt.step() after it moves the weights. Nothing may "
        "clear the gradients in between.",
        *every_way(made=0),
        *every_way(zero="too late"),
    ),
    slip(
        "The attack's backward passes have left gradients in the weights: zero_grad belongs after the attack as well.",
        {"zero": "before", "gather": True},
    ),
    slip("Gradients of the batch before are still in the weights: zero_grad is missing.", *every_way(zero="never")),
    slip("X + δ leaves the pixel box: it must stay in [0, 1].", *every_way(box=False)),
    slip("δ leaves the ball: after every step cut it to [-ε, ε].", *every_way(ball=False), *every_way(ball=False, box=False)),
    slip("δ is cut only after the last step; the ball and the box want it after every one.", *every_way(each=False)),
    slip("Each step takes the gradient itself; the sign of it is asked for.", *every_way(sign=False)),
    Mistake(
        (with_arguments(lambda eps, alpha, steps: (eps, eps, 1)),),
        "This is FGSM: all of it along one gradient, at X. Make so many steps of size alpha, each along the gradient at its own "
        "X + δ.",
    ),
    Mistake((with_arguments(lambda eps, alpha, steps: (eps, alpha, 1)),), "There is only one step in your attack."),
    Mistake((with_arguments(lambda eps, alpha, steps: (eps, alpha, steps - 1)),), "Your attack makes one step too few."),
    Mistake((with_arguments(lambda eps, alpha, steps: (eps, alpha, steps + 1)),), "Your attack makes one step too many."),
    Mistake(
        (with_arguments(lambda eps, alpha, steps: (eps, eps, steps)),), "Your steps have the size ε; they have the size alpha."
    ),
    slip(
        "Dropout is active during the attack, so each step attacks another network: model.eval() first.", *every_way(dropout=True)
    ),
    slip(
        "The attack starts from the predicted label; the risk asks for the loss at the true label y.",
        *every_way(label=lambda logits: logits.argmax(1)),
    ),
    slip("The attack goes downhill: it must increase the loss.", *every_way(downhill=True)),
    slip(
        "The model is left in evaluation mode: the next batches would be trained without dropout. model.train() at the end.",
        *every_way(end_mode=False),
    ),
    slip(
        "The update is made in evaluation mode, without dropout: call model.train() after the attack.",
        *every_way(update_mode=False, end_mode=False),
        *every_way(update_mode=False),
    ),
    slip("The update uses the clean images: train at X + δ.", *every_way(moved=False)),
    slip("The loss of the update is the mean over the batch, not the sum.", *every_way(reduction="sum")),
    slip("The optimizer makes two steps; one is asked for.", *every_way(made=2)),
    slip("The gradient itself is taken from the weights: opt.step() knows the learning rate.", *every_way(made=0, by_hand=1.0)),
    slip(
        "The weights are moved by hand: opt.step() knows more than the learning rate, here a weight decay.",
        *every_way(made=0, by_hand=RATE),
    ),
)

EXERCISE = Exercise(
    "training-step",
    "one adversarial training step",
    REFERENCE,
    adv_train_step,
    PROBES,
    random=random_batch,
    run=after_one_step,
    nothing=None,
    parts=("change of the weights, last layer first", "training mode (1: yes, 0: no)"),
    hints=(
        "Two halves. First find δ: the model in eval mode, the weights untouched. Then train: train mode, gradients at zero, "
        "one step.",
        "For δ use torch.autograd.grad(loss, delta), which leaves the weights' .grad alone; or call zero_grad after the attack "
        "as well.",
        "model.eval(); the loop of iterated FGSM (section 1) with a clamp to the ball and to [0, 1]; model.train(); "
        "opt.zero_grad(); loss = cross_entropy(model(X + delta), y); loss.backward(); opt.step()",
    ),
    mistakes=MISTAKES,
    differs="The library's finds δ by attacks.pgd, which checks its arguments, and returns the loss.",
    written=(
        "On paper: δ* is held fixed while we differentiate in w, that is Danskin's theorem. Whether you detach δ makes no "
        "difference here: torch.autograd.grad hands out numbers, and a sign has gradient zero besides."
    ),
)
