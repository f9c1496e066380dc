"""Makes the pictures of docs/viewer anew: our results as OHIF shows them.

    python -m tests.viewer.pictures [FOLDER]

It takes a real T1 head and a real chest CT (see bench/real_input.py), and about a minute.
"""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from tests.viewer import browser, ohif, studies
from tests.viewer.reading import Reading
from tests.viewer.studies import ROOT

SIZE = (1050, 675)
FOLDER = ROOT / "docs" / "viewer"


def main(folder):
    """Make them all; give the exit code."""
    missing = ohif.missing()
    if missing:
        print(f"not here: {', '.join(missing)}; tests/peers.sh installs it where it may")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pacs = stack.enter_context(ohif.pacs(work / "orthanc"))
        viewer = stack.enter_context(ohif.Viewer(pacs))
        page = stack.enter_context(browser.Browser(work / "chromium"))
        for name, make in (("ct", studies.chest), ("mr", studies.mean_head)):
            (work / name).mkdir()
            study = make(work / name)
            study.store(pacs)
            pictures = [
                (f"report_on_{name}", report(Reading(page, viewer, study))),
                (f"segmentation_on_{name}", segmentation(Reading(page, viewer, study))),
                (f"capture_of_{name}", capture(Reading(page, viewer, study))),
            ]
            for title, picture in pictures:
                path = folder / f"{title}.png"
                small = Image.fromarray(picture).resize(SIZE, Image.Resampling.LANCZOS)
                small.save(path, optimize=True)
                print(f"{path.stat().st_size / 1000:5.0f} kB  {path}")
    return 0


def segmentation(reading):
    """Show the slice with most of the segments, and their list."""
    seg = reading.study.read("SEG")
    reading.open_segmentation(seg.SeriesNumber)
    planes = {}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        planes[image] = planes.get(image, 0) + 1
    most = [image for image in planes if planes[image] == max(planes.values())]
    reading.go_to(most[len(most) // 2])
    return reading.picture()


def report(reading):
    """Show the first slice that the report draws on."""
    reading.open_series(reading.study.read("SR").SeriesNumber)
    reading.drawn()
    return reading.picture()


def capture(reading):
    """Show the first of the pictures that any viewer shows."""
    made = reading.study.made["CAPTURE"]
    reading.open_series(reading.study.read("CAPTURE").SeriesNumber)
    reading.browser.wait_for(f"document.body.innerText.includes('(1/{len(made)})')", "picture")
    return reading.picture()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
