"""Put the links to Binder and to the site into README.md, as this repository's git remote says; without one, plain text.

python scripts/links.py [--remote NAME]
"""

import argparse
import re
import subprocess

import execute

README = execute.ROOT / "README.md"
BADGE = "https://mybinder.org/badge_logo.svg"
PLAIN = (
    "Without installing anything: push this repository to GitHub, say `make links`, and a Binder badge for each notebook and a\n"
    "link to the site stand here."
)
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


def site(place, page):
    """Return where GitHub shows a page of the site of a repository "OWNER/NAME"."""
    owner, name = place.split("/")
    return f"https://{owner.lower()}.github.io/{name}/site/{page}"


def links(place, notebooks):
    """Return the lines for a repository (owner, name), or the plain text for None."""
    if place is None:
        return PLAIN
    owner, name = place
    lines = [f"Without installing anything, on Binder; or to read, on [the site](https://{owner.lower()}.github.io/{name}/):", ""]
    for path in notebooks:
        target = f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/notebooks/{path.name}"
        title = path.stem.replace("_", " ")
        lines.append(f"* [![{title} on Binder]({BADGE})]({target}) {title}")
    return "\n".join(lines)


def filled(readme, words):
    """Return README's text with these words between its two marks."""
    before, found, rest = readme.partition("<!-- links -->\n")
    _, end, after = rest.partition("<!-- end of links -->")
    if not (found and end):
        raise ValueError("README.md needs the two marks <!-- links --> and <!-- end of links -->")
    return f"{before}{found}{words}\n{end}{after}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remote", default="origin", metavar="NAME")
    place = repository(remote(parser.parse_args().remote))
    words = links(place, sorted(execute.NOTEBOOKS.glob("*.ipynb")))
    README.write_text(filled(README.read_text(encoding="utf-8"), words), encoding="utf-8")
    print(f"README.md links to {'/'.join(place)}" if place else "README.md has plain text: there is no remote on GitHub")


if __name__ == "__main__":
    main()
