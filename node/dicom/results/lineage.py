"""What a result takes over from its images, byte for byte, and how it says who made it.

Patient and study are copied as they came, with their character set, and never read on the way: a
name that we decoded and encoded again might not be the same name. So the library that builds
results is handed stand-ins that bear no patient at all, and what is inherited is put in last.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import format_number_as_ds

from node import __version__
from node.dicom import characters
from node.dicom.header import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.dicom.reading import number_of, text_of, value_of
from node.dicom.results.dating import Moment, stamp
from node.dicom.results.model_run import Made
from node.dicom.results.names import plain_ascii
from node.dicom.results.pointing import frame_of, once_each
from node.dicom.volume import Volume
from node.rules.naming import derived_uid
from node.rules.nouns import Code, Job, ModelIdentity

MAKER = "radnode"
RESEARCH_NOTICE = "Research use only - not for diagnosis"
SERIAL_NUMBER = "none"
"""Device Serial Number is required in results, and software has none."""

_PATIENT = """
ReferencedPatientSequence PatientName PatientID IssuerOfPatientID TypeOfPatientID
IssuerOfPatientIDQualifiersSequence SourcePatientGroupIdentificationSequence
GroupOfPatientsIdentificationSequence PatientBirthDate PatientBirthTime
PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar
PatientAlternativeCalendar PatientSex QualityControlSubject StrainDescription StrainNomenclature
StrainStockSequence StrainAdditionalInformation StrainCodeSequence GeneticModificationsSequence
OtherPatientNames OtherPatientIDsSequence ReferencedPatientPhotoSequence EthnicGroup
EthnicGroupCodeSequence PatientSpeciesDescription PatientSpeciesCodeSequence
PatientBreedDescription PatientBreedCodeSequence BreedRegistrationSequence ResponsiblePerson
ResponsiblePersonRole ResponsibleOrganization PatientComments PatientIdentityRemoved
DeidentificationMethod DeidentificationMethodCodeSequence
ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName
IssuerOfClinicalTrialProtocolID OtherClinicalTrialProtocolIDsSequence ClinicalTrialSiteID
ClinicalTrialSiteName IssuerOfClinicalTrialSiteID ClinicalTrialSubjectID
IssuerOfClinicalTrialSubjectID ClinicalTrialSubjectReadingID
IssuerOfClinicalTrialSubjectReadingID ClinicalTrialProtocolEthicsCommitteeName
ClinicalTrialProtocolEthicsCommitteeApprovalNumber
"""
_STUDY = """
StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName
ReferringPhysicianIdentificationSequence ConsultingPhysicianName
ConsultingPhysicianIdentificationSequence StudyDescription ProcedureCodeSequence
PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
PhysiciansReadingStudyIdentificationSequence ReferencedStudySequence StudyInstanceUID StudyID
RequestingService RequestingServiceCodeSequence ReasonForPerformedProcedureCodeSequence
AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize
PatientSizeCodeSequence PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension
PatientWeight MedicalAlerts Allergies Occupation SmokingStatus AdditionalPatientHistory
PregnancyStatus LastMenstrualDate PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence
AdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription
IssuerOfServiceEpisodeIDSequence PatientState ClinicalTrialTimePointID
ClinicalTrialTimePointDescription LongitudinalTemporalOffsetFromEvent
LongitudinalTemporalEventType ClinicalTrialTimePointTypeCodeSequence
IssuerOfClinicalTrialTimePointID ConsentForClinicalTrialUseSequence
"""
INHERITED: tuple[str, ...] = (
    *_PATIENT.split(),
    *_STUDY.split(),
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "InstitutionName",
)
"""Patient, Clinical Trial and Study modules (PS3.3 C.7.1, C.7.2), and what reads them."""
IMAGE_INHERITED: tuple[str, ...] = ("RequestAttributesSequence", "BodyPartExamined", "Laterality")
"""What all but reports take over besides (PS3.3 C.7.3.1, C.17.1)."""

_REQUEST = (
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "ReasonForTheRequestedProcedure",
    "ReasonForRequestedProcedureCodeSequence",
)
_REQUEST_TYPE_2 = (*_REQUEST[:5], "AccessionNumber")
"""What an item of the Referenced Request Sequence has, and what of it even when it is not known."""

_EMPTY_IF_ABSENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
_EQUIPMENT = (
    "Manufacturer",
    "InstitutionName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_VERBATIM = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI")
) | {"UR", "UT"}
"""Value representations that are written as characters, whatever the byte order."""
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_STAND_IN = (
    *_IDENTIFIERS,
    "FrameOfReferenceUID",
    "Modality",
    "Rows",
    "Columns",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
_SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.2"
"""An SOP class for what stands in for a frame; what results refer to is said by `pointing`."""

_SERIES_OF = {
    "SEG": 0,
    **dict.fromkeys(("SR", "ENHANCED_SR", "NOT_RUN"), 1),
    "LABELMAP": 2,
    **dict.fromkeys(("CAPTURE", "NOT_RUN_CAPTURE"), 3),
    "KEY_OBJECTS": 4,
    "PRESENTATION_STATE": 5,
    "PDF": 6,
    "RTSTRUCT": 7,
}
"""What follows the model's tens in a series number; kinds that exclude each other share one."""


