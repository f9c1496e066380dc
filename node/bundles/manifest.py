"""Reads what a model bundle says about itself: what it accepts, finds, and computes with.

The bundle is MONAI's layout with one block of our own, "dicom", in configs/metadata.json; the
page models/README.md describes it. Everything is read as data; nothing in a bundle is executed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from re import fullmatch

from pydantic import ValidationError

from node.bundles.classifying import Classifying
from node.bundles.configuration import INFERENCE, inference_name, misfed, read_object
from node.bundles.metadata import FILE as METADATA
from node.bundles.metadata import PLAIN, Metadata, contradictions, input_format, sentence
from node.bundles.recipe import Recipe, Step, read_recipe
from node.bundles.recognised import PICTURE
from node.bundles.ways import Way
from node.rules.nouns import Classification, InputRequirement, ModelIdentity, Segment

__all__ = [
    "INFERENCE",
    "METADATA",
    "Bundle",
    "Manifest",
    "Tolerance",
    "UnreadableBundleError",
    "file_hash",
    "read_manifest",
    "tree_hash",
]


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
    so), `input_shape` the network's spatial input shape when it is fixed, of two numbers where it
    sees one picture, and `channels` how many it has. `classifying` says how classes are scored.
    With `by_monai` MONAI itself runs the bundle, and the recipe is empty.
    `calibration` names
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
    input_shape: tuple[int, ...] | None = None
    calibration: tuple[str, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)
    channels: int = 1
    by_monai: bool = False
    classifying: Classifying = field(default_factory=Classifying)

    @property
    def sees_pictures(self) -> bool:
        """Whether the network sees one picture, not a volume."""
        return self.input_shape is not None and len(self.input_shape) == 2


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is fit to run: its folder, its digest, its manifest, and how to run it.

    `engine` is "openvino", "torchscript" or "state_dict"; `weights` the file that it opens. `ways`
    are compiled networks of it that stood the gate here, the best first; `notes` say why a way
    that was asked for is not among them, `advice` what would make it faster here, `mark` what
    whoever reads its results has to know.
    """

    path: Path
    sha256: str
    manifest: Manifest
    weights: Path
    engine: str
    ways: tuple[Way, ...] = ()
    notes: tuple[str, ...] = ()
    advice: str = ""
    mark: str = ""

    @property
    def why_not_compiled(self) -> str:
        """Say why nothing is compiled of it; "" when it can be."""
        if self.manifest.by_monai:
            return "MONAI's own pipeline runs it as it is"
        if len(self.manifest.classifying.members) > 1:
            return "the networks of an ensemble run by their own weights"
        return ""

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


# ---- reading ---------------------------------------------------------------------------------


def read_manifest(folder: Path, sha256: str = "") -> Manifest | list[str]:
    """Read a bundle's two configuration files.

    What happens before and after the network may also stand in configs/inference.yaml.

    Args:
        folder: the bundle; its name is the model's name.
        sha256: the bundle's digest, for the identity.

    Returns:
        The manifest, or every complaint as a sentence that names the file and the key.
    """
    found = _manifest_or_complaints(folder, sha256)
    name = inference_name(folder)
    if isinstance(found, list) and name != INFERENCE:
        return [complaint.replace(INFERENCE, name) for complaint in found]
    return found


