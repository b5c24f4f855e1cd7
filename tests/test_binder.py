"""Binder builds what it should, its machine is large enough, and README leads there."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
import yaml

import execute
import executions
import export
import links
from executions import NOTEBOOKS, ROOT

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
needs_limits = pytest.mark.skipif(not executions.binder(0), reason="no taskset or prlimit on this machine")


@pytest.mark.slow
def test_repo2docker_builds_from_environment_yml_with_the_projects_python():
    start = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(start, cwd=ROOT, capture_output=True, text=True)
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile
    (python,) = [
        one for one in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"] if str(one).startswith("python=")
    ]
    version = python.split("=")[1]
    assert f"environment-2epy-2d{version.replace('.', '-2e')}-2d" in dockerfile  # the base environment, name escaped
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"' in dockerfile
    assert "RUN ./postBuild" in dockerfile and "requirements.txt" not in dockerfile


@pytest.mark.parametrize(("pip", "python", "status"), [(0, 0, 0), (0, 1, 0), (1, 0, 1)])
def test_a_download_that_fails_does_not_fail_the_build_and_the_package_does(pip, python, status, tmp_path):
    log = tmp_path / "log"
    for name, result in {"pip": pip, "python": python}.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\nexit {result}\n')
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "NB_PYTHON_PREFIX": str(tmp_path / "prefix")}
    done = subprocess.run(["./postBuild"], cwd=ROOT, env=environment, capture_output=True, text=True)
    first, *fetched = log.read_text().splitlines()
    assert first == "pip install --no-deps --editable ." and (done.returncode != 0) == status
    assert len(fetched) == (0 if pip else 3) and done.stdout.count("is not here") == (3 if python else 0)
    settings = tmp_path / "prefix" / "etc" / "jupyter"
    assert pip or {one.relative_to(settings) for one in settings.rglob("*.json")} == {
        one.relative_to(ROOT / "scripts" / "jupyter") for one in (ROOT / "scripts" / "jupyter").rglob("*.json")
    }


@pytest.mark.slow
def test_jupyterlab_takes_large_pictures(tmp_path):
    """With the settings of "make lab" and of Binder, in a fresh home."""
    places = {"HOME": str(tmp_path), "JUPYTER_CONFIG_PATH": str(ROOT / "scripts" / "jupyter")}
    asked = """import json
