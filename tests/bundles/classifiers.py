"""Little bundles that classify: the two halves of an image, which of them is brighter."""

import json

import numpy as np

from tests.bundles.making import describe

BRIGHT = {"value": "371240000", "scheme": "SCT", "meaning": "Bright"}


def network(path, scale, dimensions, *, features=False):
    """Write one: scores are `scale` times the mean of each half along its first axis."""
    import openvino
    from openvino import opset13 as ops

    shape = [-1, 1, 8, 6] if dimensions == 2 else [-1, 1, 8, 6, 4]
    image = ops.parameter(shape, np.float32, name="image")
    halves = ops.split(image, 2, num_splits=2).outputs()
    axes = list(range(2, 2 + dimensions))
    means = [ops.reduce_mean(half, axes, keep_dims=False) for half in halves]
    both = ops.concat(means, axis=1)
    scores = ops.multiply(both, ops.constant(np.float32(scale)))
    outcome = ops.concat([scores, both], axis=1) if features else scores
    path.parent.mkdir(parents=True, exist_ok=True)
    model = openvino.Model([outcome], [image], "halves")
    openvino.save_model(model, path, compress_to_fp16=False)


def halves(folder, classification=None, *, dimensions=2, scales=(1.0,), modality="DX"):
    """Make a bundle of such networks, one for each of `scales`."""
    by_features = (classification or {}).get("out_of_distribution", {}).get("by") == "features"
    for number, scale in enumerate(scales):
        path = folder / f"models/member{number}.xml"
        network(path, scale, dimensions, features=by_features)
    describe(folder, "models/member0.xml")
    metadata = json.loads((folder / "configs/metadata.json").read_text())
    block = metadata["dicom"]
    del block["segments"]
    block["accept"] = {"Modality": [modality]}
    block["minimum_slices"] = 1 if dimensions == 2 else 2
    block["classes"] = [
        {"index": index, "name": name, "finding": BRIGHT}
        for index, name in enumerate(("First half", "Second half"))
    ]
    names = [f"models/member{number}.xml" for number in range(len(scales))]
    order = sorted(block["weights"], key=lambda name: (name != names[0], name))
    block["weights"] = {name: block["weights"][name] for name in order}
    if len(scales) > 1:
        classification = {**(classification or {}), "members": names}
    if classification is not None:
        block["classification"] = classification
    size = [8, 6] if dimensions == 2 else [8, 6, 4]
    metadata["network_data_format"] = {"inputs": {"image": {"spatial_shape": size}}}
    (folder / "configs/metadata.json").write_text(json.dumps(metadata))
    mode = "bilinear" if dimensions == 2 else "trilinear"
    inference = {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "Resized", "keys": "image", "spatial_size": size, "mode": mode},
            ],
        },
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
        },
    }
    (folder / "configs/inference.json").write_text(json.dumps(inference))
    if by_features:
        means, precision = np.array([[2.0, 0.0], [0.0, 2.0]]), np.diag([4.0, 1.0])
        np.savez(folder / "features.npz", means=means, precision=precision)
    (folder / "golden/bright.npz").unlink()
    voxels = picture(1.0, 0.0) if dimensions == 2 else np.ones((8, 6, 4), np.int16)
    np.savez_compressed(folder / "golden/halves.npz", voxels=voxels, affine=np.eye(4))
    case = {"input": "halves.npz", "probabilities": {"First half": [0.0, 1.0]}}
    (folder / "golden/cases.json").write_text(json.dumps({"cases": [case]}))
    return folder


def picture(left, right):
    """Make a picture [1, rows, columns] with a left and a right half."""
    voxels = np.full((1, 12, 16), right, np.float32)
    voxels[:, :, :8] = left
    return voxels
