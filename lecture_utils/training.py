"""How well a classifier does, without and with an adversary, and how it is trained, without and against one.

Accuracies and risks take an attack: any function (model, x, y) -> delta. ``fit`` takes one too, and then it is
adversarial training: each step descends on the loss at x + delta. What is exact for linear classifiers stands
in ``linear``; two of its functions can be called from here as well.
"""

import copy
import functools
import hashlib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from . import attacks
from .attacks import cross_entropy
from .ball import bounds, fresh, radius_of, random_point
from .checks import (
    check_count,
    check_function,
    check_generator,
    check_labels,
    check_number,
    check_pixels,
    checked_logits,
    described,
    evaluation_mode,
    require,
)
from .linear import best_wrong_margin_linear, worst_margin_linear  # noqa: F401


def _perturbed_logits(model, x, y, attack, batch_size):
    """Return the logits (n, K) at x + attack(model, x, y), computed batch by batch in evaluation mode."""
    check_labels("y", y, x)
    check_function("attack", attack)
    logits, size = [], check_count("batch_size", batch_size)
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        delta = attack(model, images, labels) if attack else torch.zeros_like(images)
        right = isinstance(delta, torch.Tensor) and delta.shape == images.shape
        require(right, f"attack must return a delta of shape {tuple(images.shape)}, got {described(delta)}")
        with evaluation_mode(model, images), torch.no_grad():
            logits.append(checked_logits(model, images + delta, int(labels.max())))
    return torch.cat(logits)


def accuracy(model, x, y, attack=None, batch_size=1000):
    """Return the share of samples that are classified as y, at x or at x + attack(model, x, y).

    x: (n, c, h, w) in [0, 1]. y: (n,) int64. attack: a function (model, x, y) -> delta, or None. Where it is ``attacks.pgd``
    with options set by functools.partial, not keep_best=False, samples leave it once they are fooled: less time, the same share.
    """
    if getattr(attack, "func", attack) is attacks.pgd and getattr(attack, "keywords", {}).get("keep_best", True):
        attack = functools.partial(attack, until_fooled=True)
    return (_perturbed_logits(model, x, y, attack, batch_size).argmax(1) == y).double().mean().item()


def risk(model, x, y, attack=None, batch_size=1000):
    """Return the empirical risk, the mean cross-entropy, at x or x + attack(model, x, y) (slides "Risk", "Adversarial risk")."""
    return cross_entropy(_perturbed_logits(model, x, y, attack, batch_size), y).double().mean().item()


def pgd_attack(epsilon, *, eta=None, steps=7, generator=None, **box):
    """Return the attack (model, x, y) -> delta of Madry et al. (2018): PGD from a random start.

    eta: step size; None is 2.5 epsilon / steps. generator: of the starts; give ``fit`` the same one, so that a run that was
    interrupted goes on with the same numbers. box: low and high, for data that are no pixels.
    """
    epsilon, steps = check_number("epsilon", epsilon, 0), check_count("steps", steps)
    eta = 2.5 * epsilon / steps if eta is None else eta
    fixed = {"epsilon": epsilon, "eta": eta, "steps": steps, "random_start": True, "keep_best": False, "generator": generator}
    return functools.partial(attacks.pgd, **fixed, **box)


def fgsm_attack(epsilon, *, generator=None, **box):
    """Return the attack (model, x, y) -> delta of Wong et al. (2020): one step of 1.25 epsilon from a random start."""
    return pgd_attack(epsilon, eta=1.25 * check_number("epsilon", epsilon, 0), steps=1, generator=generator, **box)


def _descend(model, optimizer, x, y):
    """Make one step of the optimizer on the mean loss at x, in the mode that the model is in, and return that loss."""
    _check_gradients()
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def _check_gradients():
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        raise ValueError("training needs gradients: call it outside torch.no_grad() and torch.inference_mode()")


