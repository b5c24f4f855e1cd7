"""The attacks beside their peers: time as a ratio to the floor, strength as robust accuracy; sections of bench.py.

The floor of a gradient attack is its forward and backward passes to the input and nothing else. All times are CPU
seconds, interleaved in one run, medians of several rounds. A peer that is not installed is left out.
"""

import functools
import importlib
import statistics
import time
import warnings

import torch
from torch.nn.functional import cross_entropy

from lecture_utils import attacks, data, networks, training

EPSILON = 0.1


def torchattacks_(model, x, y, epsilon, steps):
    peer = importlib.import_module("torchattacks")
    if steps == 1:
        return peer.FGSM(model, eps=epsilon)(x, y)
    return peer.PGD(model, eps=epsilon, alpha=2.5 * epsilon / steps, steps=steps, random_start=False)(x, y)


def foolbox_(model, x, y, epsilon, steps):
    peer = importlib.import_module("foolbox")
    wrapped = peer.PyTorchModel(model, bounds=(0, 1))
    if steps == 1:
        return peer.attacks.LinfFastGradientAttack(random_start=False)(wrapped, x, y, epsilons=epsilon)[1]
    attack = peer.attacks.LinfPGD(rel_stepsize=2.5 / steps, steps=steps, random_start=False)
    return attack(wrapped, x, y, epsilons=epsilon)[1]


def art(model, x, y, epsilon, steps):
    evasion = importlib.import_module("art.attacks.evasion")
    classifiers = importlib.import_module("art.estimators.classification")
    wrapped = classifiers.PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=(0, 1))
    if steps == 1:
        attack = evasion.FastGradientMethod(wrapped, eps=epsilon, batch_size=len(x))
    else:
        attack = evasion.ProjectedGradientDescentPyTorch(
            wrapped, eps=epsilon, eps_step=2.5 * epsilon / steps, max_iter=steps, batch_size=len(x), verbose=False
        )
    return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


def cleverhans(model, x, y, epsilon, steps):
    if steps == 1:
        method = importlib.import_module("cleverhans.torch.attacks.fast_gradient_method").fast_gradient_method
        return method(model, x, epsilon, float("inf"), 0, 1, y).detach()
    method = importlib.import_module("cleverhans.torch.attacks.projected_gradient_descent").projected_gradient_descent
    step = 2.5 * epsilon / steps
    return method(model, x, epsilon, step, steps, float("inf"), 0, 1, y, rand_init=False, sanity_checks=False).detach()


def ours(model, x, y, epsilon, steps):
    if steps == 1:
        return x + attacks.fgsm(model, x, y, epsilon)
    return x + attacks.pgd(model, x, y, epsilon, steps=steps)


def floor(model, x, y, epsilon, steps):
    """Do the passes of an attack and nothing else."""
    for _ in range(steps):
        adversarial = x.clone().requires_grad_()
        torch.autograd.grad(cross_entropy(model(adversarial), y), adversarial)
    return x


PEERS = {"torchattacks": torchattacks_, "foolbox": foolbox_, "art": art, "cleverhans": cleverhans}


def installed():
    """Return the peers that can be imported."""
    found = {}
    for name, run in PEERS.items():
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        found[name] = run
    return found


