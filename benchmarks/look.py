"""Pages as a browser shows them: `python -m benchmarks.look PAGE... --out DIR`.

PAGE: a file or an address (a page of the MLflow UI). Needs Chromium (`apt-get install chromium`). For each page and
width: a picture of all of it, and a line with what is wrong: pictures that did not load, errors on the console or in
the page's scripts, requests that failed, a page wider than the window. Exit code 1 where anything is.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

WIDTHS, _HEIGHT, _TALLEST = (1280, 390), 900, 12_000
_START_S, _LOAD_S, _QUIET_S = 60.0, 60.0, 3.0
_LOOK = """({
  broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.alt || i.src.slice(0, 80)),
  wide: document.documentElement.scrollWidth, inner: window.innerWidth,
  tall: document.documentElement.scrollHeight,
  images: document.images.length, title: document.title,
})"""


class Browser:
    """A page of a headless Chromium, driven by its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.faults: list[str] = []
        self._last = time.monotonic()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens meanwhile is noted."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = json.loads((await self._socket.receive(timeout=_LOAD_S)).data)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    async def quiet(self, seconds: float = _QUIET_S) -> None:
        """Wait until nothing has happened for a while."""
        self._last = time.monotonic()
        until = self._last + _LOAD_S
        while time.monotonic() < min(self._last + seconds, until):
            try:
                self._note(json.loads((await self._socket.receive(timeout=0.2)).data))
            except TimeoutError:
                continue

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method", ""), message.get("params", {})
        if method.startswith("Network."):
            self._last = time.monotonic()
        if method == "Runtime.exceptionThrown":
            self.faults.append(f"exception: {params['exceptionDetails']['text']}")
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.faults.append(f"console: {params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            said = " ".join(str(one.get("value", one.get("description", ""))) for one in params["args"])
            self.faults.append(f"console: {said[:200]}")
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.faults.append(f"request failed: {params['errorText']}")


async def look(
    browser: Browser,
    address: str,
    width: int,
    picture: Path,
    click: Sequence[str] = (),
    settle_s: float = _QUIET_S,
) -> list[str]:
    """Open a page in a window of `width` pixels, press what `click` selects, take a picture; what is wrong."""
    browser.faults = []
    size: dict[str, Any] = {"width": width, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
    await browser.call("Emulation.setDeviceMetricsOverride", **size)
    await browser.call(
        "Page.navigate", url="about:blank"
    )  # an address that differs behind its # is loaded anew too
    await browser.call("Page.navigate", url=address)
    await browser.quiet(settle_s)
    for selector in click:
        script = f"document.querySelector({json.dumps(selector)})?.click()"
        await browser.call("Runtime.evaluate", expression=script)
        await browser.quiet(settle_s)
    found = await browser.call("Runtime.evaluate", expression=_LOOK, returnByValue=True)
    page = found["result"]["value"]
    if page["tall"] > _HEIGHT:
        size["height"] = min(page["tall"], _TALLEST)
        await browser.call("Emulation.setDeviceMetricsOverride", **size)
        await browser.quiet(0.5)
    shot = await browser.call("Page.captureScreenshot")
    picture.write_bytes(base64.b64decode(shot["data"]))
    wrong = [f"broken picture: {name}" for name in page["broken"]] + list(dict.fromkeys(browser.faults))
    if page["wide"] > page["inner"] or page["inner"] > width:
        wrong.append(f"{max(page['wide'], page['inner'])} pixels wide in a window of {width}")
    return wrong


async def look_at_all(given: argparse.Namespace) -> bool:
    """Every page at every width, a line each; whether all is well."""
    well = True
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        call = [_chromium(), *options, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(call, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            async with aiohttp.ClientSession() as session:
                target = await _target(session, Path(profile))
                async with session.ws_connect(target, max_msg_size=0) as socket:
                    browser = Browser(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await browser.call(f"{domain}.enable")
                    for page in given.pages:
                        address = page if "://" in page else Path(page).absolute().as_uri()
                        for width in given.widths:
                            picture = given.out / f"{_name(page)}-{width}.png"
                            wrong = await look(browser, address, width, picture, given.click, given.settle)
                            well = well and not wrong
                            print(f"{picture}: {'; '.join(wrong) or 'nothing wrong'}", flush=True)
        finally:
            process.terminate()
            process.wait()
    return well


def _chromium() -> str:
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )
    if found is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    return found


async def _target(session: aiohttp.ClientSession, profile: Path) -> str:
    """The address of the page that Chromium has opened."""
    noted, began = profile / "DevToolsActivePort", time.monotonic()
    while time.monotonic() < began + _START_S:
        if noted.exists() and noted.read_text().strip():
            port = noted.read_text().split()[0]
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        await asyncio.sleep(0.2)
    raise SystemExit("Chromium did not start")


def _name(page: str) -> str:
    return re.sub(r"[^\w-]+", "-", "/".join(page.split("/")[-2:]))[-60:].strip("-")


def main() -> int:
    """Look, print, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pages", nargs="+", help="files or addresses")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--click", nargs="*", default=(), help="CSS selectors to press, one after the other")
    parser.add_argument(
        "--settle", type=float, default=_QUIET_S, help="seconds without a request until it is shown"
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return 0 if asyncio.run(look_at_all(given)) else 1


if __name__ == "__main__":
    sys.exit(main())
