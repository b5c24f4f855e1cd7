"""Export executed notebooks: pages whose sliders work from disk, without a kernel or a network.

    python scripts/export.py [--executed DIR] [--output DIR]

Reads what ``execute.py --frames`` wrote to build/executed/; writes build/site/ (an index, a page a notebook); talk.py
writes the slides. LECTURE_REPOSITORY=OWNER/NAME names the repository that Binder and the links
lead to; without it, the git remote does. Every file holds all that it shows, and asks for nothing.
"""

import argparse
import html
import os
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from nbconvert.exporters import HTMLExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

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
TAGS = re.compile(r"<[^>]*>")
NOTEBOOK_LINK = re.compile(r"(?:(\w+)\.ipynb)?(?:#(.*))?")
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
        return html.unescape(TAGS.sub("", self.html))

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

    @property
    def title(self):
        return self.headings[0].text

    @property
    def slides(self):
        return [one for one in self.headings if one.level == 2]


class Formulas(IPythonRenderer):
    """Markdown as HTML, formulas as MathML."""

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
        name = slug(html.unescape(TAGS.sub("", text)))
        uses = sum(re.fullmatch(rf"{re.escape(name)}(\.\d+)?", one.id) is not None for one in self.section.headings)
        found = Heading(level, text, f"{name}.{uses + 1}" if uses else name, self.cell.id, self.number)
        self.section.headings.append(found)
        link = f'<a class="anchor" href="#{found.id}" aria-label="Link to {html.escape(found.text)}">#</a>'
        return f'<h{level} id="{found.id}">{text}{link}</h{level}>\n'

    def link(self, text, url, title=None):
        """Links between the notebooks, to a heading as JupyterLab and GitHub name it, lead from page to page here."""
        if found := NOTEBOOK_LINK.fullmatch(url):
            name, heading = found.groups()
            url = (f"{name}.html" if name else "") + (f"#{slug(unquote(heading))}" if heading else "")
        return super().link(text, url, title)

    def block_quote(self, text):
        if "On the slide" not in text:
            return super().block_quote(text)
        remark = f'<blockquote class="erratum">{text}</blockquote>\n'
        self.section.errata.append((self.section.slides[-1], remark))
        return remark


def slug(text):
    """Return a heading's place in a page, given its text or JupyterLab's name of it."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def read(path):
    """Return the Section of an executed notebook. Raises NotebookError where its frames are missing or belong to no cell."""
    folder = execute.frames_folder(path)
    if not folder.is_dir():
        raise execute.NotebookError(f"{path} has no frames: execute it with scripts/execute.py --frames")
    section = Section(path.stem, execute.read(path))
    for number, cell in enumerate(section.notebook.cells, 1):
        if cell.cell_type == "markdown":
            rendered = MarkdownWithMath(renderer=Text(section, cell, number)).render(cell.source)
            cell.metadata.html = JOINED.sub(r'<span class="joined">\g<0></span>', rendered)
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
    cell.metadata.pictured = "<figure" in cell.metadata.html
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


class Template:
    """What pages and slides share: our templates."""

    def __init__(self, **options):
        super().__init__(template_name="lecture", extra_template_basedirs=[str(TEMPLATES)], **options)


class Page(Template, HTMLExporter):
    """A notebook as one page."""


def ours(*names):
    return "\n".join((TEMPLATES / "lecture" / name).read_text(encoding="utf-8") for name in names)


def styles(*names, text=""):
    """Return the style sheet of a document: our files, the colours of code, the font of the formulas in it."""
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    code = f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    face = f"@font-face {{ font-family: 'Lecture Math'; src: url(data:font/woff;base64,{font(text)}); }}\n"
    return code + ours(*names) + face


def all_html(section):
    return "".join(cell.metadata.get("html", "") for cell in section.notebook.cells)


def page(section, before, after):
    """Return the page of a section as HTML."""
    neighbours = [("Before", before), ("Next", after)]
    resources = {
        "section": section, "css": styles("base.css", "page.css", text=all_html(section)), "contents": contents(section),
        "links": [link(f"../slides/{section.name}.html", "Slides"), *section.links, link("try.html", "Attack it yourself")],
        "neighbours": [link(f"{one.name}.html", f"{word}: {one.title}") for word, one in neighbours if one],
        "scripts": [ours("explorer.js", "page.js")],
    }  # fmt: skip
    text = Page(template_file="page.html.j2").from_notebook_node(section.notebook, resources)[0]
    return live.computing(text, section.live)


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
    """Return the links of a notebook: to download it, to run it, to its source."""
    found = [f'<a href="{name}.ipynb" download>Notebook</a>']
    if not place:
        return [*found, "<span>Binder: once this is on GitHub</span>"]
    path = f"notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{place}/HEAD?urlpath=lab/tree/{path}"
    return [*found, link(binder, "Run on Binder"), link(f"https://github.com/{place}/blob/HEAD/{path}", "GitHub")]


def index(sections, place):
    """Return the index as HTML."""
    text = "".join(map(all_html, sections))
    trained = []
    for name, entry in networks.manifest().items():
        robust = entry.get("robust accuracy")
        attacked = f"{robust:.1%} at ε = {entry['epsilon']:g}" if robust else "not trained for it"
        trained.append((name, f"{entry['clean accuracy']:.1%}", attacked))
    template = Page(template_file="index.html.j2").environment.get_template("index.html.j2")
    where = link(f"https://github.com/{place}", "Source on GitHub.") if place else ""
    css, script = styles("base.css", "page.css", text=text), ours("page.js")
    qr = live.qr(addresses.site(place, "try.html")) if place else ""
    return template.render(sections=sections, networks=trained, place=where, css=css, script=script, qr=qr)


def write(path, text):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        sys.exit(f"{path} cannot be written ({error.strerror}): name another folder with --output")
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


def read_all(description):
    """Read the command line of a script that exports; return the Sections it names and the folder to write to."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executed", type=Path, default=ROOT / "build" / "executed", metavar="DIR")
    parser.add_argument("--output", type=Path, default=ROOT / "build", metavar="DIR")
    given = parser.parse_args()
    try:
        return [read(given.executed / one.name) for one in sorted(execute.NOTEBOOKS.glob("*.ipynb"))], given.output
    except (execute.NotebookError, OSError) as error:
        sys.exit(str(error))


def main():
    sections, output = read_all(__doc__)
    try:
        place = repository()
        networks.manifest()
    except (execute.NotebookError, OSError) as error:
        sys.exit(str(error))
    folder = output / "site"
    shutil.rmtree(folder, ignore_errors=True)
    for section, before, after in zip(sections, [None, *sections], [*sections[1:], None], strict=False):
        section.links = links(section.name, place)
        write(folder / f"{section.name}.html", page(section, before, after))
        shutil.copy(execute.NOTEBOOKS / f"{section.name}.ipynb", folder)
    write(folder / "try.html", live.sealed(live.try_page()))
    write(folder / "index.html", index(sections, place))


if __name__ == "__main__":
    main()
