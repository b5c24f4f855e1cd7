"""The attacks beside their peers, for bench.py: one table and one figure.

The unit of cost is the floor: one forward and one backward pass to the input, times the attack's steps. Contenders take
turns, and the medians of their times are compared: CPU time, or on a GPU the time until it is idle. torchattacks and
foolbox are an extra, ``pip install -e '.[peers]'``; ART and cleverhans join where they are installed.
"""

import functools
import importlib
import os
import statistics
import time
import warnings
from collections import namedtuple

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from lab import ROOT
from lecture_utils import attacks, data, networks, plots, training

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NETWORKS = {"digits-standard": 0.1, "digits-robust": 0.15, "mnist-standard": 0.1, "mnist-robust": 0.3}
Case = namedtuple("Case", "steps images rounds contenders")


def peer(path):
    """Return a module of a peer, or None where the peer is not installed."""
    try:
        return importlib.import_module(path)
    except ImportError:
        return None


# ---- contenders: (model, x, y, epsilon) -> adversarial images ----------------------------------------


def floor(model, x, y, steps):
    """Do the passes of an attack and nothing else."""
    for _ in range(steps):
        adversarial = x.clone().requires_grad_()
        torch.autograd.grad(cross_entropy(model(adversarial), y), adversarial)


def ours(attack, **options):
    return lambda model, x, y, *epsilon: x + attack(model, x, y, *epsilon, **options)


def torchattacks(name, **options):
    def run(model, x, y, *epsilon):
        return getattr(peer("torchattacks"), name)(model, **({"eps": epsilon[0]} if epsilon else {}), **options)(x, y)

    return run


def foolbox(name, **options):
    def run(model, x, y, epsilon):
        wrapped = peer("foolbox").PyTorchModel(model, bounds=(0, 1), device=x.device)
        return getattr(peer("foolbox").attacks, name)(random_start=False, **options)(wrapped, x, y, epsilons=epsilon)[1]

    return run


def art(name, **options):
    def run(model, x, y, epsilon):
        shape, attack = tuple(x.shape[1:]), getattr(peer("art.attacks.evasion"), name)
        loss, box = torch.nn.CrossEntropyLoss(), (0, 1)
        wrapped = peer("art.estimators.classification").PyTorchClassifier(model, loss, shape, 10, clip_values=box)
        given = {key: value * epsilon if key == "eps_step" else value for key, value in options.items()}
        made = attack(wrapped, eps=epsilon, batch_size=len(x), **given).generate(x.cpu().numpy(), y.cpu().numpy())
        return torch.from_numpy(made).to(x.device)

    return run


def cleverhans(steps):
    def run(model, x, y, epsilon):
        if steps == 1:
            attack = peer("cleverhans.torch.attacks.fast_gradient_method").fast_gradient_method
            return attack(model, x, epsilon, float("inf"), 0, 1, y).detach()
        attack = peer("cleverhans.torch.attacks.projected_gradient_descent").projected_gradient_descent
        options = {"rand_init": False, "sanity_checks": False}
        return attack(model, x, epsilon, 2.5 * epsilon / steps, steps, float("inf"), 0, 1, y, **options).detach()

    return run


def steps_of_torchattacks(steps):
    """torchattacks' PGD wants its step size in pixels, which depends on epsilon."""
    return lambda model, x, y, e: torchattacks("PGD", alpha=2.5 * e / steps, steps=steps, random_start=False)(model, x, y, e)


def towards_the_next_class(model, x, y):
    return x + attacks.lbfgs(model, x, (y + 1) % 10)


def ddn(model, x, y):
    wrapped = peer("foolbox").PyTorchModel(model, bounds=(0, 1), device=x.device)
    aim = peer("foolbox").criteria.TargetedMisclassification((y + 1) % 10)
    return peer("foolbox").attacks.DDNAttack(steps=1000)(wrapped, x, aim, epsilons=None)[1]


def every_pixel(model, x, y, levels=21):
    """Return for each grey image the change of one pixel that lowers the margin most, of all pixels and so many levels."""
    pixels, found = x[0].numel(), []
    for image, label in zip(x, y, strict=True):
        changed = image.flatten().repeat(pixels * levels, 1)
        places = torch.arange(pixels, device=x.device).repeat_interleave(levels)
        changed[torch.arange(len(changed)), places] = torch.linspace(0, 1, levels, device=x.device).repeat(pixels)
        with torch.no_grad():
            margins = attacks.margin(model(changed.view(-1, *x.shape[1:])), label.expand(len(changed)))
        found.append(changed[margins.argmin()].view_as(image))
    return torch.stack(found)


