"""Every explorer where it stands, for bench.py: in its notebook, in JupyterLab with its own settings, after Run All.

Beside each explorer a slider over two of its pictures is inserted, which computes nothing. Key presses alternate between the
two; a press is timed until its picture is decoded and drawn.
"""

import statistics
import tempfile
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

import execute
from lab import Lab, notebook, run_all

SHOWS = "_explorer"  # how the name of an explorer ends, in the last line of the cell that shows it
EMPTY = """
import ipywidgets as widgets
from lecture_utils import plots
_explorer, _first = {0}, list({0}.controls)[0]
_frames = [
    plots.image_tag(*_explorer.frame(**{{_first: value}})) for value in _explorer.controls[_first].values[:2]
]
_swapped, _control = widgets.HTML(_frames[0]), widgets.SelectionSlider(options=range(100))
_control.observe(lambda change, swapped=_swapped, frames=_frames: setattr(swapped, "value", frames[change.new % 2]), "value")
widgets.VBox([_control, _swapped])
"""
# Runs in the page. A press counts from when the browser got it, a picture as shown in the frame after it is decoded.
PRESS = """async ([handle, area, key]) => {
    const before = area.querySelector("img").src
    let start
    handle.addEventListener("keydown", event => start = event.timeStamp, {capture: true, once: true})
    const shown = new Promise(done => {
        const look = async () => {
            const image = area.querySelector("img")
            if (!image || image.src == before) return
            watch.disconnect()
            await image.decode().catch(() => {})
            requestAnimationFrame(() => done(performance.now()))
        }
        const watch = new MutationObserver(look)
        watch.observe(area, {subtree: true, childList: true, attributeFilter: ["src"]})
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


def explorers(target, presses=40):
    """Press the arrow keys of every explorer's first slider and of the swap beside it; the same in a notebook of its own."""
    rows, targets = {}, []
    with tempfile.TemporaryDirectory() as folder, Lab(folder, settings={}) as lab:
        for path in sorted(execute.NOTEBOOKS.glob("*.ipynb")):
            source, names = with_swaps(path)
            for name, row in _measured(lab, source, names, presses, Path(folder, path.name)).items():
                own = _measured(lab, alone(path, name), [name], presses, Path(folder, "alone.ipynb"))[name]
                rows[f"{path.stem[:1]} {name.removesuffix(SHOWS)}"] = row | {"alone": own["median"]}
    print(f"{'key press to picture, ms':28}{'median':>8}{'95 %':>8}{'swap':>8}{'95 %':>8}{'alone':>8}{'CPU':>8}")
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"{row[key]:8.0f}" for key in ("median", "95 %", "swap", "swap 95 %", "alone", "CPU")))
        targets += [
            target(f"{name}, picture / empty swap", row["median"] / row["swap"], 2.5),
            target(f"{name}, here / in a notebook of its own", row["median"] / row["alone"], 1.3),
            target(f"{name}, ms of the kernel's CPU a move", row["CPU"], 60),
        ]
    return rows, targets


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


def _pressed(page, ours, empty, kernel, presses):
    ours.scroll_into_view_if_needed()
    times, used = {"ours": [], "empty": []}, 0.0
    for press in range(presses):
        key = "ArrowRight" if press % 20 < 10 else "ArrowLeft"
        for name, area in (("empty", empty), ("ours", ours)):
            handle, before = area.locator(".noUi-handle").first, sum(kernel.cpu_times()[:2])
            page.evaluate(PRESS, [handle.element_handle(), area.element_handle(), key])
            handle.press(key)
            times[name].append(page.evaluate("pressed"))
            page.wait_for_timeout(100)  # let the kernel become idle
            used += sum(kernel.cpu_times()[:2]) - before if name == "ours" else 0.0
    row = {"CPU": 1000 * used / presses}
    for name, label in (("ours", "median"), ("empty", "swap")):
        row[label] = statistics.median(times[name])
        row["95 %" if name == "ours" else "swap 95 %"] = statistics.quantiles(times[name], n=20)[-1]
    return row


def sections(target):
    """Return the sections for bench.py, given its ``target(claim, value, limit)``."""
    return {"explorers": lambda: explorers(target)}
