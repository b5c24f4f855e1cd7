"""The talk: what the notebooks' metadata say of it, and its pages in a browser, as a lecturer turns them."""

import copy
import itertools
import re

import pytest

import execute
import export
import talk
from executions import NOTEBOOKS

lab = pytest.importorskip("lab", reason="needs playwright: pip install lecture-utils[test]")
playwright = pytest.importorskip("playwright.sync_api")
each_talk = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
TITLES = {
    "1": ["Adversarial examples (Szegedy et al.)", "One-pixel attack", "Classification setting",
          "Definition of an adversarial example", "Finding adversarial examples", "FGSM: adversarial example"],
    "2": ["Setting: Two-layer network", "Illustration: robustness", "Existence of robust networks (Theorem 1)",
          "Proof of Theorem 1"],
    "3": ["Setting", "Preliminaries: Bernstein's inequality", "Preliminaries: Sum of squared normal random variables",
          "Preliminaries: O and Ω", "Main result: Assumption 1", "Main result: Theorem 3", "Proof of Theorem 3", "Proposition 4",
          "Proof of Proposition 4"],
    "4": ["Risk", "Adversarial risk", "Stochastic Gradient Descent (SGD)", "Gradient computation: Danskin's theorem",
          "Active area of research"],
}  # fmt: skip
OURS = ("Beyond the slides", "What to take away")  # pages that are no slide of the lecture
SCREENS = [(1280, 720), (1920, 1080), (1024, 768)]

# What of the page that is shown is cut, overlaps the line at its foot, or is smaller than 28 pixels of 1280 x 720; of what stands
# in a picture, smaller than 14 points (captions of photographs have a test of their own); a claim whose last line is one short
# word; a fraction that touches the line above or below; a field too narrow for its largest number.
FAULTS = """page => {
    page ??= document.querySelector(".page:not([hidden])")
    const box = page.getBoundingClientRect(), faults = []
    const least = 28 * Math.min(innerWidth / 1280, innerHeight / 720) - 0.01
    const foot = page.querySelector("footer").getBoundingClientRect()
    for (const one of page.querySelectorAll(":scope *")) {
        if (one.closest(".notes, .code, figcaption, .unseen, .sentence") || !one.checkVisibility()) continue
        const {left, top, right, bottom} = one.getBoundingClientRect(), end = one.closest("footer") ? box.bottom : foot.top
        const cut = left < box.left - 1 || top < box.top - 1 || right > box.right + 1 || bottom > end + 1
        if (cut) faults.push(`${one.tagName} ${one.className}: ${[left, top, right, bottom].map(Math.round)}`)
        const words = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        const size = parseFloat(getComputedStyle(one).fontSize)
        if (words && !one.closest("math, svg") && size < least) faults.push(`${one.tagName} ${one.className}: ${size} pixels`)
    }
    for (const one of page.querySelectorAll(".shown img")) {
        const size = 14 / 72 * 100 * Math.min(one.clientWidth / one.naturalWidth, one.clientHeight / one.naturalHeight)
        if (one.checkVisibility() && !one.src.includes("image/jpeg") && size < least / 1.5) faults.push(`picture: ${size} pixels`)
    }
    for (const one of page.querySelectorAll(".shown svg text")) {
        const size = parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a
        if (one.checkVisibility() && !one.transform.baseVal.length && size < least / 1.5) faults.push(`chart: ${size} pixels`)
    }
    const claim = page.querySelector(".claim"), all = document.createRange()
    all.selectNodeContents(claim)
    const widths = claim.querySelector("math") ? [] : [...all.getClientRects()].map(one => one.width)
    if (widths.length > 1 && widths.at(-1) < 0.25 * Math.max(...widths)) faults.push(`claim ends with ${widths.at(-1)} pixels`)
    for (const fraction of page.querySelectorAll(":is(.ask, .see) mfrac")) {
        if (!fraction.checkVisibility({visibilityProperty: true})) continue
        const {left, top, right, bottom} = fraction.getBoundingClientRect()
        const walk = document.createTreeWalker(fraction.closest("p"), NodeFilter.SHOW_TEXT)
        while (walk.nextNode()) {
            if (walk.currentNode.parentElement.closest("math")) continue
            all.selectNodeContents(walk.currentNode)
            for (const line of all.getClientRects()) {
                const middle = (line.top + line.bottom) / 2, near = line.left < right && line.right > left
                if (!near || (middle > top && middle < bottom)) continue
                const room = 0.1 * line.height
                if (line.top - room < bottom && line.bottom + room > top) faults.push("a fraction touches a line")
            }
        }
    }
    const canvas = document.createElement("canvas").getContext("2d")
    for (const one of page.querySelectorAll(".typed")) {
        if (!one.checkVisibility()) continue
        const style = getComputedStyle(one), arrows = 15
        canvas.font = style.font
        const room = one.clientWidth - 2 * parseFloat(style.paddingLeft) - arrows
        if (canvas.measureText(one.max).width > room) faults.push(`${one.max} is cut`)
    }
    if (!claim.checkVisibility()) faults.push("no words")
    if (page.querySelector("pre")?.checkVisibility()) faults.push("code")
    return faults
}"""


