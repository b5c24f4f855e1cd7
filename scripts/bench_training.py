"""Adversarial training: seconds until a network is robust, for every way to train; a section of bench.py.

Digits, epsilon = 0.15: CPU seconds of training on one thread, what is spent on judging left out, until PGD-20 leaves 70 %
of the test images. Medians over several seeds. One network and Adam for all. The textbook loop has a constant step size of
0.001 and the attack as tutorials write it; the same attack under ``training.fit`` shows what the step-size rule is worth. Each
way of ``fit`` has its own number of epochs, about the smallest with which it gets there.
"""

import functools
import itertools
import statistics
import time

import torch
from torch.nn.functional import cross_entropy

from lecture_utils import attacks, data, networks, training

EPSILON, GOAL = 0.15, 0.70


def textbook_attack(model, x, y, steps=7):
    """PGD as tutorials write it: loss.backward(), which fills the weights' gradients too, and a new delta each step."""
    delta = torch.empty_like(x).uniform_(-EPSILON, EPSILON)
    delta = (x + delta).clamp(0, 1) - x
    for _ in range(steps):
        delta = delta.detach().clone().requires_grad_(True)
        loss = cross_entropy(model(x + delta), y)
        loss.backward()
        delta = delta + 2.5 * EPSILON / steps * delta.grad.sign()
        delta = torch.clamp(x + torch.clamp(delta, -EPSILON, EPSILON), 0, 1) - x
    return delta.detach()


def textbook_loop(model, x, y, epochs, generator, watch):
    """Adversarial training as tutorials write it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(64):
            images = x[batch] + textbook_attack(model, x[batch], y[batch])
            optimizer.zero_grad()
            cross_entropy(model(images), y[batch]).backward()
            optimizer.step()
        watch()


def ways(generator):
    """Return what to give to ``training.fit`` for each way to train but the textbook loop."""
    free = functools.partial(training.free_step, epsilon=EPSILON, replays=4, generator=generator)
    return {
        "textbook attack": {"epochs": 6, "attack": textbook_attack},
        "PGD-7": {"epochs": 6, "attack": training.pgd_attack(EPSILON, generator=generator)},
        "FGSM-RS": {"epochs": 12, "attack": training.fgsm_attack(EPSILON, generator=generator)},
        "free": {"epochs": 5, "step": free},
    }


def run(name, seed):
    """Train one network one way; return CPU seconds until the goal (None: not reached), clean and robust accuracy at the end."""
    x, y = data.load("digits", "train")
    test, generator = data.load("digits", "test"), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = networks.small_cnn(8, mean=0.3054, std=0.3761)
    seconds, found, started = 0.0, [], time.process_time()

    def judge(history=None):
        nonlocal seconds, started
        seconds += time.process_time() - started
        found.append((seconds, training.accuracy(model, *test, functools.partial(attacks.pgd, epsilon=EPSILON, steps=20))))
        started = time.process_time()

    if name == "textbook loop":
        textbook_loop(model, x, y, 30, generator, judge)
    else:
        options = {"learning_rate": 1e-2, "batch_size": 64, "generator": generator, "progress": False, "watch": judge}
        training.fit(model, x, y, **options, **ways(generator)[name])
    reached = next((spent for spent, share in found if share >= GOAL), None)
    return reached, training.accuracy(model, *test), found[-1][1]


def robust(target, seeds=(0, 1, 2)):
    """Seconds to 70 % robust for every way to train, interleaved."""
    torch.set_num_threads(1)
    rows = {name: [] for name in ("textbook loop", *ways(None))}
    for seed, name in itertools.product(seeds, rows):
        rows[name].append(run(name, seed))
    print(f"{'digits, epsilon = 0.15':24}{'seconds to 70 %':>18}{'reached':>10}{'clean':>10}{'robust':>10}")
    measured = {}
    for name, found in rows.items():
        times = [reached for reached, _, _ in found if reached is not None]
        clean, left = (statistics.median(one[i] for one in found) for i in (1, 2))
        seconds = statistics.median(times) if len(times) > len(seeds) / 2 else float("inf")
        measured[name] = {"seconds": seconds, "reached": len(times), "clean": clean, "robust": left}
        print(f"{name:24}{seconds:18.2f}{len(times):>7}/{len(seeds)}{clean:10.1%}{left:10.1%}")
    torch.set_num_threads(2)
    best = min(row["seconds"] for name, row in measured.items() if not name.startswith("textbook"))
    ratio = best / measured["textbook loop"]["seconds"]
    return measured, [target("seconds to 70 % robust, best way / textbook loop", ratio, 1 / 3)]


def sections(target):
    """Return the section for bench.py, given its ``target(claim, value, limit)``."""
    return {"training": functools.partial(robust, target)}
