"""One engine with one network: answers `run N` with milliseconds, `out PATH` with its scores.

python -m bench.engines.worker NAME FOLDER ENGINE THREADS [--quick]
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]

OURS = {
    "ONNX Runtime f32": ("onnxruntime", "network.onnx", "f32"),
    "ONNX Runtime int8": ("onnxruntime", "int8.onnx", "int8"),
    "OpenVINO f32": ("openvino", "f32.xml", "f32"),
    "OpenVINO bf16": ("openvino", "f32.xml", "bf16"),
    "OpenVINO int8": ("openvino", "int8.xml", "int8"),
}
TORCH = ("torch f32", "torch f32, batch 2", "torch bf16")
ENGINES = (*TORCH, *OURS)


def open_network(name: str, folder: Path, engine: str, threads: int) -> Run:
    """Open one network by one engine."""
    if engine in OURS:
        from node.engines.engine import open_engine

        kind, file, precision = OURS[engine]
        return open_engine(kind, folder / file, threads=threads, precision=precision).run
    return _torch(name, folder, engine, threads)


def _torch(name: str, folder: Path, engine: str, threads: int) -> Run:
    """Open it as everybody does in PyTorch; two at once are the same one twice."""
    import torch

    from bench.engines.networks import NETWORKS, QUICK

    torch.set_num_threads(threads)
    network = (QUICK if "--quick" in sys.argv else NETWORKS)[name]
    module = network.build()
    module.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    module.eval()
    last = torch.channels_last_3d if len(network.shape) == 5 else torch.channels_last
    if engine == "torch bf16":
        module = module.to(memory_format=last)

    def run(batch: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(batch)
        if engine == "torch f32, batch 2":
            tensor = torch.cat([tensor, tensor])
        if engine == "torch bf16":
            tensor = tensor.contiguous(memory_format=last)
        halves = torch.autocast("cpu", dtype=torch.bfloat16, enabled=engine == "torch bf16")
        with torch.inference_mode(), halves:
            return np.asarray(module(tensor).float().numpy()[: len(batch)])

    return run


def main() -> None:
    """Open, run once, and answer until stdin ends."""
    name, folder, engine, threads = sys.argv[1:5]
    pictures = np.load(Path(folder) / "pictures.npy")
    run = open_network(name, Path(folder), engine, int(threads))
    run(pictures[:1])
    print(json.dumps({"ready": True}), flush=True)
    at_once = 2 if engine.endswith("batch 2") else 1
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        if verb == "run":
            one = int(argument) % len(pictures)
            started, work = time.perf_counter(), time.process_time()
            run(pictures[one : one + 1])
            wall, cpu = time.perf_counter() - started, time.process_time() - work
            print(json.dumps({"ms": 1e3 * wall / at_once, "cpu_ms": 1e3 * cpu / at_once}))
        elif verb == "out":
            np.save(argument, np.concatenate([run(one[np.newaxis]) for one in pictures]))
            status = Path("/proc/self/status").read_text(encoding="ascii")
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            print(json.dumps({"peak_mb": int(peak.split()[1]) / 1024}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
