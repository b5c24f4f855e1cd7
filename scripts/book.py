"""What makes the pages a book: words that lead to places, numbers of formulas, notes on references, and what a search finds.

All of it is a rule over the text, so that a notebook stays a notebook: it says "exercise 1.6", "slide 3" or "Szegedy et al.
(2013)", and here these words are links.
"""

import html
import json
import re

from links import WAYS_IN

TAG = re.compile(r"(<[^>]*>)")
CLOSED = re.compile(r"</?(?:a|code|h[1-6]|math|pre|summary)\b")  # elements in which no word becomes a link
WORDS = re.compile(
    r"\b(exercise|section|slide|theorem|proposition|assumption|step)(?:s)? (\d(?:\.\d)?)(?![\d%]|\.\d)", re.IGNORECASE
)
SLIDE = re.compile(r"(\d+) (?!Beyond the slides)")
STATED = re.compile(r"<p><strong>((?:Theorem|Proposition|Assumption|Step) \d)\b")  # a paragraph that states it
EQUATION = re.compile(r'<span class="formula">(?:(?!<span|</span>).)*</span>', flags=re.DOTALL)
PLACE = re.compile(r'\bid="([^"]*)"')
LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', flags=re.DOTALL)
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "η": "eta", "κ": "kappa", "λ": "lambda",
         "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau", "ψ": "psi", "ω": "omega"}  # fmt: skip


def plain(text):
    """Return HTML as the words that one reads."""
    return " ".join(html.unescape(TAG.sub("", text)).split())


def places(sections):
    """Return where words lead: {"exercise 1.6": (page, place, what stands there)}.

    A slide has its section before it, "NAME slide 3", a step its section and the place of the slide.
    """
    found = {}
    for number, section in enumerate(sections, 1):
        found[f"section {number}"] = section.name, "", section.title
        for one in section.headings[1:]:
            words = [word.group().lower() for word in WORDS.finditer(one.text)]
            if one.level == 2:
                slide = f"{section.name} {one.id}"
            if SLIDE.match(one.text):
                found[f"{section.name} slide {one.text.split()[0]}"] = section.name, one.id, one.text
            if words and words[0].startswith("step"):
                found[f"{slide} {words[0]}"] = section.name, one.id, one.text
            elif words and "Proof" not in one.text:
                found.setdefault(words[0], (section.name, one.id, one.text))
        for slide, cell in slides(section):
            for words in STATED.findall(cell.metadata.html if cell.cell_type == "markdown" else ""):
                step = words.startswith("Step")
                key, place = (
                    (f"{section.name} {slide} {words.lower()}", f"{slide}-{slug(words)}")
                    if step
                    else (words.lower(), slug(words))
                )
                if found.get(key, ("", "", ""))[1] != place:  # not stated before
                    found[key] = section.name, place, words
    return found


def slides(section):
    """Return the cells of a section, each with the place of its slide; without the ways in, which a page has by itself."""
    begin, slide, found = {one.cell: one.id for one in section.slides}, "", []
    for cell in section.notebook.cells:
        slide = begin.get(cell.id, slide)
        if cell.id not in WAYS_IN:
            found.append((slide, cell))
    return found


def look_up(found, words, section, slide):
    """Return what ``places`` has for words such as "step 2" that stand in a cell of a slide; None for what it has not."""
    return next(
        (found[key] for key in (words, f"{section.name} {words}", f"{section.name} {slide} {words}") if key in found), None
    )


