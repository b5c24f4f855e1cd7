"""JupyterLab on a folder, seen through headless Chromium: what the benchmark and the browser tests share.

    with Lab(folder) as lab, lab.open("notebook.ipynb") as page:
        run_all(page)

The server has an empty configuration of its own, so that nobody's settings change what is measured or tested.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync"
PATIENCE = 900_000  # milliseconds: on a busy machine a whole notebook fits in
SETTINGS = {
    "notebook-extension/tracker": '{"windowingMode": "none"}',  # every cell is in the page, also out of sight
    # On a slow disk a save that falls into another one makes JupyterLab ask whose version of the file shall stay.
    "docmanager-extension/plugin": '{"autosave": false}',
}
IDLE = "#jp-main-statusbar >> text=/\\| Idle$/"
EXECUTED = """() => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(one => one.textContent)
    return prompts.some(one => /\\d/.test(one)) && !prompts.some(one => one.includes("*"))
}"""


def chromium():
    """Return the path of an installed Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Lab:
    """A JupyterLab server and a browser, for the length of a ``with`` block."""

    def __init__(self, folder, settings=SETTINGS):
        self.folder, self.settings = Path(folder), settings

    def __enter__(self):
        self.private = tempfile.TemporaryDirectory(prefix="lab-")
        self._configure(Path(self.private.name))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.token, self.url = secrets.token_hex(16), f"http://127.0.0.1:{port}"
        options = f"--no-browser --allow-root --ip=127.0.0.1 --port={port} --ServerApp.port_retries=0"
        self.server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options.split(), f"--IdentityProvider.token={self.token}", str(self.folder)],
            env=self.environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self._await_server()
            self.playwright = sync_playwright().start()
            self.browser = self.playwright.chromium.launch(
                executable_path=chromium(), args=[f"--{flag}" for flag in FLAGS.split()]
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "browser"):
            self.browser.close()
        if hasattr(self, "playwright"):
            self.playwright.stop()
        self.server.terminate()  # the server ends its kernels
        try:
            self.server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
        self.private.cleanup()

    def _configure(self, private):
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
        }
        places |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
        python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.environment = (
            os.environ
            | {name: str(private / place) for name, place in places.items()}
            | {"PYTHONPATH": python_path}
            | {"JUPYTER_CONFIG_PATH": str(ROOT / "scripts" / "jupyter")}  # as "make lab" has it
        )
        self.log = private / "log"
        for name, content in self.settings.items():
            file = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")

    def _await_server(self):
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end and self.server.poll() is None:
            try:
                return self._api("status")
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()}")

    @contextmanager
    def open(self, path, height=1200):
        """Open a notebook of the folder in a clean workspace and yield the page; end its kernel afterwards."""
        page = self.browser.new_page(viewport={"width": 1400, "height": height})
        page.set_default_timeout(PATIENCE)
        try:
            page.goto(f"{self.url}/lab/workspaces/{secrets.token_hex(4)}/tree/{path}?reset&token={self.token}")
            page.wait_for_selector(IDLE)
            page.wait_for_selector(".jp-Notebook .jp-Cell")
            yield page
        finally:
            page.close()
            for kernel in self._api("kernels"):
                self._api(f"kernels/{kernel['id']}", method="DELETE")

    def _api(self, path, **options):
        request = urllib.request.Request(f"{self.url}/api/{path}", headers={"Authorization": f"token {self.token}"}, **options)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


def notebook(*cells):
    """Return a notebook of code cells for this environment's kernel."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=[new_code_cell(cell.strip()) for cell in cells], metadata={"kernelspec": kernel})


def run_all(page):
    """Run all cells of an open notebook, and wait until the last one is done."""
    for menu, item in (("Edit", "Clear Outputs of All Cells"), ("Run", "Run All Cells")):
        page.get_by_role("menuitem", name=menu, exact=True).click()
        page.get_by_role("menuitem", name=item, exact=True).click()
    page.wait_for_function(EXECUTED, polling=500)  # milliseconds: at every frame it would take a fifth of the page's time
    page.wait_for_selector(IDLE)