def members(path):
    """Return the talk of a notebook: {group: its cells}."""
    return talk.groups(execute.read(path).cells)


def words_of(cells):
    return talk.claim_of(cells).metadata.talk


# What the notebooks say


def test_the_lecture_takes_ninety_minutes_and_at_most_fifty_pages():
    groups = [group for path in NOTEBOOKS for group in members(path).values()]
    assert sum(words_of(cells).notes.minutes for cells in groups) == 90
    assert len(groups) <= 50


@each_talk
def test_a_section_has_8_to_14_pages_under_the_slides_titles_in_the_lectures_order(path):
    cells, titles = execute.read(path).cells, []
    groups = list(talk.groups(cells).values())
    assert 8 <= len(groups) <= 14
    order = {cell.id: number for number, cell in enumerate(cells)}
    assert order[talk.claim_of(groups[0]).id] == 0
    for group in groups[1:]:
        above = [
            one for cell in cells[: order[talk.claim_of(group).id] + 1] for one in re.findall(r"^## (.*)", cell.source, re.M)
        ]
        title = re.sub(r"^\d+ ", "", above[-1])
        if not titles or titles[-1] != title:
            titles.append(title)
    assert [one for one in titles if not one.startswith(OURS)] == TITLES[path.stem[0]]
    assert titles[-1] == "What to take away"


@each_talk
def test_a_page_is_one_claim_with_few_words_and_little_code_and_the_notes_say_what_to_say(path):
    for name, cells in members(path).items():
        words = words_of(cells)
        shown = " ".join(words.get(key, "") for key in ("claim", "see"))
        assert len(re.sub(r"\$[^$]*\$", "x", shown).split()) <= 50, name
        assert 1 <= len(re.findall(r"[.?!](?= |$)", words.notes.say)) <= 4 and len(words.notes.say.split()) <= 60, name
        assert sum(len(cell.source.splitlines()) for cell in cells if cell.metadata.talk.role == "code") <= 16, name
        assert not words.get("ask") or words.ask.endswith("?"), name


@each_talk
def test_every_number_of_a_page_stands_in_the_notebook_around_its_claim(path):
    """From the claim before to the claim after: what the talk says of a result changes with the result."""
    cells = execute.read(path).cells
    groups = talk.groups(cells)
    order = {cell.id: number for number, cell in enumerate(cells)}
    claims = [order[talk.claim_of(group).id] for group in groups.values()]
    for name, group, first, last in zip(groups, groups.values(), [0, *claims], [*claims[1:], len(cells)], strict=False):
        words, near = words_of(group), cells[first:last]
        outputs = [output for cell in near for output in cell.get("outputs", [])]
        printed = [output.get("text") or output.data.get("text/plain", "") for output in outputs]
        known = "\n".join([cell.source for cell in near] + printed).replace("{,}", ",")
        said = [
            *(words.get(key, "") for key in ("claim", "ask", "see")),
            *(words.notes.get(key, "") for key in ("say", "move", "answer")),
        ]
        numbers = re.findall(r"\d+[.,]\d+|\d+(?= ?%)|\b\d{3,}\b", re.sub(r"\b(19|20)\d\d\b", "", " ".join(said)))
        missing = [one for one in numbers if not re.search(rf"(?<![\d.]){re.escape(one)}(?!\d)", known)]
        assert not missing, name


