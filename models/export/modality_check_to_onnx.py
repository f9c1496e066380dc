"""Converts TotalSegmentator's CT or MR classifier (XGBoost, Apache-2.0) to plain ONNX operators.

    python -m models.export.modality_check_to_onnx OUT.onnx [--check IMAGE.nii.gz ...]

The original takes mean, standard deviation, minimum and maximum of all voxels, asks five boosters
of a hundred one-split trees each, and gives the share of those that vote for MR. All of that
becomes one graph, statistics included, of operators that any runtime computes in f32: no ML
operator, no tree operator. --check compares with xgboost itself on random and real statistics.
Needs the extra `export`.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import SimpleITK
import ubjson
import xgboost
from onnx import TensorProto, helper, numpy_helper

from models.export.wheels import members
from node.engines.openvino_engine import OpenVinoEngine

PACKAGE = "totalsegmentator==2.18.0"
FOLDER = "totalsegmentator/resources/modality_classifiers_2025_02_24.json"
SHA256 = {
    f"{FOLDER}.0": "b7ad23eff039a7044f5260f5ebd934d3faa6cc5106a37d71ebde12eec65491ba",
    f"{FOLDER}.1": "e983df155d02da883df735f9d46ccc36db7320715d282920da8f334406a83155",
    f"{FOLDER}.2": "0b2ba52bcbec1eb693a5eb59143c7bdf1295531438e4b736f87b2960ff321590",
    f"{FOLDER}.3": "14b6b92ab138fe5e4a151c9076d7f1e5fa4c861748e7de94df4e72316c89c357",
    f"{FOLDER}.4": "34aed06bcd82351d5de2194a437ed7e4d69dcad5c84a02f09fd8d9083f9bf361",
}
STATISTICS = ["mean", "std", "min", "max"]


def boosters() -> list[bytes]:
    """Download the five boosters (UBJSON), their digests checked."""
    found = members(PACKAGE, SHA256)
    return [found[f"{FOLDER}.{fold}"] for fold in range(5)]


def stumps(booster: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Read a booster: per tree which statistic, what threshold, [below, otherwise]; base margin."""
    learner: dict[str, Any] = ubjson.loadb(booster)["learner"]
    if learner["objective"]["name"] != "binary:logistic" or learner["feature_names"] != STATISTICS:
        raise ValueError("this is not the classifier that is known here")
    trees = learner["gradient_booster"]["model"]["trees"]
    if any(list(tree["left_children"]) != [1, -1, -1] for tree in trees):
        raise ValueError("a tree has more than one split; the graph below is made for one")
    feature = np.array([tree["split_indices"][0] for tree in trees], dtype=np.int64)
    threshold = np.array([tree["split_conditions"][0] for tree in trees], dtype=np.float32)
    leaves = np.array([tree["split_conditions"][1:] for tree in trees], dtype=np.float32)
    base = float(learner["learner_model_param"]["base_score"])
    return feature, threshold, leaves, float(np.log(base / (1 - base)))


