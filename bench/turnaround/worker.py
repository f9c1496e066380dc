"""What is behind the peers: the same model, loaded and warm, in a server that is asked by HTTP.

    python -m bench.turnaround.worker PORT SHELF DESTINATION RECORDS

An Orthanc posts a stable series' id to /stable/ITS_PORT: then the instances are fetched from it,
read with pydicom, looked at, a segmentation is written with highdicom and given to the Orthanc at
DESTINATION, all as one would write it by hand. dicom-ai-router posts the images themselves to
/infer and gets words. Each run leaves a line of JSON in the file RECORDS.
"""

import http.client
import io
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import highdicom
import numpy as np
import pydicom
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from bench.turnaround.model import from_shelf
from node.bundles.shelf import Bundle
from node.engines.engine import open_engine
from node.engines.pipeline import Pipeline

Array = np.ndarray
PATIENCE_SECONDS = 60.0


class Laps:
    """A stopwatch that names what it stops."""

    def __init__(self) -> None:
        """Begin."""
        self.steps: list[tuple[str, float, float]] = []
        self.began = self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Name what went on since the last lap."""
        now = time.monotonic()
        self.steps.append((name, self._last, now))
        self._last = now


class Model:
    """The bundle's network and steps, one volume at a time."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load it and run it once on nothing."""
        manifest = bundle.manifest
        way = bundle.reference
        self._engine = open_engine(
            way.engine, way.weights, threads=threads, precision=way.precision
        )
        recipe = manifest.recipe
        self._pipeline = Pipeline(
            [step.as_plain() for step in recipe.preprocessing],
            recipe.inferer.as_plain(),
            [step.as_plain() for step in recipe.postprocessing],
            threads=threads,
        )
        assert manifest.input_shape is not None
        self._engine.warm_up((1, 1, *manifest.input_shape))
        self._one_at_a_time = Lock()

    def look(self, images: Sequence[Dataset], laps: Laps) -> Array:
        """Give the label map [slices, rows, columns] of images in order."""
        with self._one_at_a_time:
            voxels = np.stack([_values(image) for image in images])
            laps.lap("volume")
            outcome, _ = self._pipeline.run(voxels, _affine(images), self._engine.run)
            laps.lap("model")
        return np.asarray(outcome[0], np.uint8)


def ordered(files: Sequence[bytes]) -> list[Dataset]:
    """Read the files of a series, feet first."""
    images = [pydicom.dcmread(io.BytesIO(one)) for one in files]
    return sorted(images, key=lambda ds: float(ds.ImagePositionPatient[2]))


def _values(image: Dataset) -> Array:
    return image.pixel_array.astype(np.int16) + np.int16(image.RescaleIntercept)


def _affine(images: Sequence[Dataset]) -> Array:
    first, last = (np.array(images[at].ImagePositionPatient, float) for at in (0, -1))
    across = np.array(images[0].ImageOrientationPatient[:3], float)
    down = np.array(images[0].ImageOrientationPatient[3:], float)
    rows, columns = map(float, images[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / max(len(images) - 1, 1)
    affine[:3, 1], affine[:3, 2], affine[:3, 3] = down * rows, across * columns, first
    return affine


def segmentation(images: Sequence[Dataset], mask: Array) -> bytes:
    """Encode the mask as a binary Segmentation."""
    organ = SegmentDescription(
        segment_number=1,
        segment_label="Organs",
        segmented_property_category=Code("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=Code("113343008", "SCT", "Organ"),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="bench",
            version="1.0",
            family=Code("123110", "DCM", "Artificial Intelligence"),
        ),
    )
    made = Segmentation(
        source_images=images,
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[organ],
        series_instance_uid=highdicom.UID(),
        series_number=9000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="bench",
        manufacturer_model_name="bench",
        software_versions="1.0",
        device_serial_number="1",
        content_label="SEGMENTATION",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    written = io.BytesIO()
    made.save_as(written)
    return written.getvalue()


class Behind:
    """What is done when somebody asks."""

    def __init__(self, model: Model, destination: int, records: Path) -> None:
        """Store at `destination`, an Orthanc's HTTP port; write down what was done."""
        self._model = model
        self._destination = destination
        self._records = os.open(records, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._stable: SimpleQueue[tuple[int, str]] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def stable(self, port: int, series: str) -> None:
        """Take note that a series is stable; it is looked at in turn."""
        self._stable.put((port, series))

    def infer(self, files: Sequence[bytes]) -> dict[str, object]:
        """Look at images that were sent along, and answer as dicom-ai-router wants it."""
        laps = Laps()
        images = ordered(files)
        laps.lap("reading")
        mask = self._model.look(images, laps)
        self._note(images, laps)
        key = images[int(mask.sum((1, 2)).argmax())]
        spacing = [float(n) for n in (*images[0].PixelSpacing, images[0].SliceThickness)]
        volume = f"{np.count_nonzero(mask) * np.prod(spacing) / 1000:.1f} mL"
        return {
            "result": "MEASURED",
            "model": "organs",
            "model_version": "1.0",
            "n_images": len(images),
            "summary_lines": [["Organs", volume]],
            "key_sop_instance_uid": str(key.SOPInstanceUID),
            "overlays": [],
            "display_window": [40, 400],
            "processing_ms": 1e3 * (time.monotonic() - laps.began),
        }

    def _work(self) -> None:
        while True:
            self._segment(*self._stable.get())

    def _segment(self, port: int, series: str) -> None:
        laps = Laps()
        asked = _Client(port)
        instances = json.loads(asked.get(f"/series/{series}"))["Instances"]
        files = [asked.get(f"/instances/{one}/file") for one in instances]
        laps.lap("fetching")
        images = ordered(files)
        laps.lap("reading")
        mask = self._model.look(images, laps)
        made = segmentation(images, mask)
        laps.lap("SEG")
        _Client(self._destination).post("/instances", made)
        laps.lap("storing")
        self._note(images, laps)

    def _note(self, images: Sequence[Dataset], laps: Laps) -> None:
        line = {"images": len(images), "began": laps.began, "steps": laps.steps}
        os.write(self._records, json.dumps(line).encode() + b"\n")


class _Client:
    """An Orthanc's REST interface over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)

    def get(self, path: str) -> bytes:
        return self._ask("GET", path)

    def post(self, path: str, body: bytes) -> bytes:
        return self._ask("POST", path, body)

    def _ask(self, verb: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(verb, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return content


def _parts(content_type: str, body: bytes) -> list[bytes]:
    """Take the files out of a multipart body (RFC 7578)."""
    boundary = b"--" + content_type.split("boundary=")[1].strip('"').encode()
    pieces = body.split(b"\r\n" + boundary)
    pieces[0] = pieces[0].removeprefix(boundary)
    return [piece.split(b"\r\n\r\n", 1)[1] for piece in pieces if b"\r\n\r\n" in piece]


def _handler(behind: Behind) -> type[BaseHTTPRequestHandler]:
    class Asked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer: Mapping[str, object] = {}
            if self.path.startswith("/stable/"):
                behind.stable(int(self.path.rsplit("/", 1)[1]), body.decode())
            else:
                answer = behind.infer(_parts(self.headers["Content-Type"], body))
            said = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        log_message: Callable[..., Any] = lambda *_: None

    return Asked


def main() -> int:
    """Serve until killed."""
    port, shelf, destination, records = sys.argv[1:5]
    model = Model(from_shelf(Path(shelf)), os.cpu_count() or 1)
    behind = Behind(model, int(destination), Path(records))
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _handler(behind))
    print("ready", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