def adv_train_step(model, optimizer, x, y, epsilon, eta, steps):
    """Make one step of adversarial training, and return the loss at the attacked batch.

    First delta, in evaluation mode: so many sign steps of size eta from 0. Then, in training mode, one step of the optimizer
    on the mean cross-entropy at x + delta, with delta held fixed (slide "Gradient computation: Danskin's theorem").
    """
    delta = attacks.pgd(model, x, y, epsilon, eta=eta, steps=steps, keep_best=False)
    model.train()
    return _descend(model, optimizer, x + delta, y)


def free_step(model, optimizer, x, y, *, epsilon, replays=4, generator=None):
    """Make ``replays`` steps on one batch and return the last loss ("free" adversarial training, Shafahi et al. 2019).

    Each backward pass gives two gradients: the one in the weights makes a step of the optimizer, the one in x moves delta by
    epsilon times its sign. So an attack costs nothing, and ``fit`` needs a ``replays``-th of the epochs. generator: of the
    starts; None draws the same start in every call.
    """
    low, high = check_pixels(x := x.detach())
    check_labels("y", y, x)
    radius = radius_of(epsilon, x, most=2)
    lower, upper = bounds(x, radius, low, high)
    delta = random_point(radius, lower, upper, "linf", fresh(generator, x))
    for _ in range(check_count("replays", replays)):
        delta.requires_grad_()
        loss = _descend(model, optimizer, x + delta, y)
        delta = (delta.detach() + radius * delta.grad.sign()).clamp(lower, upper)
    return loss


