"""MONAI's transforms and inferers that we can do, and what each of their arguments may be.

`node.engines.steps` does the same to the numbers; tests hold both against MONAI itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Check: TypeAlias = tuple[str, Callable[[object], bool]]
"""What an argument must be: in words, and as a test."""


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
NUMBERS: Check = (
    "a number, one for each channel, or null",
    lambda v: _or_null(_is_number)(v) or _all(_is_number)(v),
)
WHOLE: Check = ("a whole number", _is_whole)
SIZE: Check = ("three whole numbers", _all(_is_whole, 3))
SIZES: Check = ("two or three whole numbers", lambda v: any(_all(_is_whole, n)(v) for n in (2, 3)))
POSITIVE: Check = ("a whole number above 0", lambda v: _is_whole(v) and _is_above_zero(v))
SPACING: Check = ("three numbers above 0", _all(_is_above_zero, 3))
LABELS: Check = ("a list of labels, or null", _or_null(_all(_is_whole)))
ORIENTATION: Check = ("three letters such as RAS", _is_orientation)
OVERLAP: Check = ("a number from 0 to below 1", _is_fraction)
FLOAT32 = _one_of(
    *("float32", "torch.float32", "np.float32", "$np.float32", "$numpy.float32", "$torch.float32")
)
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


ONE_FOR_EACH_KEY = frozenset(
    (
        *("mode", "padding_mode", "align_corners", "dtype", "nearest_interp", "to_tensor"),
        *("argmax", "threshold", "softmax", "sigmoid"),
    )
)
"""Arguments that may be a list with one entry for each key; there is one key."""

BOOKKEEPING: Mapping[str, Check] = {
    **dict.fromkeys(("meta_keys", "orig_meta_keys", "meta_key_postfix", "device"), ANYTHING),
    "allow_missing_keys": FLAG,
}
"""Where MONAI keeps an image's geometry, and where it computes: we have one place for each."""

RANGE = {"b_min": NUMBER_OR_NULL, "b_max": NUMBER_OR_NULL, "clip": FLAG, "dtype": FLOAT32}

TYPED = {"dtype": FLOAT32, "data_type": ANYTHING, "track_meta": ANYTHING, **BOOKKEEPING}

PREPROCESSING: Mapping[str, Known] = {
    "LoadImaged": Known(free=True),  # the volume is already loaded, from DICOM, with its geometry
    "EnsureChannelFirstd": Known(free=True),  # and it has one channel
    "EnsureTyped": Known(TYPED),
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
            "spatial_size": SIZES,
            "mode": _one_of("trilinear", "bilinear", "nearest", "nearest-exact"),
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
            "subtrahend": NUMBERS,
            "divisor": NUMBERS,
            "nonzero": FLAG,
            "channel_wise": FLAG,
            "dtype": FLOAT32,
        }
    ),
    "RepeatChanneld": Known({"repeats": POSITIVE}, ("repeats",)),
    "Transposed": Known({"indices": ("[0, 2, 1]", lambda v: v == [0, 2, 1])}, ("indices",)),
}
PICTURE = "Picture"
"""A step of our own at the head of a recipe for pictures: it gives one the axes of MONAI's."""
FOR_PICTURES = ("Transposed",)
"""What only pictures are changed by; what places a volume in the patient, no picture is."""
FOR_VOLUMES = ("Orientationd", "Spacingd")
FOR_CLASSES = ("RepeatChanneld", "Transposed")
"""Where labels are made the network sees one channel, on axes that can be turned back."""

POSTPROCESSING: Mapping[str, Known] = {
    "Invertd": Known(
        {
            "transform": _one_of("@preprocessing"),
            "orig_keys": KEY,
            "nearest_interp": FLAG,
            "to_tensor": FLAG,
            **BOOKKEEPING,
        },
        ("transform", "orig_keys"),
    ),
    "EnsureTyped": Known(TYPED),
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
            "padding_mode": _one_of("constant", "replicate"),
            "cval": NUMBER,
            "device": ANYTHING,
            "sw_device": ANYTHING,
            "progress": ANYTHING,
            "cache_roi_weight_map": ANYTHING,
        },
        ("roi_size",),
    ),
}
