"""Reads what a model bundle says about itself: what it accepts, finds, and computes with.

The bundle is MONAI's layout with one block of our own, "dicom", in configs/metadata.json; the
page models/README.md describes it. Everything is read as data; nothing in a bundle is executed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.bundles.recipe import Recipe, read_recipe
from node.bundles.ways import Way
from node.rules.nouns import (
    Choose,
    Classification,
    Code,
    InputRequirement,
    ModelIdentity,
    Segment,
)

METADATA = "configs/metadata.json"
INFERENCE = "configs/inference.json"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a compiled network may be from the reference on the golden cases.

    `dice_loss` is what a segment's Dice may lack to 1, `disagreement` the part of labelled voxels
    that may bear another label, `probability` how far a class may shift; all 0 to 1.
    """

    dice_loss: float = 0.012
    disagreement: float = 0.012
    probability: float = 0.012


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that the node needs to know of a bundle.

    `orientation` is the one its network sees, `weights` maps paths inside the bundle to their
    sha256, `precision` is what the engine computes in ("f32", or "bf16" where the bundle says
    so), `input_shape` the network's spatial input shape when it is fixed. `calibration` names
    .npz files of the bundle to calibrate 8-bit networks on (none: the golden cases), `tolerance`
    what a compiled network may differ by.
    """

    identity: ModelIdentity
    requirement: InputRequirement
    segments: tuple[Segment, ...]
    classes: tuple[Classification, ...]
    orientation: str
    weights: Mapping[str, str]
    recipe: Recipe
    precision: str = "f32"
    input_shape: tuple[int, int, int] | None = None
    calibration: tuple[str, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is fit to run: its folder, its digest, its manifest, and how to run it.

    `engine` is "openvino", "torchscript" or "state_dict"; `weights` the file that it opens. `ways`
    are compiled networks of it that stood the gate here, the best first; `notes` say why a way
    that was asked for is not among them.
    """

    path: Path
    sha256: str
    manifest: Manifest
    weights: Path
    engine: str
    ways: tuple[Way, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> Way:
        """The way that needs nothing compiled: the bundle's own weights, as the bundle says."""
        return Way(self.engine, self.manifest.precision, self.weights)


class UnreadableBundleError(ValueError):
    """A bundle's folder cannot be digested: a link or a strange file is in it."""


def tree_hash(folder: Path) -> str:
    """Digest a bundle: sha256 over the sorted relative paths and the contents of its files.

    Byte code that Python may leave behind (__pycache__, *.pyc) does not count.

    Raises:
        UnreadableBundleError: there is a symbolic link or something that is no regular file.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnreadableBundleError(f"{name} is not a regular file; copy the file itself there")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts:
            digest.update(f"{name}\x1f{file_hash(path)}\n".encode())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Digest one file with sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- the "dicom" block of configs/metadata.json ----------------------------------------------


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


class _Dicom(_Strict):
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


class _Metadata(BaseModel):
    version: _Text
    name: Annotated[str, Field(min_length=1)]
    description: str
    dicom: _Dicom


# ---- reading ---------------------------------------------------------------------------------


def read_manifest(folder: Path, sha256: str = "") -> Manifest | list[str]:
    """Read a bundle's two configuration files.

    Args:
        folder: the bundle; its name is the model's name.
        sha256: the bundle's digest, for the identity.

    Returns:
        The manifest, or every complaint as a sentence that names the file and the key.
    """
    complaints: list[str] = []
    metadata = _json(folder, METADATA, complaints)
    inference = _json(folder, INFERENCE, complaints)
    if metadata is None or inference is None:
        return complaints
    try:
        said = _Metadata.model_validate(metadata)
    except ValidationError as error:
        return [_sentence(problem) for problem in error.errors()]
    complaints.extend(_contradictions(said.dicom))
    recipe = read_recipe(inference, labels=bool(said.dicom.segments))
    if isinstance(recipe, list):
        return complaints + recipe
    turned = [s.arguments["axcodes"] for s in recipe.preprocessing if s.name == "Orientationd"]
    if turned and turned[-1] != said.dicom.orientation:
        complaints.append(f"{METADATA}: dicom.orientation is not the Orientationd of {INFERENCE}")
    spared = said.dicom.windows.model_dump(exclude_none=True)
    if spared and recipe.inferer.name != "SlidingWindowInferer":
        complaints.append(f"{METADATA}: dicom.windows needs a SlidingWindowInferer in {INFERENCE}")
    recipe = recipe.sparing(spared)
    if complaints:
        return complaints
    return _manifest(folder.name, sha256, said, recipe, _input_shape(metadata))


def _manifest(
    name: str,
    sha256: str,
    said: _Metadata,
    recipe: Recipe,
    input_shape: tuple[int, int, int] | None,
) -> Manifest:
    block = said.dicom
    return Manifest(
        identity=ModelIdentity(name, said.version, sha256, block.intended_use, said.description),
        requirement=InputRequirement(
            tuple(block.accept.modality),
            tuple(block.accept.body_part),
            block.spacing_mm,
            block.minimum_slices,
            block.accept.choose,
            block.accept.tilted,
            block.accept.missing_slices,
            tuple(block.accept.planes),
            {str(axis): ends for axis, ends in block.accept.extent_mm.items()},
            block.accept.cine,
            block.accept.variable_spacing,
        ),
        segments=tuple(segment.noun() for segment in block.segments),
        classes=tuple(entry.noun() for entry in block.classes),
        orientation=block.orientation,
        weights=dict(block.weights),
        recipe=recipe,
        precision=block.precision,
        input_shape=input_shape,
        calibration=tuple(block.calibration),
        tolerance=Tolerance(**block.tolerance.model_dump()),
    )


def _json(folder: Path, name: str, complaints: list[str]) -> dict[str, object] | None:
    try:
        found = json.loads((folder / name).read_bytes())
    except OSError:
        complaints.append(f"{name} is missing or cannot be read")
        return None
    except ValueError as error:
        complaints.append(f"{name} is not JSON: {error}")
        return None
    if not isinstance(found, dict):
        complaints.append(f"{name} must hold an object")
        return None
    return found


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key that is known here",
    "string_pattern_mismatch": "must be plain ASCII without a backslash: results bear it beside "
    "patients' names in any character set",
}
"""What pydantic calls the commonest mistakes, and what they are called here."""


def _sentence(problem: object) -> str:
    """Say what pydantic found in the way the rest of the shelf speaks."""
    found = dict(problem) if isinstance(problem, dict) else {}
    key = ".".join(str(part) for part in found.get("loc", ()))
    said = _WORDS.get(str(found.get("type")), f"is wrong: {found.get('msg')}")
    return f"{METADATA}: {key} {said}"


def _contradictions(block: _Dicom) -> list[str]:
    complaints = []
    if bool(block.segments) == bool(block.classes):
        complaints.append(f"{METADATA}: dicom must have either segments or classes")
    for what, numbers in (
        ("segments", [segment.label for segment in block.segments]),
        ("classes", [entry.index for entry in block.classes]),
    ):
        if len(set(numbers)) != len(numbers):
            complaints.append(f"{METADATA}: dicom.{what}: a number is used twice")
    for what, names in (
        ("segments", [segment.name for segment in block.segments]),
        ("classes", [entry.name for entry in block.classes]),
    ):
        if len(set(names)) != len(names):
            complaints.append(f"{METADATA}: dicom.{what}: a name is used twice")
    complaints += _bad_ranges(block)
    for what, paths in (("weights", block.weights), ("calibration", block.calibration)):
        strays = [p for p in paths if p.startswith("/") or ".." in p.split("/")]
        complaints += [f"{METADATA}: dicom.{what}: {p} is not inside the bundle" for p in strays]
    return complaints


def _bad_ranges(block: _Dicom) -> list[str]:
    found = []
    if not 0 < block.spacing_mm[0] <= block.spacing_mm[1]:
        found.append(f"{METADATA}: dicom.spacing_mm must be [smallest, largest] above 0")
    for axis, (shortest, longest) in block.accept.extent_mm.items():
        if shortest > longest:
            found.append(f"{METADATA}: dicom.accept.extent_mm.{axis} must be [least, most]")
    for one in block.segments:
        if list(one.expected_ml or ()) != sorted(one.expected_ml or ()):
            found += [f"{METADATA}: expected_ml of {one.name} must be [least, most]"]
    return found


def _input_shape(metadata: Mapping[str, object]) -> tuple[int, int, int] | None:
    """Find the network's spatial input shape, where MONAI's metadata says it in plain numbers."""
    found: object = metadata
    for key in ("network_data_format", "inputs", "image", "spatial_shape"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, list) or len(found) != 3 or not all(type(n) is int for n in found):
        return None
    return (found[0], found[1], found[2])
