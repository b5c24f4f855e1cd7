"""Whatever bytes, words and moves come in: an answer or one sentence, soon. LECTURE_CASES=10000 tries more of them."""

import json
import os
import struct
import tempfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ipywidgets.widgets import widget

import execute
from lecture_utils import data, explore, networks
from test_pictures import DAMAGED, SMALL

CASES = int(os.environ.get("LECTURE_CASES", "200"))
fuzzed = settings(max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def told(error):
    text = str(error)
    assert len(text.splitlines()) == 1 and 10 < len(text) < 1000 and " object at 0x" not in text, text
    return text


def changed(content):
    """Return a strategy of byte strings that are like this one: bytes changed, pieces cut out, doubled or moved."""
    place = st.integers(0, len(content))
    change = st.tuples(st.sampled_from(["set", "cut", "double", "insert"]), place, place, st.binary(max_size=8))

    def apply(changes):
        made = content
        for way, a, b, new in changes:
            a, b = sorted((a % (len(made) + 1), b % (len(made) + 1)))
            parts = {
                "set": (made[:a], new, made[a + len(new) :]),
                "cut": (made[:a], made[b:]),
                "insert": (made[:a], new, made[a:]),
            }
            made = b"".join(parts.get(way, (made[:b], made[a:b][:500], made[b:])))
        return made

    return st.lists(change, max_size=4).map(apply)


@fuzzed
@given(st.one_of(st.binary(max_size=300), *map(changed, SMALL.values())), st.sampled_from([None, 1, 8]))
def test_a_picture_is_an_image_or_a_sentence(content, size):
    try:
        x = data.read_image(content, size)
    except ValueError as error:
        assert "must " in told(error) or DAMAGED in str(error)
    else:
        assert x.dim() == 4 and x.shape[:2] == (1, 3) and 0 <= x.min() and x.max() <= 1


def idx(*head, rest=b""):
    return struct.pack(f">{len(head)}I", *head) + rest


NUMBERS = st.one_of(st.integers(0, 3), st.sampled_from([28, 2049, 2051, 60_000, 2**31, 2**32 - 1]))
HEADS = st.builds(lambda head, rest: idx(*head, rest=rest), st.lists(NUMBERS, max_size=5), st.binary(max_size=60))
FILES = st.one_of(
    st.none(), st.binary(max_size=50), HEADS, changed(idx(2051, 2, 28, 28, rest=bytes(1568))), changed(idx(2049, 2, rest=b"\1\2"))
)


@pytest.mark.slow
@fuzzed
@given(FILES, FILES, st.sampled_from(["", ".gz"]))
@example(idx(2051, 2, 28, 28, rest=bytes(1568)), idx(2049, 2, rest=b"\1\2"), "")
def test_idx_files_are_images_with_labels_or_a_sentence(images, labels, ending):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, content in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
            if content is not None:
                Path(folder, f"{name}{ending}").write_bytes(content)
        patch.setenv("LECTURE_DATA", folder)
        patch.setattr(data, "_watch", lambda *_: (_ for _ in ()).throw(OSError("no network")))
        try:
            x, y = data.load("mnist", "test")
        except OSError as error:
            assert "MNIST" in told(error)
        else:
            assert x.shape == (len(y), 1, 28, 28) and 0 <= x.min() and x.max() <= 1 and set(y.tolist()) <= set(range(10))


ENTRY = networks.manifest()["digits-standard"]
NETWORK = (data.FOLDER / ENTRY["file"]).read_bytes()
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
KEYS = st.sampled_from([*ENTRY, *ENTRY["architecture"]])


def with_value(key, value):
    part = {"architecture": ENTRY["architecture"] | {key: value}} if key in ENTRY["architecture"] else {key: value}
    return json.dumps({"digits-standard": ENTRY | part}).encode()


MANIFESTS = st.one_of(
    st.binary(max_size=50), VALUES.map(lambda value: json.dumps(value).encode()), st.builds(with_value, KEYS, VALUES),
    changed(json.dumps({"digits-standard": ENTRY}).encode()),
)  # fmt: skip


@pytest.mark.slow
@fuzzed
@given(MANIFESTS)
@example(json.dumps({"digits-standard": ENTRY}).encode())
@example(with_value("file", "a\rb"))
def test_a_manifest_leads_to_its_network_or_to_a_sentence(content):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder, "manifest.json").write_bytes(content)
        Path(folder, ENTRY["file"]).write_bytes(NETWORK)
        patch.setattr(data, "FOLDER", Path(folder))
        try:
            model = networks.load("digits-standard")
        except (OSError, ValueError) as error:
            told(error)
        else:
            assert len(list(model.parameters())) == 8


SMALL_NOTEBOOK = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell("seed = 0\nquick = False\nepsilon = 0.1\nname = 'a'", metadata={"tags": ["parameters"]})],
    metadata=execute.METADATA,
)
WORDS = st.one_of(
    st.text(max_size=20), VALUES.map(repr), st.floats().map(repr), st.sampled_from(["-1e-3", "-inf", "(" * 500, "{[]: 1}"])
)


@fuzzed
@given(st.one_of(st.sampled_from(["seed", "quick", "epsilon", "name"]), st.text(max_size=10)), WORDS)
def test_a_parameter_has_the_type_of_its_default_or_is_refused_in_a_sentence(name, word):
    value = execute.meaning(word)
    try:
        execute.check(SMALL_NOTEBOOK, {name: value})
    except execute.NotebookError as error:
        assert "parameter" in str(error) and " object at 0x" not in str(error)
    else:
        types = {"seed": int, "quick": bool, "epsilon": (int, float), "name": str}
        assert isinstance(value, types[name])


class Panel:
    """What an explorer asks of a figure, without a figure."""

    def __init__(self, alt):
        self.alt, self.size = alt, (900, 420)

    def file(self, effort=9):
        return b"png"


MOVES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.sampled_from([None, None, ValueError, KeyboardInterrupt]))
)


@pytest.mark.slow
@fuzzed
@given(MOVES)
def test_sliders_and_picture_agree_after_any_moves_errors_and_interrupts(moves):
    def draw(a, b):
        if failing:
            raise failing[0]()
        return Panel(f"a is {a}, b is {b}.")

    failing, before = [], set(widget._instances)
    made = explore.explore(draw, a=explore.slider(range(4), 0), b=explore.slider(range(4), 2))
    for name, value, error in moves:
        failing[:] = [error] if error else []
        try:
            made.move(**{name: value})
        except (ValueError, KeyboardInterrupt):
            pass
        failing.clear()
        shown = made._picture.value
        assert 'role="alert"' in shown or f"a is {made.values['a']}, b is {made.values['b']}." in shown
    made.refresh()
    assert f"a is {made.values['a']}, b is {made.values['b']}." in made._picture.value
    for name in set(widget._instances) - before:  # ipywidgets keeps every widget until it is closed
        widget._instances[name].close()
