"""The notebooks from top to bottom, for bench.py: seconds on all cores and on one, memory, and where the time goes."""

import os
import time
from collections import Counter

import execute

KINDS = "imports", "figures", "checks", "the rest"  # of the cells, by what takes most of their time
COLUMNS = "seconds", "on one core", "CPU", "MB", "start", *KINDS


def notebooks(target):
    rows, targets = {}, []
    for path in sorted(execute.NOTEBOOKS.glob("*.ipynb")):
        rows[path.stem] = row = _run(path)
        row["on one core"] = _on_one_core(path)["seconds"]
        targets += [
            target(f"{path.stem}, seconds", row["seconds"], 60),
            target(f"{path.stem}, seconds on one core", row["on one core"], 90),
            target(f"{path.stem}, MB", row["MB"], 1000),
        ]
    print(table(rows))
    return rows, targets


def _on_one_core(path):
    """Return the same where the kernel, which inherits this, has a single core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        return _run(path)
    finally:
        os.sched_setaffinity(0, cores)


def _run(path):
    """Execute a notebook in a fresh kernel; return seconds, of which kind, its CPU time, its memory, and its longest cell."""
    start = time.perf_counter()
    with execute.Peak() as peak:
        done = execute.performed(execute.read(path))
    seconds = time.perf_counter() - start
    spent = {cell.id: cell.metadata.papermill.duration for cell in done.cells if cell.cell_type == "code"}
    kinds = Counter()
    for cell in done.cells:
        kinds[_kind(cell)] += spent.get(cell.id, 0.0)
    longest = max(spent, key=spent.get)
    return {
        **{"seconds": seconds, "CPU": peak.seconds, "MB": peak.bytes / 1e6, "start": seconds - sum(spent.values())},
        **{kind: kinds[kind] for kind in KINDS},
        "longest": f"`{longest}`, {spent[longest]:.1f}",
    }


def _kind(cell):
    if cell.source.startswith("import "):
        return "imports"
    if ".check(" in cell.source:
        return "checks"
    drawn = any(kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {}))
    return "figures" if drawn else "the rest"


def table(rows):
    """Return what was measured as a table of Markdown."""
    lines = [f"| notebook | {' | '.join(COLUMNS)} | longest cell |", "| --- |" + " --: |" * len(COLUMNS) + " --- |"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{row[column]:.0f}' for column in COLUMNS)} | {row['longest']} |")
    return "\n".join(lines)


def sections(target):
    return {"notebooks": lambda: notebooks(target)}
