"""Radii of two-layer networks: seconds for a point, against width and dimension; sections of bench.py.

All times are CPU seconds on one thread, of networks trained on random points; medians over the points.
"""

import functools
import statistics
import time

import torch

from lecture_utils import data, radii, robustness

WIDTHS = 8, 16, 20, 24, 32, 48
DIMENSIONS = 64, 128, 256, 512


def problem(d, m, width=None):
    """Return random points, alternating labels, and a network trained on them."""
    X, y = data.sphere(m, d), torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(m)[:m]
    generator = torch.Generator().manual_seed(4)  # with 8 neurons some seeds die
    return X, y, robustness.trained_network(X, y, width=width, generator=generator)


def seconds(run, X, y):
    """Return the median CPU time of run(point, label) over the points."""
    times = []
    for point, label in zip(X.split(1), y.split(1), strict=True):
        start = time.process_time()
        run(point, label)
        times.append(time.process_time() - start)
    return statistics.median(times)


def exact(target, points=6):
    """The exact distances against the number of neurons k, in d = 40 dimensions."""
    torch.set_num_threads(1)
    measured = {}
    print(f"{'k':>4}{'exact L2':>12}{'exact Linf':>12}{'upper':>12}{'lower':>12}{'upper / exact':>15}  (seconds a point)")
    for width in WIDTHS:
        X, y, network = problem(40, 10, width)
        few = X[:points], y[:points]
        row = {
            "exact L2": seconds(functools.partial(radii.exact_radius_l2, *network), *few),
            "exact Linf": seconds(functools.partial(radii.exact_radius_linf, *network), *few),
            "upper": seconds(functools.partial(radii.convex_concave_radius, *network), *few),
            "lower": seconds(functools.partial(radii.crown_radius, *network), *few),
        }
        truth, upper = radii.exact_radius_l2(*network, *few)[0], radii.convex_concave_radius(*network, *few)[0]
        row["upper / exact"] = (upper / truth).max().item()
        print(f"{width:4}" + "".join(f"{value:{15 if name == 'upper / exact' else 12}.4f}" for name, value in row.items()))
        measured[width] = row
    torch.set_num_threads(2)
    return measured, [
        target("exact L2 distance, k = 24, seconds a point", measured[24]["exact L2"], 0.1),
        target("exact Linf distance, k = 24, seconds a point", measured[24]["exact Linf"], 1.0),
        target("convex-concave upper bound / exact, k = 8 to 48", max(row["upper / exact"] for row in measured.values()), 1.05),
    ]


def radius_curve(target):
    """What the curve of radii against d costs, m = d/4: training, the bounds of one point, the closed form of all."""
    torch.set_num_threads(1)
    measured = {}
    print(f"{'d':>4}{'training':>12}{'upper':>12}{'lower':>12}{'closed form':>13}  (seconds; upper, lower: a point)")
    for d in DIMENSIONS:
        start = time.process_time()
        X, y, network = problem(d, d // 4)
        row = {"training": time.process_time() - start}
        row["upper"] = seconds(functools.partial(radii.convex_concave_radius, *network), X[:8], y[:8])
        row["lower"] = seconds(functools.partial(radii.crown_radius, *network), X[:8], y[:8])
        start = time.process_time()
        robustness.strict_radii(X, y, robustness.coherence(X))
        row["closed form"] = time.process_time() - start
        print(f"{d:4}" + "".join(f"{value:{13 if name == 'closed form' else 12}.4f}" for name, value in row.items()))
        measured[d] = row
    torch.set_num_threads(2)
    total = sum(row["training"] + 16 * row["upper"] + row["closed form"] for row in measured.values())
    return measured, [target("the notebook's curve of radii, d = 64 to 512, seconds", total, 10)]


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"exact": functools.partial(exact, target), "radii": functools.partial(radius_curve, target)}
