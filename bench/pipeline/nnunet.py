"""nnU-Net's own predictor on the same series and network, in an environment of its own.

python -m bench.pipeline.nnunet nnU-Net FOLDER OVERLAP ANSWER [--quick] [--real]

Its plan says what the others do, too: the same spacing, grey values and windows, no mirroring. It
reads with SimpleITK and interpolates by cubic splines, as it always does. This file runs with
nnU-Net's interpreter; what the node consists of is not there.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

PACKAGES = (
    *("nnunetv2==2.8.1", "dynamic-network-architectures==0.4.4", "acvl-utils==0.2.6"),
    *("batchgenerators==0.25.5", "batchgeneratorsv2==0.3.6", "monai==1.6.1"),
)
"""Installed without what they ask for besides: that is plotting, and a torchvision for CUDA."""
NEEDED = (
    *("numpy==2.4.6", "scipy==1.17.1", "scikit-image==0.26.0", "SimpleITK==2.5.7", "tqdm"),
    *("nibabel==5.4.2", "pandas==3.1.1", "einops==0.8.2", "blosc2==4.14.1"),
    *("connected-components-3d==4.1.1", "scikit-learn==1.9.1"),
    *("tifffile", "requests", "threadpoolctl", "matplotlib", "seaborn"),
    *("graphviz", "imagecodecs", "yacs", "pydicom==3.0.2", "future", "unittest2"),
)
TORCH = "torch==2.13.0"
THREADS = 2
DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "organs": 1},
    "file_ending": ".nii.gz",
}


def install(cache: Path) -> Path:
    """Install nnU-Net into an environment of its own, once; give its interpreter.

    Raises:
        RuntimeError: it cannot be had.
    """
    folder = (cache / PACKAGES[0].replace("==", "-")).resolve()
    python, done = folder / "bin/python", folder / "installed"
    if done.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    for wanted in ((TORCH,), ("--no-deps", *PACKAGES), NEEDED):
        command = [str(python), "-m", "pip", "install", "--quiet", *wanted]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise RuntimeError(f"{PACKAGES[0]} cannot be had: {last[:200]}")
    done.touch()
    return python


def main() -> int:
    """Run once, and print what it took as JSON."""
    import numpy as np

    from bench.pipeline.inputs import series

    _, folder, overlap, answer = sys.argv[1:5]
    paths = series(Path(folder), quick="--quick" in sys.argv, real="--real" in sys.argv)
    predictor = _predictor(Path(folder), float(overlap), quick="--quick" in sys.argv)
    labels, seconds = _run(predictor, paths)
    np.save(answer, labels)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    said = {"seconds": seconds, "peak_mb": int(peak) / 1024, "digest": digest}
    print(json.dumps({**said, "labelled": int(np.count_nonzero(labels))}))
    return 0


def _run(predictor: Any, paths: list[Path]) -> tuple[Any, float]:
    import numpy as np
    import SimpleITK
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape,
    )
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    began = time.perf_counter()
    image = SimpleITK.ReadImage([str(path) for path in paths])
    block = SimpleITK.GetArrayFromImage(image).astype(np.float32)[None]
    properties = {"spacing": list(image.GetSpacing()[::-1])}
    said = predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
    data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        block, None, properties, *said
    )
    import torch

    logits = predictor.predict_logits_from_preprocessed_data(torch.as_tensor(data))
    labels = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, said[0], said[1], predictor.label_manager, properties, num_threads_torch=THREADS
    )
    return np.ascontiguousarray(labels.astype(np.uint8)), time.perf_counter() - began


def _predictor(folder: Path, overlap: float, *, quick: bool) -> Any:
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(folder)
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from bench.pipeline.inputs import WINDOW, architecture, network

    torch.set_num_threads(THREADS)
    weights, _ = network(folder, quick=quick)
    net = architecture().eval()
    net.load_state_dict(torch.load(weights, weights_only=True))

    class Turned(torch.nn.Module):
        """Shows a network that was taught on [x, y, z] to RAS what nnU-Net has: [z, y, x], LPS."""

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: Any) -> Any:
            seen = image.permute(0, 1, 4, 3, 2).flip(2, 3)
            return self.net(seen).flip(2, 3).permute(0, 1, 4, 3, 2)

    manager = PlansManager(_plans())
    predictor = nnUNetPredictor(
        tile_step_size=1.0 - overlap,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        verbose=False,
        allow_tqdm=False,
    )
    turned = Turned().eval()
    predictor.manual_initialization(
        turned,
        manager,
        manager.get_configuration("3d_fullres"),
        [turned.state_dict()],
        DATASET,
        "nnUNetTrainer",
        None,
    )
    with torch.inference_mode():
        turned(torch.zeros(1, 1, WINDOW, WINDOW, WINDOW))
    return predictor


def _plans() -> dict[str, Any]:
    """Give what nnU-Net would have planned: the others' spacing, grey values and windows."""
    from bench.pipeline.inputs import GREY, TARGET_MM, WINDOW

    sampling = "resample_data_or_seg_to_shape"
    shared: dict[str, Any] = {"order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "bench",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 1,
        "patch_size": [WINDOW] * 3,
        "spacing": [TARGET_MM] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": sampling,
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **shared},
        "resampling_fn_seg": sampling,
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **shared},
        "resampling_fn_probabilities": sampling,
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **shared},
        "architecture": {
            "network_class_name": "none",
            "arch_kwargs": {},
            "_kw_requires_import": [],
        },
    }
    low, high = GREY  # scaled to 0 and 1, as for the others
    known = {"mean": low, "std": high - low, "percentile_00_5": low, "percentile_99_5": high}
    return {
        "dataset_name": "Dataset001_Bench",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": known},
    }


if __name__ == "__main__":
    sys.exit(main())
