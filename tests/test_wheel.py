"""The wheel, installed where there is no checkout: what Colab and any other machine get."""

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from executions import ROOT


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Python of an environment that holds the wheel, and this one's packages but for the project itself."""
    folder = tmp_path_factory.mktemp("wheel")
    source, wheels, environment = folder / "source", folder / "wheels", folder / "environment"
    for name in ("lecture_utils", "data"):
        skipped = shutil.ignore_patterns("__pycache__", "MNIST", "cifar-10*", "hub", ".download-*")
        shutil.copytree(ROOT / name, source / name, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, source]
    subprocess.run(build, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", *offline, *wheels.iterdir()], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A line in a .pth file makes the packages of another folder importable, but reads none of its .pth files: the project, which
    # is installed there as a link to the checkout, is not among them.
    (packages / "others.pth").write_text(sysconfig.get_paths()["purelib"])
    return python


def test_every_network_is_in_the_wheel(installed, tmp_path):
    code = (
        "import pathlib, sys\n"
        "from lecture_utils import data, explore, networks\n"
        "assert pathlib.Path(sys.prefix) in data.FOLDER.parents, data.FOLDER\n"
        "print(*[name for name in networks.manifest() if networks.load(name)])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LECTURE_DATA")}
    done = subprocess.run(
        [installed, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == len(list((ROOT / "data").glob("*.safetensors")))
