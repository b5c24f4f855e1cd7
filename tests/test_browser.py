"""The notebooks in JupyterLab, through a browser: stored, run from top to bottom, with a slider moved by keyboard."""

import io
import re

import nbformat
import pytest
from PIL import Image

import execute
from executions import NOTEBOOKS, as_it_is, changed, environment, others, run_notebook

lab = pytest.importorskip("lab", reason="needs playwright: pip install lecture-utils[test]")
expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.skipif(lab.chromium() is None, reason="no Chromium or Chrome is installed")

PICTURES = ".jp-OutputArea-output img"
ERRORS = ", ".join(
    f".jp-Notebook {one}"
    for one in (
        "[data-mime-type='application/vnd.jupyter.stderr']",
        "[data-mime-type='application/vnd.jupyter.error']",
        "[role='alert']",
        ":text('Error displaying widget')",
    )
)

SETUP = """
import torch
from lecture_utils import plots
from lecture_utils.explore import explore, slider

panel = plots.Images(1, width=3)

def draw(epsilon, eta=0.1):
    return panel.update([torch.full((1, 8, 8), epsilon + eta)], [f"{epsilon}, {eta}"], f"Grey: ε = {epsilon}, η = {eta}.")
"""
EXPLORER = "explore(draw, epsilon=slider([0.1, 0.2, 0.3], 0.1), eta=slider([0.1, 0.2, 0.3], 0.2))"
FRAGILE = """
def fragile(epsilon):
    if epsilon == 0.2:
        raise ValueError("0.2 is too much")
    return draw(epsilon)

explore(fragile, epsilon=slider([0.1, 0.2, 0.3], 0.1))
"""
OWN = """
from lecture_utils import data, own

upload, pad = own.Upload(torch.zeros(1, 3, 32, 32), 32), own.Pad(strokes=[])

def draw_own(picture, digit, epsilon):
    return panel.update([picture], [""], f"red {picture[0, 0].mean():.2f}, ink {(digit > 0).sum()}")

explore(draw_own, picture=upload, digit=pad, epsilon=slider([0.1, 0.2], 0.1))
"""
NOISE = "import sys\nprint('a warning', file=sys.stderr)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab on copies of the notebooks, with other parameters, a small one as execute.py stores it, and one that fails."""
    folder = tmp_path_factory.mktemp("lab")
    for path in NOTEBOOKS:
        changed(path, folder / path.name, **others(path))
    nbformat.write(lab.notebook(SETUP, EXPLORER, EXPLORER), folder / "small.ipynb")
    status, printed, stored = run_notebook(folder / "small.ipynb", folder / "stored")
    assert status == 0, printed
    stored.replace(folder / "small.ipynb")
    nbformat.write(lab.notebook(SETUP, FRAGILE, NOISE, "1 / 0"), folder / "fragile.ipynb")
    nbformat.write(lab.notebook(SETUP, OWN), folder / "own.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        with lab.Lab(folder) as running:
            yield running


@pytest.fixture(scope="module", params=["small.ipynb", *(path.name for path in NOTEBOOKS)])
def page(request, server):
    """A stored notebook, opened and not yet run; the tests below use it one after the other."""
    with server.open(request.param) as opened:
        opened.file = server.folder / request.param
        opened.stored = nbformat.read(server.folder / request.param, 4)
        yield opened


def errors(page):
    return page.locator(ERRORS).all_text_contents()


def test_a_stored_notebook_shows_its_pictures_with_their_alternative_text(page):
    data = [output.get("data", {}) for cell in page.stored.cells for output in cell.get("outputs", [])]
    alts = [one["text/plain"] for one in data if any(kind.startswith("image/") for kind in one)]
    shown = page.locator(PICTURES)
    expect(shown).to_have_count(len(alts), timeout=lab.PATIENCE)
    assert [one.get_attribute("alt") for one in shown.all()] == alts
    assert all(one.evaluate("image => image.decode().then(() => image.naturalWidth > 0)") for one in shown.all())
    assert not errors(page)


def test_after_run_all_the_first_slider_changes_picture_and_alternative_text_by_keyboard(page):
    lab.run_all(page)
    assert not errors(page)
    with page.expect_response(lambda one: one.request.method == "PUT" and page.file.name in one.url):
        page.keyboard.press("Control+s")
    label = page.locator(".widget-label", has_text=re.compile("[εη]"))
    cell = page.locator(".jp-Cell-outputArea", has=label).first
    picture = cell.locator("img")
    source, alt = picture.get_attribute("src"), picture.get_attribute("alt")
    cell.locator(".widget-slider", has=label).first.locator(".noUi-handle").press("ArrowRight")
    expect(picture).not_to_have_attribute("alt", alt, timeout=lab.PATIENCE)
    assert picture.get_attribute("src") != source
    assert picture.get_attribute("alt")
    assert not errors(page)


def test_no_pop_up_covers_the_notebook(page):
    """Of the notebook as the test before left it, in a home that never had a JupyterLab."""
    assert page.locator(".Toastify__toast, .jp-Dialog").count() == 0


def test_every_slider_has_a_name_and_tells_its_value_and_is_as_wide_as_its_picture(page):
    """Of the notebook as the test before left it: run, and one slider moved."""
    for box in page.locator(".lecture-explorer").all():
        width = box.locator("img").bounding_box()["width"]
        for one in box.locator(".widget-slider").all():
            handle, value = one.locator(".noUi-handle"), one.locator(".widget-readout").inner_text()
            assert handle.get_attribute("aria-label") == one.locator(".widget-label").inner_text()
            assert handle.get_attribute("aria-valuetext") == value
            assert 0.9 * width < one.bounding_box()["width"] < 1.1 * width


def test_a_link_to_a_heading_leads_there(page):
    link = page.locator(".jp-MarkdownOutput a[href^='#']:not(.jp-InternalAnchorLink)").first
    if not link.count():
        pytest.skip("no link inside this notebook")
    place = link.evaluate("one => decodeURIComponent(one.hash.slice(1))")
    link.click()
    heading = page.locator(".jp-MarkdownOutput :is(h1, h2, h3)").filter(has_text=place.replace("-", " ").split(":")[0]).first
    expect(heading).to_be_in_viewport(timeout=lab.PATIENCE)


def test_what_is_saved_is_to_the_byte_what_an_execution_gives(page, runs):
    """Of the notebook as the tests before left it, and of another kernel, in which the exercises were solved."""
    wanted = page.stored
    if execute.NOTEBOOKS / page.file.name in NOTEBOOKS:
        status, printed, output = runs[execute.NOTEBOOKS / page.file.name, "again"]
        assert status == 0, printed
        wanted = execute.read(output)
    assert as_it_is(execute.read(page.file)) == as_it_is(wanted)


def test_an_error_in_draw_is_shown_in_place_of_the_picture_until_the_next_good_value(server):
    with server.open("fragile.ipynb") as page:
        lab.run_all(page)
        assert len(errors(page)) == 2  # what the last two cells print: the other tests look in the right places
        cell = page.locator(".jp-Cell-outputArea", has=page.locator(".noUi-handle"))
        handle, picture, alert = (cell.locator(one) for one in (".noUi-handle", "img", "[role=alert]"))
        handle.press("ArrowRight")
        expect(alert).to_contain_text("0.2 is too much", timeout=lab.PATIENCE)
        assert picture.count() == 0
        assert len(errors(page)) == 3
        handle.press("ArrowRight")
        expect(picture).to_have_attribute("alt", "Grey: ε = 0.3, η = 0.1.", timeout=lab.PATIENCE)
        assert alert.count() == 0


INK = "([canvas, [x, y]]) => canvas.getContext('2d').getImageData(x, y, 1, 1).data[0]"


def wait_for_ink(page, place, level):
    """Wait until the pad has this grey level at (x, y): the kernel draws what the mouse did."""
    page.wait_for_function(f"given => ({INK})(given) == {level}", arg=[page.locator("canvas").element_handle(), place])


@pytest.fixture(scope="module")
def own(server):
    """A notebook with an upload button and a pad, run."""
    with server.open("own.ipynb") as opened:
        lab.run_all(opened)
        yield opened


def test_a_stroke_on_the_pad_is_seen_and_changes_the_picture_until_escape(own):
    canvas, picture = own.locator("canvas"), own.locator(PICTURES)
    empty = picture.get_attribute("alt")
    assert empty == "red 0.00, ink 0"
    wait_for_ink(own, [100, 150], 0)
    box = canvas.bounding_box()
    own.mouse.move(box["x"] + 100, box["y"] + 50)
    own.mouse.down()
    for y in range(60, 260, 10):
        own.mouse.move(box["x"] + 100, box["y"] + y)
    own.mouse.up()
    own.mouse.move(box["x"] + 200, box["y"] + 200)
    expect(picture).not_to_have_attribute("alt", empty, timeout=lab.PATIENCE)
    wait_for_ink(own, [100, 150], 255)
    wait_for_ink(own, [150, 200], 0)
    own.keyboard.press("Escape")
    expect(picture).to_have_attribute("alt", empty, timeout=lab.PATIENCE)
    wait_for_ink(own, [100, 150], 0)
    assert not errors(own)


def test_a_finger_draws_and_the_button_clears(own):
    canvas, picture = own.locator("canvas"), own.locator(PICTURES)
    empty, box, browser = picture.get_attribute("alt"), canvas.bounding_box(), own.context.new_cdp_session(own)

    def finger(kind, *places):
        points = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in places]
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    finger("touchStart", (50, 50))
    for x in range(60, 200, 20):
        finger("touchMove", (x, 60))
    finger("touchEnd")
    expect(picture).not_to_have_attribute("alt", empty, timeout=lab.PATIENCE)
    own.get_by_role("button", name="Clear").press("Enter")
    expect(picture).to_have_attribute("alt", empty, timeout=lab.PATIENCE)
    assert not errors(own)


def test_a_chosen_file_is_shown_and_one_that_is_no_picture_is_refused_in_words(own):
    def choose(name, content):
        with own.expect_file_chooser() as chooser:
            own.get_by_role("button", name="Your picture").click()
        chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})

    red, picture = io.BytesIO(), own.locator(PICTURES)
    Image.new("RGB", (60, 40), "red").save(red, "PNG")
    choose("red.png", red.getvalue())
    expect(picture).to_have_attribute("alt", "red 1.00, ink 0", timeout=lab.PATIENCE)
    assert not errors(own)
    choose("fake.png", b"GIF89a" + bytes(100))
    refusal = "fake.png: the picture must be a PNG, JPEG or WebP file, got GIF"
    expect(own.locator("[role=alert]")).to_have_text(refusal, timeout=lab.PATIENCE)
    own.get_by_role("button", name="Back to ours").click()
    expect(picture).to_have_attribute("alt", "red 0.00, ink 0", timeout=lab.PATIENCE)
    assert not errors(own)
