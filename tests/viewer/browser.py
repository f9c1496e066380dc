"""A headless Chromium, driven through the pipe of its own DevTools protocol: no driver to install.

With `--remote-debugging-pipe` Chromium reads commands from file descriptor 3 and writes answers to
4, each a JSON text with a zero byte behind it.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

WIDTH, HEIGHT = 1400, 900
PATIENCE_SECONDS = 60.0
# OHIF draws with WebGL 2; a machine without a graphics card has it from SwiftShader. Chromium's own
# sandbox does not start as root, and containers have a small /dev/shm.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    f"--window-size={WIDTH},{HEIGHT}",
    "--remote-debugging-pipe",
)


class BrowserError(AssertionError):
    """The page did not come to what was waited for, or what runs in it failed."""


def find():
    """Give the path of Chromium's program, or None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One Chromium with one page of a fixed size, gone at the end of a `with`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.console = []
        self._sent = 0
        self._read = b""

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Only a shell can put a pipe at a given number without code between fork and exec.
        command = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", find()]
        self._process = subprocess.Popen(
            [*command, *OPTIONS, f"--user-data-dir={self.folder / 'profile'}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "chromium.log").open("wb"),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        (page,) = (
            one for one in self.command("Target.getTargets")["targetInfos"] if one["type"] == "page"
        )
        attached = self.command("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime"):
            self.command(f"{domain}.enable")
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        return self

    def __exit__(self, *_):
        self._session = None
        try:
            self.command("Browser.close")
            self._process.wait(20)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def command(self, method, **parameters):
        """Send one command of the DevTools protocol; give its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._sent:
                break
            self._note(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _next(self, deadline, method):
        """Read until a whole message is there."""
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self._in, 1 << 20) if ready else b""
            if not got:
                raise BrowserError(f"Chromium does not answer {method}; see {self.folder}")
            self._read += got
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        """Keep what the page complains of."""
        if event.get("method") == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        if event.get("method") == "Runtime.consoleAPICalled":
            said = event["params"]
            if said["type"] in ("error", "warning"):
                words = [str(one.get("value", one.get("description"))) for one in said["args"]]
                self.console.append(f"{said['type']}: {' '.join(words)[:300]}")

    def open(self, url):
        """Go to a page; it is loaded when what is waited for next is there."""
        self.command("Page.navigate", url=url)

    def run(self, script):
        """Evaluate JavaScript in the page; give its value as JSON has it."""
        done = self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return done["result"].get("value")

    def wait_for(self, script, what, seconds=PATIENCE_SECONDS):
        """Wait until JavaScript gives something true; give it. What fails is not there yet."""
        script = f"(() => {{ try {{ return {script}; }} catch {{ return null; }} }})()"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.1)
        raise BrowserError(f"no {what} in {seconds:.0f} s; {self.complaints()}")

    def complaints(self):
        """Say what page and console last said, for who looks into a failure."""
        (self.folder / "failed.png").write_bytes(self.picture())
        text = self.run("document.body.innerText")
        return f"see {self.folder / 'failed.png'}; page: {text[:1500]!r}; {self.console[-8:]}"

    def click(self, place, times=1):
        """Click at [x, y] in CSS pixels, as a mouse does."""
        x, y = place
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.command(
                    "Input.dispatchMouseEvent",
                    type=kind,
                    x=x,
                    y=y,
                    button="left",
                    clickCount=count,
                )

    def picture(self):
        """Give the page as a PNG."""
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])
