"""The exported pages and slides, for bench.py: how long the export takes, how large it is, how long a move of a slider takes.

A move is timed in headless Chromium, from the slider's event until the picture is drawn.
"""

import statistics
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

import execute
from lab import FLAGS, ROOT, chromium

LIMITS = {"site": 6, "slides": 8}  # MB
MOVES = """async moves => {
    const times = []
    for (const figure of document.querySelectorAll(".explorer")) {
        const inputs = [...figure.querySelectorAll("input")]
        for (let move = 0; move < moves; move++) {
            const input = inputs[move % inputs.length]
            const drawn = new Promise(done => figure.addEventListener("shown", done, {once: true}))
            input.value = (Number(input.value) + 1) % (Number(input.max) + 1)
            const start = performance.now()
            input.dispatchEvent(new Event("input"))
            await drawn
            times.push(performance.now() - start)
            await new Promise(done => setTimeout(done, 20))
        }
    }
    return times
}"""


def export(target, moves=60):
    """Export what is in build/executed, executed now where it is not there, and move every slider of every page and deck."""
    paths = sorted(execute.NOTEBOOKS.glob("*.ipynb"))
    executed = [ROOT / "build" / "executed" / path.name for path in paths]
    missing = [path for path, done in zip(paths, executed, strict=True) if not execute.frames_folder(done).is_dir()]
    if missing:
        subprocess.run([sys.executable, "scripts/execute.py", "--frames", *missing], cwd=ROOT, check=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, "scripts/talk.py", "--site"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    rows, targets = {}, [target("seconds of the export, all notebooks", seconds, 180)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[f"--{flag}" for flag in FLAGS.split()])
        for part, limit in LIMITS.items():
            for path in paths:
                file = ROOT / "build" / part / f"{path.stem}.html"
                row = rows[f"{part}/{file.name}"] = {"MB": file.stat().st_size / 1e6} | _latency(browser, file, moves)
                targets.append(target(f"{part}/{file.name}, MB", row["MB"], limit))
                targets.append(target(f"{part}/{file.name}, ms a move, 95 %", row["95 %"], 16))
        browser.close()
    print(f"the export takes {seconds:.1f} s\n{'':42}{'MB':>6}{'ms a move':>11}{'95 %':>8}")
    for name, row in rows.items():
        print(f"{name:42}{row['MB']:6.1f}{row['median']:11.1f}{row['95 %']:8.1f}")
    return {"seconds": seconds, "files": rows}, targets


def _latency(browser, file, moves):
    page = browser.new_page()
    page.goto(file.as_uri())
    page.wait_for_timeout(1000)
    times = page.evaluate(MOVES, moves)
    page.close()
    return {"median": statistics.median(times), "95 %": statistics.quantiles(times, n=20)[-1]}


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"export": lambda: export(target)}