def gradient_case(steps):
    fgsm = {"torchattacks": torchattacks("FGSM"), "foolbox": foolbox("LinfFastGradientAttack"), "art": art("FastGradientMethod")}
    options = {"max_iter": steps, "verbose": False, "eps_step": 2.5 / steps}
    pgd = {
        "torchattacks": steps_of_torchattacks(steps), "art": art("ProjectedGradientDescentPyTorch", **options),
        "foolbox": foolbox("LinfPGD", rel_stepsize=2.5 / steps, steps=steps),
    }  # fmt: skip
    own = ours(attacks.fgsm) if steps == 1 else ours(attacks.pgd, steps=steps)
    return Case(
        steps, 360, 9 if steps == 1 else 5, {"ours": own, "cleverhans": cleverhans(steps)} | (fgsm if steps == 1 else pgd)
    )


CASES = {
    "FGSM": gradient_case(1), "PGD-20": gradient_case(20), "PGD-40": gradient_case(40),
    "square, 300 queries": Case(1, 360, 1, {
        "ours": ours(attacks.square, queries=300), "torchattacks": torchattacks("Square", n_queries=300),
    }),
    "one pixel": Case(1, 50, 1, {
        "ours": ours(attacks.one_pixel), "torchattacks": torchattacks("OnePixel", steps=100, popsize=400),
        "every pixel": every_pixel,
    }),
    "L-BFGS": Case(1, 50, 1, {"ours": towards_the_next_class, "foolbox": ddn}),
}  # fmt: skip
BY_RADIUS = {"FGSM", "PGD-20", "PGD-40", "square, 300 queries"}  # the others look for a small perturbation


# ---- measuring ---------------------------------------------------------------------------------------


def clock():
    if DEVICE == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(run, *given, repeats=1):
    """Return what run(*given) returns, and the seconds of one call."""
    start = clock()
    for _ in range(repeats):
        result = run(*given)
    return result, (clock() - start) / repeats


def images(name):
    """Return a network with the test images of its data set, or None where either is not here."""
    dataset = name.split("-")[0]
    try:
        x, y = data.load(dataset, "test")
    except FileNotFoundError:
        return None
    if name not in networks.manifest():
        return None
    return networks.load(name).to(DEVICE), x[:1000].to(DEVICE), y[:1000].to(DEVICE)


def beside_peers(target):
    """Time and strength of every attack and contender, on digits and MNIST, with one and two threads."""
    rows, targets = [], []
    for name in ("digits-standard", "mnist-standard"):
        if (here := images(name)) is None:
            print(f"{name} is not here: left out")
            continue
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for attack, case in tqdm(CASES.items(), desc=f"{name}, {threads} threads", disable=None):
                compared = _compare(attack, case, *here, NETWORKS[name])
                rows += [{"network": name, "threads": threads, "attack": attack} | row for row in compared]
                if threads == 1:
                    targets += _targets(target, name, attack, {row["contender"]: row for row in compared})
            if threads == 1:
                place = f"accuracy under PGD-40 on {name}, where samples leave once they are fooled"
                targets.append(target(f"{place}: ours / floor", _until_fooled(*here, NETWORKS[name]), 0.6))
    torch.set_num_threads(2)
    print(shown(rows))
    return rows, targets


def _until_fooled(model, x, y, epsilon, steps=40):
    """Return the time of an accuracy under PGD, in floors."""
    attack = functools.partial(attacks.pgd, epsilon=epsilon, steps=steps)
    rounds = [(timed(training.accuracy, model, x, y, attack)[1], timed(floor, model, x, y, steps)[1]) for _ in range(3)]
    return statistics.median(ours / passes for ours, passes in rounds)