def slug(text):
    """Return a place in a page, given its words or JupyterLab's name of it."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def stated(text, section, slide, found, done):
    """Return the HTML of a cell in which the paragraphs that state something can be led to. done: the places before it."""

    def placed(words):
        name, place, note = look_up(found, words[1].lower(), section, slide)
        if name != section.name or note != words[1] or place in done:
            return words[0]
        done.add(place)
        return f'<p id="{place}"><strong>{words[1]}'

    return STATED.sub(placed, text)


def outside(text, change):
    """Return HTML in which a function has changed the words outside of links, code, headings and formulas."""
    parts, inside = [], 0
    for part in TAG.split(text):
        if CLOSED.match(part):
            inside += -1 if part.startswith("</") else 1
        parts.append(part if inside or part.startswith("<") else change(part))
    return "".join(parts)


def linked(text, section, slide, found):
    """Return the HTML of a cell with its words linked, each place once, and none to the cell itself."""
    seen = {html.unescape(url) for url, _ in LINK.findall(text)} | {f"#{place}" for place in PLACE.findall(text)}

    def link(word):
        name, place, note = look_up(found, f"{word[1].lower()} {word[2]}", section, slide) or (section.name, "", "")
        url = ("" if name == section.name else f"{name}.html") + (f"#{place}" if place else "")
        if not url or url in seen:
            return word[0]
        seen.add(url)
        return f'<a class="word" href="{url}" data-note="{html.escape(note)}">{word[0]}</a>'

    return outside(text, lambda part: WORDS.sub(link, part))


class Numbers:
    """Formulas numbered through a section: ``numbers.set(text, heading)`` gives each one in the HTML of a cell its number."""

    def __init__(self, section):
        self.section, self.count, self.first = section, 0, {}  # of each heading's own formulas the first number

    def set(self, text, heading):
        def numbered(formula):
            self.count += 1
            name = f"{self.section}.{self.count}"
            self.first.setdefault(heading, name)
            number = f'<a class="number" href="#formula-{name}" aria-label="Link to formula {name}">({name})</a>'
            return f'<span class="equation" id="formula-{name}">{formula[0]}{number}</span>'

        return EQUATION.sub(numbered, text)


class References:
    """The list of references of a section, and the words that cite one of them."""

    def __init__(self, text):
        """text: HTML of the list's cell. An entry's place is its first author's name and its year."""
        self.by_url, by_word, self.text = {}, {}, text
        for entry in re.findall(r"<li>(.*?)</li>", text, flags=re.DOTALL):
            words = plain(entry)
            name = re.match(r"(?:[A-Z]\.(?:-[A-Z]\.)* )*([^,.]+?)(?: et al)?[,.]", words)[1]
            year = re.findall(r"\b(?:19|20)\d\d\b", words.split(" arXiv")[0])[-1]
            others = by_word.setdefault((name, year), [])
            others.append(f"ref-{slug(name)}-{year}" + "bcdef"[len(others) - 1] * (len(others) > 0))
            self.text = self.text.replace(f"<li>{entry}</li>", f'<li id="{others[-1]}">{entry}</li>')
            self.by_url |= {html.unescape(url): others[-1] for url, _ in LINK.findall(entry)}
        self.by_word = {words: found[0] for words, found in by_word.items() if len(found) == 1}

    def cited(self, text):
        """Return the HTML of a cell whose citations lead to the list."""

        def link(found):
            place = self.by_url.get(html.unescape(found[1]))
            return f'<a class="cite" href="#{place}">{found[2]}</a>' if place else found[0]

        text = LINK.sub(link, text)
        for (name, year), place in self.by_word.items():
            words = re.compile(rf"\b{re.escape(name)}(?:, [A-Z][\w-]+| and [A-Z][\w-]+| et al\.)* \(?{year}\)?")
            anchor = f'<a class="cite" href="#{place}">\\g<0></a>'
            text = outside(text, lambda part, words=words, anchor=anchor: words.sub(anchor, part))
        return text


def entries(section):
    """Return what a search may find in a section: a list [place, heading, text] for each heading and what stands below it."""
    found = []
    headings = {one.id: one for one in section.headings}
    for _, cell in slides(section):
        for part in re.split(r'(?=<h[123] id=")', cell.metadata.html):
            if begins := re.match(r'<h[123] id="([^"]*)">.*?</h[123]>', part, flags=re.DOTALL):
                one = headings[begins[1]]
                found.append([f"{section.name}.html#{one.id}", one.text, ""])
                part = part[begins.end() :]
            if found:
                found[-1][2] += " " + plain(re.sub(r"(?s)<a class=\"anchor\".*?</a>|<img[^>]*>", "", part))
        if cell.cell_type == "code" and found:
            found[-1][2] += " " + " ".join(cell.source.split())
    return [[place, title, text.strip()] for place, title, text in found]


def index(sections):
    """Return all entries as JSON, for search.js."""
    found = [[section.title, entries(section)] for section in sections]
    return json.dumps({"letters": GREEK, "sections": found}, ensure_ascii=False)