from jupyterlab.labapp import LabApp
server = LabApp.initialize_server(["--no-browser", "--allow-root", "--ServerApp.port=0"])
print(json.dumps(server.tornado_settings["websocket_max_message_size"]))"""
    done = subprocess.run([sys.executable, "-c", asked], env=os.environ | places, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) >= 100_000_000, done.stderr


@pytest.mark.slow
@needs_limits
def test_the_limits_hold():
    allocate = "import os, numpy; numpy.ones(int({size})); print(len(os.sched_getaffinity(0)))"
    assert executions.run(["-c", allocate.format(size=1e6)], limits=executions.binder(0)) == (0, "1\n")
    status, printed = executions.run(["-c", allocate.format(size=3e8)], limits=executions.binder(0))
    assert status != 0 and "Unable to allocate" in printed


@pytest.mark.parametrize(
    "url",
    ["https://github.com/Owner/some-repo.git", "https://token@github.com/Owner/some-repo", "git@github.com:Owner/some-repo.git",
     "ssh://git@github.com/Owner/some-repo.git\n", "https://github.com/Owner/some-repo/",
     "https://user:t0k@github.com/Owner/some-repo.git/",
     "https://x-access-token:t@GitHub.com:443/Owner/some-repo", "http://www.github.com/Owner/some-repo",
     "github.com:Owner/some-repo",
     "ssh://git@ssh.github.com:443/Owner/some-repo.git", "org-1@github.com:Owner/some-repo.git", "git://github.com/Owner/some-repo"],
)  # fmt: skip
def test_a_remote_on_github_is_understood_however_written(url, monkeypatch):
    monkeypatch.delenv("LECTURE_REPOSITORY", raising=False)
    monkeypatch.setattr(links, "remote", lambda *_: url)
    assert export.repository() == "Owner/some-repo"
    assert links.repository(url) == ("Owner", "some-repo")


@pytest.mark.parametrize(
    "url",
    ["", "/srv/git/repo", "https://gitlab.com/a/b.git", "https://github.com.example.org/a/b", "https://notgithub.com/a/b",
     "git@notgithub.com:a/b", "https://github.com@example.org/a/b", "https://example.org/github.com/a/b", "file:///github.com/a/b",
     "https://example.org/?at=git@github.com:a/b", "https://github.com/a", "https://github.com/a/b/c", "https://github.com/a/..",
     "https://github.com/a b/c", "https://github.com/-a/b", "https://github.com/a/b?c", "https://github.com/ä/b",
     "git@github.com:a/.git", "https://a/b@github.com:c/d", "https://github.com//a/b/.."],
)  # fmt: skip
def test_any_other_remote_gives_plain_text(url, monkeypatch):
    monkeypatch.delenv("LECTURE_REPOSITORY", raising=False)
    monkeypatch.setattr(links, "remote", lambda *_: url)
    assert export.repository() is None  # what the exported pages say is what README says
    assert links.repository(url) is None and "http" not in links.links(None, NOTEBOOKS)


def test_readme_gets_a_badge_for_each_notebook_and_loses_them_with_the_remote():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = links.filled(readme, links.links(("Owner", "repo"), NOTEBOOKS))
    for path in NOTEBOOKS:
        assert linked.count(f"](https://mybinder.org/v2/gh/Owner/repo/HEAD?urlpath=lab/tree/notebooks/{path.name})") == 1
        assert linked.count(f"](https://colab.research.google.com/github/Owner/repo/blob/main/notebooks/{path.name})") == 1
    assert (
        all(linked.count(badge) == len(NOTEBOOKS) for badge in links.BADGES.values())
        and "https://owner.github.io/repo/" in linked
    )
    assert links.filled(linked, links.PLAIN) == links.filled(readme, links.PLAIN)
    with pytest.raises(execute.NotebookError, match="two marks"):
        links.filled("no marks", "")


def test_what_links_are_put_into_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    notebook = tmp_path / "1_a.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})]
    execute.write(nbformat.v4.new_notebook(cells=cells), notebook)
    (tmp_path / "README.md").write_text("no marks")
    before = notebook.read_bytes()
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(links, "README", tmp_path / "README.md")
    monkeypatch.setattr(sys, "argv", ["links.py"])
    with pytest.raises(SystemExit, match="two marks"):
        execute.said(links.main)
    assert notebook.read_bytes() == before
    cells[1].metadata.tags = []
    with pytest.raises(execute.NotebookError, match="1_a.ipynb has no cell with the tag parameters"):
        links.addressed(nbformat.v4.new_notebook(cells=cells), None, "1_a")


@each_notebook
def test_a_notebook_links_its_ways_in_and_installs_what_is_missing_and_nothing_else(path):
    stored = execute.read(path)
    place = links.repository(links.remote("origin"))
    made = [execute.text(links.addressed(execute.read(path), one, path.stem)) for one in (None, place and "/".join(place))]
    assert execute.text(stored) in made
    linked = {cell.id: cell.source for cell in links.addressed(execute.read(path), "Owner/repo", path.stem).cells}
    assert f"https://owner.github.io/repo/slides/{path.stem}.html" in linked[links.LINKS]
    assert all((f"]({one.name})" in linked[links.LINKS]) == (one != path) for one in NOTEBOOKS)
    code = linked[links.INSTALL].replace("    %pip install --quiet ", "    installed = ")
    for name, wanted in (("lecture_utils", None), ("not_installed_anywhere", "git+https://github.com/Owner/repo")):
        namespace = {"installed": None}
        exec(re.sub("= (git.*)", r"= '\1'", code.replace("lecture_utils", name)), namespace)
        assert namespace["installed"] == wanted


def test_readme_says_what_the_remote_says():
    """As stored: plain text, or the links of a remote, made for the notebooks that are here."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    place = links.repository(links.remote("origin"))
    assert readme in (links.filled(readme, links.links(one, NOTEBOOKS)) for one in (None, place))
