"""Holds finished results against what they came from, before anything leaves the house.

What is checked is what was written: the files, read again. The masks are unpacked and counted, and
placed in the patient by the SEG's own headers, so that an error of ours in building cannot hide.
"""

from collections import defaultdict
from collections.abc import Sequence

from pydicom.dataset import Dataset

from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.validation import masks, pointers, reports
from node.dicom.results.validation.documents import document_problems, read
from node.dicom.results.validation.notices import notice_problems

__all__ = ["mask_problems", "notice_problems", "report_problems", "rest_problems"]


def mask_problems(run: ModelRun, objects: Sequence[Made]) -> list[str]:
    """Give everything that is wrong with the masks of a run, in plain sentences; none is good.

    Raises:
        OSError: a mask or the first source image cannot be read.
    """
    found, read_again = _alone(run, objects)
    there = _by_kind(objects, read_again)
    made = {one.kind: one for one in objects}
    found += masks.problems(run, made.get("SEG"), there.get("SEG"))
    if "LABELMAP" in made:
        found += masks.problems(run, made["LABELMAP"], there["LABELMAP"])
    return found


def report_problems(
    run: ModelRun, objects: Sequence[Made], before: Sequence[Made] = ()
) -> list[str]:
    """Give everything that is wrong with the reports of a run.

    Args:
        run: the run.
        objects: its reports.
        before: its masks, which were looked at before.

    Raises:
        OSError: a result or the first source image cannot be read.
    """
    found, there = _alone(run, objects)
    segs = [one for one in before if one.kind == "SEG"]
    known = _by_kind((*objects, *segs), (*there, *map(read, segs)))
    return found + reports.problems(run, known)


def rest_problems(run: ModelRun, objects: Sequence[Made], before: Sequence[Made]) -> list[str]:
    """Give everything that is wrong with what shows or points at masks and reports.

    Args:
        run: the run.
        objects: all the rest of its results.
        before: its masks and reports, which were looked at before.

    Raises:
        OSError: a result or the first source image cannot be read.
    """
    found, there = _alone(run, objects)
    pictures: defaultdict[str, list[Dataset]] = defaultdict(list)
    for one, ds in zip((*objects, *before), (*there, *map(read, before)), strict=True):
        pictures[one.kind].append(ds)
    return found + pointers.problems(run, pictures)


def _alone(run: ModelRun, objects: Sequence[Made]) -> tuple[list[str], list[Dataset]]:
    """Look at each object by itself; give what is wrong, and the objects as read again."""
    there = [read(one) for one in objects]
    found = [
        problem
        for one, ds in zip(objects, there, strict=True)
        for problem in document_problems(one, ds, run.volume.paths[0], run.job)
    ]
    return found, there


def _by_kind(objects: Sequence[Made], there: Sequence[Dataset]) -> dict[str, Dataset]:
    return {one.kind: ds for one, ds in zip(objects, there, strict=True)}
