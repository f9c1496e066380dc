"""How fast images are received: radnode beside Orthanc and DCMTK's storescp, in turn, by dcmsend.

What each promises when it answers Success differs, and the table says it: radnode and Orthanc (as
shipped) sync every image to the disk and index it; storescp (+B) leaves it to the page cache and
indexes nothing. All get TCP_NODELAY, without which DCMTK and Orthanc stall 40 ms an image.
"""

import os
import random
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from bench import real_input
from bench.demo import node_process, node_settings
from bench.orthanc import Orthanc, free_port

PROMISES = {
    "radnode": "synced, indexed",
    "Orthanc": "synced, indexed",
    "storescp +B": "page cache, no index",
}


def run(rounds: int, folder: Path) -> dict[str, object]:
    """Send a series to each receiver in each round, in shuffled order; give every figure."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nifti = real_input.t1_head(Path(".demo/cache"))
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ports = {"radnode": _radnode(stack, folder), "storescp +B": _storescp(stack, folder)}
        pacs = stack.enter_context(Orthanc((folder / "orthanc").resolve()))
        ports["Orthanc"] = pacs.port
        count = 0
        for number in range(rounds + 1):  # the first warms up, and is not counted
            labels = real_input.Labels(series_description="CT", series_number=number + 1)
            series = folder / "series"
            shutil.rmtree(series, ignore_errors=True)
            count = len(real_input.write_series(nifti, series, "MR", "axial", labels))
            for name in random.sample(sorted(ports), len(ports)):
                took = _send(ports[name], series, "ORTHANC" if name == "Orthanc" else "RADNODE")
                if number:
                    seconds.setdefault(name, []).append(took)
    _table(seconds, count)
    return {"instances": count, "seconds": seconds, "promises": PROMISES}


def _radnode(stack: ExitStack, folder: Path) -> int:
    config, port = node_settings(folder, pacs_port=free_port(), settling=3600.0)
    stack.enter_context(node_process(["run", "--config", str(config)], folder / "node.log"))
    return port


def _storescp(stack: ExitStack, folder: Path) -> int:
    port = free_port()
    kept = folder / "storescp"
    kept.mkdir()
    process = subprocess.Popen(
        ["storescp", "+B", "--fork", "-od", str(kept), "-pdu", "131072", str(port)],
        env={**os.environ, "TCP_NODELAY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.kill)
    time.sleep(0.5)
    return port


def _send(port: int, series: Path, called: str) -> float:
    began = time.monotonic()
    subprocess.run(
        ["dcmsend", "-aec", called, "-aet", "SCANNER", "+sd", "127.0.0.1", str(port), str(series)],
        env={**os.environ, "TCP_NODELAY": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def _table(seconds: dict[str, list[float]], count: int) -> None:
    """Print rates, and the median of the ratios within each round."""
    ours = seconds["radnode"]
    print(f"{'receiver':12} {'images/s':>9} {'range':>13} {'radnode is':>11}  promise of 0x0000")
    for name, took in sorted(seconds.items(), key=lambda one: statistics.median(one[1])):
        rates = sorted(count / t for t in took)
        ratio = statistics.median(t / o for t, o in zip(took, ours, strict=True))
        print(
            f"{name:12} {statistics.median(rates):9.0f} {rates[0]:6.0f}-{rates[-1]:<6.0f}"
            f" {ratio:9.2f} x  {PROMISES[name]}"
        )
