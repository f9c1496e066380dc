"""Makes what the tests evaluate: balls of known truth, bundles that find them, their lists."""

import json
from pathlib import Path

import numpy as np
import SimpleITK
import yaml

from models.evaluation.images import Image
from node.bundles.manifest import file_hash, read_manifest
from tests.bundles.making import bright

SHAPE = (24, 28, 32)


def ball(radius, centre=(12, 14, 16), shape=SHAPE, spacing=(1.0, 1.0, 1.0)):
    """Give a mask: radius in millimetres, centre in voxels."""
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    parts = [((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing, strict=True)]
    return (parts[0] + parts[1] + parts[2]) <= radius**2


def image(radius=7, spacing=(2.0, 1.5, 1.0), centre=(12, 14, 16), modality="MR"):
    """Give a bright ball on a dark ground."""
    voxels = np.where(ball(radius, centre, spacing=spacing), 100, 0).astype(np.int16)
    return Image(voxels, np.diag([*spacing, 1.0]), modality=modality)


def write(path, voxels, affine):
    """Write an image file."""
    made = SimpleITK.GetImageFromArray(voxels)
    axes = affine[:3, :3][:, ::-1]
    spacing = np.linalg.norm(axes, axis=0)
    made.SetSpacing([float(one) for one in spacing])
    made.SetDirection((axes / spacing).ravel().tolist())
    made.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(made, str(path))
    return path


def cases(folder, count=3):
    """Write balls of several patients, and the list of them; give the list's path."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number in range(count):
        one = image(radius=6 + number)
        write(folder / f"image{number}.nii.gz", one.voxels, one.affine)
        truth = np.where(one.voxels > 50, 7, 0).astype(np.uint8)
        write(folder / f"truth{number}.nii.gz", truth, one.affine)
        listed.append(
            {
                "image": f"image{number}.nii.gz",
                "reference": f"truth{number}.nii.gz",
                "patient": f"Wang-{number}",
                "groups": {"sex": "FM"[number % 2]},
            }
        )
    path = folder / "cases.yaml"
    path.write_text(yaml.safe_dump({"segments": {7: "Bright"}, "cases": listed}))
    return path


def with_metadata(folder: Path, change):
    """Change a bundle's metadata.json."""
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))
    return folder


def a_bundle(folder, *, use="research"):
    """Make a bundle that finds what is bright, for a use."""
    bright(folder)
    return with_metadata(folder, lambda said: said["dicom"].update(intended_use=use))


def shifted(folder, steps):
    """Make a bundle that finds what is bright, `steps` voxels off along the network's x."""
    import openvino
    from openvino import opset13 as ops

    bright(folder)
    kernel = np.zeros((1, 1, 2 * steps + 1, 1, 1), np.float32)
    kernel[0, 0, 0] = 1.0
    given = ops.parameter([-1, 1, -1, -1, -1], np.float32, name="image")
    moved = ops.convolution(
        given, ops.constant(kernel), [1, 1, 1], [steps, 0, 0], [steps, 0, 0], [1, 1, 1]
    )
    fifty = ops.add(ops.multiply(given, ops.constant(np.float32(0))), ops.constant(np.float32(50)))
    model = openvino.Model([ops.concat([fifty, moved], axis=1)], [given], "shifted")
    for path in (folder / "models").iterdir():
        path.unlink()
    openvino.save_model(model, folder / "models/model.xml", compress_to_fp16=False)
    turned = {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}
    path = folder / "configs/inference.json"
    inference = json.loads(path.read_text())
    inference["preprocessing"]["transforms"].append(turned)
    path.write_text(json.dumps(inference))
    return with_metadata(folder, lambda said: said["dicom"].update(weights=hashes(folder)))


def hashes(folder):
    """Give what metadata.json says of the weights."""
    files = sorted((folder / "models").iterdir())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def manifest_of(folder):
    """Read a bundle's manifest."""
    found = read_manifest(folder)
    assert not isinstance(found, list), found
    return found
