"""Has MONAI itself run a bundle: its own preprocessing, inferer and postprocessing.

For bundles whose configs/inference.json says more than `node.bundles.recognised` has: other
transforms, expressions, code of the bundle's own. All of that is executed, in the model's process
and nowhere else, and only of a bundle that is on the shelf. Images come from DICOM and results go
back there, so whatever reads or writes files is left out.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from node.engines.gridding import LPS_TO_RAS
from node.engines.streaming import Laps
from node.engines.torch_engine import state_in
from node.engines.upright import upright_of
from node.engines.windows import NotNumbersError

Array: TypeAlias = np.ndarray
FILES = ("LoadImaged", "EnsureChannelFirstd", "AddChanneld", "SaveImaged")
"""What the node does in MONAI's stead: the image is in memory, with its channel and its place."""
MEGABYTE = 1 << 20


class MonaiBundle:
    """A bundle on the GPU if there is one, run as MONAI would."""

    def __init__(self, folder: Path, weights: Path, *, threads: int, device: str = "") -> None:
        """Read its configuration, build its network, fill in its weights.

        Args:
            folder: the bundle's.
            weights: a state dict for its `network_def`, or TorchScript.
            threads: how many CPU threads it may use.
            device: "cpu" to keep off the GPU.

        Raises:
            KeyError: the configuration lacks preprocessing, inferer, postprocessing or network.
            RuntimeError: the weights do not fit the network.
        """
        torch.set_num_threads(threads)
        _read_code_of(folder)
        self._device = "cuda:0" if torch.cuda.is_available() and device != "cpu" else "cpu"
        parser = ConfigParser()
        parser.read_config(_configuration(folder))
        parser.read_meta(folder / "configs/metadata.json")
        parser["bundle_root"] = str(folder)
        parser["device"] = f"$torch.device('{self._device}')"
        for key in ("preprocessing", "postprocessing"):
            parser[key] = _without_files(parser[key])
        self._network = _network(parser, weights, self._device)
        self._before = parser.get_parsed_content("preprocessing")
        self._inferer = parser.get_parsed_content("inferer")
        self._after = parser.get_parsed_content("postprocessing")

    def run(
        self, voxels: Array, affine: Array, monotonic: Callable[[], float] = lambda: 0.0
    ) -> tuple[Array, Mapping[str, float]]:
        """Look at a volume.

        Args:
            voxels: [slices, rows, columns].
            affine: 4 x 4, from (slice, row, column, 1) to LPS millimetres.
            monotonic: gives seconds, for the stopwatch.

        Returns:
            A label map [1, slices, rows, columns] or values [classes], and the seconds that each
            part took.

        Raises:
            NotNumbersError: the network's scores are no numbers.
        """
        upright = upright_of(affine, voxels.shape)
        if upright is None:
            return self._run(voxels, affine, monotonic)
        found, seconds = self._run(upright.there(voxels), upright.affine, monotonic)
        return (upright.back(found) if found.ndim == 4 else found), seconds

    def _run(
        self, voxels: Array, affine: Array, monotonic: Callable[[], float]
    ) -> tuple[Array, Mapping[str, float]]:
        laps = Laps(monotonic)
        with torch.inference_mode():
            with laps.lap("preprocessing"):
                data = self._before({"image": _as_read(voxels, affine)})
                image = data["image"].unsqueeze(0).to(self._device)
            with laps.lap("network"):
                scores = self._inferer(image, self._network)
                scores = scores[0] if isinstance(scores, (tuple, list)) else scores
            if not bool(torch.isfinite(scores).all()):
                raise NotNumbersError("scores that are no numbers (NaN), or none at all")
            with laps.lap("postprocessing"):
                outcome = self._after({**data, "pred": scores[0]})["pred"]
                found = np.asarray(torch.as_tensor(outcome).cpu().numpy())
        # back from MONAI's (column, row, slice)
        return found.transpose(0, 3, 2, 1) if found.ndim == 4 else found, laps.seconds

    def describe(self) -> Mapping[str, str]:
        """Say what runs the bundle: engine, device, precision, threads."""
        import monai

        return {
            "engine": f"MONAI {monai.__version__} (PyTorch {torch.__version__})",
            "device": torch.cuda.get_device_name() if self._device != "cpu" else "CPU",
            "precision": "f32",
            "threads": str(torch.get_num_threads()),
        }

    def memory_mb(self) -> float:
        """Say how much of the GPU's memory PyTorch keeps for it."""
        if self._device == "cpu":
            return 0.0
        return float(torch.cuda.max_memory_reserved()) / MEGABYTE


def _read_code_of(folder: Path) -> None:
    """Let the bundle's own modules be imported, of their sources alone.

    Byte code that lies beside them is not part of the bundle's digest, so it must not run.
    """
    sys.dont_write_bytecode = True
    sys.pycache_prefix = tempfile.mkdtemp(prefix="no-byte-code-")
    sys.path.insert(0, str(folder))


def _configuration(folder: Path) -> Path:
    """Find the file as `node.bundles.configuration` does, JSON first."""
    names = [f"inference.{kind}" for kind in ("json", "yaml", "yml")]
    return next(path for name in names if (path := folder / "configs" / name).is_file())


def _without_files(composed: Any) -> Any:  # noqa: ANN401 - whatever the configuration holds
    """Leave out transforms that read or write files."""
    steps = composed.get("transforms") if isinstance(composed, Mapping) else None
    if not isinstance(steps, list):
        return composed
    kept = [
        step
        for step in steps
        if not isinstance(step, Mapping)
        or str(step.get("_target_", "")).rpartition(".")[2] not in FILES
    ]
    return {**composed, "transforms": kept}


def _network(parser: ConfigParser, weights: Path, device: str) -> torch.nn.Module:
    """Build the network; TorchScript is one already."""
    try:
        script: torch.nn.Module = torch.jit.load(str(weights), map_location=device)
        return script.eval()
    except RuntimeError:
        module: torch.nn.Module = parser.get_parsed_content("network_def")
    # weights_only refuses everything but tensors
    state = torch.load(weights, map_location=device, weights_only=True)  # noqa: TID251
    module.load_state_dict(state_in(state))
    return module.to(device).eval()


def _as_read(voxels: Array, affine: Array) -> MetaTensor:
    """Give a volume as MONAI's readers do: [1, columns, rows, slices], affine to RAS."""
    turned = affine[:, [2, 1, 0, 3]]
    image = np.ascontiguousarray(voxels.transpose(2, 1, 0)[np.newaxis], dtype=np.float32)
    return MetaTensor(torch.from_numpy(image), torch.from_numpy(LPS_TO_RAS @ turned))
