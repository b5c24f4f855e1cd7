"""Export executed notebooks: pages whose sliders work from disk, without a kernel or a network.

    python scripts/export.py [--executed DIR] [--output DIR]

Reads what ``execute.py --frames`` wrote to build/executed/; writes build/site/ (an index, a page a notebook, notation, search);
talk.py writes the slides. LECTURE_REPOSITORY=OWNER/NAME names the repository that Binder and the links lead to; without it,
the git remote does. Every file holds all that it shows, and asks for nothing.
"""

import argparse
import html
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES

import book
import execute
import explorers
import links as addresses
import live
from lecture_utils import networks
from lecture_utils.exercises import exercise
from mathml import font, lines, mathml

ROOT = execute.ROOT
TEMPLATES = Path(__file__).parent / "templates"
EXERCISE = re.compile(r'^exercise\("([\w.-]+)"\)\.check\(', flags=re.MULTILINE)
NOTEBOOK_LINK = re.compile(r"(?:(\w+)\.ipynb)?(?:#(.*))?")
UNSEEN = re.compile(r"\b(?:plots\.|explore\(|import |exercise\()")  # code that tells a reader nothing: drawing, set-up, checks
SHORT = 5  # lines of code that need no fold
CARDS = {  # the heading below which the picture of a section's card stands
    "1_adversarial_examples": "The panda row",
    "2_robust_networks": "2 Illustration: robustness",
    "3_initialization": "6 Main result: Theorem 3",
    "4_adversarial_training": "Robust against what?",
}
JOINED = re.compile(r'<math display="inline">(?:(?!</math>).)*</math>[.,;:?!)]+', flags=re.DOTALL)  # no line begins with a comma


@dataclass
class Heading:
    """A heading: its level, what it shows as HTML, its place in the page, and the cell that it stands in."""

    level: int
    html: str
    id: str
    cell: str
    number: int  # of the cell in the notebook, from 1
    cells: str = ""
    shown: bool = False  # in the talk

    @property
    def text(self):
        return html.unescape(book.TAG.sub("", self.html))

    @property
    def place(self):
        return f"show-{self.id}"


@dataclass
class Section:
    """An executed notebook, its cells rendered (``cell.metadata.html``), and what the index tells of it."""

    name: str
    notebook: execute.nbformat.NotebookNode
    headings: list = field(default_factory=list)
    errata: list = field(default_factory=list)
    results: list = field(default_factory=list)
    frames: dict = field(default_factory=dict)
    links: list = field(default_factory=list)
    live: dict = field(default_factory=dict)  # explorers that compute, and what they read in the notebook
    formulas: dict = field(default_factory=dict)  # of each heading with formulas below it the number of the first

    @property
    def title(self):
        return self.headings[0].text

    @property
    def slides(self):
        return [one for one in self.headings if one.level == 2]


class Formulas(IPythonRenderer):
    """Markdown as HTML, formulas as MathML."""

    def text(self, text):
        return super().text(re.sub(r"(?<=\d) (?=%)", "\u00a0", text))  # no line ends between them

    def block_math(self, body):
        return f'<span class="formula">{"".join(mathml(part, display=True) for part in lines(body))}</span>'

    def inline_math(self, body):
        return mathml(body)

    def latex_environment(self, name, body):
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


class Text(Formulas):
    """Markdown of a notebook as HTML; what the index needs is noted down in the section."""

    def __init__(self, section, cell, number):
        super().__init__(escape=False)
        self.section, self.cell, self.number = section, cell, number

    def heading(self, text, level, **_):
        name = book.slug(html.unescape(book.TAG.sub("", text)))
        uses = sum(re.fullmatch(rf"{re.escape(name)}(\.\d+)?", one.id) is not None for one in self.section.headings)
        found = Heading(level, text, f"{name}.{uses + 1}" if uses else name, self.cell.id, self.number)
        self.section.headings.append(found)
        link = f'<a class="anchor" href="#{found.id}" aria-label="Link to {html.escape(found.text)}">#</a>'
        return f'<h{level} id="{found.id}">{text}{link}</h{level}>\n'

    def link(self, text, url, title=None):
        """Links between the notebooks, to a heading as JupyterLab and GitHub name it, lead from page to page here."""
        if found := NOTEBOOK_LINK.fullmatch(url):
            name, heading = found.groups()
            url = (f"{name}.html" if name else "") + (f"#{book.slug(unquote(heading))}" if heading else "")
        return super().link(text, url, title)

    def block_quote(self, text):
        if "On the slide" not in text:
            return super().block_quote(text)
        remark = f'<blockquote class="erratum">{text}</blockquote>\n'
        elsewhere = remark.replace('href="#', f'href="{self.section.name}.html#')
        self.section.errata.append((self.section.slides[-1], joined(elsewhere)))
        return remark


