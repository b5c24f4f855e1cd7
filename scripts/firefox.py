"""Firefox without a window, spoken to by WebDriver BiDi, which needs no driver program.

with Firefox() as firefox:
    firefox.open("file:///…/try.html")
    firefox.evaluate("document.title")
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import websocket

PATIENCE = 120  # seconds
OFFLINE = (
    'user_pref("network.proxy.type", 1); user_pref("network.proxy.http", "127.0.0.1"); user_pref("network.proxy.http_port", 9);\n'
)


def firefox():
    """Return the path of an installed Firefox, None where there is none."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Firefox:
    """A headless Firefox with an empty profile, as large as a phone, for the length of a ``with`` block."""

    def __init__(self, width=390, height=780):
        self.size, self.count = {"width": width, "height": height}, 0

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
        Path(self.profile.name, "user.js").write_text(OFFLINE)
        options = ["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", self.profile.name]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([firefox(), *options, "about:blank"], **quiet)
        try:
            port = self._port()
            self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/session", timeout=PATIENCE, suppress_origin=True)
            self.send("session.new", capabilities={})
            self.context = self.send("browsingContext.getTree")["contexts"][0]["context"]
            self.send("browsingContext.setViewport", context=self.context, viewport=self.size)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "socket"):
            self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        self.profile.cleanup()

    def _port(self):
        file, end = Path(self.profile.name, "WebDriverBiDiServer.json"), time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if file.exists() and (text := file.read_text()):
                return json.loads(text)["ws_port"]
            time.sleep(0.1)
        raise RuntimeError("Firefox did not start")

    def send(self, method, **params):
        """Send a command and return its result. Raises RuntimeError where it fails."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            pass  # an event
        if answer["type"] == "error":
            raise RuntimeError(answer["message"])
        return answer["result"]

    def open(self, url):
        """Open a document, by way of an empty one: where only the hash differs, nothing would be loaded.

        The document is asked whether it is there, and loaded again where it is not: once in some thousands the answer of
        ``wait="complete"`` never comes. Raises TimeoutError.
        """
        for place in ("about:blank", url):
            if not any(self._load(place) for _ in range(4)):
                raise TimeoutError(f"Firefox did not load {place} in {PATIENCE} s")

    def _load(self, url):
        """Load a document, and return whether it is there within a quarter of our patience."""
        self.send("browsingContext.navigate", context=self.context, url=url, wait="none")
        there = f"document.readyState == 'complete' && location.href.split('#')[0] == {json.dumps(url.split('#')[0])}"
        end = time.monotonic() + PATIENCE / 4
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # the document that was asked has gone
                if self.evaluate(there):
                    return True
            time.sleep(0.02)
        return False

    def evaluate(self, expression):
        """Return the value of an expression, awaited, by way of JSON."""
        wrapped = f"(async () => JSON.stringify(await ({expression})) ?? 'null')()"
        answer = self.send("script.evaluate", expression=wrapped, target={"context": self.context}, awaitPromise=True)
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def press(self, *keys):
        """Press keys, named as in WebDriver's key codes or one character each, on what has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.send("input.performActions", context=self.context, actions=[{"type": "key", "id": "keys", "actions": actions}])

    def draw(self, points):
        """Draw with a finger through points (x, y) of the window."""
        (first, *rest) = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in points]
        actions = [first, {"type": "pointerDown", "button": 0}, *rest, {"type": "pointerUp", "button": 0}]
        finger = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}, "actions": actions}
        self.send("input.performActions", context=self.context, actions=[finger])

    def screenshot(self):
        return self.send("browsingContext.captureScreenshot", context=self.context)["data"]
