"""What highdicom does in the benchmark, used as its documentation has it."""

from pathlib import Path

import highdicom
import numpy as np
import pydicom
from highdicom import sr
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from bench.writing.cases import colour

LIVER = Code("10200004", "SCT", "Liver")
MILLILITRE = Code("mL", "UCUM", "milliliter")
MASS = Code("4147007", "SCT", "Mass")
ANATOMY = Code("123037004", "SCT", "Anatomical Structure")


def headers(folder: Path) -> list[Dataset]:
    """Read the headers of the series."""
    return [
        pydicom.dcmread(path, stop_before_pixels=True) for path in sorted((folder / "ct").iterdir())
    ]


def segmentation(folder: Path, mask: np.ndarray, out: Path) -> Path:
    """Build and write the Segmentation."""
    made = Segmentation(
        source_images=headers(folder),
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[_described(label) for label in range(1, int(mask.max()) + 1)],
        series_instance_uid="2.25.1",
        series_number=9000,
        sop_instance_uid="2.25.2",
        instance_number=1,
        manufacturer="bench",
        manufacturer_model_name="bench",
        software_versions="1.0",
        device_serial_number="1",
        content_label="SEGMENTATION",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    path = out / "highdicom.dcm"
    made.save_as(path)
    return path


def _described(label: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=label,
        segment_label=f"Part {label}",
        segmented_property_category=ANATOMY,
        segmented_property_type=LIVER,
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="bench",
            version="1.0",
            family=Code("123110", "DCM", "Artificial Intelligence"),
            parameters={"bundle_sha256": "0123456789abcdef" * 4},
        ),
        tracking_uid=f"2.25.{1000 + label}",
        tracking_id=f"Part {label}",
        display_color=CIELabColor.from_rgb(*colour(label)),
    )


def report(folder: Path, mask: np.ndarray, out: Path) -> Path:
    """Build and write a Comprehensive 3D SR: a volume for each segment, three probabilities."""
    images = headers(folder)
    groups = [_volume(label, str(images[0].SeriesInstanceUID)) for label in _labels(mask)]
    groups += [_probability(index) for index in range(3)]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                    uid="2.25.3"
                ),
            )
        ),
        procedure_reported=Code("25045-6", "LN", "CT unspecified body region"),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=groups,
    )
    made = sr.Comprehensive3DSR(
        evidence=[*images, _reference(images[0])],
        content=content,
        series_instance_uid="2.25.4",
        series_number=9001,
        sop_instance_uid="2.25.5",
        instance_number=1,
        manufacturer="bench",
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    path = out / "highdicom_report.dcm"
    made.save_as(path)
    return path


def _labels(mask: np.ndarray) -> range:
    return range(1, int(mask.max()) + 1)


def _reference(image: Dataset) -> Dataset:
    made = Dataset()
    made.update(image)
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    made.SOPInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.1"
    return made


def _volume(label: int, series: str) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=f"2.25.{1000 + label}", identifier=f"Part {label}"
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
            sop_instance_uid="2.25.2",
            segment_number=label,
            source_series=sr.SourceSeriesForSegmentation(referenced_series_instance_uid=series),
        ),
        finding_type=LIVER,
        finding_category=ANATOMY,
        algorithm_id=_algorithm(),
        measurements=[sr.Measurement(name=codes.SCT.Volume, value=1.0, unit=MILLILITRE)],
    )


def _probability(index: int) -> sr.MeasurementsAndQualitativeEvaluations:
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=f"2.25.{2000 + index}", identifier=f"Finding {index}"
        ),
        finding_type=MASS,
        algorithm_id=_algorithm(),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(name=MASS, value=Code("2667000", "SCT", "Absent"))
        ],
        measurements=[
            sr.Measurement(
                name=Code("122157", "DCM", "Probability"), value=25.0, unit=codes.UCUM.Percent
            )
        ],
    )


def _algorithm() -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name="bench", version="1.0", parameters=["bundle_sha256=" + "0123456789abcdef" * 4]
    )