def joined(text):
    """Return HTML in which formulas and the commas after them stay on one line."""
    return JOINED.sub(r'<span class="joined">\g<0></span>', text)


def rendered(text, renderer):
    """Return Markdown as HTML."""
    done = joined(MarkdownWithMath(renderer=renderer).render(text))
    return re.sub(r"(?s)<table>.*?</table>", r'<div class="wide">\g<0></div>', done)


def read(path):
    """Return the Section of an executed notebook. Raises NotebookError where its frames are missing or belong to no cell."""
    folder = execute.frames_folder(path)
    if not folder.is_dir():
        raise execute.NotebookError(f"{path} has no frames: execute it with scripts/execute.py --frames")
    section = Section(path.stem, execute.read(path))
    for number, cell in enumerate(section.notebook.cells, 1):
        if cell.cell_type == "markdown":
            cell.metadata.html = rendered(cell.source, Text(section, cell, number))
        elif cell.cell_type == "code":
            _render_code(section, cell, folder)
    for one, after in zip(section.slides, [*section.slides[1:], None], strict=True):
        last = after.number - 1 if after else len(section.notebook.cells)
        one.cells = f"{one.number} to {last}" if last > one.number else f"{one.number}"
        one.shown = any("talk" in cell.metadata for cell in section.notebook.cells[one.number - 1 : last])
        if one.shown:
            there = f'href="../slides/{path.stem}.html#{one.place}" aria-label="Show {html.escape(one.text)} in the talk"'
            first = section.notebook.cells[one.number - 1].metadata
            first.html = first.html.replace("</h2>", f'<a class="anchor" {there}>▷</a></h2>', 1)
    if lost := {one.name for one in folder.iterdir()} - {f"{name}.json" for name in section.frames}:
        raise execute.NotebookError(f"{path} shows no explorer whose frames are {', '.join(sorted(lost))}: execute it again")
    return section


def _render_code(section, cell, folder):
    tags = cell.metadata.get("tags", [])
    numbers = EXERCISE.findall(cell.source)
    outputs = [] if numbers else cell.outputs  # what the check of a stub says helps nobody here
    shown = [explorers.output(one, section, folder, cell.metadata.get("live")) for one in outputs]
    cell.metadata.html = "\n".join(shown)
    cell.metadata.help = "".join(map(help_with, numbers))
    if "nbval-check-output" in tags:
        printed = "".join(one.get("text") or one.data.get("text/plain", "") for one in cell.outputs)
        slide = section.slides[-1] if section.slides else section.headings[0]
        section.results.append((slide, cell.id, printed.strip()))


def help_with(number):
    """Return hints and solution of an exercise, folded, as HTML."""
    one, highlight = exercise(number), Highlight2HTML(pygments_lexer="python3")
    solution = one.solution()
    folded = [(f"Hint {i} of {len(one.hints)}", f"<p>{html.escape(hint)}</p>") for i, hint in enumerate(one.hints, 1)]
    folded.append(("Solution", f"<p>{html.escape(solution.words)}</p>{highlight(solution.code)}"))
    return "".join(
        f'<details class="help"><summary>{head}<span class="unseen"> of exercise {number}</span></summary>{body}</details>'
        for head, body in folded
    )


BOOK = Environment(loader=FileSystemLoader(TEMPLATES / "lecture"), trim_blocks=True)


def ours(*names):
    return "\n".join((TEMPLATES / "lecture" / name).read_text(encoding="utf-8") for name in names)


