"""The exported pages and slides, opened from disk in a browser without a network; and how they are made."""

import base64
import html
import io
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies
from PIL import Image

import book
import execute
import executions
import export
import frames
import links
import mathml
from executions import NOTEBOOKS
from lecture_utils import data, plots
from lecture_utils.explore import explore, slider

lab = pytest.importorskip("lab", reason="needs playwright: pip install lecture-utils[test]")
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.base")
PAGES = [f"site/{path.stem}.html" for path in NOTEBOOKS]
DECKS = [f"slides/{path.stem}.html" for path in NOTEBOOKS]
BOOK = ["site/index.html", *PAGES, "site/notation.html", "site/search.html"]
each_document = pytest.mark.parametrize("name", [*BOOK, *DECKS])
each_page = pytest.mark.parametrize("name", PAGES)
each_lecture = pytest.mark.parametrize("name", PAGES + DECKS)

# Moves every slider of a page to all its values, or to both ends, and back; returns each explorer's texts, wanted and shown,
# and its pictures.
SWEEP = """async ends => {
    const found = {}
    for (const figure of document.querySelectorAll(".explorer")) {
        const {sliders, alts} = JSON.parse(document.getElementById(`${figure.id}-frames`).textContent)
        const inputs = [...figure.querySelectorAll("input")], steps = []
        for (const [i, input] of inputs.entries()) {
            const start = input.value
            const values = [...sliders[i].texts.keys()]
            for (const value of [...(ends ? [values[0], values.at(-1)] : values), start]) {
                await new Promise(done => {
                    figure.addEventListener("shown", done, {once: true})
                    input.value = value
                    input.dispatchEvent(new Event("input"))
                })
                const position = inputs.reduce((sum, one, k) => sum * sliders[k].texts.length + Number(one.value), 0)
                const image = figure.querySelector(".picture > :not([hidden])"), canvas = document.createElement("canvas")
                canvas.width = image.naturalWidth ?? image.width
                canvas.height = image.naturalHeight ?? image.height
                canvas.getContext("2d").drawImage(image, 0, 0)
                const bytes = new Uint8Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)
                const digest = new Uint32Array(await crypto.subtle.digest("SHA-256", bytes))[0]
                steps.push({
                    wanted: alts[position], picture: digest, label: input.ariaValueText, value: sliders[i].texts[value],
                    texts: [image.getAttribute("alt") ?? image.ariaLabel, figure.querySelector("figcaption").textContent],
                })
            }
        }
        found[figure.id] = steps
    }
    return found
}"""
# Moves the sliders of one explorer to a position and returns the picture, as shown, as a PNG.
MOVE = """async ([id, values]) => {
    const figure = document.getElementById(id)
    await new Promise(done => {
        figure.addEventListener("shown", done, {once: true})
        figure.querySelectorAll("input").forEach((input, i) => input.value = values[i])
        figure.querySelector("input").dispatchEvent(new Event("input"))
    })
    const image = figure.querySelector(".picture > :not([hidden])"), canvas = document.createElement("canvas")
    canvas.width = image.naturalWidth ?? image.width
    canvas.height = image.naturalHeight ?? image.height
    canvas.getContext("2d").drawImage(image, 0, 0)
    return [canvas.toDataURL("image/png").split(",")[1], image.getAttribute("alt") ?? image.ariaLabel]
}"""
# Shows all pages of a talk, one below the other, since axe looks at no colour that is out of sight; and its code.
SHOW_ALL = """() => {
    document.querySelectorAll(".page, .code").forEach(one => one.hidden = false)
    document.querySelectorAll(".asking").forEach(one => one.classList.remove("asking"))
    document.querySelectorAll("details").forEach(one => one.open = true)
    // Thousands of words of code have a dozen colours, and formulas one: a few of each are enough, and take a tenth of the time.
    const seen = new Set()
    document.querySelectorAll(".highlight span").forEach(one => {
        if (seen.has(one.className)) one.replaceWith(...one.childNodes)
        seen.add(one.className)
    })
    document.querySelectorAll("math").forEach((one, i) => i < 5 || one.remove())
}"""


