"""Reads the list of cases: which image, what is true of it, and which patient it is of.

    costs: {miss: 10, false_alarm: 1}     # may be left out; per class: {Pneumonia: {miss: …}}
    prevalence: 0.1                       # where the model is to be used; may be left out
    segments: {1: Liver, 2: Heart}        # reference value -> segment of the bundle, for all cases
    cases:
      - image: ct1.nii.gz                 # or a folder with one DICOM series
        reference: ct1_labels.nii.gz      # for segmentations
        segments: {5: Liver}              # where this one differs
        classes: {Pneumonia: true}        # for classifications
        patient: p1
        groups: {sex: F, age: 60-69, vendor: GE}

Files are relative to the list. Several values may stand for one segment (lobes of a lung).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.bundles.manifest import Manifest

Part = Annotated[float, Field(ge=0, le=1)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class UnfitCasesError(ValueError):
    """The list cannot be used; the text has one line for every complaint."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Costs(_Strict):
    """What a miss and a false alarm cost, in any unit as long as it is the same."""

    miss: Cost
    false_alarm: Cost


class Case(_Strict):
    """One image and what is true of it."""

    image: Path
    patient: Annotated[str, Field(min_length=1, coerce_numbers_to_str=True)]
    reference: Path | None = None
    segments: dict[int, str] | None = None
    classes: dict[str, bool] = {}
    groups: dict[str, str] = {}


class Plan(_Strict):
    """All cases, and what the clinic says of costs and prevalence (None: it says nothing)."""

    cases: Annotated[list[Case], Field(min_length=1)]
    segments: dict[int, str] = {}
    costs: Costs | dict[str, Costs] | None = None
    prevalence: Part | dict[str, Part] | None = None

    def mapping_of(self, case: Case) -> Mapping[int, str]:
        """Give what the values of a case's reference mean."""
        return self.segments if case.segments is None else case.segments

    def costs_of(self, name: str) -> Costs | None:
        """Give the costs that hold for a class."""
        return self.costs.get(name) if isinstance(self.costs, dict) else self.costs

    def prevalence_of(self, name: str) -> float | None:
        """Give the prevalence that was stated for a class."""
        return self.prevalence.get(name) if isinstance(self.prevalence, dict) else self.prevalence


def read_plan(path: Path, manifest: Manifest) -> Plan:
    """Read a list of cases and make its paths absolute.

    Args:
        path: the YAML file.
        manifest: of the bundle; every name in the list must be one of its own.

    Raises:
        UnfitCasesError: it cannot be read, or does not fit the bundle.
    """
    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        plan = Plan.model_validate(said)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnfitCasesError(f"{path.name} cannot be read: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise UnfitCasesError("\n".join(f"{path.name}: {line}" for line in lines)) from error
    folder = path.resolve().parent
    plan = plan.model_copy(update={"cases": [_placed(case, folder) for case in plan.cases]})
    complaints = _complaints(plan, manifest)
    if complaints:
        raise UnfitCasesError("\n".join(f"{path.name}: {line}" for line in complaints))
    return plan


def _placed(case: Case, folder: Path) -> Case:
    reference = folder / case.reference if case.reference is not None else None
    return case.model_copy(update={"image": folder / case.image, "reference": reference})


def _complaints(plan: Plan, manifest: Manifest) -> list[str]:
    segments = {one.name for one in manifest.segments}
    classes = {one.name for one in manifest.classes}
    found = []
    for number, case in enumerate(plan.cases):
        where = f"cases.{number}"
        mapped = set(plan.mapping_of(case).values()) if case.reference is not None else set()
        found += [f"{where}: the bundle has no segment {name}" for name in mapped - segments]
        found += [
            f"{where}: the bundle has no class {name}" for name in set(case.classes) - classes
        ]
        paths = [path for path in (case.image, case.reference) if path is not None]
        found += [f"{where}: there is no {path.name}" for path in paths if not path.exists()]
        if segments and not mapped:
            found.append(f"{where}: needs a reference, and segments that say what its values mean")
        if classes and not case.classes:
            found.append(f"{where}: needs classes")
    return found


def pseudonyms(cases: Sequence[Case]) -> dict[str, str]:
    """Give each patient a number in the order of the list: reports are passed on."""
    patients = dict.fromkeys(case.patient for case in cases)
    return {patient: f"patient {number}" for number, patient in enumerate(patients, start=1)}
