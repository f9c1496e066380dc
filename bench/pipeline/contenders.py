"""The ways from a series to its mask that are compared; each runs in a process of its own.

python -m bench.pipeline.contenders NAME FOLDER OVERLAP ANSWER [--quick] [--real]
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.pipeline.inputs import GREY, TARGET_MM, WINDOW, architecture, network, series

THREADS = 2
ARRIVAL_SECONDS = 6.0
Array = np.ndarray
Run = Callable[[list[Path]], tuple[Array, float]]
"""From files to labels [slices, rows, columns], and the seconds that it took to wait for them."""


def _step(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


BEFORE = [
    _step("Orientationd", axcodes="RAS", labels=None),
    _step("Spacingd", pixdim=[TARGET_MM] * 3, mode="bilinear"),
    _step("ScaleIntensityRanged", a_min=GREY[0], a_max=GREY[1], b_min=0.0, b_max=1.0, clip=True),
]
ARGMAX = _step("AsDiscreted", argmax=True)


def _after(*, nearest: bool) -> list[dict[str, Any]]:
    invert = _step("Invertd", transform="@", orig_keys="image", nearest_interp=nearest)
    return [ARGMAX, invert] if nearest else [invert, ARGMAX]


def _windows(overlap: float, **more: Any) -> dict[str, Any]:
    size = [WINDOW] * 3
    return _step("SlidingWindowInferer", roi_size=size, overlap=overlap, mode="gaussian", **more)


# ---- the usual way ---------------------------------------------------------------------------


def monai(folder: Path, overlap: float, *, quick: bool, engine: str, nearest: bool) -> Run:
    """Decode with pydicom, the rest with MONAI; the network in torch or in our engine."""
    import pydicom
    import torch
    from monai.data import MetaTensor
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import AsDiscreted, Compose, Invertd, Orientationd, ScaleIntensityRanged
    from monai.transforms import Spacingd as Spaced

    torch.set_num_threads(THREADS)
    makers = {"Orientationd": Orientationd, "Spacingd": Spaced}
    makers["ScaleIntensityRanged"] = ScaleIntensityRanged
    before = Compose([makers[s["name"]](keys="image", **s["arguments"]) for s in BEFORE])
    invert = Invertd(
        keys="pred", transform=before, orig_keys="image", nearest_interp=nearest, to_tensor=True
    )
    argmax = AsDiscreted(keys="pred", argmax=True)
    after = Compose([argmax, invert] if nearest else [invert, argmax])
    slide = SlidingWindowInferer(**_windows(overlap)["arguments"])
    predict = _torch_predict(folder, engine, quick=quick)

    def run(paths: list[Path]) -> tuple[Array, float]:
        began = time.perf_counter()
        slices = sorted(map(pydicom.dcmread, paths), key=lambda ds: ds.ImagePositionPatient[2])
        spacing = [float(n) for n in (*slices[0].PixelSpacing, slices[0].SliceThickness)]
        block = np.stack(
            [
                ds.pixel_array * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept)
                for ds in slices
            ]
        ).transpose(2, 1, 0)
        x, y, z = (float(n) for n in slices[0].ImagePositionPatient)
        affine = np.diag([-spacing[1], -spacing[0], spacing[2], 1.0])
        affine[:3, 3] = (-x, -y, z)
        with torch.inference_mode():
            data = before({"image": MetaTensor(torch.from_numpy(block)[None], affine)})
            scores = slide(data["image"].as_tensor()[None], predict)[0]
            data["pred"] = MetaTensor(scores.clone()).copy_meta_from(data["image"])
            labels = after(data)["pred"][0].numpy().astype(np.uint8)
        return labels.transpose(2, 1, 0), time.perf_counter() - began

    return run


def _torch_predict(folder: Path, engine: str, *, quick: bool) -> Callable[[Any], Any]:
    import torch

    weights, _ = network(folder, quick=quick)
    zeros = torch.zeros(1, 1, WINDOW, WINDOW, WINDOW)
    if engine.startswith("openvino"):
        ours = _engine(folder, engine.split()[1], quick=quick)
        return lambda windows: torch.from_numpy(ours(windows.numpy()))
    net = architecture().eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    bf16 = engine == "torch bf16"
    if bf16:
        net = net.to(memory_format=torch.channels_last_3d)

    def predict(windows: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return net(windows).float()

    with torch.inference_mode():
        predict(zeros)
    return predict


# ---- ours ------------------------------------------------------------------------------------


def _engine(folder: Path, precision: str, *, quick: bool) -> Callable[[Array], Array]:
    from node.engines.engine import open_engine

    _, exported = network(folder, quick=quick)
    engine = open_engine("openvino", exported, threads=THREADS, precision=precision)
    engine.warm_up((1, 1, WINDOW, WINDOW, WINDOW))
    return engine.run


def batch(folder: Path, overlap: float, *, quick: bool, precision: str, nearest: bool) -> Run:
    """Read the series when all of it is there, and run it."""
    from node.dicom.volume import read_volume
    from node.engines.pipeline import Pipeline
    from node.rules.nouns import InputRequirement

    predict = _engine(folder, precision, quick=quick)
    pipeline = Pipeline(BEFORE, _windows(overlap), _after(nearest=nearest), threads=THREADS)

    def run(paths: list[Path]) -> tuple[Array, float]:
        began = time.perf_counter()
        volume = read_volume(paths, InputRequirement(("CT",)))
        labels, _ = pipeline.run(volume.voxels, volume.affine, predict)  # type: ignore[union-attr]
        return labels[0], time.perf_counter() - began

    return run


def streamed(folder: Path, overlap: float, *, quick: bool, boxed: bool) -> Run:
    """Run what is complete while slices arrive; the clock starts when the last one is there."""
    from node.dicom import geometry, pixels, scanning
    from node.dicom.volume import planes_of
    from node.engines.arriving import Arriving, Geometry
    from node.engines.pipeline import Pipeline

    predict = _engine(folder, "bf16", quick=quick)
    box = {"box": {"above": -500.0, "scores": [1.0, 0.0]}} if boxed else {}
    pipeline = Pipeline(BEFORE, _windows(overlap, **box), _after(nearest=False), threads=THREADS)

    def decoded(path: Path) -> tuple[Any, Array]:
        image = scanning.scan(path)
        assert image is not None
        return image, pixels.stored(image).astype(np.int16) - np.int16(1024)

    def run(paths: list[Path]) -> tuple[Array, float]:
        began = time.perf_counter()
        heads = [decoded(path)[0] for path in paths[:2]]
        first = geometry.stack(planes_of(heads), 1.0)  # type: ignore[arg-type]
        values = decoded(paths[0])[1]
        rows, columns = values.shape
        lies = Geometry(rows, columns, first.affine, first=0)  # type: ignore[union-attr]
        arriving, taken = Arriving(pipeline, lies, predict), 0
        assert not arriving.why, arriving.why
        while taken < len(paths):
            since = time.perf_counter() - began
            due = min(int(since / ARRIVAL_SECONDS * len(paths)), len(paths))
            if due == taken:
                time.sleep(0.002)
            for number in range(taken, due):
                arriving.feed(number, decoded(paths[number])[1])
            taken = due
            if taken < len(paths):
                arriving.advance()
        return arriving.finish()[0], time.perf_counter() - began - ARRIVAL_SECONDS

    return run


USUAL, BEST = "pydicom + MONAI + torch fp32", "the same, bf16, nearest labels"
SAME_ENGINE, OURS = "MONAI on OpenVINO bf16", "radnode"
NEAREST, STREAMED, BOXED = "radnode, nearest labels", "radnode, streamed", "radnode, streamed, box"
EXACT_MONAI, EXACT_OURS = "MONAI on OpenVINO f32", "radnode f32"

CONTENDERS: dict[str, Callable[..., Run]] = {
    USUAL: partial(monai, engine="torch fp32", nearest=False),
    BEST: partial(monai, engine="torch bf16", nearest=True),
    SAME_ENGINE: partial(monai, engine="openvino bf16", nearest=False),
    OURS: partial(batch, precision="bf16", nearest=False),
    NEAREST: partial(batch, precision="bf16", nearest=True),
    STREAMED: partial(streamed, boxed=False),
    BOXED: partial(streamed, boxed=True),
}
NNUNET = "nnU-Net's predictor"
"""It runs in an environment of its own (`bench.pipeline.nnunet`)."""
ONCE: dict[str, Callable[..., Run]] = {
    EXACT_MONAI: partial(monai, engine="openvino f32", nearest=False),
    EXACT_OURS: partial(batch, precision="f32", nearest=False),
}
"""What is run once, to hold label maps against each other without bfloat16's rounding."""


def main() -> int:
    """Run once, and print what it took as JSON."""
    name, folder, overlap, answer = sys.argv[1:5]
    quick = "--quick" in sys.argv
    run = {**CONTENDERS, **ONCE}[name](Path(folder), float(overlap), quick=quick)
    labels, seconds = run(series(Path(folder), quick=quick, real="--real" in sys.argv))
    labels = np.ascontiguousarray(labels)
    np.save(answer, labels)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    said = {"seconds": seconds, "peak_mb": int(peak) / 1024, "digest": digest}
    print(json.dumps({**said, "labelled": int(np.count_nonzero(labels))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
