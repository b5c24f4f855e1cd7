"""Every notebook: runs, runs twice, runs with other parameters, says what it stores, and is built as the others are."""

import base64
import io
import json
import re
import statistics
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

import execute
import executions
from executions import NOTEBOOKS, code_cells, run_nbval, run_notebook
from lecture_utils.exercises import EXERCISES

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
LINK = re.compile(r"\[((?:[^][]|\[[^]]*\])*)\]\(((?:[^()\s]|\([^()\s]*\))+)\)")  # words, target
NUMBER = r"-?\d+(\.\d+)?(e[-+]?\d+)?"


# Running


@each_notebook
def test_it_runs_within_its_memory_and_time(path, moved):
    """On one core and in two gigabytes, as on Binder, and with the pictures of all its sliders."""
    status, printed, *_ = moved(path)
    assert status == 0, printed
    row = next(line.split() for line in printed.splitlines() if line.startswith(path.stem))  # the kernel may say more after it
    _, seconds, megabytes, *_ = map(float, row[1:])
    assert megabytes < (1550 if torch.version.cuda else 1200)  # a torch built for CUDA alone is 310 MB larger
    assert seconds < 120  # of the kernel's CPU, whatever else the machine does


@each_notebook
def test_every_cell_can_be_run_again_at_any_time_with_the_same_result(path, runs):
    """After the whole notebook has run, in a random order: no name is used for two things. With other parameters."""
    status, printed, output = runs[path, "again"]
    assert status == 0, printed
    cells = {cell.id: cell for cell in code_cells(execute.read(output))}
    pairs = [(cells[name.split("-again-")[0]], cell) for name, cell in cells.items() if "-again-" in name]
    assert len(pairs) >= len(code_cells(execute.read(path)))
    assert not [first.source for first, again in pairs if shown(first) != shown(again)]


@each_notebook
def test_every_slider_moves_to_both_ends(path, moved):
    status, printed, _, output = moved(path)
    assert status == 0, printed
    found = told(output)
    wrong = [line for line in found if not line.endswith(" - moves")]
    assert found and not wrong, "\n".join(wrong)


@each_notebook
def test_what_is_stored_is_what_the_notebook_says(path, executed):
    """Word for word where nbval is told to compare; else up to numbers, whose last digits differ between processors."""
    stored, now = execute.read(path), executed(path)
    assert [cell.source for cell in stored.cells] == [cell.source for cell in now.cells]
    for one, other in zip(code_cells(stored), code_cells(now), strict=True):
        assert one.execution_count == other.execution_count
        assert [outline(output) for output in one.outputs] == [outline(output) for output in other.outputs], one.source
        assert not checked(one) or text_of(one) == text_of(other), one.source


@pytest.mark.slow
def test_nbval_passes_what_is_stored_and_sees_a_changed_number(tmp_path):
    """Up to the first cell that it compares, whose number is changed: that one fails, and those before it pass."""
    path = NOTEBOOKS[0]
    notebook = execute.read(path)
    last = next(i for i, cell in enumerate(notebook.cells) if checked(cell) and re.search(r"\d", text_of(cell)))
    notebook.cells = notebook.cells[: last + 1]
    output = next(one for one in notebook.cells[last].outputs if re.search(r"\d", one.get("text") or one.data["text/plain"]))
    place = output if "text" in output else output.data
    key = "text" if "text" in output else "text/plain"
    place[key] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), place[key], count=1)
    execute.write(notebook, tmp_path / path.name)
    _, printed, counts = run_nbval(tmp_path / path.name)
    assert counts == {"failed": 1, "passed": len(code_cells(notebook)) - 1} or counts == {"failed": 1}, printed


# What must fail


def written(path, *sources, first='seed, quick = 0, False\nname = "a"'):
    """Write a small notebook of these cells, after one of parameters."""
    cells = [nbformat.v4.new_code_cell(first, metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, sources)]
    execute.write(execute.normalise(nbformat.v4.new_notebook(cells=cells)), path)
    return path


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("epsilno", "0.5"), "the parameters are seed, epsilon, dataset, got 'epsilno'"),
        (("seed", "one"), "parameter seed must be int like 0, got 'one'"),
        (("dataset", "7"), "parameter dataset must be str like 'digits', got 7"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys, given, message):
    source = written(tmp_path / "a.ipynb", "1 / 0", first='seed = 0\nepsilon = 0.1  # radius\ndataset = "digits"')
    monkeypatch.setattr(sys, "argv", ["execute.py", str(source), "--output", str(tmp_path / "out"), "-p", *given])
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("it runs"))
    with pytest.raises(SystemExit, match="2"):
        execute.main()
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