class Browser:
    """Pages opened from disk, each once, in a browser that is offline; with what they asked for and complained of."""

    def __init__(self, folder):
        self.folder, self.playwright = folder, playwright.sync_playwright().start()
        flags = [f"--{flag}" for flag in lab.FLAGS.split()]
        self.chromium = self.playwright.chromium.launch(executable_path=lab.chromium(), args=flags)
        self.pages = {}

    def open(self, name, **options):
        defaults = {"offline": True, "reduced_motion": "reduce", "viewport": {"width": 1280, "height": 720}}
        page = self.chromium.new_context(**defaults | options).new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: message.type in ("error", "warning") and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((self.folder / name).as_uri())
        return page

    def shared(self, name):
        """Return the page that the tests of one document share; each leaves the sliders at their start."""
        if name not in self.pages:
            self.pages[name] = self.open(name)
        return self.pages[name]


@pytest.fixture(scope="module")
def browser(built):
    if lab.chromium() is None:
        pytest.skip("no Chromium or Chrome is installed")
    opened = Browser(built)
    yield opened
    opened.chromium.close()
    opened.playwright.stop()


@pytest.fixture
def opened(browser):
    """Open a document for one test alone: ``opened(name, **options of a browser's context)``."""
    pages = []

    def open_page(name, **options):
        pages.append(browser.open(name, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()


# In the browser


@each_document
def test_every_slider_shows_its_text_and_picture_without_a_request_or_a_complaint(name, browser):
    page = browser.shared(name)
    for figure, steps in page.evaluate(SWEEP, name in DECKS).items():  # a talk has the explorers of its page
        for step in steps:
            assert step["texts"] == [step["wanted"]] * 2, figure
            assert step["label"] == step["value"] or step is steps[-1] or step["value"] is None, figure
        assert len({step["picture"] for step in steps}) > 1, figure
        assert len({step["wanted"] for step in steps}) > 1, figure
        texts = {}
        for step in steps:
            assert texts.setdefault(step["wanted"], step["picture"]) == step["picture"], f"{figure}: one text, two pictures"
    assert not page.complaints
    assert not [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))]


@each_lecture
def test_pictures_are_those_of_the_live_explorer_pixel_by_pixel(name, browser, moved):
    source = next(path for path in NOTEBOOKS if path.stem == Path(name).stem)
    live, page = live_frames(moved(source)[3]), browser.shared(name)
    ids = "[...document.querySelectorAll('{}')].map(one => one.id)"
    here, computing = (set(page.evaluate(ids.format(kind))) for kind in (".explorer", ".computing"))
    assert here | computing == set(live) if name.startswith("site/") else here <= set(live)
    for figure in here:
        sliders = json.loads(page.locator(f"[id='{figure}-frames']").text_content())["sliders"]
        assert len(live[figure]) >= 3
        for texts, wanted, alt in live[figure]:
            values = [one["texts"].index(text) for one, text in zip(sliders, texts, strict=True)]
            shown, text = page.evaluate(MOVE, [figure, values])
            assert text == alt
            assert alike(shown, wanted), f"{figure} at {texts}"


@each_document
def test_axe_finds_no_violation_in_light_and_dark(name, opened):
    page = opened(name)
    page.evaluate(SHOW_ALL)
    page.evaluate(axe.AXE_SCRIPT)
    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):  # nothing else depends on the scheme
        page.emulate_media(color_scheme=scheme)
        run = "options => axe.run(document, {resultTypes: ['violations'], ...options})"
        found = page.evaluate(run, options)["violations"]
        assert not [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found], scheme


@each_document
def test_every_picture_says_what_it_shows_and_every_slider_has_a_label(name, browser):
    page = browser.shared(name)
    alts = page.evaluate("[...document.images].map(one => one.alt)")
    assert all(len(alt) > 10 for alt in alts)
    labels = page.evaluate("[...document.querySelectorAll('input')].map(one => one.labels[0]?.textContent ?? one.ariaLabel)")
    assert all(labels)


@each_document
@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_nothing_is_wider_than_the_screen(name, width, browser):
    page = browser.shared(name)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1280, "height": 720})