def styles(*names, text=""):
    """Return the style sheet of a document: our files, the colours of code, the font of the formulas in it."""
    light, dark = map(get_style_by_name, ("default", "github-dark"))
    code = []
    for kind, name in STANDARD_TYPES.items():
        day, night = light.style_for_token(kind), dark.style_for_token(kind)
        colours = [f"#{one['color']}" if one["color"] else "inherit" for one in (day, night)]
        if name and colours != ["inherit"] * 2:
            weight = "; font-weight: 700" if day["bold"] else ""
            code.append(f".highlight .{name} {{ color: light-dark({', '.join(colours)}){weight} }}")
    face = f"@font-face {{ font-family: 'Lecture Math'; src: url(data:font/woff;base64,{font(text)}); }}\n"
    return "\n".join([*code, ours(*names), face])


def all_html(section):
    return "".join(cell.metadata.get("html", "") for cell in section.notebook.cells)


def framed(template, shared, here, title, scripts=("page.js",), **parts):
    """Return a page of the book as HTML: ``template`` inside the contents of the whole lecture, which ``shared`` describes.

    here: what is marked in the contents. scripts: our files.
    """
    parts |= shared | {"here": here, "title": title, "theme": ours("theme.js"), "scripts": [ours(one) for one in scripts]}
    return BOOK.get_template(template).render(contents=contents, **parts)


def page(section, before, after, shared):
    """Return the page of a section as HTML."""
    found, cells, done = book.places(shared["sections"]), [], set()
    numbers, references = (
        book.Numbers(shared["sections"].index(section) + 1),
        book.References(section.notebook.cells[-1].metadata.html),
    )
    below = {one.cell: one.id for one in section.headings}  # a cell's last heading
    heading, highlight = None, Highlight2HTML(pygments_lexer="python3")
    slides = [one for one in section.slides if book.SLIDE.match(one.text)]
    for slide, cell in book.slides(section):
        heading = below.get(cell.id, heading)
        if cell.cell_type == "markdown":
            text = references.text if cell is section.notebook.cells[-1] else references.cited(cell.metadata.html)
            text = book.linked(book.stated(text, section, slide, found, done), section, slide, found)
            text = numbers.set(text, heading)
            for number, one in enumerate(slides, 1):
                note = f'<span class="slide-of">Slide {number} of {len(slides)}</span>'
                text = text.replace(f'<h2 id="{one.id}">', f'<h2 id="{one.id}">{note}')
            cells.append({"cell_type": "markdown", "id": cell.id, "html": text})
        elif cell.cell_type == "code":
            count = len(cell.source.splitlines())
            folded = UNSEEN.search(cell.source) or (count > SHORT and "exercise" not in cell.metadata.get("tags", []))
            cells.append(
                {"cell_type": "code", "id": cell.id, "html": cell.metadata.html, "help": cell.metadata.help}
                | {"source": highlight(cell.source), "lines": count, "folded": folded}
            )
    section.formulas = numbers.first
    neighbours = [("Before", before), ("Next", after)]
    text = framed(
        "page.html.j2", shared, section.name, section.title, ["explorer.js", "page.js"], section=section, cells=cells,
        neighbours=[link(f"{one.name}.html", f"{word}: {one.title}") for word, one in neighbours if one],
    )  # fmt: skip
    return live.computing(text, section.live)


def symbols():
    """Return the tables of symbols as HTML."""
    cell = execute.nbformat.v4.new_markdown_cell(id="notation")
    return rendered(ours("notation.md"), Text(Section("notation", None), cell, 1))


def notation(shared, text):
    """Return the page of symbols as HTML; behind a link to a heading stands the number of the first formula below it."""
    for one in shared["sections"]:
        for heading, number in one.formulas.items():
            target = f"{one.name}.html#formula-{number}"
            place = re.compile(rf'(<a href="{one.name}\.html#{re.escape(heading)}">.*?</a>)')
            text = place.sub(rf'\1 <a class="number" href="{target}">({number})</a>', text)
    return framed("notation.html.j2", shared, "notation", "Notation", text=text)


def contents(section):
    """Return the slides of a section, each with the headings below it."""
    found = []
    for one in section.headings[1:]:
        if one.level == 2:
            found.append((one, []))
        elif found:
            found[-1][1].append(one)
    return found


