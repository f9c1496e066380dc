"""Turns a network into OpenVINO's own format, which starts several times faster than ONNX."""

from pathlib import Path

import openvino


def convert(source: Path, target: Path) -> list[Path]:
    """Write a network as OpenVINO IR, every number as it was.

    Args:
        source: ONNX (with or without explicit quantisation) or IR.
        target: the .xml to write; its .bin is written beside it.

    Returns:
        The .xml and the .bin.
    """
    model = openvino.Core().read_model(source)
    openvino.save_model(model, target, compress_to_fp16=False)
    return [target, target.with_suffix(".bin")]
