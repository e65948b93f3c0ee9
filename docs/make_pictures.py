"""The pictures and figures of README and docs/, made anew: ``python docs/make_pictures.py [--redkitchen DIR]``.

Run it when the bundled model or the drawing changes. The scene is a screenshot of a report, so that needs the extras
``report`` and ``dev`` and an installed Chromium; ``--redkitchen`` is a folder in Map-free layout and prints the rows of
README's table of real photos (it takes minutes).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).resolve().parent / "pictures"
MAX_BYTES = 300_000
BROWSER = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redkitchen", type=Path, metavar="DIR", help="print the table's rows too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        report = out / "report.html"
        run("demo", "--photos", "--output", str(out), "--report", str(report))
        save(Image.open(out / "matches.png"), "matches.jpg")
        save(screenshot(report, 1100, ".plotly-graph-div"), "scene.jpg")
        if args.redkitchen:
            rows(args.redkitchen, out)


def rows(dataset: Path, out: Path) -> None:
    """README's rows: SIFT with sensor depth, SIFT and ``small`` with the depth of ``small``."""
    every = ("benchmark", "mapfree", str(dataset), "--output", str(out), "--track", "all", "--format", "markdown")
    run(*every, "--feature", "sift", "--depth", "png:sensor")
    run(*every, "--feature", "sift", "--depth", "mickey:small", "--solver", "joint")
    run(*every, "--weights", "small")


def run(*words: str) -> None:
    """One command of this very package."""
    subprocess.run([sys.executable, "-m", "mickey_hloc.cli", *words], check=True)


def screenshot(page: Path, width: int, selector: str) -> Image.Image:
    """A picture of the first element of a page that a selector finds."""
    from playwright.sync_api import sync_playwright

    program = next(path for name in BROWSER if (path := shutil.which(name)))
    target = page.with_suffix(".png")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": width, "height": 844})
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri())
        tab.locator(".gl-container canvas").first.wait_for()
        tab.wait_for_timeout(5000)
        tab.locator(selector).first.screenshot(path=target)
        browser.close()
    return Image.open(target)


def save(picture: Image.Image, name: str) -> None:
    """As JPEG below 300 kB."""
    for quality in (90, 80, 70, 60):
        picture.convert("RGB").save(PICTURES / name, quality=quality, optimize=True)
        if (PICTURES / name).stat().st_size < MAX_BYTES:
            break
    print(f"{PICTURES / name}: {(PICTURES / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