@each_page
def test_the_print_has_the_default_pictures_and_no_sliders(name, opened):
    page = opened(name)
    page.evaluate(
        """() => {
            window.printed = []
            addEventListener("beforeprint", () => document.querySelectorAll(".explorer").forEach(figure => {
                const image = figure.querySelector("img")
                printed.push([!image.hidden, image.alt, figure.querySelector("figcaption").textContent])
            }))
        }"""
    )
    texts = []
    for figure in page.locator(".explorer").all():
        caption = figure.locator("figcaption")
        texts.append(caption.text_content())
        figure.locator("input").first.press("ArrowRight" if figure.locator("input").first.input_value() == "0" else "ArrowLeft")
        page.wait_for_timeout(50)
    moved = page.locator(".explorer figcaption").all_text_contents()
    assert all(a != b for a, b in zip(moved, texts, strict=True))
    page.pdf()
    assert page.evaluate("printed") == [[True, text, text] for text in texts]
    page.wait_for_timeout(100)
    assert page.locator(".explorer figcaption").all_text_contents() == moved
    page.emulate_media(media="print")
    assert not any(one.is_visible() for one in page.locator("input, nav").all())


def test_the_index_leads_to_every_slide_of_every_deck(browser):
    page = browser.shared("site/index.html")
    for deck in DECKS:
        targets = page.locator(f"a[href^='../{deck}#']").evaluate_all("all => all.map(one => one.hash)")
        title = "document.getElementById(decodeURIComponent(one.slice(1)))?.querySelector('h2')?.textContent"
        shown = browser.shared(deck).evaluate(f"hashes => hashes.map(one => {title})", targets)
        assert targets and all(shown), deck


# The book


def test_the_place_that_is_read_is_marked_in_the_contents(browser):
    page = browser.shared(PAGES[1])
    assert page.locator(".book a[aria-current=page]").text_content() == page.locator("h1").text_content().removesuffix("#")
    heading = page.locator("h3[id^=exercise-2-3]")
    heading.evaluate("one => one.scrollIntoView()")
    playwright.expect(page.locator("[aria-current=location]")).to_have_text("Exercise 2.3: certify it")
    playwright.expect(page.locator("[aria-current=location]")).to_be_in_viewport()
    assert page.locator(".book a[href*='.html#']").count() > 20  # the slides of the other sections
    page.evaluate("scrollTo(0, 0)")


def test_a_search_from_disk_finds_headings_text_code_and_letters_by_name(opened):
    page = opened("site/notation.html")
    page.keyboard.press("/")
    page.keyboard.type("projection step")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=projection%20step")
    field, first = page.locator("input[type=search]"), page.locator("#results a").first
    wanted = {
        "1.4 projection": "Exercise 1.4: projection", "gaussian_moments": "Exercise 3.2: Gaussian constants",
        "how large should eta": "How large should η be?", "HOW LARGE η": "How large should η be?",
    }  # fmt: skip
    for words, heading in wanted.items():
        field.fill(words)
        playwright.expect(first).to_have_text(heading)
    field.fill("no such words anywhere")
    playwright.expect(page.locator("#found")).to_have_text("0 places with “no such words anywhere”")
    field.fill("how large eta")
    first.click()
    playwright.expect(page.locator("h3[id='how-large-should-η-be']")).to_be_in_viewport()
    assert not page.complaints


