"""Reading at OHIF as a person does: open a study, a series, look at the list and at the pixels."""

import io
import re
import time

import numpy as np
from PIL import Image

from tests.viewer.browser import PATIENCE_SECONDS

VIEWPORT = "services.cornerstoneViewportService.getRenderingEngine().getViewports()[0]"
SEEN_THE_TOUR = "localStorage.setItem('shownTours', '[\"basicViewerTour\"]')"
# A thumbnail says "S:9470" for its Series Number.
THUMBNAIL = """[...document.querySelectorAll('[data-cy^=study-browser-thumbnail]')]
    .find(e => e.innerText.split('\\n').some(line => line.trim() === 'S:{number}'))"""
BUTTON = "document.querySelector('[data-cy=\"{name}\"]')"
TO_CENTRE = """(element => {{
    if (!element) return null;
    element.scrollIntoView({{block: 'nearest'}});
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}})({element})"""
ROWS = """[...document.querySelectorAll('[data-cy=data-row]')].map(row => [
    row.querySelector('[data-cy=data-row-title]').innerText.trim(),
    getComputedStyle(row.querySelector('[data-cy=data-row-colorhex]')).backgroundColor,
])"""
WORDS = """[...document.querySelectorAll('svg.svg-layer tspan')].map(one => one.textContent)"""
LINES = """[...document.querySelectorAll('svg.svg-layer > line')]
    .map(one => ['x1', 'y1', 'x2', 'y2'].map(name => Number(one.getAttribute(name))))"""


class Reading:
    """A study open in OHIF, in one viewport."""

    def __init__(self, browser, viewer, study):
        self.browser = browser
        self.study = study
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=SEEN_THE_TOUR)
        browser.open(f"{viewer.address}/viewer?StudyInstanceUIDs={study.uid}")
        browser.wait_for("Boolean(window.services)", "viewer")
        self._wait_for_images()

    def _wait_for_images(self):
        self.browser.wait_for(
            f"{VIEWPORT}.getImageIds().length && Boolean({VIEWPORT}.getImageData())", "image"
        )

    def press(self, name, seconds=PATIENCE_SECONDS):
        """Click a button when it is there."""
        self._click(BUTTON.format(name=name), name, 1, seconds)

    def _click(self, element, what, times, seconds=PATIENCE_SECONDS):
        place = self.browser.wait_for(TO_CENTRE.format(element=element), what, seconds)
        self.browser.click(place, times)

    def open_series(self, number):
        """Double-click the series with that Series Number."""
        self._click(THUMBNAIL.format(number=number), f"series {number}", times=2)

    def open_segmentation(self, number, seconds=PATIENCE_SECONDS):
        """Open a SEG, and its list of segments at the right."""
        self.open_series(number)
        self.press("yes-hydrate-btn", seconds)
        self.press("panelSegmentation-btn")
        self.browser.wait_for(f"{ROWS}.length", "list of segments")

    def segments(self):
        """Give name and colour of each segment in the list, in its order."""
        listed = self.browser.run(ROWS)
        return [(name, tuple(map(int, re.findall(r"\d+", rgb)[:3]))) for name, rgb in listed]

    def go_to(self, uid):
        """Go to the slice with that SOP Instance UID."""
        index = f"{VIEWPORT}.getImageIds().findIndex(image => image.includes('/{uid}/'))"
        self.browser.run(f"{VIEWPORT}.setImageIdIndex({index})")
        self.browser.wait_for(f"{VIEWPORT}.getCurrentImageId().includes('/{uid}/')", "slice")

    def slice_shown(self):
        """Give the SOP Instance UID of the slice that is shown."""
        return re.search(
            r"/instances/([\d.]+)", self.browser.run(f"{VIEWPORT}.getCurrentImageId()")
        )[1]

    def places(self, points):
        """Give where points in the patient (LPS, mm) are on the page: [points, (x, y)], CSS pixels.

        The camera looks straight at the slice, so that four points tell it for all.
        """
        corners = np.vstack([np.zeros(3), np.eye(3) * 100])
        script = f"""(viewport => {{
            const box = viewport.canvas.getBoundingClientRect();
            return {corners.tolist()}.map(viewport.worldToCanvas)
                .map(([x, y]) => [x + box.x, y + box.y]);
        }})({VIEWPORT})"""
        origin, *axes = np.array(self.browser.run(script))
        return origin + points @ ((np.array(axes) - origin) / 100)

    def free_of_words(self):
        """Give the part of the page on which only the image is: left, top, right, bottom."""
        box = self.browser.run(f"{VIEWPORT}.canvas.getBoundingClientRect().toJSON()")
        left, right = box["left"] + 20, box["right"] - 30  # letters A, R; the scroll bar
        return left, box["top"] + 75, right, box["bottom"] - 65  # description; window

    def picture(self):
        """Give the page when it has come to rest: uint8 [rows, columns, RGB]."""
        last, same = b"", 0
        deadline = time.monotonic() + PATIENCE_SECONDS
        while same < 2 and time.monotonic() < deadline:
            time.sleep(0.25)
            now = self.browser.picture()
            last, same = now, same + 1 if now == last else 0
        return np.array(Image.open(io.BytesIO(last)).convert("RGB"))

    def drawn(self, seconds=30):
        """Give what a report draws: the lines' ends on the page [lines, 2, (x, y)], and words."""
        self.browser.wait_for(f"{LINES}.length", "line", seconds)
        self.picture()
        script = f"""(() => {{
            const box = {VIEWPORT}.canvas.getBoundingClientRect();
            return {LINES}.map(([a, b, c, d]) =>
                [[a + box.x, b + box.y], [c + box.x, d + box.y]]);
        }})()"""
        return np.array(self.browser.run(script)), self.browser.run(WORDS)


def patient_points(header, places):
    """Give where pixels are in the patient (PS3.3 C.7.6.2.1.1): [..., (row, column)] to mm LPS."""
    across, down = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    rows, columns = map(float, header.PixelSpacing)
    places = np.asarray(places, float)
    start = np.array(header.ImagePositionPatient, float)
    return start + places[..., :1] * rows * down + places[..., 1:] * columns * across
