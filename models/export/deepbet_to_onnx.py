"""Converts deepbet's fast brain network (TorchScript, MIT) to the ONNX file of `brain_mask`.

    python -m models.export.deepbet_to_onnx OUT.onnx [--check HEAD.nii.gz ...]

With --check it runs both networks on real heads and prints how far they differ. Needs the extras
`torch` and `export`.
"""

import argparse
import hashlib
import io
from pathlib import Path

import numpy as np
import onnx
import SimpleITK
import torch

from models.export.wheels import members
from node.engines import intensity, spatial
from node.engines.openvino_engine import OpenVinoEngine

PACKAGE = "deepbet==1.0.2"
MEMBER = "data/models/bbox_model.pt"
SHA256 = "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa"
SIZE = (128, 128, 128)


def torchscript() -> bytes:
    """Download the published TorchScript file, its digest checked."""
    return members(PACKAGE, {MEMBER: SHA256})[MEMBER]


def convert(script: torch.jit.ScriptModule, out: Path) -> None:
    """Write the network as ONNX: `image` [1, 1, 128, 128, 128] to `pred`, 2 probabilities each."""
    torch.onnx.export(
        script,
        (torch.zeros(1, 1, *SIZE),),
        str(out),
        input_names=["image"],
        output_names=["pred"],
        opset_version=17,
        dynamo=False,  # the TorchScript exporter: the source is TorchScript
    )
    model = onnx.load(out)
    model.doc_string = f"{PACKAGE} {MEMBER} sha256 {SHA256}"
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def network_input(head: Path) -> np.ndarray:
    """Prepare a head the way the bundle's configs/inference.json says: [1, 1, 128, 128, 128]."""
    image = SimpleITK.ReadImage(str(head), SimpleITK.sitkFloat32)
    voxels = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)[np.newaxis]
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    grid, _ = spatial.orient(spatial.Grid(voxels, np.diag([-1, -1, 1, 1]) @ affine), "RAS")
    grid, _ = spatial.resize(grid, SIZE, "trilinear")
    scaled = intensity.scale_percentiles(grid.voxels, (0.5, 99.5), 0.0, 1.0, clip=True)
    scaled = intensity.normalize(intensity.normalize(scaled), -0.449 / 0.226, 1 / 0.226)
    return np.ascontiguousarray(scaled[np.newaxis], dtype=np.float32)


def check(script: torch.jit.ScriptModule, out: Path, head: Path) -> None:
    """Run TorchScript and ONNX on one head and print how far they differ."""
    prepared = network_input(head)
    with torch.inference_mode():
        one = script(torch.from_numpy(prepared)).numpy()
    other = OpenVinoEngine(out, threads=2).run(prepared)
    changed = int((one.argmax(1) != other.argmax(1)).sum())
    largest, mean = np.abs(one - other).max(), np.abs(one - other).mean()
    print(
        f"{head.name}: largest difference of a probability {largest:.2e}, mean {mean:.2e}, "
        f"{changed} of {one[0, 0].size} labels differ"
    )


def main() -> None:
    """Convert, and check where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", type=Path, nargs="*", default=[])
    chosen = parser.parse_args()
    script = torch.jit.load(io.BytesIO(torchscript()), map_location="cpu").eval()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    convert(script, chosen.out)
    print(f"{chosen.out}: sha256 {hashlib.sha256(chosen.out.read_bytes()).hexdigest()}")
    for head in chosen.check:
        check(script, chosen.out, head)


if __name__ == "__main__":
    main()
