"""Holds finished results against what they came from, before anything leaves the house.

What is checked is what was written: the files, read again. The masks are unpacked and counted, and
placed in the patient by the SEG's own headers, so that an error of ours in building cannot hide.
"""

from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset

from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.validation import masks, pointers, reports
from node.dicom.results.validation.documents import document_problems, read


def problems(run: ModelRun, objects: Sequence[Made], before: Sequence[Made] = ()) -> list[str]:
    """Give everything that is wrong with the results of a run, in plain sentences; none is good.

    Args:
        run: the run.
        objects: some of its results, mask and reports together.
        before: others that these may point at, which were looked at before.

    Raises:
        OSError: a result or the first source image cannot be read.
    """
    found: list[str] = []
    there: dict[str, Dataset] = {}
    pictures: dict[str, list[Dataset]] = {}
    for one in objects:
        there[one.kind] = read(one)
        pictures.setdefault(one.kind, []).append(there[one.kind])
        found += document_problems(one, there[one.kind], run)
    if not before:
        found += _first_problems(run, objects, there)
    for one in before:
        pictures.setdefault(one.kind, []).append(read(one))
    return found + pointers.problems(run, pictures)


def _first_problems(
    run: ModelRun, objects: Sequence[Made], there: Mapping[str, Dataset]
) -> list[str]:
    """Look at mask and reports."""
    made = {one.kind: one for one in objects}
    found = masks.problems(run, made.get("SEG"), there.get("SEG"))
    if "LABELMAP" in made:
        found += masks.problems(run, made["LABELMAP"], there["LABELMAP"])
    return found + reports.problems(run, there)
