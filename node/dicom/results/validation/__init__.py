"""Holds finished results against what they came from, before anything leaves the house.

What is checked is what was written: the files, read again. The masks are unpacked and counted, and
placed in the patient by the SEG's own headers, so that an error of ours in building cannot hide.
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.validation import masks, pointers, reports
from node.dicom.results.validation.documents import document_problems, read


def problems(run: ModelRun, objects: Sequence[Made]) -> list[str]:
    """Give everything that is wrong with the results of a run, in plain sentences; none is good.

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
    made = {one.kind: one for one in objects}
    found += masks.problems(run, made.get("SEG"), there.get("SEG"))
    if "LABELMAP" in made:
        found += masks.problems(run, made["LABELMAP"], there["LABELMAP"])
    found += reports.problems(run, there)
    found += pointers.problems(run, pictures)
    return found