def speed(target, rounds=7):
    """FGSM, PGD-20 and PGD-40: ratio to the floor and robust accuracy, on digits and MNIST, with one and two threads."""
    measured, targets = [], []
    contenders = {"floor": floor, "ours": ours} | installed()
    for dataset in ("digits", "mnist"):
        model = networks.load(f"{dataset}-standard")
        try:
            x, y = (part[:360] for part in data.load(dataset, "test"))
        except FileNotFoundError:
            print(f"{dataset} is not here: left out")
            continue
        for threads in (1, 2):
            for steps in (1, 20, 40):
                rows = _compare(contenders, rounds if steps == 1 else 3, threads, model, x, y, EPSILON, steps)
                attack = "fgsm" if steps == 1 else f"pgd-{steps}"
                print(f"\n{dataset}, {len(x)} images, {threads} threads, {attack}: {'CPU / floor':>12}{'accuracy':>10}")
                for name, (ratio, accuracy) in rows.items():
                    print(f"{name:>42}{ratio:12.2f}{accuracy:10.1%}")
                measured.append({"dataset": dataset, "threads": threads, "attack": attack, "rows": rows})
                if threads == 1:
                    place = f"{attack} on {dataset}"
                    targets.append(target(f"{place}: ours / floor", rows["ours"][0], 1.10 if steps == 1 else 1.15))
                    peers = [row for name, row in rows.items() if name not in ("ours", "floor")]
                    if peers:
                        fastest, strongest = min(row[0] for row in peers), min(row[1] for row in peers)
                        targets.append(target(f"{place}: ours / fastest peer", rows["ours"][0] / fastest, 1.0))
                        targets.append(target(f"{place}: accuracy, ours - strongest peer", rows["ours"][1] - strongest, 0.0))
    torch.set_num_threads(2)
    return measured, targets


def _compare(contenders, rounds, threads, model, x, y, epsilon, steps):
    """Return for each contender CPU time as a ratio to the floor's, and the accuracy that it leaves."""
    torch.set_num_threads(threads)
    repeats = 20 if steps == 1 else 1
    times, left = {name: [] for name in contenders}, {}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.process_time()
            for _ in range(repeats):
                adversarial = run(model, x, y, epsilon, steps)
            times[name].append(time.process_time() - start)
            left[name] = training.accuracy(model, adversarial.clamp(0, 1), y)
    base = statistics.median(times["floor"])
    return {name: (round(statistics.median(one) / base, 3), round(left[name], 4)) for name, one in times.items()}


def strength(target):
    """``strongest`` beside AutoAttack; L-BFGS beside DDN; one pixel beside trying everything; square beside its peer."""
    torch.set_num_threads(1)
    measured, targets, peers = {}, [], installed()
    model = networks.load("digits-standard")
    x, y = data.load("digits", "test")
    if "torchattacks" in peers:
        peer = importlib.import_module("torchattacks")
        mine, my_time = _timed(lambda: x + attacks.strongest(model, x, y, EPSILON))
        theirs, their_time = _timed(lambda: peer.AutoAttack(model, norm="Linf", eps=EPSILON, n_classes=10, seed=0)(x, y))
        ours_, auto = training.accuracy(model, mine, y), training.accuracy(model, theirs, y)
        print(f"strongest {ours_:.1%} in {my_time:.2f} s of CPU, AutoAttack {auto:.1%} in {their_time:.2f} s")
        measured["strongest"] = {"accuracy": ours_, "seconds": my_time}
        measured["AutoAttack"] = {"accuracy": auto, "seconds": their_time}
        targets += [
            target("strongest: accuracy above AutoAttack's", ours_ - auto, 0.006),
            target("strongest / AutoAttack, CPU time", my_time / their_time, 0.05),
        ]
        mine, my_time = _timed(lambda: x + attacks.square(model, x, y, EPSILON, queries=300))
        theirs, their_time = _timed(lambda: peer.Square(model, eps=EPSILON, n_queries=300, n_restarts=1)(x, y))
        ours_, square = training.accuracy(model, mine, y), training.accuracy(model, theirs, y)
        print(f"square, 300 queries: {ours_:.1%} in {my_time:.2f} s, torchattacks' {square:.1%} in {their_time:.2f} s")
        measured["square"] = {"ours": [ours_, my_time], "torchattacks": [square, their_time]}
    few, labels = x[:50], y[:50]
    aim = (labels + 1) % 10
    delta, seconds = _timed(lambda: attacks.lbfgs(model, few, aim))
    length, success = delta.flatten(1).norm(dim=1).mean().item(), training.accuracy(model, few + delta, aim)
    print(f"lbfgs, 50 digits: {success:.0%} reach their target, mean length {length:.4f}, {seconds:.2f} s of CPU")
    measured["lbfgs"] = {"success": success, "length": length, "seconds": seconds}
    targets += [target("lbfgs: share that misses its target", 1 - success, 0), target("lbfgs: seconds of CPU", seconds, 3)]
    if "foolbox" in peers:
        peer = importlib.import_module("foolbox")
        wrapped, wish = peer.PyTorchModel(model, bounds=(0, 1)), peer.criteria.TargetedMisclassification(aim)
        moved = peer.attacks.DDNAttack(steps=1000)(wrapped, few, wish, epsilons=None)[1]
        ddn = (moved - few).flatten(1).norm(dim=1).mean().item()
        print(f"DDN, 1000 steps: mean length {ddn:.4f}")
        targets.append(target("lbfgs / DDN, mean length", length / ddn, 1.01))
    delta, seconds = _timed(lambda: attacks.one_pixel(model, few, labels))
    fooled = 1 - training.accuracy(model, few + delta, labels)
    possible = sum(_one_pixel_exists(model, few[i : i + 1], labels[i]) for i in range(50)) / 50
    print(f"one pixel, 50 digits: {fooled:.0%} fooled, {possible:.0%} by trying everything, {seconds:.2f} s of CPU")
    measured["one pixel"] = {"fooled": fooled, "possible": possible, "seconds": seconds}
    targets += [target("one pixel: share missed", possible - fooled, 0), target("one pixel: seconds of CPU", seconds, 2)]
    torch.set_num_threads(2)
    return measured, targets


