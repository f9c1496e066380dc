"""Begins and ends the results that no library makes: identity, series, equipment and lineage."""

from dataclasses import replace

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from node.dicom.results import lineage
from node.dicom.results.model_run import Made, ModelRun, write
from node.rules.naming import result_uid
from node.rules.nouns import Job, ModelIdentity

_OF_IMAGES = ("BodyPartExamined", "Laterality")


def begin(
    kind: str, sop_class: UID, modality: str, syntax: UID, model: ModelIdentity, job: Job
) -> Dataset:
    """Begin a result: SOP Common, General Series and Equipment (PS3.3 C.12.1, C.7.3.1, C.7.5.1).

    It is instance 1 of a series of its own; patient and study come with `lineage.complete`.
    """
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.Modality = modality
    made.SeriesInstanceUID = result_uid(job.job_id, kind, "series")
    made.SeriesNumber = lineage.series_number(model, kind)
    made.SeriesDescription = lineage.series_description(model)
    made.Manufacturer = made.ManufacturerModelName = lineage.MAKER
    made.DeviceSerialNumber = lineage.SERIAL_NUMBER
    made.SoftwareVersions = lineage.software_versions(model)
    number(made, 1, result_uid(job.job_id, kind, "instance"))
    return made


def number(made: Dataset, which: int, sop_instance_uid: str) -> None:
    """Make a result another instance of its series than the first."""
    made.InstanceNumber = which
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)


def finish(run: ModelRun, made: Dataset) -> None:
    """Put patient, study and times in; an unknown laterality is said to be unknown (type 2C).

    Documents and structure sets have neither body part nor laterality (PS3.3 C.24.1, C.8.8.1).
    """
    modality = made.Modality
    lineage.complete(made, run.volume.paths[0], run.model.identity, run.when)
    if modality in ("DOC", "RTSTRUCT"):
        for keyword in _OF_IMAGES:
            if keyword in made:
                del made[keyword]
    elif modality != "KO" and not any(_holds(made, keyword) for keyword in _OF_IMAGES):
        made.Laterality = ""


def _holds(made: Dataset, keyword: str) -> bool:
    """Say whether there is a value, without decoding it."""
    return keyword in made and bool(made.get_item(keyword).value)


def written(run: ModelRun, kind: str, made: Dataset) -> Made:
    """Write a result that a destination may do without; it supersedes the one of its number."""
    before = [one.sop_instance_uid for one in run.predecessors if one.kind == kind]
    at = int(made.InstanceNumber) - 1
    known = before[at] if at < len(before) else None
    return replace(write(kind, made, run.folder), optional=True, predecessor=known)