def stand_ins(volume: Volume, planes: Iterable[int]) -> list[Dataset]:
    """Make headers that place slices but bear no patient, for the library that builds results.

    The numbers are written anew, so that what a scanner wrote badly is written well.
    """
    return [_stand_in(volume.sources[plane], volume) for plane in planes]


def position(source: Dataset) -> list[str]:
    """Write an Image Position (Patient) as every result has it."""
    return _ds(source.ImagePositionPatient)


def references(instances: Iterable[Dataset]) -> list[Dataset]:
    """Make headers that say which instances are meant, each of them once, and nothing else."""
    return [_bare(one, _IDENTIFIERS) for one in once_each(instances)]


def reference_to(result: Made, job: Job) -> Dataset:
    """Make a header that says which result of ours is meant, and nothing else."""
    made = Dataset()
    made.SOPClassUID = result.sop_class_uid
    made.SOPInstanceUID = result.sop_instance_uid
    made.SeriesInstanceUID = result.series_instance_uid
    made.StudyInstanceUID = job.study_instance_uid
    return _bare(made, _IDENTIFIERS)


def _bare(source: Dataset, keywords: Iterable[str]) -> Dataset:
    made = Dataset()
    for keyword in keywords:
        value = value_of(source, keyword)
        if value is not None:
            setattr(made, keyword, value)
    for keyword in _EMPTY_IF_ABSENT:
        setattr(made, keyword, "")
    return made


def _stand_in(source: Dataset, volume: Volume) -> Dataset:
    made = _bare(source, _STAND_IN)
    if frame_of(source) is not None:  # the library takes it for all frames of an object
        made.SOPClassUID = _SINGLE_FRAME
    first = volume.sources[0]
    made.ImagePositionPatient = position(source)
    made.ImageOrientationPatient = _ds(first.ImageOrientationPatient)
    made.PixelSpacing = _ds(volume.spacing_mm[1:])
    made.SliceThickness = _ds([number_of(source, "SliceThickness") or volume.spacing_mm[0]])[0]
    made.SpacingBetweenSlices = _ds([volume.spacing_mm[0]])[0]
    made.PositionReferenceIndicator = text_of(source, "PositionReferenceIndicator")
    return made


def _ds(numbers: Iterable[float]) -> list[str]:
    return [format_number_as_ds(float(number)) for number in numbers]


def series_number(model: ModelIdentity, kind: str) -> int:
    """Give a series number from 9000 to 9999, which sorts last: ten for a model, one for a kind."""
    return 9000 + 10 * (sum(model.name.encode()) % 100) + _SERIES_OF[kind]


def series_description(model: ModelIdentity) -> str:
    """Name a series of results after its model: at most 64 characters."""
    end = " RESEARCH" if model.intended_use == "research" else ""
    return plain_ascii(f"AI {model.name} {model.version}", 64 - len(end)) + end


def content_description(model: ModelIdentity) -> str:
    """Say what made an image and, first, what it is not for: at most 64 characters."""
    start = f"{RESEARCH_NOTICE}: " if model.intended_use == "research" else ""
    return plain_ascii(f"{start}{model.name} {model.version}")


def software_versions(model: ModelIdentity) -> list[str]:
    """Give node, model and bundle hash (64 hexadecimal digits, all that LO holds)."""
    return [
        f"radnode {__version__}",
        plain_ascii(f"{model.name} {model.version}"),
        plain_ascii(model.bundle_hash),
    ]


def complete(made: Dataset, image: Path, model: ModelIdentity, moment: Moment) -> None:
    """Put in what the result inherits, who made it and when: the same on every try.

    `image` is a file of the series that the result is about: it is read anew, since values that
    anybody has looked at are decoded.
    After this, write first and read afterwards: to read a text value of `made` is to decode it.

    Raises:
        OSError: the image's file cannot be read.
    """
    source = read_source(image)
    is_report = made.get("Modality") in ("SR", "KO")
    _inherit(made, source, (*INHERITED, *(() if is_report else IMAGE_INHERITED)))
    if "CompletionFlag" in made:
        _refer_to_requests(made, source)
    stamp(made, moment)
    made.ContentQualification = "RESEARCH" if model.intended_use == "research" else "PRODUCT"
    made.ContributingEquipmentSequence = Sequence(_contributors(source, model, moment))
    _settle_dimensions(made)
    made.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    made.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    _keep_bytes(made)


