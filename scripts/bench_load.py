"""A class that starts together, and inputs of every kind, for bench.py: memory and seconds.

load    so many kernels run notebook 1 at the same time (20, or LECTURE_KERNELS): what each holds, how long the last one takes
fuzz    10,000 cases of each test in tests/test_fuzz.py: pictures, idx files, manifests, parameters, moves of sliders
"""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time

import psutil
from nbclient import NotebookClient

import execute
from lab import ROOT

PATH = execute.NOTEBOOKS / "1_adversarial_examples.ipynb"


class Memory(threading.Thread):
    """The most bytes that all children of this process hold together; pages that several share are counted once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes, self.stopped = 0, threading.Event()

    def run(self):
        while not self.stopped.wait(0.5):
            held = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    held += child.memory_full_info().pss
                except psutil.Error:
                    continue  # it has just ended
            self.bytes = max(self.bytes, held)


def load(target):
    """Run notebook 1 in so many kernels at once."""
    asked = os.environ.get("LECTURE_KERNELS") or "20"
    kernels = int(asked) if re.fullmatch(r"0*[1-9]\d*", asked) else sys.exit(f"LECTURE_KERNELS must be 1 or more, got {asked!r}")

    async def together():
        one = {"timeout": 3600, "kernel_name": "python3", "resources": {"metadata": {"path": str(execute.NOTEBOOKS)}}}
        clients = [NotebookClient(execute.read(PATH), **one) for _ in range(kernels)]
        return await asyncio.gather(*[timed(client) for client in clients], return_exceptions=True)

    async def timed(client):
        await client.async_execute()
        return time.perf_counter() - start

    memory, start = Memory(), time.perf_counter()
    before = sum(os.times()[2:4])
    memory.start()
    results = asyncio.run(together())
    memory.stopped.set()
    memory.join()
    seconds = [one for one in results if isinstance(one, float)]
    measured = {
        "kernels": kernels, "finished": len(seconds), "cores": len(os.sched_getaffinity(0)),
        "MB a kernel": memory.bytes / kernels / 1e6,
        "seconds of the last": max(seconds, default=0.0), "CPU seconds a kernel": (sum(os.times()[2:4]) - before) / kernels,
    }  # fmt: skip
    for name, value in measured.items():
        print(f"{name:24}{value:10.0f}")
    for error in {str(one) for one in results if not isinstance(one, float)}:
        print(error)
    return measured, [
        target("kernels that did not finish", kernels - len(seconds), 0),
        target("MB a kernel", measured["MB a kernel"], 1200),
    ]


def fuzz(target, cases=10_000):
    """Try so many cases of each kind of input."""
    start, environment = time.perf_counter(), os.environ | {"LECTURE_CASES": str(cases)}
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "3600", "tests/test_fuzz.py"]
    _, status, used = os.wait4(subprocess.Popen(command, cwd=ROOT, env=environment).pid, 0)
    measured = {"cases": cases, "seconds": time.perf_counter() - start, "MB": used.ru_maxrss / 1e3}
    print(f"{cases} cases of each kind: {measured['seconds']:.0f} s, at most {measured['MB']:.0f} MB")
    return measured, [target("failures", status, 0), target("peak memory, MB", measured["MB"], 1500)]


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"load": lambda: load(target), "fuzz": lambda: fuzz(target)}
