"""The "dicom" block of a bundle's configs/metadata.json, and how mistakes in it are told.

What the keys mean is written for those who bring a model in models/README.md. What is said here
is what each of them may be.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from node.bundles.classifying import Classifying, Novelty
from node.rules.doubting import Bound
from node.rules.nouns import Choose, Classification, Code, Segment

FILE = "configs/metadata.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


PLAIN = r"^[ -\[\]-~]*$"
"""Our own text stands beside any character set of the images, so it is ASCII (no backslash)."""

_Short = Annotated[str, Field(min_length=1, max_length=16, pattern=PLAIN)]
_Text = Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN)]
_Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Shade = Annotated[int, Field(ge=0, le=255)]


class _Code(_Strict):
    value: _Short
    scheme: _Short
    meaning: _Text

    def noun(self) -> Code:
        return Code(self.value, self.scheme, self.meaning)


_Measurement = Literal["volume", "mean", "sd", "minimum", "maximum", "median", "diameter"]
_FINDINGS = frozenset(("49755003", "64572001", "404684003", "52988006"))
"""Categories (SCT) whose presence is worth a look: morphologically abnormal structure (PS3.16 CID
7150), disease, clinical finding, lesion."""


class _Segment(_Strict):
    label: Annotated[int, Field(ge=1, le=65535)]
    name: _Text
    category: _Code
    type: _Code
    rgb: tuple[_Shade, _Shade, _Shade]
    laterality: _Code | None = None
    measurements: list[_Measurement] = ["volume"]
    axes: bool = False
    finding: bool | None = None
    expected_ml: tuple[_Length, _Length] | None = None

    def noun(self) -> Segment:
        side = self.laterality.noun() if self.laterality else None
        is_usual = self.category.value in _FINDINGS
        is_finding = is_usual if self.finding is None else self.finding
        return Segment(
            self.label,
            self.name,
            self.category.noun(),
            self.type.noun(),
            rgb=self.rgb,
            laterality=side,
            measurements=tuple(dict.fromkeys(("volume", *self.measurements))),
            axes=self.axes,
            is_finding=is_finding,
            expected_ml=self.expected_ml,
        )


class _Class(_Strict):
    index: Annotated[int, Field(ge=0)]
    name: _Text
    finding: _Code
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5

    def noun(self) -> Classification:
        return Classification(self.index, self.name, self.finding.noun(), self.threshold)


class _Accept(_Strict):
    modality: Annotated[list[str], Field(alias="Modality", min_length=1)]
    body_part: Annotated[list[str], Field(alias="BodyPartExamined")] = []
    choose: Choose = Choose.ONLY
    tilted: bool = False
    missing_slices: Annotated[int, Field(ge=0)] = 0
    planes: list[Literal["axial", "coronal", "sagittal"]] = []
    extent_mm: dict[Literal["LR", "AP", "HF"], tuple[_Length, _Length]] = {}
    cine: bool = False
    variable_spacing: bool = False


_Part = Annotated[float, Field(ge=0, le=1)]


class _Tolerance(_Strict):
    dice_loss: _Part = 0.012
    disagreement: _Part = 0.012
    probability: _Part = 0.012


_Scores = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1)]


class _Skip(_Strict):
    below: float
    scores: _Scores


class _Box(_Strict):
    above: float
    scores: _Scores


class _Windows(_Strict):
    skip: _Skip | None = None
    box: _Box | None = None


class _Bound(_Strict):
    most: Annotated[float, Field(allow_inf_nan=False)]
    above: Literal["mark", "hold", "withhold"] = "hold"

    def noun(self) -> Bound:
        return Bound(self.most, self.above)


class _Novelty(_Bound):
    by: Literal["energy", "features"] = "energy"
    statistics: str = ""

    def novelty(self) -> Novelty:
        return Novelty(self.by, self.noun(), self.statistics)


class _Classifying(_Strict):
    members: list[str] = []
    flips: list[Annotated[list[Annotated[int, Field(ge=0, le=2)]], Field(min_length=1)]] = []
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    uncertainty: _Bound | None = None
    out_of_distribution: _Novelty | None = None

    def noun(self) -> Classifying:
        bound, novelty = self.uncertainty, self.out_of_distribution
        return Classifying(
            members=tuple(self.members),
            flips=tuple(tuple(sorted(set(axes))) for axes in self.flips),
            temperature=self.temperature,
            uncertainty=bound.noun() if bound else None,
            novelty=novelty.novelty() if novelty else None,
        )


class DicomBlock(_Strict):
    """What the node needs to know besides MONAI's own fields."""

    accept: _Accept
    orientation: str = "RAS"
    spacing_mm: tuple[float, float] = (0.1, 10.0)
    minimum_slices: Annotated[int, Field(ge=1)] = 2
    segments: list[_Segment] = []
    classes: list[_Class] = []
    intended_use: Literal["research", "clinical"]
    weights: Annotated[dict[str, str], Field(min_length=1)]
    precision: Literal["f32", "bf16"] = "f32"
    calibration: list[str] = []
    tolerance: _Tolerance = _Tolerance()
    windows: _Windows = _Windows()
    classification: _Classifying | None = None
    pipeline: Literal["own", "monai"] = "own"


