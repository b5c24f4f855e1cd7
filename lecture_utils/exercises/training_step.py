"""Exercise training-step.

model, opt, X, y, eps, alpha, steps -> nothing: the model's weights change, and it is left in training mode.
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
)


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
    answer(model, optimizer, X, y, eps, alpha, steps)
    change = nn.utils.parameters_to_vector(parameters).detach() - before
    return change, float(model.training)


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


MISTAKES = (
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
        "model.eval(); the loop of exercise 1.5 with a clamp to the ball and to [0, 1]; model.train(); opt.zero_grad(); "
        "loss = cross_entropy(model(X + delta), y); loss.backward(); opt.step()",
    ),
    mistakes=MISTAKES,
    written=(
        "δ* is held fixed while we differentiate in w: that is Danskin's theorem. Whether you detach δ makes no difference here, "
        "since the sign has gradient zero."
    ),
)