def _manifest_or_complaints(folder: Path, sha256: str) -> Manifest | list[str]:
    complaints: list[str] = []
    name = inference_name(folder)
    metadata = read_object(folder, METADATA, complaints)
    inference = read_object(folder, name, complaints)
    if metadata is None or inference is None:
        return complaints
    try:
        said = Metadata.model_validate(metadata)
    except ValidationError as error:
        return [sentence(problem) for problem in error.errors()]
    complaints.extend(contradictions(said.dicom))
    if not fullmatch(PLAIN, folder.name):
        complaints.append(
            f"{folder.name}: the folder's name is the model's, and must be plain ASCII"
        )
    channels, shape = input_format(metadata)
    flat = len(shape) if shape else 3
    by_monai = said.dicom.pipeline == "monai"
    complaints.extend(misfed(inference, channels, by_monai=by_monai))
    recipe = _recipe(inference, said, flat)
    if isinstance(recipe, list):
        return complaints + recipe
    complaints.extend(_misclassified(said, recipe))
    turned = [s.arguments["axcodes"] for s in recipe.preprocessing if s.name == "Orientationd"]
    if turned and turned[-1] != said.dicom.orientation:
        complaints.append(f"{METADATA}: dicom.orientation is not the Orientationd of {INFERENCE}")
    spared = said.dicom.windows.model_dump(exclude_none=True)
    if spared and recipe.inferer.name != "SlidingWindowInferer":
        complaints.append(f"{METADATA}: dicom.windows needs a SlidingWindowInferer in {INFERENCE}")
    recipe = recipe.sparing(spared)
    if complaints:
        return complaints
    return _manifest(folder.name, sha256, said, recipe, (channels, shape))


def _recipe(inference: Mapping[str, object], said: Metadata, dimensions: int) -> Recipe | list[str]:
    """Read what happens before and after the network, unless MONAI is to do it."""
    if said.dicom.pipeline == "monai":
        parts = ("preprocessing", "inferer", "postprocessing")
        lacking = [f"{INFERENCE}: {part} is missing" for part in parts if part not in inference]
        return lacking or Recipe((), Step("MONAI"), ())
    scripted = next(iter(said.dicom.weights)).endswith(".ts")
    labels = bool(said.dicom.segments)
    recipe = read_recipe(inference, labels=labels, dimensions=dimensions, network=not scripted)
    if isinstance(recipe, list) and _is_for_monai(recipe):
        how = 'with "pipeline": "monai" in dicom MONAI runs it, slower, and executes what it says'
        return [*recipe, f"{INFERENCE}: {how}"]
    return recipe


def _is_for_monai(complaints: Sequence[str]) -> bool:
    """Say whether MONAI may know what to do with what is strange to us."""
    strange = ("not recognised", "must be", "network_def", "has no")
    return any(word in complaint for complaint in complaints for word in strange)


def _misclassified(said: Metadata, recipe: Recipe) -> Iterator[str]:
    """Say what of dicom.classification does not fit the rest of the bundle."""
    block = said.dicom.classification
    if block is None:
        return
    where = f"{METADATA}: dicom.classification"
    if said.dicom.segments:
        yield f"{where} is for bundles with classes"
    if recipe.inferer.name != "SimpleInferer":
        yield f"{where} needs a SimpleInferer in {INFERENCE}"
    activated = any(step.name == "Activationsd" for step in recipe.postprocessing)
    novelty = block.out_of_distribution
    by_scores = block.temperature != 1.0 or (novelty is not None and novelty.by == "energy")
    if by_scores and not activated:
        yield f"{where}: temperature and energy need an Activationsd in {INFERENCE}"
    if novelty is not None and (novelty.by == "features") != bool(novelty.statistics):
        yield f"{where}.out_of_distribution: features and statistics go together"
    if unlisted := [name for name in block.members if name not in said.dicom.weights]:
        yield f"{where}.members: {', '.join(unlisted)} not among dicom.weights"
    is_picture = [step.name for step in recipe.preprocessing[:1]] == [PICTURE]
    if is_picture and any(2 in flip for flip in block.flips):
        yield f"{where}.flips: a picture has axes 0 and 1"


def _manifest(
    name: str,
    sha256: str,
    said: Metadata,
    recipe: Recipe,
    seen: tuple[int, tuple[int, ...] | None],
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
        input_shape=seen[1],
        channels=seen[0],
        by_monai=block.pipeline == "monai",
        classifying=block.classification.noun() if block.classification else Classifying(),
        calibration=tuple(block.calibration),
        tolerance=Tolerance(**block.tolerance.model_dump()),
    )