@each_talk
def test_no_cell_says_how_another_tool_would_show_it(path):
    assert not [cell.id for cell in execute.read(path).cells if "slideshow" in cell.metadata]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words.update(wiht=1), "unknown keys: wiht"),
        (lambda words: words.update(role="picture"), "markdown"),
        (lambda words: words.pop("see"), "no see"),
        (lambda words: words.notes.pop("say"), "do not say: say"),
        (lambda words: words.notes.update(hours=1), "unknown notes: hours"),
        (lambda words: words.update(ask="Why?"), "question"),
        (lambda words: words.update(group="another"), "one claim"),
    ],
)
def test_metadata_that_say_it_wrongly_are_refused(change, message):
    cells = copy.deepcopy(execute.read(NOTEBOOKS[1]).cells)
    change(words_of([cell for cell in cells if cell.metadata.get("talk", {}).get("group") == "construction"]))
    with pytest.raises(execute.NotebookError, match=message):
        talk.groups(cells)


def test_the_title_page_has_a_qr_code_where_the_site_has_an_address(built):
    text = (built / "slides" / f"{NOTEBOOKS[0].stem}.html").read_text(encoding="utf-8")
    assert "Try it yourself" not in text  # without a remote
    section = export.Section("a", None, headings=[export.Heading(1, "A", "a", "", 1)])
    page = talk.Page("p", "A", "a", "claim", "", "see", [], "", [], "notes", 1)
    text = talk.deck(section, [page], None, None, 0, "Owner/lecture")
    assert "QR code: https://owner.github.io/lecture/site/try.html" in text and "Try it yourself" in text


# In the browser


