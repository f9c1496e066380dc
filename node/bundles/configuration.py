"""Reads a bundle's configuration files, JSON or YAML, and says whether one image is enough for it.

A series gives one image of one channel, under MONAI's name "image". A bundle that wants more (the
four MR contrasts of a tumour model, phases of a contrast agent) is refused here in words, before
its network would fail on numbers.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from node.bundles.referring import resolved

INFERENCE = "configs/inference.json"
OTHERS = ("configs/inference.yaml", "configs/inference.yml")
"""MONAI reads YAML as well; where there is a JSON file, that is the one."""
REPEATING = ("RepeatChanneld", "ConcatItemsd", "Lambdad")
"""What may make several channels of one."""


def inference_name(folder: Path) -> str:
    """Name the file in a bundle that says what happens before and after the network."""
    return next((n for n in (INFERENCE, *OTHERS) if (folder / n).is_file()), INFERENCE)


def read_object(folder: Path, name: str, complaints: list[str]) -> dict[str, object] | None:
    """Read one file, None with a complaint when it holds no object."""
    kind = "JSON" if name.endswith(".json") else "YAML"
    try:
        text = (folder / name).read_bytes()
        found = json.loads(text) if kind == "JSON" else yaml.safe_load(text)
    except OSError:
        complaints.append(f"{name} is missing or cannot be read")
        return None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        complaints.append(f"{name} is not {kind}: {error}")
        return None
    if not isinstance(found, dict):
        complaints.append(f"{name} must hold an object")
        return None
    return found


def misfed(inference: Mapping[str, object], channels: int, *, by_monai: bool) -> Iterator[str]:
    """Say why one image of one channel is not what a bundle works on.

    Args:
        inference: configs/inference.json, parsed.
        channels: how many metadata.json says that the network sees, 1 when it does not say.
        by_monai: whether MONAI runs it, with transforms that are not known here.
    """
    plain = resolved(inference)
    steps = list(_steps(plain.get("preprocessing")))
    if by_monai:
        yield from _other_images(steps)
    made, may_be_more = _channels_made(steps)
    network = plain.get("network_def")
    built = network.get("in_channels") if isinstance(network, Mapping) else None
    wanted = {channels} if channels > 1 else set()
    wanted |= {built} if type(built) is int else set()
    if may_be_more and by_monai:
        return
    for number in sorted(wanted - {made}):
        yield (
            f"{INFERENCE}: the network sees {number} channels and would get {made}: "
            "a series gives one, and several series are not put together as channels"
        )


def _steps(composed: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = composed.get("transforms") if isinstance(composed, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("_target_"), str):
            yield str(one["_target_"]), one


def _channels_made(steps: list[tuple[str, Mapping[str, Any]]]) -> tuple[int, bool]:
    """Count channels, and say whether a transform that is not known here may make others."""
    made, may_be_more = 1, False
    for target, said in steps:
        name = target.rpartition(".")[2]
        if name == "RepeatChanneld" and type(said.get("repeats")) is int:
            made *= said["repeats"]
        elif name in REPEATING or target not in (name, f"monai.transforms.{name}"):
            may_be_more = True
    return made, may_be_more


def _other_images(steps: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    for target, said in steps:
        name = target.rpartition(".")[2]
        keys = said.get("keys")
        listed = [keys] if isinstance(keys, str) else keys if isinstance(keys, list) else []
        others = [str(key) for key in listed if key != "image" and not str(key).startswith("$")]
        if name == "LoadImaged" and others:
            yield (
                f"{INFERENCE}: preprocessing reads {', '.join(others)}: "
                "the node gives one image, by the name of image"
            )
        if name == "LoadImage":
            yield f"{INFERENCE}: preprocessing: LoadImage works on arrays; LoadImaged is run here"
