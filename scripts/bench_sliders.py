"""Every explorer where it stands, for bench.py: in its notebook, in JupyterLab with its own settings, after Run All.

Beside each explorer a slider over two of its pictures is inserted, which computes nothing. Key presses alternate between the
two in bursts; a press is timed until its picture is decoded and drawn. The slider goes from end to end and back; where the
picture stays the same, there is nothing to time.
"""

import math
import statistics
import tempfile
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

import execute
from lab import Lab, notebook, run_all

SHOWS = "_explorer"  # how the name of an explorer ends, in the last line of the cell that shows it
COLUMNS = "median", "95 %", "swap", "swap 95 %", "CPU"
EMPTY = """
import ipywidgets as widgets
from lecture_utils import plots
_explorer, _first = {0}, list({0}.controls)[0]
_slider = _explorer.controls[_first]
_ends = _slider.default, _slider.values[-1 if _slider.default == _slider.values[0] else 0]
_frames = [plots.image_tag(*_explorer.frame(**{{_first: value}})) for value in _ends]
_swapped, _control = widgets.HTML(_frames[0]), widgets.SelectionSlider(options=range(100))
_control.observe(lambda change, swapped=_swapped, frames=_frames: setattr(swapped, "value", frames[change.new % 2]), "value")
widgets.VBox([_control, _swapped])
"""
# Runs in the page. A press counts from when the browser got it, a picture as shown in the frame after it is decoded.
PRESS = """async ([handle, area, key]) => {
    const {src, alt} = area.querySelector("img")
    let start
    handle.addEventListener("keydown", event => start = event.timeStamp, {capture: true, once: true})
    const shown = new Promise(done => {
        const look = async () => {
            const image = area.querySelector("img")
            if (!image || (image.src == src && image.alt == alt)) return
            watch.disconnect()
            if (image.src == src) done(NaN)  // the same picture with another text
            await image.decode().catch(() => {})
            requestAnimationFrame(() => done(performance.now()))
        }
        const watch = new MutationObserver(look)
        watch.observe(area, {subtree: true, childList: true, attributeFilter: ["src", "alt"]})
        setTimeout(() => done(NaN), 10000)  // nothing changes
    })
    window.pressed = shown.then(end => end - start)
}"""


def with_swaps(path):
    """Return a notebook with an empty swap after each explorer, and the names of the explorers."""
    source, names, cells = execute.read(path), [], []
    for cell in source.cells:
        cells.append(cell)
        last = cell.source.strip().rsplit("\n", 1)[-1]
        if cell.cell_type == "code" and last.isidentifier() and last.endswith(SHOWS):
            names.append(last)
            cells.append(nbformat.v4.new_code_cell(EMPTY.format(last).strip(), id=f"empty-{len(names)}"))
    source.cells = cells
    return source, names


def alone(path, name):
    """Return a notebook that shows one explorer of another one, without its prose and its other outputs."""
    source = execute.read(path)
    code = [cell.source for cell in source.cells if cell.cell_type == "code" and ".check(" not in cell.source]
    last = next(i for i, cell in enumerate(code) if cell.strip().endswith(f"\n{name}"))
    shown = "\n".join(code[: last + 1]).removesuffix(name)
    return notebook(f"def display(*_): pass\n{shown}", name, EMPTY.format(name))


def explorers(target, presses=20, own=False):
    """Press the arrow keys of every explorer's first slider and of the swap beside it; own: also in a notebook of its own."""
    rows, targets, columns = {}, [], [*COLUMNS, *["alone"] * own]
    print(f"{'key press to picture, ms':28}" + "".join(f"{name:>10}" for name in columns))
    with tempfile.TemporaryDirectory() as folder, Lab(folder, settings={}) as lab:
        for path in sorted(execute.NOTEBOOKS.glob("*.ipynb")):
            source, names = with_swaps(path)
            for shown, row in _measured(lab, source, names, presses, Path(folder, path.name)).items():
                name = f"{path.stem[:1]} {shown.removesuffix(SHOWS)}"
                if own:
                    there = _measured(lab, alone(path, shown), [shown], presses, Path(folder, "alone.ipynb"))
                    row["alone"] = there[shown]["median"]
                    targets.append(target(f"{name}, here / in a notebook of its own", row["median"] / row["alone"], 1.3))
                rows[name] = row
                print(f"{name:28}" + "".join(f"{row[column]:10.0f}" for column in columns), flush=True)
                targets += [
                    target(f"{name}, picture / empty swap", row["median"] / row["swap"], 2.5),
                    target(f"{name}, ms of the kernel's CPU a move", row["CPU"], 60),
                ]
    return rows, targets


def table(rows):
    """Return what was measured as a table of Markdown."""
    lines = [f"| explorer | {' | '.join(COLUMNS)} | median / swap |", "| --- |" + " --: |" * (len(COLUMNS) + 1)]
    for name, row in rows.items():
        values = " | ".join(f"{row[column]:.0f}" for column in COLUMNS)
        lines.append(f"| {name} | {values} | {row['median'] / row['swap']:.1f} |")
    return "\n".join(lines)


def _measured(lab, source, names, presses, file):
    """Return what presses cost in a notebook: for each explorer medians and 95 %, its swap's, the kernel's CPU; milliseconds."""
    nbformat.write(source, file)
    with lab.open(file.name) as page:
        run_all(page)
        servant = psutil.Process(lab.server.pid).children(recursive=True)
        kernel = next(one for one in servant if "ipykernel_launcher" in one.cmdline())
        areas = page.locator(".jp-OutputArea-output:has(.widget-slider)").all()
        pairs = zip(areas[::2], areas[1::2], strict=True)
        return {
            name: _pressed(page, *pair, kernel, presses)
            for name, pair in tqdm(list(zip(names, pairs, strict=True)), desc=file.stem, disable=None)
        }


def _pressed(page, ours, empty, kernel, presses, burst=5):
    ours.scroll_into_view_if_needed()
    times, used, keys = {"ours": [], "empty": []}, 0.0, {"ours": "ArrowRight", "empty": "ArrowRight"}
    for _ in range(presses // burst):
        for name, area in (("empty", empty), ("ours", ours)):
            handle, found = area.locator(".noUi-handle").first, []
            for number in range(burst + 1):
                before = sum(kernel.cpu_times()[:2])
                now, low, high = (float(handle.get_attribute(f"aria-value{end}")) for end in ("now", "min", "max"))
                keys[name] = {low: "ArrowRight", high: "ArrowLeft"}.get(now, keys[name])
                page.evaluate(PRESS, [handle.element_handle(), area.element_handle(), keys[name]])
                handle.press(keys[name])
                found.append(page.evaluate("pressed"))
                page.wait_for_timeout(100)  # let the kernel become idle
                used += sum(kernel.cpu_times()[:2]) - before if name == "ours" and number else 0.0
            times[name] += found[1:]  # the first one also moves the focus, which JupyterLab answers with a layout of all cells
    row = {"CPU": 1000 * used / presses}
    for name, label in (("ours", "median"), ("empty", "swap")):
        timed = [one for one in times[name] if not math.isnan(one)]
        row[label] = statistics.median(timed)
        row["95 %" if name == "ours" else "swap 95 %"] = statistics.quantiles(timed, n=20)[-1]
    return row


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"explorers": lambda: explorers(target), "alone": lambda: explorers(target, own=True)}
