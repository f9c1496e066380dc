"""Makes the golden cases of the two bundles: small real heads, and what must come out of them.

    python -m models.export.golden_heads models/bundles

The heads are the mean T1 of the package pydeface (MIT) and the CT template of TotalSegmentator
(Apache-2.0), shrunk. The expected mask comes from another road than the node's: MONAI's own
transforms around deepbet's TorchScript, so that the golden case also checks our pipeline. Needs
the extras `torch`, `export` and `test`.
"""

import argparse
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from models.export.deepbet_to_onnx import torchscript
from models.export.wheels import members

MEAN_T1 = (
    "pydeface==2.1.0",
    "pydeface/data/mean_reg2mean.nii.gz",
    "fdc13571d66293f9919648cd8de9a7b3491b12175e09336353d2c9ce0466ecb6",
)
CT_TEMPLATE = (
    "totalsegmentator==2.18.0",
    "totalsegmentator/resources/ct_brain_atlas_1mm.nii.gz",
    "e6964149f62ae88b9973cec43ed80974368a24c922ff8b62d946e7c855eae265",
)


def shrunk(source: tuple[str, str, str], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Give voxels [slices, rows, columns] as int16, averaged in cubes, and their LPS affine."""
    package, member, sha256 = source
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as file:
        file.write(members(package, {member: sha256})[member])
        file.flush()
        image = SimpleITK.ReadImage(file.name, SimpleITK.sitkFloat32)
    image = SimpleITK.BinShrink(image, [factor] * 3)
    step = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3] = step[:, ::-1]  # SimpleITK counts columns first, we count slices first
    affine[:3, 3] = image.GetOrigin()
    return np.rint(SimpleITK.GetArrayFromImage(image)).astype(np.int16), affine


def monai_mask(bundle: Path, voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Run the bundle's own configuration with MONAI, and deepbet's TorchScript as the network."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs/inference.json")
    transforms = parser.config["preprocessing"]["transforms"]
    parser.config["preprocessing"]["transforms"] = [
        step for step in transforms if step["_target_"] not in ("LoadImaged", "EnsureChannelFirstd")
    ]
    posts = parser.config["postprocessing"]["transforms"]
    parser.config["postprocessing"]["transforms"] = [
        step for step in posts if step["_target_"] != "SaveImaged"
    ]
    parser.parse()
    network = torch.jit.load(io.BytesIO(torchscript()), map_location="cpu").eval()
    to_ras = torch.from_numpy(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    data = {"image": MetaTensor(torch.from_numpy(voxels[np.newaxis].astype(np.float32)), to_ras)}
    data = parser.get_parsed_content("preprocessing")(data)
    with torch.inference_mode():
        scores = network(data["image"][None].as_tensor())[0]
    # a plain tensor would be left where it is: Invertd passes over it without a word
    data["pred"] = MetaTensor(scores).copy_meta_from(data["image"])
    return parser.get_parsed_content("postprocessing")(data)["pred"].numpy()[0].astype(np.uint8)


def brain_mask(folder: Path) -> None:
    """Write the golden case of brain_mask: a mean head in 2 mm, and its mask."""
    voxels, affine = shrunk(MEAN_T1, 2)
    labels = monai_mask(folder, voxels, affine)
    volume = float(labels.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)
    golden = folder / "golden"
    golden.mkdir(exist_ok=True)
    np.savez_compressed(golden / "head.npz", voxels=voxels, affine=affine)
    np.savez_compressed(golden / "mask.npz", labels=labels)
    case = {
        "input": "head.npz",
        "origin": f"{MEAN_T1[0]}, {MEAN_T1[1]}, averaged to 2 mm",
        "volumes_ml": {"Brain": [round(volume * 0.995, 1), round(volume * 1.005, 1)]},
        "labels": "mask.npz",
        "minimum_dice": {"Brain": 0.999},
    }
    _write(golden, [case])
    print(f"brain_mask: {volume:.1f} mL")


def modality_check(folder: Path) -> None:
    """Write the golden cases of modality_check: one MR head, one CT head."""
    golden = folder / "golden"
    golden.mkdir(exist_ok=True)
    cases = []
    name = "Magnetic resonance imaging"
    for file, source, bounds in (
        ("mr.npz", MEAN_T1, [0.9, 1.0]),
        ("ct.npz", CT_TEMPLATE, [0.0, 0.1]),
    ):
        voxels, affine = shrunk(source, 4)
        np.savez_compressed(golden / file, voxels=voxels, affine=affine)
        origin = f"{source[0]}, {source[1]}, averaged to 4 mm"
        cases.append({"input": file, "origin": origin, "probabilities": {name: bounds}})
    _write(golden, cases)


def _write(golden: Path, cases: list[dict[str, object]]) -> None:
    (golden / "cases.json").write_text(json.dumps({"cases": cases}, indent=2) + "\n")


def main() -> None:
    """Write the golden cases of both bundles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path)
    bundles = parser.parse_args().bundles
    brain_mask(bundles / "brain_mask")
    modality_check(bundles / "modality_check")


if __name__ == "__main__":
    main()
