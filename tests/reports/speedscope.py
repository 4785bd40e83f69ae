"""Opens a trace in speedscope, a viewer of traces, and takes a picture of it.

    speedscope.py TRACE PICTURE

Installs speedscope with npm, for this run. Fails unless it shows as many slots as the trace has. Exits with 77 if there is no
npm or no browser.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from browse import LIMIT, Browser

HEIGHT = 180


def main():
    trace, picture = pathlib.Path(sys.argv[1]).read_text(), sys.argv[2]
    if shutil.which("npm") is None:
        print("npm is not installed", file=sys.stderr)
        sys.exit(77)
    slots = {event["tid"] for event in json.loads(trace) if event.get("name") == "thread_name"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        install = ["npm", "install", "--silent", "--no-save", "--prefix", folder, "speedscope@1.25.0"]
        subprocess.run(install, check=True, stdin=subprocess.DEVNULL)
        # The viewer of local files asks a script for the trace.
        local = pathlib.Path(folder, "trace.js")
        local.write_text(f"speedscope.loadFileFromBase64('trace.json', '{base64.b64encode(trace.encode()).decode()}')")
        page = pathlib.Path(folder, "node_modules/speedscope/dist/release/index.html")
        browser = Browser(pathlib.Path(folder, "profile"))
        try:
            show(browser, f"{page.as_uri()}#localProfilePath={local}", len(slots))
            browser.picture(picture, least=HEIGHT)
        finally:
            browser.close()


def show(browser, url, slots):
    browser.call("Page.enable")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    browser.call("Page.navigate", url=url)
    browser.wait_for("Page.loadEventFired")
    deadline = time.monotonic() + LIMIT
    expected = f"(1/{slots})"
    while expected not in browser.run("document.body.innerText"):
        assert time.monotonic() < deadline, browser.run("document.body.innerText")
        browser.frame()


if __name__ == "__main__":
    main()
