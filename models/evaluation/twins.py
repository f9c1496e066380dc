"""Finds a network with gradients beside a bundle's own weights, and what goes into it.

A bundle runs by ONNX, which has no gradients. An attack needs a twin: TorchScript or a state dict
of the same network, among `dicom.weights` or named by who evaluates. It counts as the twin only
when it computes what the bundle's own weights do, on the very input that is attacked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.evaluation.images import Image
from node.bundles.manifest import Bundle
from node.bundles.weights import UnfitWeightsError, engine_for
from node.engines.engine import Engine, open_engine
from node.engines.pipeline import Pipeline
from node.engines.torch_engine import with_state

SAME = 0.02
"""Of the range of scores, so much may a twin's be off: engines round differently."""


class NoTwinError(ValueError):
    """There is no gradient to be had; the text says why."""


@dataclass(slots=True)
class Network:
    """A bundle's network as PyTorch has it, the engine that runs in clinic, and the way to both."""

    bundle: Bundle
    module: torch.nn.Module
    engine: Engine
    pipeline: Pipeline

    def input_of(self, image: Image) -> np.ndarray:
        """Give what the network sees of a volume: [channels, x, y, z] (a picture: [c, x, y])."""
        grid, _ = self.pipeline.prepare(image.voxels, image.affine)
        seen = np.ascontiguousarray(grid.voxels, dtype=np.float32)
        return seen[:, 0] if self.bundle.manifest.sees_pictures else seen

    def scores(self, batch: np.ndarray) -> np.ndarray:
        """Give the twin's scores of a batch [n, channels, ...]."""
        with torch.inference_mode():
            return np.asarray(first_of(self.module(torch.from_numpy(batch))).numpy())

    def check(self, batch: np.ndarray) -> float:
        """Give how far twin and bundle are apart, as a part of the range of the scores.

        Raises:
            NoTwinError: too far.
        """
        own, twin = self.engine.run(batch), self.scores(batch)
        if own.shape != twin.shape:
            raise NoTwinError(
                f"not attackable: the twin makes {twin.shape}, the bundle {own.shape}"
            )
        apart = float(np.abs(own - twin).max()) / (float(np.ptp(own)) or 1.0)
        if not apart <= SAME:
            raise NoTwinError(f"not attackable: the twin's scores are off by {apart:.1%}")
        return apart


def open_network(bundle: Bundle, named: Path | None, threads: int) -> Network:
    """Open a bundle's network with gradients.

    Args:
        bundle: fit to run.
        named: a twin that is not in the bundle, or None.
        threads: of the CPU.

    Raises:
        NoTwinError: there is none, or nobody here can open it.
    """
    recipe = bundle.manifest.recipe
    if bundle.manifest.by_monai:
        raise NoTwinError("not attackable: MONAI's own pipeline runs it, which is not taken apart")
    weights = named or _twin_in(bundle)
    if weights is None:
        raise NoTwinError(
            "not attackable: no gradient (the weights are for inference only; name TorchScript or "
            "a state dict of the same network with --twin)"
        )
    torch.set_num_threads(threads)
    network = recipe.network.as_plain() if recipe.network else None
    pipeline = Pipeline(
        [step.as_plain() for step in recipe.preprocessing],
        recipe.inferring(stood_the_gate=False),
        [step.as_plain() for step in recipe.postprocessing],
        threads=threads,
    )
    engine = open_engine(bundle.engine, bundle.weights, threads=threads, network=network)
    return Network(bundle, _opened(weights, network), engine, pipeline)


def first_of(found: Any) -> torch.Tensor:  # noqa: ANN401 - networks give tensors or several
    """Give the first output of a network, as the node takes it."""
    return found[0] if isinstance(found, (tuple, list)) else found


def _twin_in(bundle: Bundle) -> Path | None:
    for name in bundle.manifest.weights:
        if Path(name).suffix in (".ts", ".pt", ".pth"):
            return bundle.path / name
    return None


def _opened(weights: Path, network: dict[str, object] | None) -> torch.nn.Module:
    try:
        kind = engine_for(weights)
        if kind == "torchscript":
            module = torch.jit.load(str(weights), map_location="cpu")
        elif network is None:
            raise NoTwinError("not attackable: a state dict needs network_def in the bundle")
        else:
            module = with_state(weights, network, "cpu")
    except (UnfitWeightsError, OSError, RuntimeError) as error:
        raise NoTwinError(f"not attackable: the twin cannot be opened ({error})") from error
    for parameter in module.parameters():  # TorchScript knows no requires_grad_ of its own
        parameter.requires_grad_(requires_grad=False)
    return module.eval()