def test_light_dark_and_hidden_code_stay_as_chosen(opened):
    page = opened(PAGES[0], color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    night = page.evaluate(ground)
    figure = "getComputedStyle(document.querySelector('.picture'), '::after').backgroundColor"
    dimmed = page.evaluate(figure)
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(255, 255, 255)" != night and page.evaluate(figure) == "rgba(0, 0, 0, 0)" != dimmed
    shown = "[...document.querySelectorAll('details.source')].filter(one => one.open).length"
    assert page.evaluate(shown) > 6
    page.click("#fold")
    for _ in range(10):  # another process may load the page, before what this one keeps has reached the disk
        page.reload()
        if page.evaluate(ground) == "rgb(255, 255, 255)" and page.evaluate(shown) == 0:
            break
    else:
        pytest.fail("what was chosen is forgotten")
    assert page.locator("#theme").text_content() == "Dark"
    page.click("#fold")
    assert page.evaluate(shown) == page.locator("details.source").count()


@each_page
def test_code_that_draws_is_folded_and_an_exercise_is_open(name, built):
    cells = {cell.id: cell for cell in execute.read(execute.NOTEBOOKS / f"{Path(name).stem}.ipynb").cells}
    page = (built / name).read_text(encoding="utf-8")
    for cell, state in re.findall(r'<div class="cell code" id="([^"]*)">\s*<details class="source"( open)?>', page):
        if re.search(r"\bplots\.|\bexplore\(", cells[cell].source):
            assert not state, cell
        if "exercise" in cells[cell].metadata.get("tags", []):
            assert state, cell


def test_a_button_copies_code_and_a_long_line_of_it_scrolls(opened):
    page = opened(PAGES[0], permissions=["clipboard-read", "clipboard-write"], viewport={"width": 390, "height": 800})
    code = page.locator(".cell.code:has(details[open]) .highlight").first
    code.locator(".copy").click()
    playwright.expect(code.locator(".copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == code.locator("pre").text_content()
    wide = page.locator("details[open] pre.scrolls")
    assert wide.count() and set(wide.evaluate_all("all => all.map(one => one.tabIndex)")) == {0}
    lines = "one => one.getBoundingClientRect().height / (one.textContent.trimEnd().split('\\n').length)"
    assert len({round(one.evaluate(lines)) for one in page.locator("details[open] pre").all()}) < 20


def test_on_a_phone_no_button_hides_code_and_tables_and_remarks_have_room(opened):
    page = opened(PAGES[0], viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    hidden = """all => all.filter(one => {
        const {top, bottom} = one.getBoundingClientRect(), words = [...one.closest("details").querySelectorAll(":scope > p")]
        const others = [one.closest(".highlight").querySelector("pre"), ...words].map(other => other.getBoundingClientRect())
        return getComputedStyle(one).opacity !== "1" || others.some(other => top < other.bottom && bottom > other.top)
    }).map(one => one.closest(".cell").textContent.slice(0, 99))"""
    assert page.locator(".copy").count() > 9 and not page.locator(".copy").evaluate_all(hidden)
    assert page.locator("blockquote").evaluate_all("all => Math.min(...all.map(one => one.clientWidth))") > 0.8 * 390
    assert not opened("site/notation.html", viewport={"width": 390, "height": 844}).locator(".wide.scrolls").count()


def test_a_citation_and_a_theorem_show_what_they_lead_to(opened):
    page = opened(PAGES[2])
    note, theorem = page.locator("#note"), page.locator("a.word[href='#theorem-3']").first
    theorem.hover()
    playwright.expect(note).to_contain_text("non-constant")
    assert note.locator(".formula").count()  # the sentence goes on in it
    page.keyboard.press("Escape")
    playwright.expect(note).to_be_hidden()
    cite = page.locator("a.cite").first
    cite.focus()
    playwright.expect(note).to_contain_text("Adaptive estimation")
    assert cite.get_attribute("aria-describedby") == "note"
    cite.press("Enter")
    assert page.locator(f"li[id='{cite.get_attribute('href')[1:]}']").is_visible()


def test_formulas_of_a_phone_scroll_visibly(opened):
    page = opened(PAGES[2], viewport={"width": 390, "height": 800})
    wide = page.locator(".formula.scrolls")
    assert wide.count() > 3
    assert "linear-gradient" in wide.first.evaluate("one => getComputedStyle(one).backgroundImage")
    assert page.locator(".formula:not(.scrolls)").first.evaluate("one => getComputedStyle(one).backgroundImage") == "none"


# In the files


@each_document
def test_it_is_small_and_asks_for_nothing(name, built):
    text = (built / name).read_text(encoding="utf-8")
    assert len(text.encode()) < (8e6 if name.startswith("slides/") else 6e6)
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(
        r'(?:src|srcset)="(?!data:)[^"]*"|action="(?!search\.html")[^"]*"|<link[^>]*>|@import|url\((?!data:)[^)]*\)', markup
    )


@each_page
def test_every_displayed_formula_has_a_number_of_its_own(name, built):
    page, section = (built / name).read_text(encoding="utf-8"), Path(name).stem[0]
    numbers = re.findall(r'id="formula-(\d\.\d+)"', page)
    assert numbers == [f"{section}.{i}" for i in range(1, page.count('<span class="formula">') + 1)] and len(numbers) > 5


@pytest.mark.parametrize("name", BOOK)
def test_no_place_has_two_names_and_without_a_remote_nothing_promises_one(name, built):
    page = re.sub(r"(?s)<script.*?</script>", "", (built / name).read_text(encoding="utf-8"))
    places = re.findall(r'\bid="([^"]*)"', page)
    assert len(places) == len(set(places))
    assert "Binder" not in page and "Colab" not in page


@each_document
def test_every_link_inside_the_site_leads_somewhere(name, built):
    files = {path: path.read_text(encoding="utf-8") for path in built.rglob("*.html")}
    markup = re.sub(r"<script.*?</script>", "", files[built / name], flags=re.DOTALL)
    for target in re.findall(r'<a [^>]*href="([^"]*)"', markup):
        place, _, part = html.unescape(target).partition("#")
        path = (built / name).parent.joinpath(place).resolve() if place else built / name
        assert place.startswith("https:") or path.exists(), target
        assert not part or f'id="{part}"' in files[path], target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_has_every_heading_erratum_and_solution_of_its_notebook(path, built):
    page, index = ((built / "site" / name).read_text(encoding="utf-8") for name in (f"{path.stem}.html", "index.html"))
    texts = [cell.source for cell in execute.read(path).cells if cell.cell_type == "markdown"]
    headings = [line for text in texts for line in text.splitlines() if re.match("#+ ", line)]
    assert len(re.findall("<h[123] id", page)) == len(headings)
    slides = [line for line in headings if line.startswith("## ")]
    assert len(re.findall(rf'href="{path.stem}.html#[^"]*">[^<]*(?:<math.*?</math>[^<]*)*</a></td><td>\d', index)) == len(slides)
    errata = sum(text.count("> **On the slide.**") for text in texts)
    assert page.count('<blockquote class="erratum">') == errata
    exercises = [line for line in headings if re.match(r"### Exercise \d\.\d", line)]
    assert page.count("<summary>Solution") == len(exercises) >= 6
    assert '<details class="help">' in page and '<details class="help" open' not in page
    downloaded, ours = (execute.read(one) for one in (built / "site" / path.name, path))
    assert [one.source for one in downloaded.cells if one.id not in links.WAYS_IN] == [
        one.source for one in ours.cells if one.id not in links.WAYS_IN
    ]
    assert "%pip install" in next(one.source for one in downloaded.cells if one.id == links.INSTALL)


def test_the_index_has_every_erratum_and_every_checked_number(built):
    index = (built / "site" / "index.html").read_text(encoding="utf-8")
    cells = [cell for path in NOTEBOOKS for cell in execute.read(path).cells]
    assert index.count('<blockquote class="erratum">') == sum(cell.source.count("> **On the slide.**") for cell in cells)
    checked = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert checked and len(re.findall(r"<td><pre>[^<]*\d", index)) == len(checked)
    assert not re.search(r"ε = \d\.\d{4}", index)


def test_the_index_has_a_card_with_a_picture_and_a_sentence_for_each_section(built):
    index = (built / "site" / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'(?s)<li><div class="picture".*?<img [^>]*alt="(.*?)">.*?<a href="(\w+)\.html">.*?<p>(.*?)</p>', index)
    assert [name for _, name, _ in cards] == [path.stem for path in NOTEBOOKS]
    assert all(len(alt) > 30 and len(words) > 30 for alt, _, words in cards)


# How they are made


SECTIONS = [
    export.Section(name, execute.nbformat.v4.new_notebook(cells=[execute.nbformat.v4.new_markdown_cell(text, id=name)]))
    for name, text in (
        ("one", "# Section 1\n## 1 A\n## 2 B (Theorem 1)\n### Exercise 1.6: c\n## 3 Proof of Theorem 1\n### Step 2: d"),
        ("two", "# Section 2\n## 1 C\n\n**Step 2: e.** f\n\n**Theorem 2.** g"),
    )
]
for section in SECTIONS:
    (cell,) = section.notebook.cells
    cell.metadata.html = export.rendered(cell.source, export.Text(section, cell, 1))


@pytest.mark.parametrize(
    ("section", "slide", "words", "targets"),
    [
        (0, "1-a", "exercise 1.6, Exercises 1.6 and slide 2", ["#exercise-1-6-c", "#2-b-theorem-1"]),
        (1, "1-c", "exercise 1.6, Section 1, section 2", ["one.html#exercise-1-6-c", "one.html"]),
        (0, "1-a", "Theorem 1, Theorem 2, theorem 3", ["#2-b-theorem-1", "two.html#theorem-2"]),
        (0, "3-proof-of-theorem-1", "step 2", ["#step-2-d"]),
        (0, "1-a", "step 2", []),  # another slide's
        (1, "1-c", "by step 2", ["#1-c-step-2"]),
        (0, "1-a", "<code>exercise 1.6</code> <a href='x'>slide 2</a> slide 2.5 slide 27", []),
    ],
)
def test_words_lead_to_places(section, slide, words, targets):
    text = book.linked(f"<p>{words}</p>", SECTIONS[section], slide, book.places(SECTIONS))
    assert re.findall(r'<a class="word" href="([^"]*)"', text) == targets
    assert re.sub(r"</?a\b[^>]*>", "", text) == re.sub(r"</?a\b[^>]*>", "", f"<p>{words}</p>")


def test_no_line_ends_before_a_percent_sign_or_a_comma_after_a_formula_and_code_stays_as_it_is():
    shown = export.rendered("So 57 % of $x$, and `7 % 2`.", export.Formulas(escape=False))
    assert "So 57\u00a0% of" in shown and "<code>7 % 2</code>" in shown
    assert re.search(r'<span class="joined"><math.*</math>,</span>', shown)


def test_citations_lead_to_the_list_of_references():
    entries = (
        'A. B. Carlini, D. E. Last. <em>On x.</em> 2019. <a href="https://arxiv.org/abs/1">arXiv:1902.06705</a>',
        "F. Two-Part et al. <em>On y.</em> ICML 2020.", "G. Twin. <em>On z.</em> 2020.", "G. Twin. <em>On u.</em> 2020.",
    )  # fmt: skip
    references = book.References("".join(f"<li>{entry}</li>" for entry in entries))
    assert book.PLACE.findall(references.text) == ["ref-carlini-2019", "ref-two-part-2020", "ref-twin-2020", "ref-twin-2020b"]
    text = '<a href="https://arxiv.org/abs/1">C. (2018)</a>, Carlini, Last 2019, Two-Part et al. (2020), Twin 2020, Carlini 2018'
    found = re.findall(r'<a class="cite" href="#([^"]*)">(.*?)</a>', references.cited(text))
    assert found == [
        ("ref-carlini-2019", "C. (2018)"),
        ("ref-carlini-2019", "Carlini, Last 2019"),
        ("ref-two-part-2020", "Two-Part et al. (2020)"),
    ]


def test_links_name_the_repository_and_without_one_they_are_plain(monkeypatch, tmp_path):
    monkeypatch.setenv("LECTURE_REPOSITORY", "someone/lecture")
    assert export.repository() == "someone/lecture"
    binder = "https://mybinder.org/v2/gh/someone/lecture/HEAD?urlpath=lab/tree/notebooks/a.ipynb"
    colab = "https://colab.research.google.com/github/someone/lecture/blob/main/notebooks/a.ipynb"
    assert all(f'href="{door}"' in "".join(export.links("a", "someone/lecture")) for door in (binder, colab))
    monkeypatch.setenv("LECTURE_REPOSITORY", "https://github.com/someone/lecture")
    with pytest.raises(execute.NotebookError, match="OWNER/NAME"):
        export.repository()
    monkeypatch.delenv("LECTURE_REPOSITORY")
    monkeypatch.setattr(export, "ROOT", tmp_path)
    git(tmp_path, "init", "--quiet")
    assert export.repository() is None
    assert "https:" not in "".join(export.links("a", None)) and "a.ipynb" in export.links("a", None)[1]
    git(tmp_path, "remote", "add", "origin", "git@github.com:someone/lecture.git")
    assert export.repository() == "someone/lecture"
    git(tmp_path, "remote", "set-url", "origin", "https://github.com/someone/lecture")
    assert export.repository() == "someone/lecture"


def test_a_notebook_executed_without_frames_or_with_foreign_ones_is_refused(tmp_path, moved):
    output = moved(NOTEBOOKS[2])[2]
    shutil.copy(output, tmp_path)
    with pytest.raises(execute.NotebookError, match="--frames"):
        export.read(tmp_path / output.name)
    shutil.copytree(execute.frames_folder(output), execute.frames_folder(tmp_path / output.name))
    (execute.frames_folder(tmp_path / output.name) / "0.json").write_text("{}")
    with pytest.raises(execute.NotebookError, match="0.json"):
        export.read(tmp_path / output.name)


@given(strategies.lists(strategies.integers(1, 60), min_size=1, max_size=4), strategies.integers(81, 400), strategies.data())
def test_few_of_many_positions_are_kept_with_ends_and_default(sizes, most, data):
    controls = [slider(range(size), data.draw(strategies.integers(0, size - 1))) for size in sizes]
    kept = frames.thinned(controls, most)
    assert math.prod(map(len, kept)) <= most
    for control, indices in zip(controls, kept, strict=True):
        assert indices == sorted(set(indices)) and {0, len(control.values) - 1, control.default} <= set(indices)
    if math.prod(sizes) <= most:
        assert [len(indices) for indices in kept] == sizes


def test_what_differs_put_over_the_default_picture_is_the_picture():
    panel = plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))

    def draw(height, shift):
        return panel.update([0, 1], [[shift, height]], f"a line from {shift} to {height}")

    made = explore(draw, height=slider([0.1, 0.5, 0.9], 0.5), shift=slider([0.2, 0.4], 0.2))
    exported, default = json.loads(json.dumps(frames.exported(made))), Image.open(io.BytesIO(made.frame()[0])).convert("RGBA")
    positions = [(height, shift) for height in (0.1, 0.5, 0.9) for shift in (0.2, 0.4)]
    assert exported["shown"][positions.index((0.5, 0.2))] == []
    for (height, shift), alt, layers in zip(positions, exported["alts"], exported["shown"], strict=True):
        png, text = made.frame(height=height, shift=shift)
        assert alt == text
        picture = default.copy()
        for left, top, content in (exported["pictures"][number] for number in layers):
            picture.alpha_composite(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"), (left, top))
        assert (np.asarray(picture) == np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))).all()
    same = np.zeros((4, 5), np.uint32)
    assert frames.difference(same, same) is None


def test_photographs_are_jpeg_and_their_frames_nearly_the_same_and_half_as_large():
    photograph, panel = data.centre(data.photo("coffee"), 224), plots.Images(2, photographs=True)

    def draw(epsilon):
        brighter = (photograph + epsilon).clamp(0, 1)
        return panel.update([photograph, brighter], ["x", f"ε = {epsilon}"], f"A cup, brighter by {epsilon}.")

    made = explore(draw, epsilon=slider([0.0, 0.5], 0.0))
    exported, (content, alt) = frames.exported(made), made.frame(epsilon=0.5)
    (left, top, box), picture = exported["pictures"][-1], Image.open(io.BytesIO(made.frame()[0])).convert("RGB")
    picture.paste(Image.open(io.BytesIO(base64.b64decode(box))), (left, top))
    wanted = base64.b64encode(content).decode()
    picture.save(shown := io.BytesIO(), "PNG")
    assert alike(base64.b64encode(shown.getvalue()).decode(), wanted) and exported["alts"][1] == alt
    assert not alike(base64.b64encode(made.frame()[0]).decode(), wanted)
    assert set(panel._repr_mimebundle_()) == {"image/jpeg", "text/html", "text/plain"}
    panel.photographs = False
    assert 2 * len(content) < len(panel.file()) and 2 * len(box) < len(frames.exported(made)["pictures"][-1][2])


def test_an_explorer_writes_its_frames_where_the_environment_says(monkeypatch, tmp_path):
    panel = plots.Curves(["y"], ("x", 0, 1), ("y", 0, 1))
    made = explore(lambda y: panel.update([0, 1], [[0, y]], f"a line to {y}"), y=slider([0.1, 0.5], 0.1))
    monkeypatch.setenv("LECTURE_FRAMES", str(tmp_path))
    made._repr_mimebundle_()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(f"{explore.__module__}.WHEN_SHOWN", [frames.write])
    made._repr_mimebundle_()
    written = json.loads((tmp_path / frames.frames_name(*made.frame())).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(frames.exported(made)))


@pytest.mark.parametrize(
    ("tex", "display", "parts"),
    [
        (r"\mathbb R^d", False, ["<mi>ℝ</mi>"]),
        (r"\{-1, +1\}", False, ['<mo form="prefix">−</mo>', '<mo form="prefix">+</mo>']),
        (r"x - 1", False, ["<mo>−</mo>"]),
        (r"\max_{\delta} x", True, ["<munder><mi>max</mi>", '<mspace width="0.167em" /><mi>x</mi>']),
        (r"\max_{\delta} x", False, ["<msub><mi>max</mi>"]),
        (r"n \log n", False, ['<mi>n</mi><mspace width="0.167em" /><mi>log</mi><mspace width="0.167em" /><mi>n</mi>']),
        (r"\log(n)", False, ["<mi>log</mi><mo"]),
        (r"\mathrm{sign}(w)", False, ["<mi>sign</mi>"]),
        (r"\Delta \sim \Phi", False, ['<mi mathvariant="normal">Δ</mi>', "<mo>∼</mo>"]),
        (r"|x|/d", False, ['lspace="0"', 'rspace="0"']),
        (r"10{,}000", False, ["<mn>,</mn>"]),
        (r"\sigma'(u)", False, ['<mi>σ</mi><mo lspace="0" rspace="0">′</mo>']),  # not tiny
        (r"x'_i", False, ["<msub><mrow><mi>x</mi><mo", "</mrow><mi>i</mi></msub>"]),
        (r"\sigma'^2", False, ["<msup><mrow><mi>σ</mi><mo", "</mrow><mrow><mn>2</mn></mrow></msup>"]),
    ],
)
def test_formulas_are_spaced_as_tex_does(tex, display, parts):
    found = mathml.mathml(tex, display)
    assert all(part in found for part in parts), found


def test_a_formula_that_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="notacommand"):
        mathml.mathml(r"x + \notacommand y")


