"""Makes a bundle of what was trained: network as ONNX, configuration, golden case and model card.

    python -m models shelve models/configs/ct_organs.yaml

Reads the training configuration, `<name>.bundle.yaml` beside it, and what training left in its
output folder, and leaves TorchScript of the same network there (`twin.ts`), for `python -m models
evaluate --twin`. The golden case is the training image itself, shrunk, with what MONAI's own
transforms and the PyTorch network find in it, so that it checks the node's pipeline and the
exported network at once.
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml

from models.data.anatomy import read_anatomy
from models.data.sources import image_of
from models.export.bundle_files import inference_json, metadata_json
from models.export.card import card
from models.export.golden_volumes import golden_case
from models.networks import build

TOLERANCE = 1e-3
"""How far the exported network's scores may lie from PyTorch's, as a share of their spread."""

LICENCE = Path("LICENSE")


def main(arguments: list[str]) -> int:
    """Make the bundle; give the exit code."""
    options = argparse.ArgumentParser(prog="python -m models shelve", description=__doc__)
    options.add_argument("config", type=Path)
    options.add_argument("--weights", type=Path, help="default: best.pt of the output folder")
    options.add_argument("--bundle", type=Path, help="default: models/bundles/<name>")
    chosen = options.parse_args(arguments)
    config = yaml.safe_load(chosen.config.read_text())
    about = yaml.safe_load(chosen.config.with_suffix(".bundle.yaml").read_text())
    folder = chosen.bundle or Path("models/bundles") / config["name"]
    weights = chosen.weights or Path(config["output"]) / "best.pt"
    shelve(config, about, weights, folder)
    print(f"{folder}: made; now: radnode models add {folder}")
    return 0


def shelve(
    config: Mapping[str, Any], about: Mapping[str, Any], weights: Path, folder: Path
) -> None:
    """Write a bundle.

    Args:
        config: of the training.
        about: `<name>.bundle.yaml`.
        weights: a state dict of the network.
        folder: of the bundle; what is there of an earlier one is replaced.

    Raises:
        SystemExit: the exported network does not find what the trained one finds.
        OSError: something cannot be read or written.
    """
    anatomy = read_anatomy(Path(config["data"]["options"]["anatomy"]))
    network = build(config["network"]["name"], config["network"]["options"])
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))  # noqa: TID251
    network.eval()
    for room in ("configs", "models", "docs", "golden"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    shelved = folder / "models/model.onnx"
    export(network, config["data"]["options"]["patch"], shelved)
    twin(network, config["data"]["options"]["patch"], weights.with_name("twin.ts"))
    inference = inference_json(config, about, anatomy)
    _write(folder / "configs/inference.json", inference)
    _write(folder / "configs/metadata.json", metadata_json(config, about, anatomy, shelved))
    source = yaml.safe_load(Path(config["data"]["options"]["sources"]).read_text())[0]
    cache = Path(config["data"]["options"].get("cache", "var/training"))
    image, _ = image_of(source["image"], cache / "packages")
    case = golden_case(image, about["golden"]["step"], network, inference, anatomy.names)
    case.write(folder / "golden", source.get("credit", ""))
    trained = Path(weights).with_name("training.json")
    record = json.loads(trained.read_text()) if trained.is_file() else {}
    (folder / "docs/README.md").write_text(card(config, about, anatomy, record, shelved))
    shutil.copyfile(LICENCE, folder / "LICENSE")


def export(network: torch.nn.Module, patch: int, file: Path) -> None:
    """Write a network as ONNX (opset 18, float32) for cubes of one size, and compare.

    Raises:
        SystemExit: the file does not find what the network finds.
    """
    example = torch.rand(1, 1, patch, patch, patch, generator=torch.Generator().manual_seed(1))
    program = torch.onnx.export(
        network, (example,), dynamo=True, opset_version=18, input_names=["image"],
        output_names=["pred"], external_data=False, verbose=False,
    )  # fmt: skip
    onnx.save(_without_traces(program.model_proto), file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = network(example).numpy()
    off = float(np.abs(session.run(None, {"image": example.numpy()})[0] - wanted).max())
    if off > TOLERANCE * float(wanted.std()):
        raise SystemExit(f"{file}: the exported network is off by {off:.2g}; nothing is shelved")


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what the exporter notes of the Python that it ran: lines, files, folders."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for values in (model.graph.value_info, model.graph.input, model.graph.output):
        for value in values:
            value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    return model


def twin(network: torch.nn.Module, patch: int, file: Path) -> None:
    """Write a network as TorchScript, with gradients: what evaluation attacks in its place."""
    example = torch.zeros(1, 1, patch, patch, patch)
    torch.jit.trace(network, example, check_trace=False).save(str(file))


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")