def vote_nodes(folds: Sequence[bytes]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Make the part of the graph from `statistics` [1, 4] to `pred` [1, 1], the share for MR."""
    parts = [stumps(fold) for fold in folds]
    count = len(parts[0][0])
    constants = {
        "feature": np.concatenate([p[0] for p in parts]),
        "threshold": np.concatenate([p[1] for p in parts]),
        "below": np.concatenate([p[2][:, 0] for p in parts]),
        "otherwise": np.concatenate([p[2][:, 1] for p in parts]),
        "per_fold": np.array([1, len(parts), count], dtype=np.int64),
        "trees": np.array([2], dtype=np.int64),
        "needed": np.array([-p[3] for p in parts], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["statistics", "feature"], ["looked_at"], axis=1),
        helper.make_node("Less", ["looked_at", "threshold"], ["is_below"]),
        helper.make_node("Where", ["is_below", "below", "otherwise"], ["leaf"]),
        helper.make_node("Reshape", ["leaf", "per_fold"], ["leaves"]),
        helper.make_node("ReduceSum", ["leaves", "trees"], ["margin"], keepdims=0),
        helper.make_node("Greater", ["margin", "needed"], ["votes_mr"]),
        helper.make_node("Cast", ["votes_mr"], ["votes"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["votes"], ["pred"], axes=[1], keepdims=1),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def statistic_nodes() -> list[onnx.NodeProto]:
    """Make the part of the graph from `image` [1, 1, x, y, z] to `statistics` [1, 4].

    Means are taken axis after axis: a sum over millions of voxels at once loses digits in f32.
    """
    nodes = []

    def mean(source: str, target: str) -> None:
        for axis, end in ((4, f"{target}_1"), (3, f"{target}_2"), (2, target)):
            nodes.append(helper.make_node("ReduceMean", [source], [end], axes=[axis], keepdims=1))
            source = end

    mean("image", "mean")
    nodes.append(helper.make_node("Sub", ["image", "mean"], ["off"]))
    nodes.append(helper.make_node("Mul", ["off", "off"], ["off_squared"]))
    mean("off_squared", "variance")
    nodes.append(helper.make_node("Sqrt", ["variance"], ["std"]))
    for name, operator in (("min", "ReduceMin"), ("max", "ReduceMax")):
        nodes.append(helper.make_node(operator, ["image"], [name], axes=[2, 3, 4], keepdims=1))
    nodes.append(helper.make_node("Concat", STATISTICS, ["stacked"], axis=1))
    nodes.append(helper.make_node("Flatten", ["stacked"], ["statistics"], axis=1))
    return nodes


def graph(folds: Sequence[bytes], *, from_image: bool) -> onnx.ModelProto:
    """Make the ONNX model, from an image, or for the comparison from its statistics."""
    votes, constants = vote_nodes(folds)
    name, shape = ("image", [1, 1, "x", "y", "z"]) if from_image else ("statistics", [1, 4])
    made = helper.make_graph(
        (statistic_nodes() if from_image else []) + votes,
        "modality_check",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("pred", TensorProto.FLOAT, [1, 1])],
        constants,
    )
    # opset 17: the last in which ReduceMean and its kin take their axes as attributes
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.doc_string = f"{PACKAGE} {FOLDER}.0 to .4"
    onnx.checker.check_model(model, full_check=True)
    return model


def original(folds: Sequence[bytes], statistics: np.ndarray) -> np.ndarray:
    """Ask xgboost itself: [n, 4] statistics to the share of votes for MR, as TotalSegmentator."""
    votes = []
    for fold in folds:
        booster = xgboost.Booster()
        booster.load_model(bytearray(fold))
        margin = booster.inplace_predict(statistics, predict_type="margin")
        votes.append(margin > 0)
    return np.mean(votes, axis=0, dtype=np.float64)


def check(folds: Sequence[bytes], out: Path, images: Sequence[Path]) -> None:
    """Compare with xgboost: random statistics, some of them on the thresholds, and real images."""
    rng = np.random.default_rng(1)
    some = rng.uniform([-1100, 0, -3100, 0], [2000, 2000, 300, 5000], (4000, 4)).astype(np.float32)
    edges = np.concatenate([stumps(fold)[1] for fold in folds])
    where = np.concatenate([stumps(fold)[0] for fold in folds])
    some[np.arange(len(edges)), where] = edges
    votes_only = out.with_suffix(".votes.onnx")
    onnx.save(graph(folds, from_image=False), votes_only)
    engine = OpenVinoEngine(votes_only, threads=1)
    ours = np.array([engine.run(row[np.newaxis])[0, 0] for row in some])
    votes_only.unlink()
    theirs = original(folds, some)
    different = int((np.abs(ours - theirs) > 1e-6).sum())
    print(f"{len(some)} random statistics: {different} differ; votes for MR {np.mean(theirs):.2f}")
    for image in images:
        voxels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(image))).astype(np.float64)
        exact = [voxels.mean(), voxels.std(), voxels.min(), voxels.max()]
        found = OpenVinoEngine(out, threads=2).run(
            voxels[np.newaxis, np.newaxis].astype(np.float32)
        )
        wanted = original(folds, np.array([exact], dtype=np.float32))
        print(f"{image.name}: share for MR {found[0, 0]:.1f}, original {wanted[0]:.1f}")


def main() -> None:
    """Convert, and check where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", type=Path, nargs="*")
    chosen = parser.parse_args()
    folds = boosters()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(folds, from_image=True), chosen.out)
    print(f"{chosen.out}: sha256 {hashlib.sha256(chosen.out.read_bytes()).hexdigest()}")
    if chosen.check is not None:
        check(folds, chosen.out, chosen.check)


if __name__ == "__main__":
    main()
