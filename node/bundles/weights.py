"""Says what kind of weights a file holds, without opening it with anything that could run it."""

import pickletools
import zipfile
from pathlib import Path

from node.bundles.interpreters import has

SUFFIXES = (".onnx", ".xml", ".ts", ".pt", ".pth", ".bin")
"""Files that may lie among a bundle's weights; .bin only beside the .xml of the same name."""

BY_MONAI = "monai"
"""Stands for an engine where MONAI itself runs a bundle (`node.engines.monai_bundle`)."""
NEEDS = {
    "openvino": ("openvino",),
    "torchscript": ("torch",),
    "state_dict": ("torch", "monai"),
    BY_MONAI: ("torch", "monai"),
}
"""What must be installed for each engine."""

INSTALL = {"openvino": "make install"}
WITH_TORCH = ".venv/bin/pip install -e '.[torch]'"
"""In the checkout: radnode is not in any package registry."""

HARMLESS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch.serialization _get_layout",
    "torch Size",
    "torch.nn.parameter Parameter",
}
"""What the pickle inside a state dict may name; `torch.load(weights_only=True)` checks again."""


class UnfitWeightsError(ValueError):
    """The weight file is of a kind that we do not open; the text says which and what to do."""


def engine_for(path: Path) -> str:
    """Name the engine that opens a weight file: openvino, torchscript or state_dict.

    Raises:
        UnfitWeightsError: no engine does, or it is a pickled program, which nobody gets to run.
    """
    if path.suffix == ".onnx":
        return "openvino"
    if path.suffix == ".xml":
        if not path.with_suffix(".bin").is_file():
            raise UnfitWeightsError(f"{path.name}: its {path.stem}.bin is missing")
        return "openvino"
    if path.suffix in (".ts", ".pt", ".pth"):
        return _torch_kind(path)
    raise UnfitWeightsError(
        f"{path.name} is no kind of weights that is opened here; "
        "convert it to ONNX, OpenVINO IR, TorchScript or a state dict"
    )


def missing_for(engine: str) -> str:
    """Say what is not installed for an engine, "" when nothing is missing."""
    missing = [module for module in NEEDS[engine] if not has(module)]
    if not missing:
        return ""
    command = INSTALL.get(engine, WITH_TORCH)
    return f"{engine} weights need {' and '.join(missing)}: run {command} in the checkout"


def by_monai_problems(weights: Path) -> list[str]:
    """Say why MONAI cannot run a bundle with these weights here; nothing when it can."""
    if engine_for(weights) == "openvino":
        return [f"{weights.name}: MONAI's own pipeline runs TorchScript or a state dict"]
    missing = missing_for(BY_MONAI)
    return [missing] if missing else []


def _torch_kind(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        raise UnfitWeightsError(f"{path.name} is a bare pickle, which can hold a program: {REMEDY}")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any("/code/" in name for name in names):
            return "torchscript"
        pickles = [name for name in names if name.endswith(".pkl")]
        named = set[str]().union(*(_globals(archive.read(name)) for name in pickles))
    storage = {name for name in named if name.startswith("torch ") and name.endswith("Storage")}
    strangers = sorted(named - storage - HARMLESS)
    if strangers or not pickles:
        what = f"names {strangers[0].replace(' ', '.')}" if strangers else "holds no tensors"
        raise UnfitWeightsError(f"{path.name} {what}, so it is no state dict: {REMEDY}")
    return "state_dict"


REMEDY = "save `model.state_dict()` or TorchScript, or convert it to ONNX"


def _globals(pickled: bytes) -> set[str]:
    """List what a pickle names ("module name"), by reading its opcodes, not by running them.

    torch.save writes a pickle of protocol 2, where each name stands in plain sight. Later
    protocols can put a name together, which shows here as "?" and is on no list.
    """
    named: set[str] = set()
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in ("GLOBAL", "INST"):
                named.add(str(argument))
            elif opcode.name == "STACK_GLOBAL":
                named.add("?")
    except ValueError as error:
        raise UnfitWeightsError("the weights cannot be read as tensors") from error
    return named
