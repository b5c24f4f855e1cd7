"""Export executed notebooks as slides, whose sliders work from disk, without a kernel or a network.

    python scripts/talk.py [--executed DIR] [--output DIR]

Reads what ``execute.py --frames`` wrote to build/executed/; writes build/slides/ (a deck a notebook).
"""

import importlib.util
import re
import shutil
from pathlib import Path

from nbconvert.exporters import SlidesExporter

import export

REVEAL = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"


def kind(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type")


def notes(cells, first):
    """Return what a speaker wants to know at a slide: its notes, what the deck leaves out, the cells in the notebook."""
    told = []
    for cell in cells:
        if kind(cell) == "notes" or (kind(cell) == "skip" and cell.cell_type == "markdown" and "<h" not in cell.metadata.html):
            told.append(cell.metadata.html)
        labels = re.findall(r"<label[^>]*>(.*?)</label>", cell.metadata.html)
        if labels:
            told.append(f"<p>Sliders here: {', '.join(labels)}. Tab reaches them, Escape leaves them.</p>")
    return "\n".join([*told, f"<p>Cells {first} to {first + len(cells) - 1} of the notebook.</p>"])


class Deck(export.Template, SlidesExporter):
    """A notebook as slides, by its slideshow metadata."""


def deck(section):
    """Return the slides of a section as HTML."""
    notebook = section.notebook.copy()
    starts = [i for i, cell in enumerate(notebook.cells) if kind(cell) in ("slide", "subslide")]
    places = {one.cell: one.place for one in section.slides}
    for first, last in zip(starts, [*starts[1:], len(notebook.cells)], strict=True):
        cell = notebook.cells[first]
        cell.metadata.notes = notes(notebook.cells[first:last], first + 1)
        if kind(cell) == "slide":
            cell.metadata.slide_id = places.get(cell.id)
    reveal = (REVEAL / "dist" / "reveal.css").read_text(encoding="utf-8")
    scripts = [(REVEAL / name).read_text(encoding="utf-8") for name in ("dist/reveal.js", "plugin/notes/notes.js")]
    resources = {
        "section": section, "css": reveal + export.styles("base.css", "deck.css", text=export.all_html(section)),
        "scripts": [
            re.sub(r"(?i)<(/script|!--)", r"<\\\1", one)
            for one in (*scripts, export.ours("explorer.js"), export.ours("deck.js"))
        ],
    }  # fmt: skip
    text = Deck(template_file="deck.html.j2").from_notebook_node(notebook, resources)[0]
    text = re.sub(r'href="(\w+\.html#)', r'href="../site/\1', text)
    kinds = {cell.id: kind(cell) for cell in notebook.cells}
    for one in section.headings:
        if kinds[one.cell] in ("skip", "notes"):  # what the deck leaves out stands on the page
            text = text.replace(f'href="#{one.id}"', f'href="../site/{section.name}.html#{one.id}"')
    return text


def main():
    sections, output = export.read_all(__doc__)
    folder = output / "slides"
    shutil.rmtree(folder, ignore_errors=True)
    for section in sections:
        export.write(folder / f"{section.name}.html", deck(section))


if __name__ == "__main__":
    main()
