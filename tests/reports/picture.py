"""Takes a picture of a page in headless Chromium, as large as the page's first `pre`.

    picture.py PAGE PICTURE

Exits with 77 if there is no browser.
"""

import pathlib
import sys
import tempfile

from browse import Browser


def main():
    page, picture = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.call("Page.enable")
            browser.call("Page.navigate", url=page.as_uri())
            browser.wait_for("Page.loadEventFired")
            width, height = browser.run("(() => { const box = document.querySelector('pre').getBoundingClientRect();"
                                        " return [Math.ceil(box.width), Math.ceil(box.height)] })()")
            # Or else the page is as high as the window.
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
            browser.picture(picture, width, height)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
