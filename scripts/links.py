"""Put the ways in, as this repository's git remote says, into README.md and the notebooks; without a remote, plain text.

    python scripts/links.py [--remote NAME]

README.md gets badges of Binder and Colab. Each notebook gets, below its title, links to the other sections, its page and
its slides; and behind its parameters a cell that installs the project where it is missing, as on Colab.
"""

import argparse
import re
import subprocess

import nbformat

import execute

README = execute.ROOT / "README.md"
BADGES = {"Binder": "https://mybinder.org/badge_logo.svg", "Colab": "https://colab.research.google.com/assets/colab-badge.svg"}
PLAIN = (
    "Without installing anything: push this repository to GitHub, say `make links`, and badges of Binder and Colab for each\n"
    "notebook and a link to the site stand here."
)
WAYS_IN = LINKS, INSTALL = "links", "install"  # ids of the cells of a notebook that this script writes
MISSING = """import importlib.util

if importlib.util.find_spec("lecture_utils") is None:  # as on Colab: install the project
    %pip install --quiet {}"""
# Owner and name of a repository on GitHub, and what may stand before them: https and ssh, with a user or a token, a port
OWNER, NAME = r"(?P<owner>[a-zA-Z\d](?:[a-zA-Z\d-]*[a-zA-Z\d])?)", r"(?P<name>(?!\.{0,2}(?:\.git)?/?$)[a-zA-Z\d._-]+?)"
PLACE = f"{OWNER}/{NAME}"
URL = r"(?:https?|git|ssh|git\+ssh)://(?:[^@/\s]*@)?(?:www\.|ssh\.)?github\.com\.?(?::\d+)?/+"
SCP = r"(?:[^@/:\s]+@)?(?:ssh\.)?github\.com:/?"


def repository(url):
    """Return ("owner", "name") of a GitHub repository, given the address of a remote; None for any other place."""
    found = re.fullmatch(rf"(?i:{URL}|{SCP}){PLACE}(?:\.git)?/?", url.strip())
    return (found["owner"], found["name"]) if found else None


def remote(name, folder=execute.ROOT):
    """Return the address of a git remote, or an empty text."""
    try:
        done = subprocess.run(["git", "remote", "get-url", name], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return ""
    return done.stdout.strip()


def site(place, page, part="site"):
    """Return where GitHub shows a page of the site, or of the slides, of a repository "OWNER/NAME"."""
    owner, name = place.split("/")
    return f"https://{owner.lower()}.github.io/{name}/{part}/{page}"


def doors(place, path):
    """Return where a notebook of a repository "OWNER/NAME" can be run without installing anything: {"Binder": address, ...}."""
    return {
        "Binder": f"https://mybinder.org/v2/gh/{place}/HEAD?urlpath=lab/tree/{path}",
        "Colab": f"https://colab.research.google.com/github/{place}/blob/main/{path}",
    }


def links(place, notebooks):
    """Return the lines for a repository (owner, name), or the plain text for None."""
    if place is None:
        return PLAIN
    place = "/".join(place)
    lines = [f"Without installing anything, on Binder or Colab; or to read, on [the site]({site(place, 'index.html')}):", ""]
    for path in notebooks:
        title = path.stem.replace("_", " ")
        badges = doors(place, f"notebooks/{path.name}").items()
        lines.append(" ".join(["*", *[f"[![{title} on {name}]({BADGES[name]})]({target})" for name, target in badges], title]))
    return "\n".join(lines)


def addressed(notebook, place, name):
    """Put the two cells of ways in into a notebook; return it. place: "OWNER/NAME" or None. name: its stem."""
    cells = [cell for cell in notebook.cells if cell.id not in (LINKS, INSTALL)]
    names = [path.stem for path in sorted(execute.NOTEBOOKS.glob("*.ipynb"))]
    titles = [stem.partition("_")[2].replace("_", " ") for stem in names]
    others = [
        f"**{i} {title}**" if stem == name else f"[{i} {title}]({stem}.ipynb)"
        for i, (stem, title) in enumerate(zip(names, titles, strict=True), 1)
    ]
    if place:
        page, slides = site(place, f"{name}.html"), site(place, f"{name}.html", "slides")
        read = f"This section without Python: [page]({page}) · [slides]({slides})"
    else:
        read = "This section without Python: `make run` writes its page and its slides into `build/`."
    package = f"git+https://github.com/{place}" if place else ".."
    first = nbformat.v4.new_markdown_cell(" · ".join(others) + f"\n\n{read}", id=LINKS)
    second = nbformat.v4.new_code_cell(MISSING.format(package), id=INSTALL)
    parameters = next((i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])), None)
    if parameters is None:
        raise execute.NotebookError(f"{name}.ipynb has no cell with the tag parameters, behind which one installs the project")
    notebook.cells = [cells[0], first, *cells[1 : parameters + 1], second, *cells[parameters + 1 :]]
    count = 0
    for cell in notebook.cells:  # as after a run from top to bottom
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return notebook


def filled(readme, words):
    """Return README's text with these words between its two marks."""
    before, found, rest = readme.partition("<!-- links -->\n")
    _, end, after = rest.partition("<!-- end of links -->")
    if not (found and end):
        raise execute.NotebookError("README.md needs the two marks <!-- links --> and <!-- end of links -->")
    return f"{before}{found}{words}\n{end}{after}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remote", default="origin", metavar="NAME")
    name = parser.parse_args().remote
    address, notebooks = remote(name), sorted(execute.NOTEBOOKS.glob("*.ipynb"))
    if not address and name != parser.get_default("remote"):
        parser.error(f"there is no git remote {name!r}; `git remote` lists them")
    place = repository(address)
    readme = filled(README.read_text(encoding="utf-8"), links(place, notebooks))
    made = {path: addressed(execute.read(path), place and "/".join(place), path.stem) for path in notebooks}
    for path, notebook in made.items():
        execute.write(notebook, path)
    execute.save(readme, README)
    print(f"README.md links to {'/'.join(place)}" if place else "README.md has plain text: there is no remote on GitHub")


if __name__ == "__main__":
    execute.said(main)
