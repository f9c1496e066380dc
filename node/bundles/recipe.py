"""Reads what a bundle does before and after its network, as data, and knows what we can do.

A MONAI bundle describes its preprocessing, inferer and postprocessing in configs/inference.json.
That file is never executed here; references in it to plain values are put in place first
(`node.bundles.referring`). We recognise a closed list of MONAI's transforms with a closed list of
arguments, and `node.engines.pipeline` does the same to the numbers. What is not in the tables below
makes the bundle unfit, with a sentence that names it; nothing is skipped in silence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from node.bundles.recognised import (
    FLAG,
    FOR_CLASSES,
    FOR_PICTURES,
    FOR_VOLUMES,
    INFERERS,
    KEY,
    ONE_FOR_EACH_KEY,
    PICTURE,
    POSTPROCESSING,
    PREDICTED,
    PREPROCESSING,
    Check,
    Known,
)
from node.bundles.referring import resolved

FILE = "configs/inference.json"


@dataclass(frozen=True, slots=True)
class Step:
    """One transform, inferer or network by MONAI's name, with plain arguments."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)

    def as_plain(self) -> dict[str, object]:
        """Give the step as JSON, the way the child process is told of it."""
        return {"name": self.name, "arguments": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What happens to an image from the scanner's grid to labels on the scanner's grid.

    `network` is there only when the configuration names one of MONAI's networks, which bundles
    need whose weights are a state dict.
    """

    preprocessing: tuple[Step, ...]
    inferer: Step
    postprocessing: tuple[Step, ...]
    network: Step | None = None

    def sparing(self, windows: Mapping[str, object]) -> "Recipe":
        """Add what the bundle says of windows that need not be run: `skip`, `box`."""
        inferer = replace(self.inferer, arguments={**self.inferer.arguments, **windows})
        return replace(self, inferer=inferer)

    def inferring(self, *, stood_the_gate: bool) -> dict[str, object]:
        """Give the inferer as JSON.

        A box moves the windows, and with them what comes out, so it is left out where nobody has
        held the outcome against the one without.
        """
        plain = self.inferer.as_plain()
        if not stood_the_gate:
            kept = {k: v for k, v in self.inferer.arguments.items() if k != "box"}
            plain["arguments"] = kept
        return plain


# ---- reading ---------------------------------------------------------------------------------


def read_recipe(
    config: Mapping[str, object], *, labels: bool, dimensions: int = 3, network: bool = True
) -> Recipe | list[str]:
    """Understand configs/inference.json without executing it.

    Args:
        config: the parsed file.
        labels: whether the outcome is a label map (else it is probabilities of classes).
        dimensions: 3, or 2 for a network that sees one picture.
        network: whether network_def is to be understood; TorchScript does without.

    Returns:
        The recipe, or every complaint as a sentence that names the file and the key. That of a
        picture begins with a step of our own, `Picture`, which gives it MONAI's axes.
    """
    complaints: list[str] = []
    config = resolved(config)
    before = tuple(_steps(config, "preprocessing", (PREPROCESSING, KEY), complaints))
    after = tuple(_steps(config, "postprocessing", (POSTPROCESSING, PREDICTED), complaints))
    inferer = _step(config.get("inferer"), "inferer", (INFERERS, None), complaints)
    built = _network(config.get("network_def"), complaints) if network else None
    if labels:
        complaints += _no_labels(before, after, dimensions)
    if complaints or inferer is None:
        return complaints
    complaints += _misfits(before, inferer, dimensions)
    if complaints:
        return complaints
    before = tuple(_flat(step) for step in before) if dimensions == 2 else before
    before = (Step(PICTURE), *before) if dimensions == 2 else before
    return Recipe(before, inferer, after, built)


def _no_labels(before: Sequence[Step], after: Sequence[Step], dimensions: int) -> Iterator[str]:
    """Say why no label map on the scanner's grid would come out."""
    if "Invertd" not in [step.name for step in after]:
        yield f"{FILE}: postprocessing has no Invertd, so the labels would not lie on the image"
    if not any(s.name == "AsDiscreted" and s.arguments.get("argmax") for s in after):
        yield f"{FILE}: postprocessing has no AsDiscreted with argmax, so no labels"
    elif _averages_labels(after):
        why = "would average labels; write nearest_interp true, or AsDiscreted behind Invertd"
        yield f"{FILE}: postprocessing: Invertd behind AsDiscreted {why}"
    if dimensions == 2:
        yield f"{FILE}: masks on single pictures are not written; a network of them may classify"
    for step in before:
        if step.name in FOR_CLASSES:
            yield f"{FILE}: preprocessing: {step.name} is for networks that classify"


def _averages_labels(after: Sequence[Step]) -> bool:
    """Say whether labels would be interpolated: between 0 and 2 there would be a 1."""
    names = [step.name for step in after]
    if "Invertd" not in names:
        return False
    at = names.index("Invertd")
    interpolates = after[at].arguments.get("nearest_interp") is False
    return interpolates and "AsDiscreted" in names[:at] and "AsDiscreted" not in names[at:]


def _misfits(before: Sequence[Step], inferer: Step, dimensions: int) -> Iterator[str]:
    """Say which steps do not suit what the network sees: a volume, or a picture."""
    strange = FOR_VOLUMES if dimensions == 2 else FOR_PICTURES
    for step in before:
        if step.name in strange:
            yield f"{FILE}: preprocessing: {step.name} is not for {_SEEN[dimensions]}"
        yield from (f"{FILE}: {step.name}: {said}" for said in _ill_sized(step, dimensions))
    if dimensions == 2 and inferer.name != "SimpleInferer":
        yield f"{FILE}: inferer: a network that sees one picture needs SimpleInferer"


def _ill_sized(step: Step, dimensions: int) -> Iterator[str]:
    said = step.arguments
    if step.name == "Resized":
        if len(_listed(said["spatial_size"])) != dimensions:
            yield f"spatial_size is not that of {_SEEN[dimensions]}"
        if said["mode"] == ("trilinear" if dimensions == 2 else "bilinear"):
            yield f"mode is not one for {_SEEN[dimensions]}"
    listed = _listed(said.get("subtrahend")) or _listed(said.get("divisor"))
    if step.name == "NormalizeIntensityd" and listed and not said.get("channel_wise"):
        yield "numbers for each channel need channel_wise"


_SEEN = {2: "a picture", 3: "a volume"}


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _flat(step: Step) -> Step:
    """Have a step for pictures work on a volume of one slice, which is how a picture lies here."""
    if step.name != "Resized":
        return step
    mode = {"bilinear": "trilinear"}.get(str(step.arguments["mode"]), step.arguments["mode"])
    size = [0, *_listed(step.arguments["spatial_size"])]
    return replace(step, arguments={**step.arguments, "spatial_size": size, "mode": mode})


def _steps(
    config: Mapping[str, object],
    key: str,
    known: tuple[Mapping[str, Known], Check | None],
    complaints: list[str],
) -> Iterator[Step]:
    composed = config.get(key)
    transforms = composed.get("transforms") if isinstance(composed, Mapping) else None
    if not isinstance(transforms, list):
        complaints.append(f"{FILE}: {key} must be a Compose with a list of transforms")
        return
    for index, entry in enumerate(transforms):
        step = _step(entry, f"{key}.transforms.{index}", known, complaints)
        if step is not None:
            yield step


def _step(
    entry: object,
    where: str,
    known: tuple[Mapping[str, Known], Check | None],
    complaints: list[str],
) -> Step | None:
    table, keys = known
    target = entry.get("_target_") if isinstance(entry, Mapping) else None
    if not isinstance(target, str) or not isinstance(entry, Mapping):
        complaints.append(f"{FILE}: {where} must name a MONAI class in _target_")
        return None
    name = target.rpartition(".")[2]
    if name not in table or target not in (
        name,
        f"monai.transforms.{name}",
        f"monai.inferers.{name}",
    ):
        complaints.append(f"{FILE}: {where}: {target} is not recognised")
        return None
    arguments = {k: v for k, v in entry.items() if k != "_target_"}
    if table[name].free:
        return None
    for argument in ONE_FOR_EACH_KEY & arguments.keys():
        value = arguments[argument]
        arguments[argument] = value[0] if isinstance(value, list) and len(value) == 1 else value
    for argument, value in arguments.items():
        if value == "True" and table[name].arguments.get(argument) is FLAG:
            arguments[argument] = True  # as Python takes it; it would take "False" so, too
    if keys is not None and not keys[1](arguments.pop("keys", None)):
        complaints.append(f"{FILE}: {where}.keys must be {keys[0]}")
    complaints.extend(_argument_complaints(name, table[name], arguments, where))
    return Step(name, arguments)


def _argument_complaints(
    name: str, known: Known, arguments: Mapping[str, object], where: str
) -> Iterator[str]:
    for argument in known.required:
        if argument not in arguments:
            yield f"{FILE}: {where}: {name} needs {argument}"
    for argument, value in arguments.items():
        if argument not in known.arguments:
            yield f"{FILE}: {where}.{argument}: {name} with {argument} is not recognised"
        elif not known.arguments[argument][1](value):
            yield f"{FILE}: {where}.{argument} must be {known.arguments[argument][0]}"


def _network(entry: object, complaints: list[str]) -> Step | None:
    """Understand network_def where it is one of MONAI's networks with plain arguments.

    Anything else (an expression that loads TorchScript or ONNX) is for MONAI's own runner; our
    engines open the weight file by themselves.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("_target_"), str):
        return None
    target = str(entry["_target_"])
    name = target.removeprefix("monai.networks.nets.")
    if not name.isidentifier():
        complaints.append(f"{FILE}: network_def: {target} is not one of monai.networks.nets")
        return None
    arguments = {k: v for k, v in entry.items() if k != "_target_"}
    for argument, value in arguments.items():
        if not _is_plain(value):
            complaints.append(f"{FILE}: network_def.{argument} must be plain, without expressions")
    return Step(name, arguments)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    if isinstance(value, Mapping):
        return "_target_" not in value and all(map(_is_plain, value.values()))
    return not isinstance(value, list) or all(map(_is_plain, value))