def test_the_font_of_a_page_has_the_same_bytes_at_any_time(monkeypatch):
    made = []
    for second in ("1", "1000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", second)  # where fontTools reads the time
        made.append(mathml.font("<math><mi>x</mi></math>"))
    assert made[0] == made[1]


def test_a_wide_formula_is_cut_at_its_wide_spaces_only():
    assert mathml.lines(r"a = b, \qquad \frac{c \qquad d}{e} \qquad") == ["a = b, ", r" \frac{c \qquad d}{e} "]
    assert mathml.lines(r"\begin{cases} a \qquad b \end{cases}") == [r"\begin{cases} a \qquad b \end{cases}"]


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def live_frames(path):
    """Return {explorer: [(texts of its sliders, PNG as base64, alternative text)]}, from the cell that moves all sliders."""
    outputs = [one for cell in executions.code_cells(execute.read(path)) if cell.id == "moves" for one in cell.outputs]
    found = [one.data["application/json"] for one in outputs if "application/json" in one.get("data", {})]
    return {Path(frames.frames_name(base64.b64decode(one[-1][1]), one[-1][2])).stem: one for one in found}  # the last: at rest


def alike(shown, wanted):
    """Return whether two pictures are the same, pixel by pixel; of JPEG, the means of 8 x 8 pixels within 10 levels."""
    exact, (shown, wanted) = wanted.startswith("iVBOR"), [pixels(one) for one in (shown, wanted)]
    if exact or shown.shape != wanted.shape:
        return np.array_equal(shown, wanted)
    rows, columns = [size // 8 * 8 for size in shown.shape[:2]]
    off = (shown.astype(float) - wanted)[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8, 3).mean((1, 3))
    return np.abs(off).max() < 10


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))
