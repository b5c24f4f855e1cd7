"""Execute notebooks, each in a fresh kernel; the same results give the same bytes.

    python scripts/execute.py [NOTEBOOK ...] [-p NAME VALUE] [--frames] [--output DIR | --store]

All of notebooks/ without a name, into build/executed/. --store writes back to the notebook itself, if no cell failed.
-p sets a parameter of the notebook, as often as needed; a misspelt one is refused. --frames also keeps, in a folder
beside the executed notebook, the pictures of all positions of the sliders, which export.py needs.
"""

import argparse
import ast
import json
import os
import re
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SECONDS = 300  # for a cell; a notebook takes less than 60 on two cores
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
QUIET = "__import__('logging').getLogger('asyncio').setLevel('CRITICAL')"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


class NotebookError(Exception):
    """A notebook that cannot be executed, or a cell or slider of it that failed."""


def read(path):
    """Return a notebook. A cell without an id gets its number as one, not a random one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))  # some editors put a mark before it
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
        if content.get("nbformat", 4) != 4:
            raise ValueError(f"it has format {content['nbformat']}; JupyterLab saves it in format 4")
        if "cells" not in content:
            raise ValueError("it has no cells")
        for number, cell in enumerate(content["cells"]):
            cell.setdefault("id", f"cell-{number}")
        metadata = content.get("metadata", {}) | METADATA
        notebook = nbformat.reads(json.dumps(content | {"metadata": metadata, "nbformat_minor": 5}), as_version=4)
        nbformat.validate(notebook)
        return notebook
    except Exception as error:  # whatever a file may hold
        reason = " ".join(str(error).split())[:200]
        raise NotebookError(f"{path} is not a notebook that can be read: {reason or type(error).__name__}") from error


def write(notebook, path):
    """Write a notebook whole or not at all. Raises NotebookError where it cannot be written."""
    save(text(notebook), path)


def save(content, path):
    """Write a text whole or not at all. Raises NotebookError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise NotebookError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def ready(folder, paths=()):
    """Make the folder for the results of notebooks. Raises NotebookError where there can be none, or a notebook would be lost."""
    try:
        for path in paths:
            goal = folder / path.name
            if goal.exists() and path.exists() and goal.samefile(path):
                raise NotebookError(f"{path} would be replaced by its own result: name another folder with --output")
        if len({path.name for path in paths}) < len(paths):
            raise NotebookError("two notebooks have the same name, and so would their results: give each its own --output")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} is read-only")
    except OSError as error:
        advice = "name another with --output, or copy the project to a place of your own"
        raise NotebookError(f"no folder to write to ({error}): {advice}") from error


def frames_folder(executed):
    """Return where the frames of an executed notebook lie, given its path."""
    return executed.with_suffix(".frames")


