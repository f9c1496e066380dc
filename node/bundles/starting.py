"""What a model's process is started with: its environment, and the request to load a network."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import node
from node.bundles.manifest import Bundle
from node.bundles.ways import Way


def child_variables(threads: int, more: Mapping[str, str]) -> dict[str, str]:
    """Give the whole environment of a process that runs a framework: little, and none of ours."""
    limits = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    )
    root = Path(node.__file__).parent.parent
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(root),
        **dict.fromkeys(limits, str(threads)),
        **more,
    }


def load_request(bundle: Bundle, way: Way, threads: int, memory_mb: float) -> dict[str, Any]:
    """Ask for a bundle's network, opened in one of its ways."""
    recipe = bundle.manifest.recipe
    return {
        "verb": "load",
        "by_monai": bundle.manifest.by_monai,
        "bundle": str(bundle.path),
        "engine": way.engine,
        "weights": str(way.weights),
        "network": recipe.network.as_plain() if recipe.network else None,
        "preprocessing": [step.as_plain() for step in recipe.preprocessing],
        "inferer": recipe.inferring(stood_the_gate=bool(way.key) and way.boxed),
        "postprocessing": [step.as_plain() for step in recipe.postprocessing],
        "makes_labels": bool(bundle.manifest.segments),
        "input_shape": bundle.manifest.input_shape,
        "channels": bundle.manifest.channels,
        "classifying": bundle.manifest.classifying.as_plain(bundle.path),
        "threads": threads,
        "precision": way.precision,
        "device": way.device,
        "memory_mb": memory_mb,
    }
