"""Measure what the lecture promises: prints tables and writes build/bench.json.

    python scripts/bench.py [SECTION ...]       all sections without an argument

sliders     key press to new picture, in JupyterLab in headless Chromium, beside the naive way and an empty swap
explorers   the same for every explorer in its own notebook, after Run All, and the kernel's CPU a move (bench_sliders.py)
alone       the same, and beside it in a notebook that holds nothing else
memory      what a kernel holds after thousands of moves
attacks     every attack beside its peers and the floor (bench_attacks.py; the peers are an extra: pip install -e '.[peers]')
strongest   the strongest attack beside AutoAttack, on every network in data/
growth      PGD against batch size, steps and image size
exact       exact distances of two-layer networks against their width (bench_robustness.py)
radii       section 2's curve of radii against d: training, bounds, closed form
samplers    a network of width one million: time and memory of two samplers (bench_initialization.py)
export      exported pages and slides: seconds, sizes, time of a slider's move (bench_export.py)
notebooks   each from top to bottom, on all cores and on one: seconds, memory, where the time goes (bench_notebooks.py)
load        twenty kernels of notebook 1 starting together: memory, seconds (bench_load.py; LECTURE_KERNELS: another number)
fuzz        10,000 pictures, idx files, manifests, parameters and slider moves of every kind: no crash, bounded memory
training    seconds of adversarial training until a network is robust, for every way to train (bench_training.py)

A section is a function that prints its table and returns what it measured and a list of ``target(...)``.
"""

import argparse
import ast
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from tqdm import tqdm

import bench_attacks
import bench_export
import bench_initialization
import bench_load
import bench_notebooks
import bench_robustness
import bench_sliders
import bench_training
from lab import ROOT, Lab, notebook, run_all

RESULT = ROOT / "build" / "bench.json"

SETUP = """
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from lecture_utils import attacks, data, networks, plots
from lecture_utils.explore import explore, slider

torch.set_num_threads(1)  # as the lecture's notebooks do
model = networks.load("digits-standard")
x, y = (tensor[:1] for tensor in data.load("digits", "test"))
values = np.linspace(0, 0.3, 31)

def row(epsilon):
    delta = attacks.pgd(model, x, y, epsilon, steps=5)
    confidence, label = model(x + delta).softmax(1)[0].max(0)
    return (x, plots.grey_levels(delta), x + delta), ("x", f"ε = {epsilon:.2f}", f"{label}: {confidence:.1%}")
"""
OURS = """
panel = plots.Images(3)

def draw(epsilon):
    images, captions = row(epsilon)
    return panel.update(images, captions, f"The digit, the perturbation and their sum; ε = {epsilon:.2f}")

ours = explore(draw, epsilon=slider(values, 0.0))
ours
"""
NAIVE = """
def naive(epsilon):
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), dpi=100, layout="constrained")
    for axis, image, caption in zip(axes, *row(epsilon)):
        axis.imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
        axis.set_title(caption)
        axis.axis("off")
    plt.show()

widgets.interact(naive, epsilon=widgets.FloatSlider(min=0, max=0.3, step=0.01, value=0));
"""
VARIANTS = {"ours": OURS, "naive": NAIVE, "empty swap": bench_sliders.EMPTY.format("ours")}

# Runs in the page. A picture counts as shown in the first frame after it is decoded, a key press when the browser got it.
WATCH = """() => {
    window.keys = []
    window.shown = []
    addEventListener("keydown", event => keys.push(event.timeStamp), true)
    const sources = new Map()
    document.querySelectorAll(".jp-Cell-outputArea").forEach(area => {
        const look = async () => {
            const image = area.querySelector("img")
            if (!image || image.src === sources.get(area)) return
            sources.set(area, image.src)
            await image.decode().catch(() => {})
            requestAnimationFrame(() => image.isConnected && shown.push({time: performance.now(), alt: image.alt}))
        }
        new MutationObserver(look).observe(area, {subtree: true, childList: true, attributeFilter: ["src"]})
        sources.set(area, area.querySelector("img")?.src)
    })
}"""


def sliders(bursts=3):
    """Press an arrow key on one slider after the other; then press it many times on ours."""
    keys = ["ArrowRight"] * 30 + ["ArrowLeft"] * 30
    times = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(notebook(SETUP, *VARIANTS.values()), Path(folder, "sliders.ipynb"))
        with Lab(folder) as lab, lab.open("sliders.ipynb", height=1900) as page:  # all pictures in sight
            run_all(page)
            page.wait_for_function(f"document.querySelectorAll('.jp-Cell-outputArea img').length == {len(VARIANTS)}")
            page.evaluate(WATCH)
            handles = dict(zip(VARIANTS, page.locator(".noUi-handle").all(), strict=True))
            for key in tqdm(keys, disable=None, desc="rounds of key presses"):
                for name, handle in handles.items():
                    times[name].append(_press(page, handle, key))
            ways = [keys[:30], keys[30:]] * bursts
            lasts = [_burst(page, handles["ours"], way, wait) for wait in (0, 30) for way in ways]
    rows = {name: {"median": statistics.median(one), "95 %": statistics.quantiles(one, n=20)[-1]} for name, one in times.items()}
    print(f"{'key press to picture, ms':30}{'median':>8}{'95 %':>8}")
    for name, row in rows.items():
        print(f"{name:30}{row['median']:8.1f}{row['95 %']:8.1f}")
    print(f"{'ours, last of a burst of 30':30}{statistics.median(lasts):8.1f}{statistics.quantiles(lasts, n=20)[-1]:8.1f}")
    ours, naive, empty = (row["median"] for row in rows.values())
    return {"milliseconds": rows, "last of a burst": lasts}, [
        target("median, ours / naive", ours / naive, 1 / 3),
        target("median, ours / empty swap", ours / empty, 2.5),
        target("last picture of a burst, longest, ms", max(lasts), 300),
    ]


