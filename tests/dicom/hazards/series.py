"""Series that hold what does not belong together, and values that are not what they seem."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.dicom.hazards.encodings import stored
from tests.fakes.scanner import CORONAL, SAGITTAL, Scanner, put_raw, save

N = 10
Maker = Callable[[Path], list[Path]]
LOCALIZER = {
    "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    "ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"],
}


def _scan(n: int = N, **knobs: object) -> Maker:
    return lambda out: Scanner(**knobs).save(out, n)  # type: ignore[arg-type]


def _together(*scans: dict[str, object]) -> Maker:
    """Several scans in one series, the first one brightest."""

    def make(out: Path) -> list[Path]:
        slices = []
        for number, knobs in enumerate(scans):
            for ds, values in _numbered(Scanner(**knobs).series(N), number):  # type: ignore[arg-type]
                ds.PixelData = (values - 10 * number).astype("<u2").tobytes()
                slices.append(ds)
        return save(slices, out)

    return make


def _numbered(slices: list[Dataset], number: int) -> Sequence[tuple[Dataset, np.ndarray]]:
    for ds in slices:
        ds.SOPInstanceUID = f"1.2.{number + 1}.{ds.InstanceNumber}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.InstanceNumber = number * N + ds.InstanceNumber
    return list(zip(slices, stored(slices), strict=True))


def _with(**attributes: object) -> dict[str, object]:
    return {"attributes": attributes}


def _sloppy(out: Path) -> list[Path]:
    slices = Scanner().series(N)
    for ds in slices:
        put_raw(ds, "StudyDate", "DA", b"2026.01.10")
        put_raw(ds, "InstanceNumber", "IS", b"1.0")
        put_raw(ds, "PatientWeight", "DS", b"70 kg")
        put_raw(ds, "EchoNumbers", "IS", b"first")
        put_raw(ds, "TriggerTime", "DS", b"soon")
        put_raw(ds, "PatientName", "PN", b"a=b=c=d^^^^^^^^")
    return save(slices, out)


def _without_patient(out: Path) -> list[Path]:
    slices = Scanner().series(N)
    for ds in slices:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
            del ds[keyword]
    return save(slices, out)


def _modality_table(out: Path) -> list[Path]:
    slices = Scanner().series(N)
    for ds in slices:
        item = Dataset()
        item.LUTDescriptor = [1024, 0, 16]
        item.ModalityLUTType = "OD"
        item.LUTData = (np.arange(1024) * 2).astype("<u2").tobytes()
        item["LUTData"].VR = "OW"
        ds.ModalityLUTSequence = Items([item])
    return save(slices, out)


HALF = {i: {"RescaleSlope": "0.5", "RescaleIntercept": "1"} for i in range(0, N, 2)}
MAKERS: dict[str, Maker] = {
    "two_patients": _scan(per_slice={6: {"PatientID": "OTHER-2"}}),
    "two_issuers": _scan(per_slice={6: {"IssuerOfPatientID": "ELSEWHERE"}}),
    "two_studies": _scan(per_slice={6: {"StudyInstanceUID": "1.2.3"}}),
    "two_series": _scan(per_slice={6: {"SeriesInstanceUID": "1.2.3"}}),
    "two_frames_of_reference": _scan(per_slice={6: {"FrameOfReferenceUID": "1.2.3"}}),
    "two_sop_classes": _scan(per_slice={6: {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}}),
    "two_matrices": _scan(per_slice={6: {"Rows": 24, "Columns": 112}}),
    "two_fields_of_view": _scan(per_slice={6: {"PixelSpacing": ["2.5", "2.5"]}}),
    "localizer_in_the_series": _scan(per_slice={0: LOCALIZER}),
    "another_patients_localizer": _scan(per_slice={0: {**LOCALIZER, "PatientID": "OTHER-2"}}),
    "nothing_but_localizers": _scan(attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
    "two_echoes": _together(_with(EchoTime="10"), _with(EchoTime="80")),
    "two_echoes_first": _together(_with(EchoTime="10"), _with(EchoTime="80")),
    "two_echoes_last": _together(_with(EchoTime="10"), _with(EchoTime="80")),
    "echo_times_that_scatter": _scan(per_slice={3: {"EchoTime": "10.03"}}),
    "two_phases_last": _together(_with(TriggerTime="100"), _with(TriggerTime="200")),
    "two_b_values_first": _together(_with(DiffusionBValue=0.0), _with(DiffusionBValue=1000.0)),
    "three_times_last": _together(*(_with(TemporalPositionIdentifier=i) for i in (1, 2, 3))),
    "two_echoes_of_two_times_last": _together(
        *(_with(EchoTime=e, TemporalPositionIdentifier=t) for e in ("10", "80") for t in (1, 2))
    ),
    "two_kernels_first": _together(
        _with(ConvolutionKernel="B30f"), _with(ConvolutionKernel="B60f")
    ),
    "three_directions_first": _together({}, {"orientation": SAGITTAL}, {"orientation": CORONAL}),
    "nothing_tells_them_apart": _together({}, {}),
    "nothing_tells_them_apart_first": _together({}, {}),
    "half_an_echo_first": _scan(per_slice={i: {"EchoTime": "80"} for i in range(5)}),
    "scale_of_each_slice": _scan(slope=2.0, intercept=-3.0, per_slice=HALF),
    "pet_scaled": _scan(modality="PT", slope=1.25, intercept=0),
    "values_beyond_sixteen_bits": _scan(slope=1.0, intercept=40000),
    "one_slice_beyond_sixteen_bits": _scan(
        slope=1.0, intercept=0, per_slice={7: {"RescaleIntercept": "40000"}}
    ),
    "slope_no_number": _scan(attributes={"RescaleSlope": ""}),
    "padding_in_ct": _scan(
        modality="CT",
        signed=True,
        attributes={"PixelPaddingValue": 40, "RescaleIntercept": "0"},
    ),
    "padding_range_in_ct": _scan(
        modality="CT",
        signed=True,
        attributes={
            "PixelPaddingValue": -2000,
            "PixelPaddingRangeLimit": 40,
            "RescaleIntercept": "0",
        },
    ),
    "padding_in_mr": _scan(attributes={"PixelPaddingValue": 40}),
    "monochrome1_mr": _scan(
        attributes={"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    ),
    "monochrome1_ct": _scan(modality="CT", attributes={"PhotometricInterpretation": "MONOCHROME1"}),
    "modality_table": _modality_table,
    "sloppy_values": _sloppy,
    "no_patient": _without_patient,
    "wrong_modality": _scan(modality="CT"),
    "wrong_body_part": _scan(),
    "absent_body_part_allowed": _scan(attributes={"BodyPartExamined": ""}),
    "spacing_out_of_range": _scan(),
    "many_frames": _scan(attributes={"NumberOfFrames": 2}),
    "enhanced": _scan(attributes={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1"}),
    "secondary_capture": _scan(attributes={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
    "colour": _scan(attributes={"PhotometricInterpretation": "RGB"}),
}