def _timed(run):
    start = time.process_time()
    result = run()
    return result, time.process_time() - start


def _one_pixel_exists(model, x, label, levels=21):
    """Whether some pixel of a grey image, set to one of so many levels, changes the class."""
    pixels = x[0].numel()
    changed = x.flatten(1).repeat(pixels * levels, 1)
    changed[torch.arange(len(changed)), torch.arange(pixels).repeat_interleave(levels)] = torch.linspace(0, 1, levels).repeat(
        pixels
    )
    with torch.no_grad():
        return bool((model(changed.view(-1, *x.shape[1:])).argmax(1) != label).any())


def growth(target, rounds=3):
    """Time of PGD against batch size and steps: both exponents at most about 1."""
    torch.set_num_threads(1)
    model = networks.load("digits-standard")
    x, y = data.load("digits", "test")
    measured = {"batch": {}, "steps": {}}
    for n in (1, 10, 100, 1000, 10_000):
        many, labels = x.repeat(-(-n // len(x)), 1, 1, 1)[:n], y.repeat(-(-n // len(x)))[:n]
        measured["batch"][n] = _median(lambda many=many, labels=labels: attacks.pgd(model, many, labels, 0.1, steps=5), rounds)
    for steps in (5, 20, 80, 320):
        measured["steps"][steps] = _median(lambda steps=steps: attacks.pgd(model, x, y, 0.1, steps=steps), rounds)
    for axis, times in measured.items():
        print(f"{axis:>6}: " + ", ".join(f"{size:,}: {1000 * seconds:.1f} ms" for size, seconds in times.items()))
    torch.set_num_threads(2)
    return measured, [
        target("10 times the batch, times slower (1,000 to 10,000)", measured["batch"][10_000] / measured["batch"][1000], 13),
        target("4 times the steps, times slower (80 to 320)", measured["steps"][320] / measured["steps"][80], 4.6),
    ]


def _median(run, rounds):
    return statistics.median(_timed(run)[1] for _ in range(rounds))


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    warnings.filterwarnings("ignore", module="art|cleverhans|torchattacks|foolbox")
    return {
        name: functools.partial(run, target) for name, run in {"speed": speed, "strength": strength, "growth": growth}.items()
    }
