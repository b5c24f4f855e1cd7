"""Answers to exercise training-step."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy


def attacked(model, X, y, eps, alpha, steps):
    model.eval()
    delta = torch.zeros_like(X)
    for _ in range(steps):
        delta.requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(model(X + delta), y), delta)
        delta = torch.clamp(delta.detach() + alpha * torch.sign(gradient), -eps, eps)
        delta = torch.clamp(X + delta, 0, 1) - X
    return delta


def with_a_helper(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


def returns_the_loss(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    loss = cross_entropy(model(X + delta), y)
    loss.backward()
    opt.step()
    return loss.item()


def returns_the_model(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, steps)
    return model


def attacks_by_backward(model, opt, X, y, eps, alpha, steps):
    model.eval()
    delta = torch.zeros_like(X, requires_grad=True)
    for _ in range(steps):
        cross_entropy(model(X + delta), y).backward()
        delta.data = (delta.data + alpha * delta.grad.sign()).clamp(-eps, eps)
        delta.data = (X + delta.data).clamp(0, 1) - X
        delta.grad.zero_()
    model.train()
    model.zero_grad()
    cross_entropy(model(X + delta.detach()), y).backward()
    opt.step()


def moves_the_images(model, opt, X, y, eps, alpha, steps):
    model.eval()
    low, high = (X - eps).clamp(min=0), (X + eps).clamp(max=1)
    moved = X.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        gradient = torch.autograd.grad(cross_entropy(model(moved), y, reduction="sum"), moved)[0]
        moved = torch.min(torch.max(moved.detach() + alpha * gradient.sign(), low), high)
    model.train()
    opt.zero_grad(set_to_none=True)
    cross_entropy(model(moved), y).backward()
    opt.step()


def zeroes_first(model, opt, X, y, eps, alpha, steps):
    opt.zero_grad()
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    nn.CrossEntropyLoss()(model(X + delta), y).backward()
    opt.step()


def by_log_softmax(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train(True)
    opt.zero_grad()
    loss = -model(X + delta).log_softmax(1)[torch.arange(len(y)), y].mean()
    loss.backward()
    opt.step()


def by_nll_loss(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    nn.functional.nll_loss(model(X + delta).log_softmax(dim=1), y).backward()
    opt.step()


def keeps_delta_in_the_graph(model, opt, X, y, eps, alpha, steps):
    model.eval()
    delta = torch.zeros_like(X).requires_grad_()
    for _ in range(steps):
        gradient = torch.autograd.grad(cross_entropy(model(X + delta), y), delta)[0]
        delta = (X + (delta + alpha * gradient.sign()).clamp(-eps, eps)).clamp(0, 1) - X
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


class Trainer:
    def step(self, model, opt, X, y, eps, alpha, steps):
        return with_a_helper(model, opt, X, y, eps, alpha, steps)


def by_a_method(*arguments):
    return Trainer().step(*arguments)


def logs_the_accuracy(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    right = (model(X + delta).argmax(1) == y).double().mean()
    cross_entropy(model(X + delta), y).backward()
    opt.step()
    return right.item()


def shuffles_the_batch(model, opt, X, y, eps, alpha, steps):
    order = torch.randperm(len(y))
    with_a_helper(model, opt, X[order], y[order], eps, alpha, steps)


RIGHT = [
    logs_the_accuracy, shuffles_the_batch,
    with_a_helper, returns_the_loss, returns_the_model, attacks_by_backward, moves_the_images, zeroes_first, by_log_softmax,
    by_nll_loss, keeps_delta_in_the_graph, by_a_method,
]  # fmt: skip


def no_step_of_the_optimizer(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()


def no_training_mode(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


def only_the_attack(model, opt, X, y, eps, alpha, steps):
    attacked(model, X, y, eps, alpha, steps)
    model.train()


def with_eval_at_the_end(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, steps)
    model.eval()


def steps_of_size_eps(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, eps, steps)


def fgsm(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, eps, 1)


def too_few(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, steps - 1)


def too_many(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, steps + 1)


def downhill(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, -alpha, steps)


def clean(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, 0)


def two_updates(model, opt, X, y, eps, alpha, steps):
    with_a_helper(model, opt, X, y, eps, alpha, steps)
    opt.step()


def zero_grad_missing(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


def zero_grad_too_late(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    cross_entropy(model(X + delta), y).backward()
    opt.zero_grad()
    opt.step()


def random_start(model, opt, X, y, eps, alpha, steps):
    model.eval()
    delta = attacked(model, (X + eps * (2 * torch.rand_like(X) - 1)).clamp(0, 1), y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


def clean_and_attacked_together(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    (cross_entropy(model(X + delta), y) + cross_entropy(model(X), y)).backward()
    opt.step()


def by_hand(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= parameter.grad


def one_gradient(model, opt, X, y, eps, alpha, steps):
    model.eval()
    Z, delta = X.clone().requires_grad_(), torch.zeros_like(X)
    (gradient,) = torch.autograd.grad(cross_entropy(model(Z), y), Z)
    for _ in range(steps):
        delta = (X + (delta + alpha * gradient.sign()).clamp(-eps, eps)).clamp(0, 1) - X
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


def dropout_in_the_attack(model, opt, X, y, eps, alpha, steps):
    delta = torch.zeros_like(X)
    for _ in range(steps):
        delta.requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(model(X + delta), y), delta)
        delta = (X + (delta.detach() + alpha * gradient.sign()).clamp(-eps, eps)).clamp(0, 1) - X
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()
    opt.step()


WRONG = [
    (by_hand, "opt.step() knows the learning rate"),
    (one_gradient, "along the gradient at its own"),
    (dropout_in_the_attack, "With X = torch.tensor([[[[0.5"),
    (no_step_of_the_optimizer, "have not changed"),
    (no_training_mode, "in evaluation mode"),
    (only_the_attack, "have not changed"),
    (with_eval_at_the_end, "left in evaluation mode"),
    (steps_of_size_eps, "alpha"),
    (fgsm, "FGSM"),
    (too_few, "too few"),
    (too_many, "too many"),
    (downhill, "downhill"),
    (clean, "clean images"),
    (two_updates, "two steps"),
    (zero_grad_missing, "zero_grad is missing"),
    (zero_grad_too_late, "have not changed"),
    (random_start, "wanted"),
    (clean_and_attacked_together, "wanted"),
]


def attacked_and_graded(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()
    opt.zero_grad()
    cross_entropy(model(X + delta), y).backward()


def moved_by_hand(model, opt, X, y, eps, alpha, steps):
    attacked_and_graded(model, opt, X, y, eps, alpha, steps)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= opt.param_groups[0]["lr"] * parameter.grad


def another_optimizer(model, opt, X, y, eps, alpha, steps):
    attacked_and_graded(model, opt, X, y, eps, alpha, steps)
    torch.optim.SGD(model.parameters(), lr=opt.param_groups[0]["lr"]).step()


WRONG += [(moved_by_hand, "a weight decay"), (another_optimizer, "")]


def with_a_closure(model, opt, X, y, eps, alpha, steps):
    delta = attacked(model, X, y, eps, alpha, steps)
    model.train()

    def closure():
        opt.zero_grad()
        loss = cross_entropy(model(X + delta), y)
        loss.backward()
        return loss

    opt.step(closure)


def with_torch_func(model, opt, X, y, eps, alpha, steps):
    model.eval()
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    slope = torch.func.grad(lambda moved: cross_entropy(torch.func.functional_call(model, weights, (moved,)), y))
    delta = torch.zeros_like(X)
    for _ in range(steps):
        delta = (X + (delta + alpha * slope(X + delta).sign()).clamp(-eps, eps)).clamp(0, 1) - X
    model.train()
    gradients = torch.autograd.grad(cross_entropy(model(X + delta), y), [*model.parameters()])
    for weight, gradient in zip(model.parameters(), gradients, strict=True):
        weight.grad = gradient
    opt.step()


RIGHT += [with_a_closure, with_torch_func]
