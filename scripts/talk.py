"""Export the talk: what a lecturer shows of the executed notebooks, from disk, without a kernel or a network.

    python scripts/talk.py [--site] [--executed DIR] [--output DIR]

Reads what ``execute.py --frames`` wrote to build/executed/; writes build/slides/NAME.html, one sequence of pages a section.
--site: and what export.py writes.

How a notebook says it: cells whose ``metadata.talk.group`` is the same make a page; ``role`` says what a cell gives to it.

    claim    A Markdown cell, one a page: the page stands under the slide's title that the cell stands under, in the order of
             these cells. Its metadata hold the words, which may contain formulas: "claim", the statement of the page; "ask", a
             question, shown first; "see", one sentence that says what to see, shown with the picture, after the question.
             "formulas": which display formulas of the cell are shown, counted from 0. "notes", for the speaker's window:
             "say", two or three sentences; "move", what to do with the sliders and what happens then; "answer" to the
             question; "minutes". Remarks in the cell (block quotes: errata) go to the notes.
    picture  The code cell, at most one a page, whose picture or sliders are shown.
    code     Code cells: the few lines that matter, shown at a press of "Code".
    aside    Markdown cells that go to the notes as they are.

The page of the notebook's first cell is the title page. No two pages need the same cell.
"""

import datetime
import html
import re
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader
from nbconvert.filters.highlight import Highlight2HTML

import execute
import export
import links
import live

ROLES = {"claim": "markdown", "picture": "code", "code": "code", "aside": "markdown"}  # and the type of the cell
WORDS, NOTES = {"claim", "see", "ask", "formulas", "notes"}, {"say", "move", "answer", "minutes"}
FORMULA = re.compile(r"\$\$(.+?)[\s,.]*\$\$", flags=re.DOTALL)
FIGURE = re.compile(r"<figure.*?</figure>", flags=re.DOTALL)
REMARK = re.compile(r"<blockquote.*?</blockquote>", flags=re.DOTALL)


@dataclass
class Page:
    """A page of the talk, all texts as HTML. where: the heading that the page of the site has there."""

    id: str
    title: str
    where: str
    claim: str
    ask: str
    see: str
    formulas: list
    picture: str
    code: list
    notes: str
    minutes: float


def groups(cells):
    """Return {group: its cells}, in the order of the claims. Raises NotebookError for metadata that say it wrongly."""
    found = {}
    for cell in cells:
        if talk := cell.metadata.get("talk"):
            found.setdefault(talk.get("group"), []).append(cell)
    for name, members in found.items():
        if wrong := mistakes(members):
            raise execute.NotebookError(f"talk, page {name!r}: {wrong[0]}")
    order = {cell.id: number for number, cell in enumerate(cells)}
    return dict(sorted(found.items(), key=lambda pair: order[claim_of(pair[1]).id]))


def claim_of(members):
    return next(cell for cell in members if cell.metadata.talk.role == "claim")


def mistakes(members):
    """Return what is wrong with the metadata of a page's cells, as sentences."""
    found, roles = [], [cell.metadata.talk.get("role") for cell in members]
    for cell, role in zip(members, roles, strict=True):
        allowed = {"group", "role"} | (WORDS if role == "claim" else set())
        if ROLES.get(role) != cell.cell_type:
            found.append(f"cell {cell.id} is of type {cell.cell_type} and cannot have the role {role!r}")
        if unknown := set(cell.metadata.talk) - allowed:
            found.append(f"cell {cell.id} has unknown keys: {', '.join(sorted(unknown))}")
    if roles.count("claim") != 1 or roles.count("picture") > 1:
        return [*found, f"one claim and at most one picture, got {roles.count('claim')} and {roles.count('picture')}"]
    words = claim_of(members).metadata.talk
    notes = words.get("notes", {})
    found += [f"no {key}" for key in ("claim", "see", "notes") if not words.get(key)]
    found += [f"the notes do not say: {key}" for key in ("say", "minutes") if not notes.get(key)]
    if unknown := set(notes) - NOTES:
        found.append(f"unknown notes: {', '.join(sorted(unknown))}")
    if bool(words.get("ask")) != bool(notes.get("answer")):
        found.append("a question needs its answer in the notes, and an answer its question")
    return found


