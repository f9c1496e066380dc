"""The measurement groups of a report: what was measured of each segment, what each class is."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset

from node.dicom.reading import text_of
from node.dicom.results import concepts
from node.dicom.results.concepts import sr_code
from node.dicom.results.lineage import RESEARCH_NOTICE
from node.dicom.results.measuring import Measured
from node.dicom.results.model_run import Made, ModelRun
from node.dicom.results.names import plain_ascii
from node.dicom.results.pointing import frame_of
from node.dicom.results.shapes import Line
from node.rules.naming import tracking_uid
from node.rules.nouns import Segment

Group: TypeAlias = (
    sr.PlanarROIMeasurementsAndQualitativeEvaluations
    | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
    | sr.MeasurementsAndQualitativeEvaluations
)


def groups(run: ModelRun, mask: Made | None) -> list[Group]:
    """Make every group of a report, those that are drawn on an image first.

    A viewer that cannot show a reference to a segment shows nothing at all of a report that begins
    with one (OHIF 3.13), so the drawn ones (TID 1410) come before the volumes (TID 1411, TID 1501
    for a segment without a voxel) and the classes (TID 1501).
    """
    return [*_drawn(run), *_volumes(run, mask), *_classes(run)]


def algorithm(run: ModelRun) -> sr.AlgorithmIdentification:
    """Say which model measured (TID 4019), what it ran on, and what was done to its input.

    The bundle hash is the one the shelf vouches for.
    """
    model, facts = run.model.identity, run.findings.facts
    ran = [f"{key}={plain_ascii(facts[key])}" for key in ("engine", "precision") if key in facts]
    ran += [  # what is 0 but for rounding must not be written as -0
        f"{name}={round(score, 6) + 0.0:.3g}" for name, score in sorted(run.findings.scores.items())
    ]
    return sr.AlgorithmIdentification(
        name=plain_ascii(model.name),
        version=plain_ascii(model.version) or "unknown",
        parameters=[
            f"bundle_sha256={plain_ascii(model.bundle_hash) or 'unknown'}",
            f"intended_use={model.intended_use}",
            *([RESEARCH_NOTICE] if model.intended_use == "research" else []),
            *ran,
            *(f"input: {plain_ascii(one, 200)}" for one in run.volume.repairs),
            *(f"mark: {plain_ascii(one, 200)}" for one in run.marks),
        ],
    )


def axis_name(segment: Segment, which: str) -> str:
    """Name a segment's long or short axis; its tracking UID is derived from that name.

    The long axis is tracked as the segment itself: a viewer then shows all that was measured of it
    beside the line.
    """
    return segment.name if which == "long" else f"{segment.name} short axis"


def _drawn(run: ModelRun) -> Iterator[Group]:
    names = run.segment_names
    for segment in run.present:
        axes = run.measured[segment.label].axes
        if axes is None:
            continue
        image = run.volume.sources[axes.slice_index]
        lines = (
            ("long", concepts.LONG_AXIS, axes.long_axis),
            ("short", concepts.SHORT_AXIS, axes.short_axis),
        )
        for which, concept, line in lines:
            tracked = replace(segment, name=names[segment.label])
            yield sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracked(
                    run, axis_name(segment, which), axis_name(tracked, which)
                ),
                referenced_region=_region(line, image),
                finding_type=sr_code(segment.type),
                finding_category=sr_code(segment.category),
                algorithm_id=algorithm(run),
                finding_sites=_site(segment),
                measurements=[
                    sr.Measurement(
                        name=concept, value=round(line.length_mm, 3), unit=concepts.MILLIMETRE
                    )
                ],
            )


def _region(line: Line, image: Dataset) -> sr.ImageRegion:
    """Draw a line; an image's coordinates begin at the corner of its first pixel (C.18.6.1.1)."""
    points = np.array([line.start[::-1], line.end[::-1]]) + 0.5
    number = frame_of(image)
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.round(points, 3),
        source_image=sr.SourceImageForRegion(
            text_of(image, "SOPClassUID"),
            text_of(image, "SOPInstanceUID"),
            None if number is None else [number],
        ),
    )


def _tracked(run: ModelRun, name: str, shown: str) -> sr.TrackingIdentifier:
    uid = tracking_uid(run.job.job_id, name)
    return sr.TrackingIdentifier(uid=uid, identifier=plain_ascii(shown))


def _site(segment: Segment) -> list[sr.FindingSite] | None:
    """Say on which side, when the segment has one."""
    if segment.laterality is None:
        return None
    return [sr.FindingSite(sr_code(segment.type), laterality=sr_code(segment.laterality))]


def _volumes(run: ModelRun, mask: Made | None) -> Iterable[Group]:
    if run.findings.labels is None:
        return
    present, names = run.present, run.segment_names
    for segment in run.model.segments:
        shared = {
            "tracking_identifier": _tracked(run, segment.name, names[segment.label]),
            "finding_type": sr_code(segment.type),
            "finding_category": sr_code(segment.category),
            "algorithm_id": algorithm(run),
            "finding_sites": _site(segment),
            "measurements": list(_measurements(run, segment, run.measured[segment.label])),
        }
        if mask is None or segment not in present:
            yield sr.MeasurementsAndQualitativeEvaluations(**shared)
            continue
        yield sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=mask.sop_class_uid,
                sop_instance_uid=mask.sop_instance_uid,
                segment_number=present.index(segment) + 1,
                source_series=sr.SourceSeriesForSegmentation(run.job.series_instance_uid),
            ),
            **shared,
        )


def _measurements(run: ModelRun, segment: Segment, measured: Measured) -> Iterator[sr.Measurement]:
    yield sr.Measurement(name=concepts.VOLUME, value=measured.volume_ml, unit=concepts.MILLILITRE)
    meant = concepts.intensity(run.volume.sources[0])
    if measured.intensity is not None and meant is not None:
        concept, unit = meant
        for word, derivation in concepts.STATISTICS.items():
            if word in segment.measurements:
                value = round(float(getattr(measured.intensity, word)), 3)
                yield sr.Measurement(name=concept, value=value, unit=unit, derivation=derivation)
    if measured.diameter_mm is not None:
        value = round(measured.diameter_mm, 3)
        yield sr.Measurement(name=concepts.DIAMETER, value=value, unit=concepts.MILLIMETRE)


def _classes(run: ModelRun) -> Iterable[Group]:
    names = run.class_names
    for one in run.model.classes:
        probability = run.findings.probabilities.get(one.name)
        if probability is None:
            continue
        answer = concepts.PRESENT if probability >= one.threshold else concepts.ABSENT
        percent = round(100 * probability, 3)
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracked(run, one.name, names[one.index]),
            finding_type=sr_code(one.finding),
            algorithm_id=algorithm(run),
            qualitative_evaluations=[
                sr.QualitativeEvaluation(name=sr_code(one.finding), value=answer)
            ],
            measurements=[
                sr.Measurement(name=concepts.PROBABILITY, value=percent, unit=concepts.PERCENT)
            ],
        )