DRAW = """
import lecture_utils.explore, lecture_utils.plots
panel = lecture_utils.plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))
calls = []
def draw(epsilon):
    calls.append(epsilon)
    if {wrong}:
        raise ValueError("the drawing went wrong")
    return panel.update([0, 1], [[0, epsilon]], f"a line that rises to {{epsilon}}")
explorer = lecture_utils.explore.explore(draw, epsilon=lecture_utils.explore.slider([0.1, 0.2], 0.1))
explorer
""".strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    "sources",
    [
        (DRAW.format(wrong="len(calls) > 1"),),
        (
            DRAW.format(wrong="epsilon > 0.1"),
            "import contextlib\nwith contextlib.suppress(ValueError): explorer.move(epsilon=0.2)",
        ),
    ],
    ids=["when it is shown", "where the cell does not see it"],
)
def test_an_explorer_whose_draw_raises_makes_the_execution_fail(tmp_path, sources):
    status, printed, output = run_notebook(written(tmp_path / "a.ipynb", *sources), tmp_path / "out")
    assert status != 0 and "ValueError: the drawing went wrong" in printed
    assert not output.exists()


def test_an_error_inside_interact_is_found():
    """A slider of ipywidgets shows an error in an Output widget, and no cell fails; this is what is stored then."""
    error = {"output_type": "error", "ename": "ValueError", "evalue": "the drawing went wrong", "traceback": []}
    state = {"1": {"model_name": "OutputModel", "state": {"outputs": [error]}}, "2": {"model_name": "HTMLModel", "state": {}}}
    notebook = nbformat.v4.new_notebook(metadata={"widgets": {execute.STATE: {"state": state}}})
    assert execute.hidden_errors(notebook) == ["ValueError: the drawing went wrong"]


@pytest.mark.slow
def test_an_explorer_that_raises_at_one_end_of_its_slider_is_found(tmp_path):
    source = written(tmp_path / "a.ipynb", DRAW.format(wrong="epsilon > 0.1"), executions.MOVES)
    status, printed, output = run_notebook(source, tmp_path / "out")
    assert status == 0, printed
    assert told(output) == ["draw - ValueError: the drawing went wrong"]


@pytest.mark.slow
def test_a_failed_execution_leaves_the_stored_notebook_alone(tmp_path):
    source = written(tmp_path / "a.ipynb", "print(seed)", "1 / 0")
    before = source.read_bytes()
    status, printed = executions.run(["scripts/execute.py", source, "--store"])
    assert status != 0 and "ZeroDivisionError" in printed
    assert source.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["a.ipynb"]


@pytest.mark.slow
def test_the_kernel_is_this_interpreters_own_and_gets_the_parameters(tmp_path, monkeypatch):
    kernel = tmp_path / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "of another project", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    source = written(tmp_path / "a.ipynb", "import sys\nprint(sys.prefix, seed)", first="seed = 0")
    status, printed, output = run_notebook(source, tmp_path / "out", "-p", "seed", "3")
    assert status == 0, printed
    _, given, shown_cell = code_cells(execute.read(output))
    assert given.id == "injected-parameters" and shown_cell.outputs[0].text.split() == [execute.sys.prefix, "3"]


# How a notebook is built


@each_notebook
def test_the_first_code_cell_holds_the_parameters(path):
    assert "parameters" in code_cells(execute.read(path))[0].metadata.get("tags", [])
    assert {"seed", "quick"} <= executions.parameters(path).keys()


@each_notebook
def test_cells_are_short(path):
    lines = [len(cell.source.splitlines()) for cell in code_cells(execute.read(path))]
    assert max(lines) <= 25
    assert statistics.median(lines) <= 8


