"""The files that install, run and describe the project agree with each other."""

import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import versions
from executions import NOTEBOOKS, ROOT

CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}  # conda-forge's own names
MODULES = [path.stem for path in (ROOT / "lecture_utils").glob("[a-z]*.py")]
FILES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
]


def requirements(lines):
    found = map(Requirement, lines)
    return {canonicalize_name(CONDA.get(one.name, one.name)): one.specifier for one in found}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = requirements(PROJECT["dependencies"])
PINS = requirements(line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))


LAB = requirements(PROJECT["optional-dependencies"]["lab"])


def test_conda_installs_what_pip_installs():
    *lines, by_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert "python=3.11" in lines  # the only form that repo2docker reads
    conda = requirements([line for line in lines if line != "python=3.11"] + by_pip["pip"])
    assert {name: range_ for name, range_ in conda.items() if name not in ("pip", "setuptools")} == BASE | LAB


def test_every_dependency_is_pinned_inside_its_range():
    extras = [requirements(lines) for lines in PROJECT["optional-dependencies"].values()]
    for name, range_ in [pair for group in (BASE, *extras) for pair in group.items()]:
        (pin,) = PINS[name]
        assert pin.operator == "==" and range_.contains(pin.version), name


def test_imports_leave_out_what_takes_long_and_is_hardly_used():
    """Every kernel and every process pays for them: each takes a fifth of what torch itself does, or more."""
    assert "lark" not in PINS  # jsonschema 4.25 and later compile 38 of its grammars
    code = "import sys, nbformat; from lecture_utils import exercises, explore; exercises.EXERCISES; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"scipy.stats", "sklearn", "skimage", "torchvision", "sympy"}
    assert "lark" not in loaded or not PINS["jsonschema"].contains(version("jsonschema"))


def test_every_import_is_declared():
    names = {
        "PIL": "pillow",
        "sklearn": "scikit-learn",
        "skimage": "scikit-image",
        "yaml": "pyyaml",
        "websocket": "websocket-client",
    }
    comes_along = {"nbclient", "jupyter_client", "IPython"}  # with papermill, jupyterlab and ipywidgets
    declared = {*BASE, *(name for lines in PROJECT["optional-dependencies"].values() for name in requirements(lines))}
    own = {"lecture_utils", *(path.stem for folder in ("scripts", "tests") for path in (ROOT / folder).glob("*.py"))}
    for path in (path for path in FILES if path.suffix == ".py"):
        for name in re.findall(r"^ *(?:from|import) (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            known = name in own | comes_along | sys.stdlib_module_names
            assert known or canonicalize_name(names.get(name, name)) in declared, f"{path}: {name}"


def test_make_alone_lists_the_targets():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"lab", "run", "test", "bench", "checkpoints", "clean"} <= set(re.findall(r"^make (\w+)", listed, flags=re.MULTILINE))


