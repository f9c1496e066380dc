"""What the demonstration can show: a head on MR, or a trunk on CT, and what is known of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import real_input

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Case:
    """One real patient: where the images come from, and how much of what must be found in them.

    `expected_ml` gives the smallest and largest plausible volume of each segment for a file.
    """

    what: str
    fetch: Callable[[Path], Path]
    modality: str
    plane: str
    expected_ml: Callable[[Path], Mapping[str, Range]]


def _brain(nifti: Path) -> Mapping[str, Range]:
    return {"Brain": real_input.expected_brain_ml(nifti)}


ORGANS_ML: Mapping[str, Range] = {
    "Left lung": (1565, 1915),
    "Right lung": (1755, 2150),
    "Heart": (300, 470),
    "Aorta": (140, 235),
    "Liver": (870, 1180),
    "Spleen": (93, 155),
    "Left kidney": (52, 96),
    "Right kidney": (52, 96),
    "Vertebrae": (350, 590),
}
"""What the label map that comes with the chest CT has, a tenth to a quarter less and more."""

CASES: Mapping[str, Case] = {
    "brain": Case("T1 head", real_input.t1_head, "MR", "sagittal", _brain),
    "ct": Case("chest CT", real_input.chest_ct, "CT", "axial", lambda _: ORGANS_ML),
}
