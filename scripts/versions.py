"""Print constraints for pip: the lower bounds of pyproject.toml, or nothing, which leaves pip the newest versions.

python scripts/versions.py lowest|newest
"""

import argparse
import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest(project):
    """Return a line NAME==VERSION for every dependency of a project and of its extras that has a lower bound."""
    extras = project["optional-dependencies"].values()
    lines = [line for group in (project["dependencies"], *extras) for line in group]
    return [f"{found[1]}=={found[2]}" for line in lines if (found := re.match(r"([\w.-]+)[>=]=([\d.]+)", line))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", choices=["lowest", "newest"])
    if parser.parse_args().versions == "lowest":
        print("\n".join(lowest(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"])))


if __name__ == "__main__":
    main()
