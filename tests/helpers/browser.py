"""Control a real browser from tests: Chromium without a window, through a pipe.

The protocol is Chrome's own (https://chromedevtools.github.io/devtools-protocol/).
"""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import time

PATH = shutil.which("chromium") if os.name == "posix" else None

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

#: Longest time to wait for an answer, in seconds.
PATIENCE = 60

#: File descriptors at which the browser reads commands and writes answers.
_TOLD, _ANSWERED = 3, 4


def _out_of_the_way(descriptor):
    """Duplicate a pipe to a number that the two ends of the browser do not use."""
    import fcntl  # which Windows lacks, and the tests are skipped there

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


class Browser:
    """The browser, until the end of the block; `profile` is a folder for what it keeps."""

    def __init__(self, profile):
        theirs_in, self._out = map(_out_of_the_way, os.pipe())
        self._in, theirs_out = map(_out_of_the_way, os.pipe())
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs_in, _TOLD),
            (os.POSIX_SPAWN_DUP2, theirs_out, _ANSWERED),
        ]
        command = [PATH, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = os.posix_spawn(PATH, command, os.environ, file_actions=actions)
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._count, self.events = b"", 0, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(BrokenPipeError, AssertionError):
            self.tell("Browser.close")
        os.close(self._out)
        os.close(self._in)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def tell(self, method, session=None, **params):
        """Send a command and return its result; events until then are added to `events`."""
        self._count += 1
        order = {"id": self._count, "method": method, "params": params}
        if session:
            order["sessionId"] = session
        os.write(self._out, json.dumps(order).encode() + b"\0")
        while (message := self._read()).get("id") != self._count:
            self.events.append(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def wait_for(self, method, **params):
        """Wait until something happens, if it has not yet."""

        def is_it(event):
            return event.get("method") == method and params.items() <= event["params"].items()

        while not any(map(is_it, self.events)):
            self.events.append(self._read())

    def _read(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], end - time.monotonic())
            assert ready, "the browser does not answer"
            data = os.read(self._in, 2**20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """An open page: its requests, its console messages and its appearance."""

    def __init__(self, browser, address, width, height=900, dark=False):
        self._browser, browser.events = browser, []
        target = browser.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._tell(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", features=[scheme])
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._tell("Page.setLifecycleEventsEnabled", enabled=True)
        loader = self._tell("Page.navigate", url=address)["loaderId"]
        # The empty page before it was loaded, too.
        browser.wait_for("Page.lifecycleEvent", name="load", loaderId=loader)

    def _tell(self, method, **params):
        return self._browser.tell(method, self._session, **params)

    def ask(self, expression):
        """The value of an expression in the page; that of a promise, once it is kept."""
        answer = self._tell(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector):
        """Press and release the mouse in the middle of an element."""
        middle = (
            f"(e => {{ e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const r = e.getBoundingClientRect();"
            " return [r.left + r.width / 2, r.top + r.height / 2]; })"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        x, y = self.ask(middle)
        for kind in ("mousePressed", "mouseReleased"):
            self._tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key, code=0):
        """Press a key, given by its name and, if it is not a letter, its Windows key code."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self._tell(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more,
            )  # fmt: skip

    def _happened(self, method):
        return [e["params"] for e in self._browser.events if e.get("method") == method]

    @property
    def requests(self):
        """Addresses that the page requested."""
        return [event["request"]["url"] for event in self._happened("Network.requestWillBeSent")]

    @property
    def complaints(self):
        """Messages on the console: errors, warnings and exceptions."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event for kind in kinds for event in self._happened(kind)]

    def picture(self, whole=True):
        """A PNG of the whole page, or of its visible part."""
        shot = self._tell("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def use_paper(self):
        """Show the page as it is printed."""
        self._tell("Emulation.setEmulatedMedia", media="print")

    def pdf(self):
        """The page as it is printed on A4, in colour."""
        a4 = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
        return base64.b64decode(self._tell("Page.printToPDF", **a4)["data"])