def _press(page, handle, key):
    """Return the milliseconds from a key press to the picture that it causes."""
    page.evaluate("keys = [], shown = []")
    handle.press(key)
    page.wait_for_function("shown.length")
    page.wait_for_timeout(150)  # let the kernel become idle
    return page.evaluate("shown[0].time - keys[0]")


def _burst(page, handle, keys, wait):
    """Return the milliseconds from the last of many key presses, some ms apart, to its picture; refuse stale pictures."""
    page.evaluate("keys = [], shown = []")
    for key in keys:
        handle.press(key)
        page.wait_for_timeout(wait)
    last = "ε = 0.30" if keys[0] == "ArrowRight" else "ε = 0.00"
    page.wait_for_function("last => shown.some(one => one.alt.endsWith(last))", arg=last)
    page.wait_for_timeout(1000)
    alts = page.evaluate("shown.map(one => one.alt)")
    if alts != sorted(alts, reverse=keys[0] == "ArrowLeft") or not alts[-1].endswith(last):
        raise AssertionError(f"a stale picture was shown: {alts}")
    return page.evaluate("last => shown.find(one => one.alt.endsWith(last)).time - keys.at(-1)", last)


def memory(moves=2000):
    """Move our slider by code in a kernel that sends its pictures to a client."""
    measure = """
import psutil
def resident(moves):
    for move in range(moves):
        ours.move(epsilon=values[move % 31])
    return psutil.Process().memory_info().rss / 2**20
"""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        _run(client, SETUP + OURS + measure)
        before = _run(client, "", "resident(100)")
        for _ in range(moves // 100):  # no more pictures at once than the client's queue takes: it drops the rest
            after = _run(client, "", "resident(100)")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"resident memory before and after {moves} moves: {before:.0f} and {after:.0f} MiB")
    return {"before": before, "after": after}, [target(f"growth over {moves} moves, MiB", after - before, 10)]


def _run(client, code, value="None"):
    """Execute code in a kernel and return the value of an expression there."""
    reply = client.execute_interactive(code, output_hook=lambda _: None, user_expressions={"value": value}, timeout=120)
    result = reply["content"].get("user_expressions", {}).get("value", reply["content"])
    if reply["content"]["status"] != "ok" or result["status"] != "ok":
        raise RuntimeError("\n".join(result["traceback"]))
    return ast.literal_eval(result["data"]["text/plain"])


def target(claim, value, limit):
    return {"claim": claim, "value": round(value, 3), "limit": round(limit, 3), "met": bool(value <= limit)}


SECTIONS = {"sliders": sliders, "memory": memory} | bench_attacks.sections(target) | bench_robustness.sections(target)
SECTIONS |= bench_initialization.sections(target) | bench_training.sections(target) | bench_export.sections(target)
SECTIONS |= bench_load.sections(target) | bench_sliders.sections(target) | bench_notebooks.sections(target)


def save(results):
    """Write build/bench.json, whole or not at all."""
    RESULT.parent.mkdir(exist_ok=True)
    temporary = RESULT.with_suffix(".new")
    temporary.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, RESULT)


TABLES = {  # of tests/README.md, by section
    "attacks": bench_attacks.stored,
    "strongest": bench_attacks.shown_strongest,
    "export": lambda measured: bench_export.computing_table(measured["computing"]),
    "explorers": bench_sliders.table,
    "notebooks": bench_notebooks.table,
}


def store(name, text):
    """Put a table where it stands in the tests' README, between comments with its name, whole or not at all."""
    readme, (start, end) = ROOT / "tests" / "README.md", (f"<!-- {name} -->", f"<!-- end of {name} -->")
    old = readme.read_text(encoding="utf-8")
    temporary = readme.with_name(".README.md")
    temporary.write_text(f"{old[: old.index(start)]}{start}\n{text}\n{old[old.index(end) :]}", encoding="utf-8")
    os.replace(temporary, readme)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of {', '.join(SECTIONS)}")
    parser.add_argument("--store", action="store_true", help="write tables into tests/README.md as well")
    arguments = parser.parse_args()
    sections = arguments.sections or list(SECTIONS)
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"the sections are {', '.join(SECTIONS)}; got {', '.join(sorted(unknown))}")
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for name in sections:
        print(f"\n== {name}", flush=True)
        measured, targets = SECTIONS[name]()
        for one in targets:
            print(f"{'met   ' if one['met'] else 'MISSED'}  {one['claim']}: {one['value']:g}, at most {one['limit']:g}")
        results[name] = {"measured": measured, "targets": targets}
        save(results)  # a section may take an hour
        if arguments.store and name in TABLES:
            store(name, TABLES[name](measured))
    return 0 if all(one["met"] for name in sections for one in results[name]["targets"]) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. Sections that are done are in build/bench.json.")