def pages(section):
    """Return the Pages of a section. Raises NotebookError where the notebook says it wrongly."""
    cells, found = section.notebook.cells, []
    numbers = {cell.id: number for number, cell in enumerate(cells, 1)}
    for members in groups(cells).values():
        cell = claim_of(members)
        words, notes = cell.metadata.talk, cell.metadata.talk.notes
        before = [one for one in section.headings if one.number <= numbers[cell.id]]
        slide = next(one for one in reversed(before) if one.level <= 2)
        place = slide.place if not any(one.id == slide.place for one in found) else f"page-{len(found) + 1}"
        shown = [one for one in members if one.metadata.talk.role == "picture"]
        pictured = "".join(figure for one in shown for figure in FIGURE.findall(one.metadata.html))
        if pictured.count("<figure") != len(shown):
            raise execute.NotebookError(f"cell {shown[0].id} must have one picture to show in the talk")
        if bool(notes.get("move")) != ('class="explorer"' in pictured):
            raise execute.NotebookError(f"cell {cell.id}: the notes say what to move where there are sliders, and only there")
        formulas, remarks = FORMULA.findall(cell.source), REMARK.findall(cell.metadata.html)
        asides = [one.metadata.html for one in members if one.metadata.talk.role == "aside"]
        found.append(
            Page(
                id=place,
                title=re.sub(r"^\d+ ", "", slide.text),
                where=before[-1].id,
                claim=inline(words.claim),
                ask=inline(words.get("ask", "")),
                see=inline(words.see),
                formulas=[rendered(f"$${formulas[i]}$$") for i in words.get("formulas", [])],
                picture=pictured,
                code=[coloured(one.source) for one in members if one.metadata.talk.role == "code"],
                notes=told(notes, [*remarks, *asides]),
                minutes=notes.minutes,
            )
        )
    return found


def rendered(text):
    return export.rendered(text, export.Formulas(escape=False)).strip()


def inline(text):
    """Return a text of one paragraph as HTML without the paragraph."""
    return rendered(text).removeprefix("<p>").removesuffix("</p>")


def coloured(source):
    return Highlight2HTML(pygments_lexer="python3")(source)


def told(notes, asides):
    """Return the notes of a page: what to say, to move and to answer, and what the page leaves out."""
    parts = [("", notes.say), ("Move: ", notes.get("move")), ("Answer: ", notes.get("answer"))]
    paragraphs = [f"<p>{'<b>' + head + '</b>' if head else ''}{inline(text)}</p>" for head, text in parts if text]
    return "\n".join([*paragraphs, *asides])


def deck(section, found, before, after, start, place=None):
    """Return the Pages of a section as HTML.

    before, after: the Sections around it; start: minutes of the lecture until here; place: OWNER/NAME on GitHub, whose site
    the title page leads to.
    """
    pictures = "".join(page.picture for page in found)
    environment = Environment(loader=FileSystemLoader(export.TEMPLATES / "lecture"), trim_blocks=True, lstrip_blocks=True)
    text = environment.get_template("deck.html.j2").render(
        section=section, pages=found, before=before, after=after, start=start,
        frames={name: text for name, text in section.frames.items() if f'id="{name}"' in pictures},
        title=html.escape(section.title), date=f"{datetime.date.today():%d %B %Y}",
        qr=live.qr(links.site(place, "try.html")) if place else "",
        css=export.styles("base.css", "deck.css", text="".join(str(vars(page)) for page in found)),
        scripts=[export.ours(one) for one in ("theme.js", "explorer.js", "deck.js")],
    )  # fmt: skip
    text = re.sub(r'href="(\w+\.html)?#', lambda found: f'href="../site/{found[1] or section.name + ".html"}#', text)
    computing = {name: read for name, read in section.live.items() if f'data-live="{name}"' in pictures}
    return live.sealed(live.computing(text, computing))


def slides(sections, output):
    """Write a talk a section into output/slides/, all or none where a notebook says it wrongly."""
    made, start, place = {}, 0, export.repository()
    for section, before, after in zip(sections, [None, *sections], [*sections[1:], None], strict=False):
        found = pages(section)
        made[section.name] = deck(section, found, before, after, start, place)
        start += sum(page.minutes for page in found)
    for name, text in made.items():
        export.write(output / "slides" / f"{name}.html", text)


def main():
    parser = export.options(__doc__)
    parser.add_argument("--site", action="store_true")
    given = parser.parse_args()
    sections = export.read_all(given.executed)
    if given.site:
        export.site(sections, given.output)
    slides(sections, given.output)


if __name__ == "__main__":
    execute.said(main)