def test_make_names_a_python_that_is_too_old(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\necho "Python 3.11, 3.12 or 3.13 is needed" >&2\nexit 1\n')
    old.chmod(0o755)
    command = ["make", f"PYTHON={old}", "--always-make", ".venv/ready"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "is needed" in done.stderr and "--clear" not in done.stdout


def test_what_the_readme_names_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", text)) - {"are"} <= targets
    places = re.findall(r"`([\w.]+/[\w./]*)`", text) + re.findall(r"\]\((?!http)([^)]+)\)", text)
    assert not [place for place in places if not place.startswith("build/") and not (ROOT / place).exists()]
    assert "make test" in text and "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_the_data_folders_readme_has_the_manifests_accuracies():
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for entry in json.loads((ROOT / "data" / "manifest.json").read_text()).values():
        (line,) = [line for line in text.splitlines() if entry["file"] in line]
        assert f"{100 * entry['clean accuracy']:.2f} %" in line


@pytest.mark.parametrize("name", [".ci/run", "postBuild"])
def test_scripts_stop_at_the_first_error_and_can_be_run(name):
    assert (ROOT / name).stat().st_mode & 0o111
    assert re.search(r"^set -e", (ROOT / name).read_text(), flags=re.MULTILINE)


WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_pins_its_actions_and_may_do_no_more_than_it_must(name):
    used = re.findall(r"uses: *(.*)", WORKFLOWS[name])
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used), used
    content = yaml.safe_load(WORKFLOWS[name])
    assert content["permissions"] == {"contents": "read"}
    for job, one in content["jobs"].items():
        rights = one.get("permissions", {})
        assert ("write" in rights.values()) == ("id-token" in rights) == (job == "deploy") and one["timeout-minutes"] <= 60
    assert "pull_request_target" not in WORKFLOWS[name] and not re.search(r"run:.*\$\{\{ *github\.(event|head)", WORKFLOWS[name])


def test_the_suite_runs_on_every_python_and_on_the_lowest_and_newest_versions():
    jobs = {name: yaml.safe_load(text)["jobs"] for name, text in WORKFLOWS.items()}
    assert jobs["test.yml"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert {one["versions"] for one in jobs["versions.yml"]["test"]["strategy"]["matrix"]["include"]} == {"lowest", "newest"}
    assert "schedule:" in WORKFLOWS["versions.yml"]


def test_the_lowest_versions_are_the_lower_bounds_of_all_dependencies():
    lowest = requirements(versions.lowest(PROJECT))
    groups = [BASE, *(requirements(lines) for lines in PROJECT["optional-dependencies"].values())]
    for name, range_ in [pair for group in groups for pair in group.items()]:
        (pin,) = lowest[name]
        assert range_.contains(pin.version), name


def test_the_table_of_faults_names_tests_and_counts_their_cases(pytestconfig):
    if any("::" in str(one) for one in pytestconfig.args):
        pytest.skip("cases can be counted where whole files are collected")
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8").split("## What breaks")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| *\d", line)]
    assert len(rows) > 20
    found = []
    for ways, *_, tests in rows:
        groups = [re.findall(r"`([\w.]+)`", group) for group in tests.split(";")]
        counted = {}
        for file, *names in groups:
            for name in names or [""]:
                cases = {test: n for test, n in pytestconfig.cases.get(file, {}).items() if name in test}
                assert cases or file not in pytestconfig.cases, f"no test of {file} is called {name}"
                counted |= {(file, test): n for test, n in cases.items()}
        found.append(sum(counted.values()) if {file for file, *_ in groups} <= set(pytestconfig.cases) else int(ways))
    assert [int(ways) for ways, *_ in rows] == found, f"the first column must be {found}"
    assert f"{sum(found):,} in all" in text


def test_what_prose_says_of_the_package_exists():
    """Code in the Markdown of notebooks and texts: ``module.name``, and ``option=value``, which some public function takes."""
    found = {name: importlib.import_module(f"lecture_utils.{name}") for name in MODULES}
    options = {
        option
        for module in found.values()
        for function in vars(module).values()
        if inspect.isfunction(function)
        for option in inspect.signature(function).parameters
    }
    texts = [path.read_text(encoding="utf-8") for path in FILES if path.suffix == ".md" and "templates" not in path.parts]
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    spans = [span for text in texts for span in re.findall(r"`([^`\n]+)`", text)]
    named = [(module, name) for span in spans for module, name in re.findall(r"(?<![\w/])(\w+)\.(\w+)", span) if module in found]
    assert len(named) >= 20 and not [pair for pair in named if pair[1] != "py" and not hasattr(found[pair[0]], pair[1])]
    given = [one[1] for span in spans if (one := re.fullmatch(r"(\w+)=[\w\".]+", span))]
    assert len(given) > 3 and not set(given) - options - {"fill", "strict"}  # Pillow's, and Python's


def test_nothing_is_left_to_do_and_no_machine_is_named():
    wrong = re.compile("TO" + "DO|FIX" + r"ME|(?<![\w.])/(home|root|work|Users|tmp)/\w")
    texts = [path for path in FILES if path.exists() and path.suffix not in (".safetensors", ".png")]
    assert not [path for path in texts if wrong.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_has_nothing_to_say(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