def _compare(attack, case, model, x, y, epsilon):
    """Return one row a contender: cost in floors, seconds, accuracy left, mean length of delta."""
    x, y = (part[: case.images] for part in (x, y))
    given = (model, x, y, epsilon) if attack in BY_RADIUS else (model, x, y)
    runs = {name: run for name, run in case.contenders.items() if name in ("ours", "every pixel") or peer(name)}
    times, made, rows = {name: [] for name in ("floor", *runs)}, {}, []
    for _ in range(case.rounds):
        times["floor"].append(timed(floor, model, x, y, case.steps, repeats=20 if case.steps == 1 else 1)[1])
        for name, run in runs.items():
            made[name], seconds = timed(run, *given, repeats=20 if attack == "FGSM" else 1)
            times[name].append(seconds)
    seconds = {name: statistics.median(one) for name, one in times.items()}
    for name, adversarial in made.items():
        delta = adversarial.detach().clamp(0, 1) - x
        rows.append({
            "contender": name, "cost": seconds[name] / seconds["floor"], "seconds": seconds[name],
            "accuracy": training.accuracy(model, x + delta, y), "length": delta.flatten(1).norm(dim=1).mean().item(),
            "next class": training.accuracy(model, x + delta, (y + 1) % 10),
        })  # fmt: skip
    return rows


def _targets(target, name, attack, rows):
    """Return what is asked of this attack, given its rows by contender."""
    mine, place = rows["ours"], f"{attack} on {name}"
    others = [row for contender, row in rows.items() if contender not in ("ours", "every pixel")]
    found = []
    if attack in ("FGSM", "PGD-20", "PGD-40"):
        found.append(target(f"{place}: ours / floor", mine["cost"], 1.10 if attack == "FGSM" else 1.15))
        if others:
            found.append(target(f"{place}: ours / fastest peer", mine["cost"] / min(row["cost"] for row in others), 1.0))
            best = min(row["accuracy"] for row in others)
            found.append(target(f"{place}: accuracy, ours - strongest peer", mine["accuracy"] - best, 0.0))
    elif name == "digits-standard" and attack == "L-BFGS":
        found += [target(f"{place}: share that misses its target", 1 - mine["next class"], 0.0)]
        found += [target(f"{place}: seconds", mine["seconds"], 3)]
        found += [target(f"{place}: mean length, ours / DDN-1000", mine["length"] / row["length"], 1.01) for row in others]
    elif name == "digits-standard" and attack == "one pixel":
        found.append(target(f"{place}: seconds", mine["seconds"], 2))
        found.append(target(f"{place}: accuracy, ours - every pixel", mine["accuracy"] - rows["every pixel"]["accuracy"], 0.0))
    return found


def strongest(target):
    """``attacks.strongest`` beside torchattacks' AutoAttack on every network in the box, and with its logits times 10,000."""
    torch.set_num_threads(1)
    rows, targets = [], []
    for name, epsilon in NETWORKS.items():
        if (here := images(name)) is None:
            print(f"{name} is not here: left out")
            continue
        model, x, y = here
        attacks.strongest(model, x[:10], y[:10], epsilon)  # the first call imports and compiles
        mine, my_time = timed(ours(attacks.strongest), model, x, y, epsilon)
        large = ours(attacks.strongest)(lambda x, model=model: 1e4 * model(x), x, y, epsilon)
        row = {
            "network": name, "epsilon": epsilon, "images": len(x), "clean": training.accuracy(model, x, y),
            "strongest": training.accuracy(model, mine, y),
            "strongest, logits times 10,000": training.accuracy(model, large, y),
        }  # fmt: skip
        if peer("torchattacks"):
            auto, their_time = timed(torchattacks("AutoAttack", n_classes=10, seed=0), model, x, y, epsilon)
            row |= {"AutoAttack": training.accuracy(model, auto.clamp(0, 1), y), "time, ratio": my_time / their_time}
            found = max(row["strongest"], row["strongest, logits times 10,000"])
            targets.append(target(f"{name}: accuracy, strongest - AutoAttack", found - row["AutoAttack"], 0.006))
            targets.append(target(f"{name}: time, strongest / AutoAttack", row["time, ratio"], 0.05))
        rows.append(row)
    print(shown_strongest(rows))
    torch.set_num_threads(2)
    return rows, targets