@each_notebook
def test_it_stores_all_its_results_and_no_error_in_less_than_one_and_a_half_megabytes(path):
    notebook = execute.read(path)
    assert path.stat().st_size < 1_500_000
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    outputs = [one for cell in code_cells(notebook) for one in cell.outputs]
    assert not [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"]
    assert "widgets" not in notebook.metadata
    assert any(checked(cell) for cell in notebook.cells)
    assert execute.text(execute.normalise(notebook)) == path.read_text(encoding="utf-8")


@each_notebook
def test_every_picture_has_an_alternative_text(path):
    notebook = execute.read(path)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                assert alternatives(data.get("text/html", "")), cell.source
            assert all(alternatives(data.get("text/html", ""))), cell.source
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert all(alternatives(cell.source)), cell.source
            assert not re.search(r"!\[\s*\]\(", cell.source), cell.source


@each_notebook
def test_no_picture_is_cut_at_its_edge(path):
    for cell in code_cells(execute.read(path)):
        pictures = [part for output in cell.outputs for kind, part in output.get("data", {}).items() if kind.startswith("image/")]
        for content in pictures:
            levels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"))
            edges = levels[0], levels[-1], levels[:, 0], levels[:, -1]
            assert all((edge >= 224).all() for edge in edges), cell.source  # in a JPEG file white is not quite white


@each_notebook
def test_headings_are_numbered_and_skip_no_level(path):
    found = headings(path)
    levels = [len(line.split()[0]) for line in found]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False)), found
    assert not [line for line in found if not re.match(r"# \D*\d|## (\d+ |What to take away|References)|###", line)]


@each_notebook
def test_every_link_to_a_heading_names_it_as_jupyterlab_and_github_do(path):
    """Both take the heading's text, with a - for every space."""
    for _, target in LINK.findall(prose(path)):
        if re.match("https?:", target):
            continue
        name, _, place = target.partition("#")
        other = path.parent / name if name else path
        assert other.is_file() or (path.parent / name).is_dir(), target
        places = [re.sub("^#+ +", "", line).replace(" ", "-") for line in headings(other)] if place else []
        assert not place or unquote(place) in places, target


@each_notebook
def test_every_mention_of_an_exercise_a_section_or_a_slide_is_a_link(path):
    text = re.sub(r"^#+ .*$", "", LINK.sub("", prose(path)), flags=re.MULTILINE)
    own = path.stem[0]
    mentions = re.findall(r"\b[Ee]xercise \d\.\d|\b[Ss]ections? \d|\b[Ss]lide \d+", text)
    assert not [one for one in mentions if one.lower() != f"section {own}"]


@each_notebook
def test_exercises_stand_in_the_order_of_their_numbers(path):
    numbers = [found[1] for line in headings(path) if (found := re.match(r"### Exercise (\d\.\d+):", line))]
    code = "\n".join(cell.source for cell in code_cells(execute.read(path)))
    checked = re.findall(r'^exercise\("([\d.]+)"\)\.check\(', code, flags=re.MULTILINE)
    own = [number for number in EXERCISES if number.startswith(path.stem[0])]
    assert numbers == checked == own


def prose(path):
    """Return the text of a notebook, without code."""
    text = "\n\n".join(cell.source for cell in execute.read(path).cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def headings(path):
    return re.findall("^#+ .*$", prose(path), flags=re.MULTILINE)


def told(path):
    """Return what the cell that moves all sliders printed, a line an explorer."""
    return next(text_of(cell).splitlines() for cell in code_cells(execute.read(path)) if cell.source == executions.MOVES)


def checked(cell):
    return cell.cell_type == "code" and "nbval-check-output" in cell.metadata.get("tags", [])


def text_of(cell):
    return "".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)


def shown(cell):
    return [{key: value for key, value in output.items() if key != "execution_count"} for output in cell.outputs]


def outline(output):
    """Return what an output is, with every number replaced by #, whatever its width."""
    plain = output.get("text") or output.get("data", {}).get("text/plain", "")
    return output.output_type, sorted(output.get("data", {})), re.sub(rf" *{NUMBER}", " #", plain)


def alternatives(html):
    """Return the alternative texts of all images in a piece of HTML; None for an image that has none."""
    found, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append(dict(attributes).get("alt")) if tag == "img" else None
    parser.feed(html)
    return found
