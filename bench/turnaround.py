"""How long from the last slice to the result in the PACS, and where the time goes."""

import shutil
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from bench import real_input
from bench.demo import node_process, node_settings, send_series, wait_for_results
from bench.orthanc import Orthanc
from node.clock import SystemClock
from node.ledger.opening import open_ledger
from node.rules.nouns import Peer

QUIET_SECONDS = 1.0


def run(rounds: int, folder: Path) -> dict[str, object]:
    """Send the real head `rounds` times as new studies to one running node; give every figure."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nifti = real_input.t1_head(Path(".demo/cache"))
    totals: list[float] = []
    steps: dict[str, list[float]] = {}
    with ExitStack() as stack:
        pacs = stack.enter_context(Orthanc((folder / "orthanc").resolve()))
        config, port = node_settings(folder, pacs_port=pacs.port, settling=QUIET_SECONDS)
        stack.enter_context(node_process(["run", "--config", str(config)], folder / "node.log"))
        ledger = open_ledger(None, folder / "node", SystemClock())
        stack.callback(ledger.close)
        for number in range(rounds + 1):  # the first starts the model's process, and is not counted
            labels = real_input.Labels(
                series_description="T1 head 3D", body_part="BRAIN", patient_id=f"BENCH-{number}"
            )
            written = real_input.write_series(nifti, folder / str(number), "MR", labels=labels)
            last, uid = send_series(Peer("node", "RADNODE", "127.0.0.1", port), written)
            wait_for_results(ledger, uid)
            took = time.monotonic() - last
            if number:
                totals.append(took)
                finished = next(r for r in ledger.timeline(uid) if r["event"] == "job_finished")
                facts = finished["detail"]["findings"]
                steps.setdefault("job", []).append(facts["seconds"])
                for step, spent in facts["steps"].items():
                    steps.setdefault(f"  {step}", []).append(spent)
    median = statistics.median(totals)
    print(f"last slice to stored result: {median:.2f} s ({min(totals):.2f}-{max(totals):.2f})")
    print(f"  of which quiet time by configuration: {QUIET_SECONDS:.2f} s")
    for step, spent in steps.items():
        print(f"  {step}: {statistics.median(spent):.2f} s")
    return {"seconds": totals, "steps": steps, "quiet_seconds": QUIET_SECONDS}