@pytest.fixture(scope="module")
def browser():
    if lab.chromium() is None:
        pytest.skip("no Chromium or Chrome is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=lab.chromium(), args=[f"--{flag}" for flag in lab.FLAGS.split()])
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def deck(request, built, browser):
    """The talk of a section on a screen, offline; the tests leave it where they like."""
    context = {"offline": True, "viewport": {"width": 1280, "height": 720}, "bypass_csp": True}  # for what tests evaluate
    page = browser.new_context(**context).new_page()
    page.path = request.param
    page.goto((built / "slides" / f"{request.param.stem}.html").as_uri())
    page.wait_for_function("document.fonts.ready.then(() => true)")
    yield page
    page.context.close()


def restart(deck, number=0):
    deck.evaluate(f"document.activeElement?.blur(); show({number}, true)")


def here(deck):
    """Return the number of the page, from 0, and whether it asks."""
    return tuple(deck.evaluate("[at, pages[at].classList.contains('asking')]"))


def test_on_every_screen_every_page_is_whole_and_large_enough_to_read(deck):
    found = {}
    for width, height in SCREENS:
        deck.set_viewport_size({"width": width, "height": height})
        for number in range(deck.evaluate("pages.length")):
            for asking in ("true", "false"):
                deck.evaluate(f"show({number}, {asking})")
                if faults := deck.evaluate(FAULTS):
                    found[width, number + 1] = faults
    deck.set_viewport_size({"width": 1280, "height": 720})
    assert not found


def test_a_picture_takes_more_than_half_of_the_width(deck):
    for number in range(deck.evaluate("pages.length")):
        deck.evaluate(f"show({number}, false)")
        shown = deck.locator(".page:not([hidden]) .shown")
        if shown.count():
            assert shown.bounding_box()["width"] > 0.6 * 1280


def test_captions_of_photographs_have_16_pixels(deck):
    for number, cells in enumerate(members(deck.path).values()):
        for cell in cells:
            image = deck.locator(f"#{deck.evaluate(f'pages[{number}].id')} .shown img[src*='image/jpeg']")
            if cell.metadata.talk.role == "picture" and image.count():
                deck.evaluate(f"show({number}, false)")
                points = int((re.search(r"text=(\d+)", cell.source) or [0, 14])[1])
                width, height = image.evaluate(
                    "one => [one.clientWidth / one.naturalWidth, one.clientHeight / one.naturalHeight]"
                )
                assert points / 72 * 100 * min(width, height) >= 16, cell.id


def test_three_keys_lead_through_all_pages_question_first_and_a_fourth_one_back(deck):
    restart(deck)
    keys = itertools.cycle(["ArrowRight", "Space", "PageDown"])
    count, asks = deck.evaluate("[pages.length, document.querySelectorAll('.asks').length]")
    seen = [here(deck)]
    while seen[-1] != (count - 1, False):
        deck.keyboard.press(next(keys))
        assert here(deck) > seen[-1] or here(deck) == (seen[-1][0], False)
        seen.append(here(deck))
    assert len(seen) == count + asks
    for place in reversed(seen[:-1]):
        deck.keyboard.press("PageUp")
        assert here(deck) == place


def test_a_question_stands_there_before_its_picture(deck):
    for number in deck.evaluate("pages.flatMap((one, i) => one.classList.contains('asks') ? [i] : [])"):
        restart(deck, number)
        ask, answers = (deck.locator(f".page:not([hidden]) {name}") for name in (".ask", ".result"))
        assert ask.is_visible() and not any(one.is_visible() for one in answers.all())
        deck.keyboard.press("Space")
        assert not ask.is_visible() and all(one.is_visible() for one in answers.all())


def test_on_a_slider_the_arrows_move_it_and_escape_or_the_mouse_leave_it(deck):
    number = deck.evaluate("pages.findIndex(one => one.querySelector('input'))")
    deck.evaluate(f"show({number}, false)")
    control = deck.locator(f"[id='{deck.locator('.page:not([hidden]) input').first.get_attribute('id')}']")
    start = control.input_value()
    away, home = ("ArrowLeft", "ArrowRight") if start != "0" else ("ArrowRight", "ArrowLeft")
    control.press(away)
    assert control.input_value() != start and here(deck) == (number, False)
    control.press(home)
    deck.keyboard.press("Escape")
    deck.keyboard.press("ArrowRight")
    assert control.input_value() == start and here(deck)[0] == number + 1
    for leave in ("PageDown", "Space"):
        deck.evaluate(f"show({number}, false)")
        control.press(leave)
        assert here(deck)[0] == number + 1
    deck.evaluate(f"show({number}, false)")
    control.click()
    deck.keyboard.press("ArrowRight")
    assert here(deck)[0] == number + 1
    deck.evaluate(f"show({number}, false)")
    control.focus()
    deck.locator(".page:not([hidden]) h2").click()
    deck.keyboard.press("ArrowRight")
    assert here(deck)[0] == number + 1


def test_code_is_shown_at_a_press_and_hidden_at_another(deck):
    with_code = deck.evaluate("pages.flatMap((one, i) => one.querySelector('.code') ? [i] : [])")
    assert with_code
    for number in with_code:
        deck.evaluate(f"show({number}, false)")
        code, button = (deck.locator(f".page:not([hidden]) {name}") for name in (".code", ".fold"))
        assert not code.is_visible()
        button.click()
        assert code.is_visible()
        deck.keyboard.press("c")
        assert not code.is_visible()


def test_an_address_leads_to_its_page_which_has_a_link_to_the_same_place_and_back(deck, built):
    site = (built / "site" / f"{deck.path.stem}.html").read_text(encoding="utf-8")
    back = set(re.findall(rf'href="../slides/{deck.path.stem}.html#([^"]*)"', site))
    ids = deck.evaluate("pages.map(page => page.id)")
    assert back == {one for one in ids[1:] if one.startswith("show-")}
    for number, place in enumerate(ids):
        deck.evaluate(f"location.hash = {place!r}")
        deck.wait_for_function(f"at === {number}")
        link = deck.locator(".page:not([hidden]) footer a").get_attribute("href")
        assert link.startswith(f"../site/{deck.path.stem}.html#") and f'id="{link.partition("#")[2]}"' in site


def test_pages_are_numbered_in_the_file(deck, built):
    text = (built / "slides" / f"{deck.path.stem}.html").read_text(encoding="utf-8")
    count = len(members(deck.path))
    assert re.findall(r'class="number">([^<]*)<', text) == [f"{number} / {count}" for number in range(1, count + 1)]


def test_the_speaker_sees_the_notes_of_the_page_and_errata_stand_there(deck):
    restart(deck)
    with deck.expect_popup() as popup:
        deck.keyboard.press("s")
    notes, until = popup.value.locator("body"), 0
    assert notes.evaluate("one => parseFloat(getComputedStyle(one).paddingLeft)") > 8
    for number, cells in enumerate(members(deck.path).values()):
        restart(deck, number)
        said = words_of(cells).notes
        until += said.minutes  # as its clock counts: from the first page of the section
        playwright.expect(notes).to_contain_text(said.say.split("$")[0].strip())
        length = f"{said.minutes:g} minute{'s' * (said.minutes != 1)}"
        playwright.expect(notes).to_contain_text(f"{length}; this page is done at {until:g} of the section")
    popup.value.close()
    source = "\n".join(cell.source for cell in execute.read(deck.path).cells if cell.cell_type == "markdown")
    told = deck.evaluate("pages.map(page => page.querySelector('.notes').textContent).join('')")
    assert told.count("On the slide.") == source.count("> **On the slide.**")


def test_the_last_page_leads_to_the_next_section(deck):
    following = NOTEBOOKS[NOTEBOOKS.index(deck.path) + 1 :][:1]
    targets = deck.locator(".page:last-of-type .words a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert targets == [f"{one.stem}.html" for one in following]


def test_it_is_dark_where_the_reader_left_the_site_dark(deck):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert deck.evaluate(ground) == "rgb(255, 255, 255)"
    with deck.context.browser.new_context(offline=True, bypass_csp=True) as context:
        context.add_init_script("localStorage.setItem('lecture-theme', 'dark')")
        night = context.new_page()
        night.goto(deck.url)
        assert night.evaluate(ground) == "rgb(20, 23, 27)"


def test_the_print_has_one_page_a_page_with_all_answers(deck):
    count = deck.evaluate("pages.length")
    pdf = deck.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == count
    deck.emulate_media(media="print")
    tops = deck.evaluate("pages.map(page => page.getBoundingClientRect().top + scrollY)")
    heights = deck.evaluate("pages.map(page => [page.getBoundingClientRect().height, page.scrollHeight])")
    hidden = deck.evaluate(
        "[...document.querySelectorAll('.result')].filter(one => !one.checkVisibility({visibilityProperty: true}))"
    )
    faults = deck.evaluate(f"pages.map((page, i) => [i + 1, ({FAULTS})(page)]).filter(([_, found]) => found.length)")
    deck.set_viewport_size({"width": 816, "height": 1056})  # a printer's sheet, before the page's own size is known
    edges = deck.evaluate("""[...document.querySelectorAll(".pictured")].map(page => [
       page.querySelector(".shown").getBoundingClientRect().right, page.querySelector(".words").getBoundingClientRect().left])""")
    deck.set_viewport_size({"width": 1280, "height": 720})
    deck.emulate_media(media="screen")
    assert edges and all(picture <= words for picture, words in edges)
    assert tops == [720 * number for number in range(count)] and heights == [[720, 720]] * count
    assert not hidden and not faults