def read_source(path: Path) -> Dataset:
    """Read a header whose values nobody has decoded yet."""
    return pydicom.dcmread(path, stop_before_pixels=True)


def _inherit(made: Dataset, source: Dataset, keywords: Iterable[str]) -> None:
    for keyword in keywords:
        if keyword in made:
            del made[keyword]
        _copy(made, source, _tag(keyword))
    for keyword in _EMPTY_IF_ABSENT:
        if keyword not in made:
            setattr(made, keyword, "")


def _refer_to_requests(made: Dataset, source: Dataset) -> None:
    """Say in a report which requests it answers: those of its images (PS3.3 C.17.2)."""
    if "RequestAttributesSequence" not in source:
        return
    requests = []
    for asked in source.RequestAttributesSequence or []:
        request = Dataset()
        for keyword in (*_REQUEST, "AccessionNumber", "IssuerOfAccessionNumberSequence"):
            _copy(request, asked if keyword in asked else source, _tag(keyword))
        request.StudyInstanceUID = text_of(source, "StudyInstanceUID")
        request.ReferencedStudySequence = Sequence([])
        for keyword in _REQUEST_TYPE_2:
            if keyword not in request:
                _leave_empty(request, keyword)
        _keep_bytes(request)
        requests.append(request)
    if requests:
        made.ReferencedRequestSequence = Sequence(requests)


def _leave_empty(made: Dataset, keyword: str) -> None:
    vr = dictionary_VR(_tag(keyword))
    made.add_new(_tag(keyword), vr, Sequence([]) if vr == "SQ" else "")


def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword  # noqa: S101 - our own tables
    return Tag(tag)


def _copy(made: Dataset, source: Dataset, tag: BaseTag) -> None:
    """Copy one element; text keeps its bytes, sequences are copied item by item."""
    if tag not in source:
        return
    element = cast("DataElement | RawDataElement", source.get_item(tag))
    vr = dictionary_VR(tag)
    if vr == "SQ":
        made.add_new(tag, "SQ", Sequence([_copied(item) for item in source[tag].value or []]))
    elif isinstance(element, RawDataElement) and vr in _VERBATIM:
        value = element.value or b""
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        made[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)  # noqa: FBT003
    else:
        made[tag] = source[tag]


def _copied(item: Dataset) -> Dataset:
    made = Dataset()
    for tag in item.keys():  # noqa: SIM118 - iterating would decode
        if not tag.is_private and tag.element != 0:
            _copy(made, item, tag)
    _keep_bytes(made)
    return made


def _keep_bytes(made: Dataset) -> None:
    """Tell pydicom that what was not decoded is in the right encoding already.

    Otherwise it would decode and encode all text when it writes, and not every name survives that.
    """
    encodings = characters.declare(made)
    made.set_original_encoding(
        is_implicit_vr=False, is_little_endian=True, character_encoding=encodings
    )


def _contributors(source: Dataset, model: ModelIdentity, moment: Moment) -> list[Dataset]:
    """Name the scanner and ourselves (PS3.3 C.12.1.1.5)."""
    scanner = Dataset()
    for keyword in _EQUIPMENT:
        _copy(scanner, source, _tag(keyword))
    scanner.PurposeOfReferenceCodeSequence = [coded(Code("109101", "DCM", "Acquisition Equipment"))]
    _keep_bytes(scanner)
    notice = f". {RESEARCH_NOTICE}" if model.intended_use == "research" else ""
    ours = Dataset()
    ours.Manufacturer = MAKER
    ours.ManufacturerModelName = MAKER
    ours.SoftwareVersions = software_versions(model)
    ours.ContributionDateTime = moment.date_time
    ours.ContributionDescription = plain_ascii(
        f"AI inference with {model.name} {model.version}, "
        f"bundle sha256:{model.bundle_hash}{notice}",
        1024,
    )
    ours.PurposeOfReferenceCodeSequence = [coded(Code("109102", "DCM", "Processing Equipment"))]
    named = text_of(source, "Manufacturer")
    return [scanner, ours] if named else [ours]


def coded(code: Code) -> Dataset:
    """Make an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = plain_ascii(code.meaning)
    return item


def _settle_dimensions(made: Dataset) -> None:
    """Replace the random Dimension Organization UID by one that is the same on every try."""
    if "DimensionOrganizationSequence" not in made:
        return
    uid = derived_uid("dimensions", made.SOPInstanceUID)
    for item in (*made.DimensionOrganizationSequence, *made.get("DimensionIndexSequence", ())):
        item.DimensionOrganizationUID = uid
