"""Opens a timeline in headless Chromium, uses it, and prints what it found as JSON.

    browse.py PAGE SEARCH [FOLDER]

SEARCH is typed into the search. With FOLDER, pictures of the page in light and dark are written there. Talks to the browser over a
pipe, with nothing but the standard library. Exits with 77 if there is no browser.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell", "chrome-headless-shell"]
LIMIT = 120


class Browser:
    def __init__(self, profile):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            print("no Chromium is installed", file=sys.stderr)
            sys.exit(77)
        # On a busy machine it ends now and then before it has begun.
        for is_last in (False, False, True):
            try:
                return self.start(program, profile)
            except EOFError:
                self.close()
                if is_last:
                    raise

    def start(self, program, profile):
        their_in, self.to = os.pipe()
        self.of, their_out = os.pipe()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        start = f'exec "$@" 3<&{their_in} 4>&{their_out}'
        self.process = subprocess.Popen(["bash", "-c", start, "bash", program, *arguments], pass_fds=(their_in, their_out),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(their_in)
        os.close(their_out)
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def read(self):
        while b"\0" not in self.rest:
            piece = os.read(self.of, 1 << 16)
            if not piece:
                raise EOFError("the browser has ended")
            self.rest += piece
        line, self.rest = self.rest.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())

    def run(self, code):
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def frame(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def scheme(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.frame()

    def picture(self, path, width=1280, least=830):
        # The whole page, also what is below the window.
        height = self.run("document.documentElement.scrollHeight")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=max(height, least), deviceScaleFactor=1, mobile=False)
        self.frame()
        shot = self.call("Page.captureScreenshot", format="png")
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    page, needle = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    pictures = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            print(json.dumps(use(browser, page, needle, pictures)))
        finally:
            browser.close()


def use(browser, page, needle, pictures):
    for domain in ["Page", "Runtime", "Log", "Network"]:
        browser.call(f"{domain}.enable")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=830, deviceScaleFactor=1, mobile=False)
    browser.scheme("light")
    browser.events.clear()
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait_for("Page.loadEventFired")
    found = {"jobs": browser.run("timeline.jobs.length"), "slots": browser.run("timeline.slots.length")}
    deadline = time.monotonic() + LIMIT
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    while (found.setdefault("first_paint_ms", None)) is None and time.monotonic() < deadline:
        browser.frame()
        found["first_paint_ms"] = browser.run(paint)
    found["drawn_ms"] = browser.run("performance.getEntriesByName('drawn')[0].startTime")
    # The slowest of some frames while the lanes move.
    found["slowest_frame_ms"] = browser.run("""(async () => {
        const { jobs, show } = timeline, end = Math.max(...jobs.map(job => job.recorded ?? 0));
        let slowest = 0;
        for (let i = 0; i < 20; i++) {
            const began = performance.now();
            show(end * i / 40, end * (i + 20) / 40);
            await new Promise(done => requestAnimationFrame(done));
            const drawn = performance.now();
            timeline.draw();
            slowest = Math.max(slowest, performance.now() - drawn);
        }
        show(0, end);
        return slowest;
    })()""")
    # Hover above the first bar of the first slot, then click it.
    place = browser.run("timeline.placeOf(timeline.slots[0][0])")
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        browser.frame()
        browser.picture(pictures / "light.png")
    browser.mouse("mouseMoved", *place)
    browser.frame()
    found["hover"] = browser.run("document.getElementById('hover').hidden ? null : document.getElementById('hover').innerText")
    browser.mouse("mousePressed", *place, button="left", clickCount=1)
    browser.mouse("mouseReleased", *place, button="left", clickCount=1)
    browser.frame()
    found["details"] = browser.run("document.getElementById('details').hidden ? null : document.getElementById('details').innerText")
    # Type into the search, which a key focuses.
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="/", text="/")
    browser.call("Input.dispatchKeyEvent", type="keyUp", key="/")
    browser.call("Input.insertText", text=needle)
    browser.frame()
    found["search"] = browser.run("document.getElementById('search').value")
    found["matches"] = browser.run("document.getElementById('matches').innerText")
    found["slowest"] = browser.run("document.getElementById('slowest').innerText")
    # Whether anything but text is drawn in the histogram: the color of an outcome.
    found["histogram"] = browser.run("""(() => {
        const canvas = document.getElementById('histogram'), color = getComputedStyle(document.documentElement).getPropertyValue('--ok');
        const context = document.createElement('canvas').getContext('2d');
        context.fillStyle = color; context.fillRect(0, 0, 1, 1);
        const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b;
        return count;
    })()""")
    browser.scheme("dark")
    found["background"] = browser.run("getComputedStyle(document.body).backgroundColor")
    if pictures:
        browser.picture(pictures / "dark-search.png")
    # A long id without a space, as a path, is shown up to its end.
    found["long_id_is_whole"] = browser.run("""(() => {
        const link = document.querySelector('#slowest button'), box = link.closest('article');
        link.textContent = '/a-folder'.repeat(25);
        const [inner, outer] = [link.getBoundingClientRect(), box.getBoundingClientRect()];
        return inner.width > 0 && inner.right <= outer.right && inner.bottom <= outer.bottom;
    })()""")
    found["errors"] = errors(browser.events)
    found["requests"] = [event["params"]["request"]["url"][:200] for event in browser.events
                         if event.get("method") == "Network.requestWillBeSent" and event["params"]["request"]["url"] != page.as_uri()]
    return found


def errors(events):
    found = []
    for event in events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            found.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            found.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            found.append(json.dumps(parameters["entry"]))
    return found


if __name__ == "__main__":
    main()