class Metadata(BaseModel):
    """MONAI's fields that the node reads, and the block."""

    version: _Text
    name: Annotated[str, Field(min_length=1)]
    description: str
    dicom: DicomBlock


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key that is known here",
    "string_pattern_mismatch": "must be plain ASCII without a backslash: results bear it beside "
    "patients' names in any character set",
}
"""What pydantic calls the commonest mistakes, and what they are called here."""


def sentence(problem: object) -> str:
    """Say what pydantic found in the way the rest of the shelf speaks."""
    found = dict(problem) if isinstance(problem, dict) else {}
    key = ".".join(str(part) for part in found.get("loc", ()))
    said = _WORDS.get(str(found.get("type")), f"is wrong: {found.get('msg')}")
    return f"{FILE}: {key} {said}"


def contradictions(block: DicomBlock) -> list[str]:
    """Say what in the block cannot be true at once, as sentences."""
    complaints = []
    if bool(block.segments) == bool(block.classes):
        complaints.append(f"{FILE}: dicom must have either segments or classes")
    for what, numbers in (
        ("segments", [segment.label for segment in block.segments]),
        ("classes", [entry.index for entry in block.classes]),
    ):
        if len(set(numbers)) != len(numbers):
            complaints.append(f"{FILE}: dicom.{what}: a number is used twice")
    for what, names in (
        ("segments", [segment.name for segment in block.segments]),
        ("classes", [entry.name for entry in block.classes]),
    ):
        if len(set(names)) != len(names):
            complaints.append(f"{FILE}: dicom.{what}: a name is used twice")
    complaints += _bad_ranges(block)
    for what, paths in (("weights", block.weights), ("calibration", block.calibration)):
        strays = [p for p in paths if p.startswith("/") or ".." in p.split("/")]
        complaints += [f"{FILE}: dicom.{what}: {p} is not inside the bundle" for p in strays]
    return complaints


def _bad_ranges(block: DicomBlock) -> list[str]:
    found = []
    if not 0 < block.spacing_mm[0] <= block.spacing_mm[1]:
        found.append(f"{FILE}: dicom.spacing_mm must be [smallest, largest] above 0")
    for axis, (shortest, longest) in block.accept.extent_mm.items():
        if shortest > longest:
            found.append(f"{FILE}: dicom.accept.extent_mm.{axis} must be [least, most]")
    for one in block.segments:
        if list(one.expected_ml or ()) != sorted(one.expected_ml or ()):
            found += [f"{FILE}: expected_ml of {one.name} must be [least, most]"]
    return found


def input_format(metadata: Mapping[str, object]) -> tuple[int, tuple[int, ...] | None]:
    """Find channels and spatial input shape, where MONAI's metadata says them in plain numbers.

    Returns:
        How many channels (1 when it does not say), and the shape of two or three numbers.
    """
    found: object = metadata
    for key in ("network_data_format", "inputs", "image"):
        found = found.get(key) if isinstance(found, Mapping) else None
    said = found if isinstance(found, Mapping) else {}
    channels, shape = said.get("num_channels"), said.get("spatial_shape")
    count = channels if type(channels) is int and channels > 0 else 1
    if not isinstance(shape, list) or len(shape) not in (2, 3):
        return count, None
    return count, tuple(shape) if all(type(n) is int for n in shape) else None
