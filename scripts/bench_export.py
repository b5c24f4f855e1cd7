"""The exported pages and slides, for bench.py: how long the export takes, how large it is, how long a move of a slider takes.

A move is timed from the slider's event until the picture is drawn: of frames in headless Chromium, of explorers that compute in
Firefox as well, at rest (MOVED), where it is known which moves keep the page's own thread for more than 50 ms.
"""

import statistics
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

import execute
from firefox import Firefox, firefox
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
MOVED = """(async moves => {
    const found = {}, rest = time => new Promise(done => setTimeout(done, time))
    const until = async test => { while (!test()) await rest(20) }
    for (const figure of document.querySelectorAll(".computing")) {
        figure.scrollIntoView()
        const still = () => until(() => figure.getAttribute("aria-busy") === "false")
        await still()
        await rest(600)
        const input = figure.querySelector(".live input[type=range]"), times = [], tasks = []
        const watch = new PerformanceObserver(list => tasks.push(...list.getEntries().map(one => one.duration)))
        const known = PerformanceObserver.supportedEntryTypes.includes("longtask")
        if (known) watch.observe({type: "longtask"})
        for (let move = 0; move < moves; move++) {
            const drawn = new Promise(done => figure.addEventListener("shown", done, {once: true}))
            input.value = Number(input.min) + (input.max - input.min) * (move * 7 % 11 + 1) / 12
            const start = performance.now()
            input.dispatchEvent(new Event("input"))
            await drawn
            times.push(performance.now() - start)
            await still()
            await rest(50)
        }
        watch.disconnect()
        found[figure.dataset.live] = {times, tasks: known ? tasks : null}
    }
    return found
})"""
COMPUTING = {"digit": 60, "mine": 250}  # ms a move at most; 100 for the others


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
        computing = {"Chromium": _computing(_in_chromium(browser), moves // 3)}
        browser.close()
    if firefox():
        with Firefox(1280, 900) as opened:
            computing["Firefox"] = _computing(_in_firefox(opened), moves // 3)
    print(f"the export takes {seconds:.1f} s\n{'':42}{'MB':>6}{'ms a move':>11}{'95 %':>8}")
    for name, row in rows.items():
        print(f"{name:42}{row['MB']:6.1f}{row['median']:11.1f}{row['95 %']:8.1f}")
    print(computing_table(computing))
    for explorer, row in computing["Chromium"].items():
        targets.append(target(f"{explorer}, ms a move, median", row["median"], COMPUTING.get(explorer, 100)))
        targets.append(target(f"{explorer}, tasks longer than 50 ms on the page's own thread", row["tasks"], 0))
    return {"seconds": seconds, "files": rows, "computing": computing}, targets


def _in_firefox(opened):
    def evaluate(file, call):
        opened.open(file.as_uri())
        return opened.evaluate(call)

    return evaluate


def _in_chromium(browser):
    def evaluate(file, call):
        page = browser.new_page()
        page.goto(file.as_uri())
        found = page.evaluate(call)
        page.close()
        return found

    return evaluate


def _computing(evaluate, moves):
    """Return for each explorer that computes: file, MB, ms a move, how many tasks were long (None: not known), the longest."""
    rows, site = {}, ROOT / "build" / "site"
    for file in [site / "try.html", site / "picture.html", *sorted(site.glob("[0-9]_*.html"))]:
        for explorer, one in evaluate(file, f"{MOVED}({moves})").items():
            if explorer in rows:
                continue  # the digit's, on a page of its own and in its section
            tasks = one["tasks"]
            rows[explorer] = {"file": file.name, "MB": file.stat().st_size / 1e6, "median": statistics.median(one["times"])}
            rows[explorer] |= {"95 %": statistics.quantiles(one["times"], n=20)[-1]}
            rows[explorer] |= {"tasks": None if tasks is None else len(tasks), "longest": max(tasks or [0])}
    return rows


def computing_table(computing):
    """Return what was measured as a table of Markdown."""
    lines = [
        "| explorer | file | MB | browser | ms a move | 95 % | tasks > 50 ms |",
        "| --- | --- | --: | --- | --: | --: | --: |",
    ]
    for explorer in computing["Chromium"]:
        for browser, rows in computing.items():
            row = rows[explorer]
            tasks = "not told" if row["tasks"] is None else row["tasks"]
            times = f"{row['median']:.0f} | {row['95 %']:.0f}"
            lines.append(f"| {explorer} | {row['file']} | {row['MB']:.1f} | {browser} | {times} | {tasks} |")
    return "\n".join(lines)


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
