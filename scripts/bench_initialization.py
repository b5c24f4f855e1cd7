"""The samplers of section 3: time and memory of one gradient step against k = d; a section of bench.py.

A step is sampling one network, its output, its gradient, and its output after the step. Each is done in a fresh process,
which reports the CPU seconds and the peak memory beyond what stood there before (after a small step).
"""

import functools
import json
import os
import subprocess
import sys

STEP = """
import json, resource, sys, time
import torch
from lecture_utils import initialization
from lecture_utils.concentration import ACTIVATIONS

torch.set_num_threads(1)
sigma, derivative, *_ = ACTIVATIONS["tanh"]
sampler = getattr(initialization, sys.argv[1] + "_sampler")

def step(size):
    a, u, t, g2 = sampler(size, size, derivative, 1, torch.Generator().manual_seed(0))
    f = initialization.output(a, u, sigma)
    return initialization.output(a, u - 3 * f.sign()[:, None] * t, sigma)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

step(10)
before, start = peak(), time.process_time()
step(int(sys.argv[2]))
print(json.dumps([time.process_time() - start, peak() - before]))
"""
SIZES = {"naive": (100, 1000, 3000, 10_000), "conditional": (100, 1000, 10_000, 100_000, 1_000_000)}
RATIO_AT = 10_000


def samplers(target):
    """One step: naive and conditional sampler; the ratio of the two; a width of one million."""
    measured = {name: {k: measure(name, k) for k in sizes} for name, sizes in SIZES.items()}
    print(f"{'one step, k = d':>20}" + "".join(f"{k:>18,}" for k in SIZES["conditional"]))
    for name, rows in measured.items():
        cells = [f"{rows[k][0]:.3f} s {rows[k][1]:.0f} MiB" if k in rows else "" for k in SIZES["conditional"]]
        print(f"{name:>20}" + "".join(f"{cell:>18}" for cell in cells))
    exact = measured["conditional"][RATIO_AT]
    seconds, memory = measured["naive"][RATIO_AT]
    ratios = f"{seconds / exact[0]:,.0f} times the time, {memory / max(exact[1], 1):,.0f} times the memory"
    print(f"k = d = {RATIO_AT:,}: naive takes {ratios} of the conditional sampler (memory below 1 MiB counts as 1)")
    seconds, memory = measured["conditional"][1_000_000]
    return measured, [
        target("one step with k = d = 1,000,000: seconds of CPU", seconds, 1),
        target("one step with k = d = 1,000,000: MiB", memory, 190),
        target("conditional / naive, time at k = d = 10,000", exact[0] / measured["naive"][RATIO_AT][0], 0.02),
    ]


def measure(name, size):
    """Return the seconds and the MiB of one step in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STEP, name, str(size)], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"samplers": functools.partial(samplers, target)}