@dataclass
class History:
    """What ``fit`` saw, one entry an epoch.

    loss: mean training loss. accuracy, robust: on the validation images, without and with an attack (empty where there are
    none). stopped: "" after the last epoch, "interrupted" by the user.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    robust: list[float] = field(default_factory=list)
    stopped: str = ""


def fit(
    model, x, y, *, epochs, validation=None, attack=None, step=None, judge=None, augment=None, batch_size=128,
    optimizer=torch.optim.Adam, learning_rate=2e-3, warmup=0.0, average=0.0, generator=None, progress=True, checkpoint=None,
    watch=None,
):  # fmt: skip
    """Train a model in place with a one-cycle step size, against an attack if there is one; return a History.

    x: (n, c, h, w) in [0, 1]. y: (n,) int64. validation: a pair (x, y) on which accuracies are recorded.
    attack: a function (model, x, y) -> delta applied to every batch, see ``pgd_attack``.
    step: what is done with a batch, (model, optimizer, x, y) -> loss; None is one step of the optimizer, and see ``free_step``.
    judge: the attack of the recorded robust accuracy; None is ``attack``. A stronger one sees what training does not.
    augment: a function (x, generator) -> x.
    optimizer: a class of torch.optim, or a function (parameters, lr=...) that returns one; learning_rate: its largest step size.
    warmup: over this share of the run the perturbation grows from nothing to all of delta.
    average: decay of a moving average of the weights, which is then what is recorded and kept; 0 is none. Batch normalisation
        keeps the statistics of the latest weights: with it, what is recorded before the last epochs is too low.
    generator: orders the batches (None: seed 0). watch: a function (history) called after every epoch.
    checkpoint: a file for the state after every epoch; a run that was interrupted goes on from it to the same weights.
    The model ends in evaluation mode and without gradients, also where an exception ends the run: it then holds the weights
    of the last whole epoch. An interrupt (KeyboardInterrupt) ends the run like that and returns the History.
    Raises FloatingPointError when the loss is no longer finite, ValueError where the checkpoint is none or is of another run.
    One thread and two add up in another order: the weights then differ by rounding, which many steps make visible.
    """
    check_labels("y", y, x)
    epochs = check_count("epochs", epochs)
    batch_size = check_count("batch_size", batch_size)
    pair = validation is None or (isinstance(validation, tuple | list) and len(validation) == 2)
    require(pair, f"validation must be a pair (x, y) or None, got {described(validation)}", TypeError)
    for name, value in {"attack": attack, "step": step, "judge": judge, "augment": augment, "watch": watch}.items():
        check_function(name, value)
    shares = ("learning_rate", learning_rate, math.inf), ("warmup", warmup, 1), ("average", average, 1)
    learning_rate, warmup, average = (check_number(name, value, 0, most) for name, value, most in shares)
    _check_gradients()
    if (default := torch.empty(0).device).type not in ("cpu", x.device.type):  # optimizers keep numbers there
        raise ValueError(f"the default device is {default}, but x is on {x.device}: torch.set_default_device({x.device.type!r})")
    generator = check_generator(generator, seed=0)
    optimizer = optimizer(model.parameters(), lr=learning_rate)
    parts = {"model": model, "optimizer": optimizer}
    if average:
        parts["average"] = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
    history, file, data = History(), Path(checkpoint) if checkpoint else None, ""
    if file:
        samples = hashlib.sha256(save({"x": x.contiguous(), "y": y.contiguous()})).hexdigest()  # of shapes and types, too
        data = f"{samples} {(epochs, batch_size, learning_rate, warmup, average, attack is not None)}"
    if file and file.exists():
        state = _read(file, data)
        try:
            for name, part in parts.items():
                part.load_state_dict(state[name])
            generator.set_state(state["generator"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"{file} is the checkpoint of another network or optimizer: name another, or delete it") from error
        history = History(**state["history"])
    judged = parts["average"].module if average else model
    kept = copy.deepcopy(judged.state_dict())
    batches = len(_batches(torch.arange(len(x)), batch_size))
    bar = tqdm(total=epochs * batches, initial=len(history.loss) * batches, unit=" batches", disable=not progress)
    try:
        for epoch in range(len(history.loss), epochs):
            total = 0.0
            model.train()
            order = torch.randperm(len(x), generator=generator, device=generator.device)
            for index, batch in enumerate(_batches(order, batch_size)):
                share = (epoch + index / batches) / epochs
                images = augment(x[batch], generator) if augment else x[batch]
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * one_cycle(share)
                if attack:
                    images = images + min(1.0, share / warmup if warmup else 1.0) * attack(model, images, y[batch])
                loss = (step or _descend)(model, optimizer, images, y[batch])
                if not math.isfinite(loss):
                    raise FloatingPointError(f"the training loss is {loss} in epoch {epoch + 1}: lower learning_rate")
                if average:
                    parts["average"].update_parameters(model)
                total += loss * len(batch)
                bar.update()
            measured = {"accuracy": accuracy(judged, *validation)} if validation else {}
            if validation and (judge or attack):
                measured["robust"] = accuracy(judged, *validation, judge or attack)
            history.loss.append(total / len(x))
            for name, value in measured.items():
                getattr(history, name).append(value)
            bar.set_postfix({"loss": f"{history.loss[-1]:.4f}"} | {name: f"{value:.1%}" for name, value in measured.items()})
            kept = copy.deepcopy(judged.state_dict())
            if file:
                _save(file, parts, generator=generator.get_state(), history=vars(history), data=data)
            if watch:
                watch(history)
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        bar.close()
        model.load_state_dict(kept)
        model.eval()
        for parameter in model.parameters():
            parameter.grad = None
    return history


def _batches(order, size):
    """Return the indices in batches; a last one of a single sample joins the one before: batch normalisation needs two."""
    parts = list(order.split(size))
    return parts if len(parts) == 1 or len(parts[-1]) > 1 or size == 1 else [*parts[:-2], torch.cat(parts[-2:])]


def _read(file, data):
    """Return the state in a checkpoint of a run on these data."""
    try:
        state = torch.load(file, weights_only=True)
        found = state.get("data")
    except Exception as error:  # a damaged zip archive raises what it likes
        raise ValueError(f"{file} is no checkpoint that can be read (empty, cut short, or another file): delete it") from error
    require(
        found == data, f"{file} is the checkpoint of a run on other data or with other options: name another file, or delete it"
    )
    return state


def _save(file, parts, **state):
    """Write the state of a run whole or not at all."""
    temporary = file.with_suffix(".new")
    torch.save({name: part.state_dict() for name, part in parts.items()} | state, temporary)
    os.replace(temporary, file)


def one_cycle(share):
    """Return the step size, relative to its peak, when this share in [0, 1] of the training is done."""
    return share / 0.3 if share < 0.3 else (1 - share) / 0.7