def growth(target, rounds=3):
    """Time of PGD against batch size, steps and image size: exponents of about 1. And what it holds in memory."""
    torch.set_num_threads(1)
    model, x, y = images("digits-standard")
    measured = {"batch": {}, "steps": {}, "pixels": {}}

    def measure(axis, size, *given, **options):
        measured[axis][size] = statistics.median(timed(lambda: attacks.pgd(*given, 0.1, **options))[1] for _ in range(rounds))

    for n in (1, 10, 100, 1000, 10_000):
        copies = -(-n // len(x))
        measure("batch", n, model, x.repeat(copies, 1, 1, 1)[:n], y.repeat(copies)[:n], steps=5)
    for steps in (5, 20, 80, 320):
        measure("steps", steps, model, x, y, steps=steps)
    for size in (8, 16, 32, 64):
        large = torch.nn.functional.interpolate(x[:50], size=(size, size))
        measure("pixels", size**2, networks.small_cnn(size, 0.3, 0.4).to(DEVICE), large, y[:50], steps=5)
    for axis, times in measured.items():
        print(f"{axis:>6}: " + ", ".join(f"{size:,}: {1000 * seconds:.1f} ms" for size, seconds in times.items()))
    torch.set_num_threads(2)
    return measured, [
        target("10 times the batch, times slower (1,000 to 10,000)", measured["batch"][10_000] / measured["batch"][1000], 13),
        target("4 times the steps, times slower (80 to 320)", measured["steps"][320] / measured["steps"][80], 4.6),
        target("4 times the pixels, times slower (32 x 32 to 64 x 64)", measured["pixels"][4096] / measured["pixels"][1024], 6),
    ]


# ---- showing -----------------------------------------------------------------------------------------


def table(head, rows):
    """Return a Markdown table of rows of texts and numbers."""
    lines = [head, ["---" if isinstance(cell, str) else "--:" for cell in rows[0]], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value):
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def shown(rows):
    """Return the table of ``beside_peers``."""
    names = ["network", "threads", "attack", "contender", "cost", "accuracy", "length"]
    return table(names, [[row[name] for name in names] for row in rows])


def shown_strongest(rows):
    names = ["network", "epsilon", "images", "clean", "strongest", "strongest, logits times 10,000", "AutoAttack", "time, ratio"]
    return table(names, [[row.get(name, "") for name in names] for row in rows])


def stored(rows):
    """Write the figure of ``beside_peers``'s rows into tests/, whole or not at all; return it and the table as Markdown."""
    place = ROOT / "tests" / "attacks.png"
    picture = place.with_name(f".{place.name}")
    figure(rows).savefig(picture)
    os.replace(picture, place)
    seen = f"![Cost of each attack as a multiple of the floor, ours and its peers': the numbers of the table below]({place.name})"
    return f"{seen}\n\n{shown(rows)}"


@plots.styled
def figure(rows):
    """Draw cost against attack, a mark a contender, one thread; a column a network, the attacks with counted passes above."""
    names = sorted({row["network"] for row in rows})
    drawn = Figure(figsize=(12, 6.4), dpi=100, layout="constrained")
    FigureCanvasAgg(drawn)
    contenders = list(dict.fromkeys(row["contender"] for row in rows))
    counted = [name for name, case in CASES.items() if name == "FGSM" or case.steps > 1]
    kinds = counted, [name for name in CASES if name not in counted]
    for line, kind, scale in zip(
        drawn.subplots(2, len(names), squeeze=False, sharex="row"), kinds, ("linear", "log"), strict=True
    ):
        for axes, name in zip(line, names, strict=True):
            for contender, (colour, _), marker in zip(contenders, plots.STYLES, "os^DvPX", strict=False):
                key = name, 1, contender
                chosen = [
                    row for row in rows if (row["network"], row["threads"], row["contender"]) == key and row["attack"] in kind
                ]
                costs, places = [row["cost"] for row in chosen], [kind.index(row["attack"]) for row in chosen]
                look = {"color": colour, "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 2.5}
                axes.plot(costs, places, marker, label=contender, **look)
            axes.axvline(1, color="#777777")
            axes.set(xscale=scale, xlabel="cost / floor", yticks=range(len(kind)), yticklabels=kind, title=name)
            axes.set_ylim(len(kind) - 0.5, -0.5)
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(contenders))
    return drawn


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    warnings.filterwarnings("ignore", module="art|cleverhans|torchattacks|foolbox")
    return {
        name: functools.partial(run, target)
        for name, run in {"attacks": beside_peers, "strongest": strongest, "growth": growth}.items()
    }