def link(target, text):
    return f'<a href="{html.escape(target)}">{html.escape(text)}</a>'


def repository():
    """Return "OWNER/NAME" of the repository on GitHub, None where there is none."""
    given = os.environ.get("LECTURE_REPOSITORY")
    if given and not re.fullmatch(addresses.PLACE, given):
        raise execute.NotebookError(f"LECTURE_REPOSITORY must be OWNER/NAME, got {given!r}")
    found = addresses.repository(addresses.remote("origin", ROOT))
    return given or ("/".join(found) if found else None)


def links(name, place):
    """Return the links of a notebook: to its slides, to download it, to run it, to its source."""
    found = [link(f"../slides/{name}.html", "Slides"), f'<a href="{name}.ipynb" download>Notebook</a>']
    if place:
        path = f"notebooks/{name}.ipynb"
        found += [link(target, f"Run on {where}") for where, target in addresses.doors(place, path).items()]
        found.append(link(f"https://github.com/{place}/blob/HEAD/{path}", "GitHub"))
    return found


def card(section):
    """Return the picture of a section's card: the first one below the heading that CARDS names."""
    start = next(one.number for one in section.headings if one.text == CARDS[section.name])
    below = "".join(cell.metadata.html for cell in section.notebook.cells[start:])
    return re.search(r'<div class="picture".*?</div>', below)[0]


def summary(section):
    """Return the sentence on a section that README has."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(rf"\(notebooks/{section.name}\.ipynb\) \| (.*?) \|", readme)[1]


def index(shared, place):
    """Return the index as HTML."""
    sections, trained = shared["sections"], []
    for name, entry in networks.manifest().items():
        robust = entry.get("robust accuracy")
        attacked = f"{robust:.1%} at ε = {entry['epsilon']:.2g}" if robust else "not trained for it"
        trained.append((name, f"{entry['clean accuracy']:.1%}", attacked))
    cards = [(section, card(section), summary(section)) for section in sections]
    title = "Adversarial examples: a lecture that computes what it claims"
    qr = live.qr(addresses.site(place, "try.html")) if place else ""
    return framed("index.html.j2", shared, "index", title, networks=trained, cards=cards, qr=qr)


def write(path, text):
    """Write a page whole or not at all. Raises NotebookError where it cannot be written."""
    try:
        execute.save(text, path)
    except execute.NotebookError as error:
        raise execute.NotebookError(f"{error}; name another folder with --output") from error
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


def options(description):
    """Return the parser of what every script that exports is told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executed", type=Path, default=ROOT / "build" / "executed", metavar="DIR")
    parser.add_argument("--output", type=Path, default=ROOT / "build", metavar="DIR")
    return parser


def read_all(folder):
    """Return the Sections of all notebooks, executed in a folder."""
    return [read(folder / one.name) for one in sorted(execute.NOTEBOOKS.glob("*.ipynb"))]


def site(sections, output):
    """Write the index, a page a section, notation, search and the page to try into output/site/."""
    place, folder = repository(), output / "site"
    where = link(f"https://github.com/{place}", "Source on GitHub.") if place else ""
    texts = [*map(all_html, sections), symbols()]
    shared = {"sections": sections, "place": where, "css": styles("base.css", "page.css", text="".join(texts))}
    made = {}
    for section, before, after in zip(sections, [None, *sections], [*sections[1:], None], strict=False):
        section.links = links(section.name, place)
        made[section.name] = page(section, before, after, shared)
    made["notation"] = notation(shared, texts[-1])
    entries = explorers.embedded(book.index(sections))
    made["search"] = framed("search.html.j2", shared, "search", "Search", ["page.js", "search.js"], entries=entries)
    made["try"], made["picture"] = live.try_page(), live.picture_page()
    made["index"] = index(shared, place)
    for name, text in made.items():
        write(folder / f"{name}.html", live.sealed(text))
    for section in sections:
        notebook = execute.read(execute.NOTEBOOKS / f"{section.name}.ipynb")
        execute.write(addresses.addressed(notebook, place, section.name), folder / f"{section.name}.ipynb")


def main():
    given = options(__doc__).parse_args()
    site(read_all(given.executed), given.output)


if __name__ == "__main__":
    execute.said(main)
