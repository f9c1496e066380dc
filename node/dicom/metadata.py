"""What a model may want to know of how a volume was taken, typed; what is absent is None."""

from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from node.dicom.reading import number_of, text_of, values_of

_DAYS_A_YEAR = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True, slots=True)
class Metadata:
    """How the first image of a volume was taken; None, or nothing, is what its header lacks.

    Times are in milliseconds, the field in tesla, the age in years. `contrast_delay_s` is the time
    from the injection to the acquisition. Age and sex are of a patient: they are for the model,
    and never appear when this is printed or logged.
    """

    modality: str | None = None
    body_part: str | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_degrees: float | None = None
    field_strength_t: float | None = None
    b_value: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    kvp: float | None = None
    tube_current_ma: float | None = None
    kernel: str | None = None
    slice_thickness_mm: float | None = None
    contrast_agent: str | None = None
    contrast_phase: str | None = None
    contrast_delay_s: float | None = None
    units: str | None = None
    frame_time_ms: float | None = None
    view: str | None = None
    laterality: str | None = None
    patient_age_years: float | None = field(default=None, repr=False)
    patient_sex: str | None = field(default=None, repr=False)


def metadata_of(header: Dataset) -> Metadata:
    """Read what is there; what cannot be read counts as absent."""
    return Metadata(
        modality=_text(header, "Modality"),
        body_part=_text(header, "BodyPartExamined"),
        repetition_time_ms=number_of(header, "RepetitionTime"),
        echo_time_ms=number_of(header, "EchoTime"),
        inversion_time_ms=number_of(header, "InversionTime"),
        flip_angle_degrees=number_of(header, "FlipAngle"),
        field_strength_t=_tesla(header),
        b_value=number_of(header, "DiffusionBValue"),
        scanning_sequence=values_of(header, "ScanningSequence"),
        kvp=number_of(header, "KVP"),
        tube_current_ma=number_of(header, "XRayTubeCurrent"),
        kernel=_text(header, "ConvolutionKernel"),
        slice_thickness_mm=number_of(header, "SliceThickness"),
        contrast_agent=_text(header, "ContrastBolusAgent"),
        contrast_phase=_text(header, "ContrastBolusAgentPhase"),
        contrast_delay_s=_delay(header),
        units=_text(header, "Units") or _text(header, "RescaleType"),
        frame_time_ms=_frame_time(header),
        view=_text(header, "ViewPosition"),
        laterality=_text(header, "ImageLaterality") or _text(header, "Laterality"),
        patient_age_years=_age(header),
        patient_sex=_text(header, "PatientSex"),
    )


def _text(header: Dataset, keyword: str) -> str | None:
    return text_of(header, keyword).strip() or None


def _tesla(header: Dataset) -> float | None:
    """Give the field strength; some scanners write it in gauss."""
    found = number_of(header, "MagneticFieldStrength")
    return found / 10000 if found is not None and found > 100 else found


def _frame_time(header: Dataset) -> float | None:
    """Give the mean time from one frame of a cine to the next (PS3.3 C.7.6.5)."""
    said = number_of(header, "FrameTime")
    if said is None:
        several = values_of(header, "FrameTimeVector")[1:]  # the first one is of no frame before
        try:
            said = sum(map(float, several)) / len(several) if several else None
        except ValueError:
            said = None
    rate = number_of(header, "CineRate") or number_of(header, "RecommendedDisplayFrameRate")
    return said if said is not None or not rate or rate <= 0 else 1000 / rate


def _age(header: Dataset) -> float | None:
    """Give the age in years (PS3.5 6.2, AS), or what birth and study date make of it."""
    said = text_of(header, "PatientAge")
    if len(said) == 4 and said[:3].isdecimal() and said[3] in _DAYS_A_YEAR:
        return int(said[:3]) * _DAYS_A_YEAR[said[3]]
    birth, study = (text_of(header, keyword) for keyword in ("PatientBirthDate", "StudyDate"))
    if not all(len(date) == 8 and date.isdecimal() for date in (birth, study)):
        return None
    had_birthday = study[4:] >= birth[4:]
    years = int(study[:4]) - int(birth[:4]) - (0 if had_birthday else 1)
    return float(years) if 0 <= years < 130 else None


def _delay(header: Dataset) -> float | None:
    start, taken = (
        _seconds(text_of(header, keyword))
        for keyword in ("ContrastBolusStartTime", "AcquisitionTime")
    )
    if start is None or taken is None or not 0 <= taken - start < 3600:
        return None
    return taken - start


def _seconds(time: str) -> float | None:
    """Read a time of day (PS3.5 6.2, TM) as seconds since midnight."""
    if len(time) < 6 or not time[:6].isdecimal():
        return None
    fraction = time[6:13]
    rest = float("0" + fraction) if fraction[:1] == "." and fraction[1:].isdecimal() else 0.0
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + int(time[4:6]) + rest