def text(notebook):
    return nbformat.writes(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def check(notebook, parameters):
    """Raise NotebookError for a parameter that the notebook does not have, or of another type than its default."""
    known = {name: meaning(found["default"]) for name, found in papermill.inspect_notebook(notebook).items()}
    for name, value in parameters.items():
        if name not in known:
            raise NotebookError(f"the parameters are {', '.join(known) or 'none'}, got {name!r}")
        expected = type(known[name])
        if not (type(value) is expected or (expected is float and type(value) is int)):
            raise NotebookError(f"parameter {name} must be {expected.__name__} like {known[name]!r}, got {value!r}")


def meaning(word):
    """Return what a word means in Python; "inf" and "nan" are numbers, another word that means nothing there is a text."""
    try:
        return float(word) if re.fullmatch(r"\s*[-+]?(inf|nan)\s*", word) else ast.literal_eval(word)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return word.removeprefix(" ")


def execute(notebook, parameters=None, frames=None):
    """Return a notebook executed in notebooks/ and normalised. Arguments and errors: as ``performed`` has them."""
    return normalise(performed(notebook, parameters, frames))


def performed(notebook, parameters=None, frames=None):
    """Return a notebook executed in notebooks/, with papermill's times. Raises NotebookError where something in it failed.

    frames: a folder into which the explorers write the pictures of all positions, or None.
    """
    check(notebook, parameters or {})
    # This interpreter's own kernel, whatever else is installed for the user.
    own = os.path.join(sys.prefix, "share", "jupyter")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [own, os.environ.get("JUPYTER_PATH")]))
    os.environ["PYTHONHASHSEED"] = "0"
    if os.environ.get("LECTURE_DATA"):
        named = os.path.expanduser(os.environ["LECTURE_DATA"])
        os.environ["LECTURE_DATA"] = os.path.abspath(named)  # the kernel runs in another folder
    os.environ["LECTURE_FRAMES"] = str(frames.resolve()) if frames else ""
    # No warning about encryption at every start, nor of a kernel that ends while it still listens.
    options = ["--IPKernelApp.log_level=CRITICAL", f"--IPKernelApp.exec_lines={QUIET}"]
    if frames:  # see frames.py
        path = filter(None, [os.fspath(Path(__file__).parent), os.environ.get("PYTHONPATH")])
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(os.pathsep.join(path).split(os.pathsep)))
        options.append("--IPKernelApp.exec_lines=__import__('frames') and None")
    try:
        done = papermill.execute_notebook(
            notebook, None, parameters or {}, kernel_name="python3", cwd=NOTEBOOKS, progress_bar=False,
            execution_timeout=SECONDS, extra_arguments=options,
        )  # fmt: skip
    except (papermill.PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from error
    except Exception as error:  # jupyter_client's and zmq's of every kind
        raise NotebookError(f"the kernel did not start or was lost: {type(error).__name__}: {error}") from error
    if errors := hidden_errors(done):
        raise NotebookError("an error that no cell shows:\n" + "\n".join(errors))
    return done


def hidden_errors(notebook):
    """Return the errors that the widgets hold: a slider moved by code swallows what its function raises."""
    found = []
    for model in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        outputs, value = model["state"].get("outputs", []), str(model["state"].get("value", ""))
        found += [f"{one['ename']}: {one['evalue']}" for one in outputs if one["output_type"] == "error"]
        found += [value] if 'role="alert"' in value else []
    return found


def normalise(notebook):
    """Drop what differs between two executions: times, versions, widgets (their pictures stay); mark what nbgrader grades."""
    notebook = nbformat.from_dict(notebook)
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata.update(METADATA)  # papermill has put this Python's version there
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
        elif "injected-parameters" in cell.metadata.tags:
            cell.id = "injected-parameters"
        if cell.cell_type == "code":
            for output in cell.outputs:
                if output.get("data", {}).pop(VIEW, None) and not any(kind.startswith("image/") for kind in output.data):
                    output.data.clear()
            cell.outputs = merged([one for one in cell.outputs if one.get("data", True)])
    mark(notebook.cells)
    return notebook


def mark(cells):
    """Tell nbgrader which cells are answers, and that the check after one is locked and worth a point."""
    answer = None
    for cell in cells:
        tags, number = cell.metadata.get("tags", []), re.search(r'^exercise\("([\w.-]+)"\)\.check\(', cell.source, re.MULTILINE)
        if "exercise" in tags:
            answer = cell
        elif "check" in tags and number and answer:
            name = number[1].replace(".", "-")
            ours = {"schema_version": 3, "task": False, "grade": False, "solution": True, "locked": False}
            kept = answer.metadata.get("nbgrader", {}), cell.metadata.get("nbgrader", {})  # a course's own points, checksums
            answer.metadata.nbgrader = ours | {"grade_id": f"answer-{name}"} | kept[0]
            ours |= {"grade": True, "solution": False, "locked": True, "points": 1}
            cell.metadata.nbgrader = ours | {"grade_id": f"exercise-{name}"} | kept[1]
            answer = None


def merged(outputs):
    """Join what was printed in one go: a kernel sends it in pieces, at no fixed places."""
    kept = []
    for output in outputs:
        if kept and output.output_type == "stream" == kept[-1].output_type and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


class Peak(threading.Thread):
    """The largest memory that one child of this process, the kernel, holds between start and stop, and its seconds of CPU."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes, self.seconds, self.stopped = 0, 0.0, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()

    def run(self):
        looks, children = 0, []
        while not self.stopped.wait(0.1):
            if looks % 10 == 0:  # to find them goes through all processes of the machine: milliseconds
                children = psutil.Process().children()
            looks += 1
            for child in children:
                try:
                    self.bytes = max(self.bytes, child.memory_info().rss)
                    self.seconds = max(self.seconds, sum(child.cpu_times()[:2]))  # user and system
                except psutil.Error:
                    continue  # it has just ended


def said(main):
    """Call a script's ``main``. What stops it, Ctrl-C or what cannot be read or written, costs a line."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except (NotebookError, OSError) as error:
        sys.exit(str(error))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--frames", action="store_true")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--output", type=Path, default=ROOT / "build" / "executed", metavar="DIR")
    target.add_argument("--store", action="store_true")
    words = sys.argv[1:]
    for place, word in enumerate(words[:-2]):
        if word == "-p" and isinstance(meaning(words[place + 2]), int | float):
            words[place + 2] = f" {words[place + 2]}"  # a negative number: argparse takes -1e-3 and -inf for options
    given = parser.parse_args(words)
    parameters = {name: meaning(value) for name, value in given.parameters}
    if given.store and (parameters or given.frames):
        parser.error("--store keeps the results of the default parameters and nothing else, so it takes no -p and no --frames")
    paths = given.notebooks or sorted(NOTEBOOKS.glob("*.ipynb"))
    if not paths:
        parser.error(f"no notebook in {NOTEBOOKS}")
    width, failures, sources = max(len(path.stem) for path in paths), [], {}
    for path in paths:
        try:
            sources[path] = read(path)
        except NotebookError as error:
            failures.append(str(error))
    for path, source in sources.items():
        try:
            check(source, parameters)
        except NotebookError as error:
            parser.error(f"{path.name}: {error}")
    try:
        if not given.store:
            ready(given.output, sources)
    except NotebookError as error:
        parser.error(str(error))

    print(f"{'notebook':{width}}  seconds  CPU s  peak MB  cells  checks", flush=True)
    for path, source in sources.items():
        goal = path if given.store else given.output / path.name
        start, note = time.perf_counter(), ""
        with Peak() as peak:
            try:
                if not given.store:
                    goal.unlink(missing_ok=True)  # an old result must not look like this one's
                    shutil.rmtree(frames_folder(goal), ignore_errors=True)
                frames = frames_folder(goal) if given.frames else None
                if frames:
                    frames.mkdir(parents=True)
                write(execute(source, parameters, frames), goal)
            except (NotebookError, OSError, KeyboardInterrupt) as error:
                stopped = isinstance(error, KeyboardInterrupt)
                failures.append(f"{path}: stopped, nothing of it is kept" if stopped else f"{path}: {error}")
                note = "  STOPPED" if stopped else "  FAILED"
                if not given.store:
                    shutil.rmtree(frames_folder(goal), ignore_errors=True)
        times = f"{time.perf_counter() - start:7.1f}  {peak.seconds:5.1f}"
        code = [cell.source for cell in source.cells if cell.cell_type == "code"]
        checks = sum(one.count(".check(") for one in code)
        print(f"{path.stem:{width}}  {times}  {peak.bytes / 1e6:7.0f}  {len(code):5}  {checks:6}{note}", flush=True)
        if "STOPPED" in note:
            break
    if failures:
        sys.exit("\n\n".join(failures))


if __name__ == "__main__":
    said(main)
