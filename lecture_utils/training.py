"""How well a classifier does, without and with an adversary, and how it is trained.

Accuracies and risks take an attack: any function (model, x, y) -> delta. For linear classifiers the
worst case over the ball is known in closed form, and stands here as the measure of every attack.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm.auto import tqdm

from .attacks import cross_entropy
from .checks import check_labels, checked_logits, evaluation_mode


@dataclass
class History:
    """What ``fit`` saw, one entry an epoch: mean training loss, accuracy on the validation images."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def _perturbed_logits(model, x, y, attack, batch_size):
    """Return the logits (n, K) at x + attack(model, x, y), computed batch by batch in evaluation mode."""
    check_labels("y", y, x)
    logits = []
    for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        delta = attack(model, images, labels) if attack else 0.0
        with evaluation_mode(model, images), torch.no_grad():
            logits.append(checked_logits(model, images + delta, int(labels.max())))
    return torch.cat(logits)


def accuracy(model, x, y, attack=None, batch_size=1000):
    """Return the share of samples that are classified as y, at x or at x + attack(model, x, y).

    x: (n, c, h, w) in [0, 1]. y: (n,) int64. attack: a function (model, x, y) -> delta, or None.
    """
    return (_perturbed_logits(model, x, y, attack, batch_size).argmax(1) == y).double().mean().item()


def risk(model, x, y, attack=None, batch_size=1000):
    """Return the empirical risk, the mean cross-entropy, at x or at x + attack(model, x, y) (slide "Risk")."""
    return cross_entropy(_perturbed_logits(model, x, y, attack, batch_size), y).double().mean().item()


def fit(
    model, x, y, *, epochs, validation, attack=None, augment=None, batch_size=128, learning_rate=2e-3,
    generator=None, progress=True, checkpoint=None,
):  # fmt: skip
    """Train a model in place by Adam with a one-cycle step size and keep the weights of the last epoch.

    x: (n, c, h, w) in [0, 1]. y: (n,) int64. validation: a pair (x, y) whose accuracy is recorded.
    attack: None, or a function (model, x, y) -> delta applied to every batch. augment: None, or a function
    (x, generator) -> x. generator: orders the batches (None: seed 0). checkpoint: a file that holds the
    state after every epoch; a run that was interrupted goes on from it and ends with the same weights.
    Returns a History. Raises FloatingPointError when the loss is no longer finite.
    """
    check_labels("y", y, x)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    history, file = History(), Path(checkpoint) if checkpoint else None
    if file and file.exists():
        state = torch.load(file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
        history = History(**state["history"])
    batches = -(-len(x) // batch_size)
    bar = tqdm(total=epochs, initial=len(history.loss), unit="epoch", disable=not progress)
    for epoch in range(len(history.loss), epochs):
        model.train()
        total = 0.0
        for step, batch in enumerate(torch.randperm(len(x), generator=generator).split(batch_size)):
            images = augment(x[batch], generator) if augment else x[batch]
            if attack:
                images = images + attack(model, images, y[batch])
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * one_cycle((epoch + step / batches) / epochs)
            optimizer.zero_grad()
            loss = cross_entropy(model(images), y[batch]).mean()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        if not total < float("inf"):
            raise FloatingPointError(f"the training loss is {total} in epoch {epoch + 1}: lower learning_rate")
        history.loss.append(total / len(x))
        history.accuracy.append(accuracy(model, *validation))
        bar.update()
        bar.set_postfix(loss=f"{history.loss[-1]:.4f}", accuracy=f"{history.accuracy[-1]:.4f}")
        if file:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "generator": generator.get_state()}
            torch.save(state | {"history": vars(history)}, file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)
    bar.close()
    model.eval()
    return history


def one_cycle(share):
    """Return the step size, relative to its peak, when this share in [0, 1] of the training is done."""
    return share / 0.3 if share < 0.3 else (1 - share) / 0.7


def worst_margin_linear(w, b, X, y, epsilon):
    """Return the exact smallest margin y (w.(x + delta) + b) over the ball |delta|_inf <= epsilon, per sample.

    w: (d,). b: float. X: (n, d). y: (n,) of -1 and +1. Returns (n,): the clean margin minus epsilon |w|_1.
    """
    return y * (X @ w + b) - epsilon * w.abs().sum()


def best_wrong_margin_linear(W, b, x, epsilon):
    """Return the exact max over |delta|_inf <= epsilon and over j != y of f_j(x + delta) - f_y(x + delta).

    The model is f(x) = W x + b, and y is the class that it predicts at x. W: (K, d). b: (K,). x: (d,).
    Returns a float: positive if and only if some delta in the ball changes the prediction.
    """
    logits = W @ x + b
    y = logits.argmax()
    margins = logits - logits[y] + epsilon * (W - W[y]).abs().sum(1)
    margins[y] = -torch.inf
    return margins.max().item()
