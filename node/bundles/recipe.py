"""Reads what a bundle does before and after its network, as data, and knows what we can do.

A MONAI bundle describes its preprocessing, inferer and postprocessing in configs/inference.json.
That file is never executed here. We recognise a closed list of MONAI's transforms with a closed
list of arguments, and `node.engines.pipeline` does the same to the numbers. What is not in the
tables below makes the bundle unfit, with a sentence that names it; nothing is skipped in silence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

FILE = "configs/inference.json"

Check: TypeAlias = tuple[str, Callable[[object], bool]]
"""What an argument must be: in words, and as a test."""


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


# ---- what arguments may be -------------------------------------------------------------------


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_above_zero(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < 1


def _is_orientation(value: object) -> bool:
    axes = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
    return isinstance(value, str) and sorted(axes.get(c, 9) for c in value) == [0, 1, 2]


def _all(test: Callable[[object], bool], count: int | None = None) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        return all(map(test, value)) and count in (None, len(value))

    return holds


def _or_null(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or test(value)


def _one_of(*values: object) -> Check:
    words = " or ".join("null" if value is None else str(value).lower() for value in values)
    return words, lambda value: any(type(value) is type(v) and value == v for v in values)


ANYTHING: Check = ("anything", lambda _: True)
FLAG: Check = ("true or false", lambda value: isinstance(value, bool))
NUMBER: Check = ("a number", _is_number)
NUMBER_OR_NULL: Check = ("a number or null", _or_null(_is_number))
WHOLE: Check = ("a whole number", _is_whole)
SIZE: Check = ("three whole numbers", _all(_is_whole, 3))
SPACING: Check = ("three numbers above 0", _all(_is_above_zero, 3))
LABELS: Check = ("a list of labels, or null", _or_null(_all(_is_whole)))
ORIENTATION: Check = ("three letters such as RAS", _is_orientation)
OVERLAP: Check = ("a number from 0 to below 1", _is_fraction)
FLOAT32 = _one_of("float32", "torch.float32", "np.float32", "$np.float32", "$torch.float32")
FLOAT = _one_of("float32", "float64", "$np.float32", "$np.float64", "$torch.float32")
CONNECTIVITY = _one_of(None, 1, 3)
KEY = _one_of("image", ["image"])
PREDICTED = _one_of("pred", ["pred"])
NULL = _one_of(None)
OFF: Check = ("false", lambda value: value is False)
FLAG_OR_NULL: Check = ("true, false or null", lambda value: value in (None, True, False))


@dataclass(frozen=True, slots=True)
class Known:
    """A transform that we can do: which arguments it takes and which it cannot go without.

    With `free` the transform changes nothing for us, so any argument is fine.
    """

    arguments: Mapping[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    free: bool = False


RANGE = {"b_min": NUMBER_OR_NULL, "b_max": NUMBER_OR_NULL, "clip": FLAG, "dtype": FLOAT32}

PREPROCESSING: Mapping[str, Known] = {
    "LoadImaged": Known(free=True),  # the volume is already loaded, from DICOM, with its geometry
    "EnsureChannelFirstd": Known(free=True),  # and it has one channel
    "EnsureTyped": Known({"dtype": FLOAT32, "data_type": ANYTHING, "track_meta": ANYTHING}),
    "CastToTyped": Known({"dtype": FLOAT32}, ("dtype",)),
    "Orientationd": Known({"axcodes": ORIENTATION, "labels": NULL}, ("axcodes",)),
    "Spacingd": Known(
        {
            "pixdim": SPACING,
            "mode": _one_of("bilinear", "nearest"),
            "padding_mode": _one_of("border"),
            "align_corners": FLAG_OR_NULL,
            "diagonal": OFF,
            "scale_extent": OFF,
            "dtype": FLOAT,
        },
        ("pixdim",),
    ),
    "Resized": Known(
        {
            "spatial_size": SIZE,
            "mode": _one_of("trilinear", "nearest", "nearest-exact"),
            "size_mode": _one_of("all"),
            "align_corners": FLAG_OR_NULL,
            "anti_aliasing": OFF,
            "dtype": FLOAT32,
        },
        ("spatial_size", "mode"),
    ),
    "ScaleIntensityd": Known(
        {
            "minv": NUMBER_OR_NULL,
            "maxv": NUMBER_OR_NULL,
            "factor": NUMBER_OR_NULL,
            "channel_wise": FLAG,
            "dtype": FLOAT32,
        }
    ),
    "ScaleIntensityRanged": Known({"a_min": NUMBER, "a_max": NUMBER, **RANGE}, ("a_min", "a_max")),
    "ScaleIntensityRangePercentilesd": Known(
        {"lower": NUMBER, "upper": NUMBER, "channel_wise": FLAG, "relative": OFF, **RANGE},
        ("lower", "upper", "b_min", "b_max"),
    ),
    "NormalizeIntensityd": Known(
        {
            "subtrahend": NUMBER_OR_NULL,
            "divisor": NUMBER_OR_NULL,
            "nonzero": FLAG,
            "channel_wise": OFF,
            "dtype": FLOAT32,
        }
    ),
}

POSTPROCESSING: Mapping[str, Known] = {
    "Invertd": Known(
        {
            "transform": _one_of("@preprocessing"),
            "orig_keys": KEY,
            "nearest_interp": FLAG,
            "to_tensor": FLAG,
        },
        ("transform", "orig_keys"),
    ),
    "EnsureTyped": Known({"dtype": FLOAT32, "data_type": ANYTHING, "track_meta": ANYTHING}),
    "Activationsd": Known({"softmax": FLAG, "sigmoid": FLAG}),
    "AsDiscreted": Known({"argmax": FLAG, "threshold": NUMBER_OR_NULL}),
    "KeepLargestConnectedComponentd": Known(
        {
            "applied_labels": LABELS,
            "is_onehot": ("false or null", lambda value: value in (None, False)),
            "independent": FLAG,
            "connectivity": CONNECTIVITY,
            "num_components": WHOLE,
        }
    ),
    "FillHolesd": Known({"applied_labels": LABELS, "connectivity": CONNECTIVITY}),
    "SaveImaged": Known(free=True),  # the node writes DICOM instead
}

INFERERS: Mapping[str, Known] = {
    "SimpleInferer": Known(),
    "SlidingWindowInferer": Known(
        {
            "roi_size": SIZE,
            "sw_batch_size": WHOLE,
            "overlap": OVERLAP,
            "mode": _one_of("constant", "gaussian"),
            "sigma_scale": NUMBER,
            "padding_mode": _one_of("constant"),
            "cval": NUMBER,
            "progress": ANYTHING,
            "cache_roi_weight_map": ANYTHING,
        },
        ("roi_size",),
    ),
}


# ---- reading ---------------------------------------------------------------------------------


def read_recipe(config: Mapping[str, object], *, labels: bool) -> Recipe | list[str]:
    """Understand configs/inference.json without executing it.

    Args:
        config: the parsed file.
        labels: whether the outcome is a label map (else it is probabilities of classes).

    Returns:
        The recipe, or every complaint as a sentence that names the file and the key.
    """
    complaints: list[str] = []
    before = tuple(_steps(config, "preprocessing", (PREPROCESSING, KEY), complaints))
    after = tuple(_steps(config, "postprocessing", (POSTPROCESSING, PREDICTED), complaints))
    inferer = _step(config.get("inferer"), "inferer", (INFERERS, None), complaints)
    network = _network(config.get("network_def"), complaints)
    names = [step.name for step in after]
    if labels and "Invertd" not in names:
        complaints.append(
            f"{FILE}: postprocessing has no Invertd, so the labels would not lie on the image"
        )
    if labels and not any(s.name == "AsDiscreted" and s.arguments.get("argmax") for s in after):
        complaints.append(f"{FILE}: postprocessing has no AsDiscreted with argmax, so no labels")
    if complaints or inferer is None:
        return complaints
    return Recipe(before, inferer, after, network)


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
