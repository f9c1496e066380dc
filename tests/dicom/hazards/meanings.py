"""Series whose values may not mean what they seem to, and whose images may not be of one person."""

from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset

from tests.fakes.enhanced import enhance
from tests.fakes.scanner import Scanner, put_raw, save

N = 10
Maker = Callable[[Path], list[Path]]
SCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType")
HALF = range(N // 2, N)


def _scan(n: int = N, **knobs: object) -> Maker:
    return lambda out: Scanner(**knobs).save(out, n)  # type: ignore[arg-type]


def _changed(change: Callable[[list[Dataset]], None], n: int = N, **knobs: object) -> Maker:
    def make(out: Path) -> list[Path]:
        slices = Scanner(**knobs).series(n)  # type: ignore[arg-type]
        change(slices)
        return save(slices, out)

    return make


def _without(*keywords: str, of: int | None = None) -> Callable[[list[Dataset]], None]:
    """Leave elements out, of all slices or of one."""

    def change(slices: list[Dataset]) -> None:
        for ds in slices if of is None else slices[of : of + 1]:
            for keyword in keywords:
                del ds[keyword]

    return change


def _raw(keyword: str, vr: str, value: bytes) -> Callable[[list[Dataset]], None]:
    def change(slices: list[Dataset]) -> None:
        for ds in slices:
            put_raw(ds, keyword, vr, value)

    return change


def _again(n: int = N, knobs: dict[str, object] | None = None, **other: object) -> Maker:
    """One more image at the place of the fifth, with the same stored values."""

    def make(out: Path) -> list[Path]:
        slices, again = (Scanner(**(knobs or {})).series(n) for _ in range(2))  # type: ignore[arg-type]
        again[4].SOPInstanceUID = again[4].file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        for keyword, value in other.items():
            setattr(again[4], keyword, value)
        return save([*slices, again[4]], out)

    return make


def _frame_without_intercept(out: Path) -> list[Path]:
    made = enhance(Scanner("CT").series(N))
    group = made.PerFrameFunctionalGroupsSequence[6].PixelValueTransformationSequence[0]
    del group.RescaleIntercept
    return save([made], out)


def _two_character_sets(slices: list[Dataset]) -> None:
    """One name: Latin 1 and UTF-8, upper case and lower, padded and with empty parts."""
    writings = [
        ("ISO_IR 100", "MÜLLER^ANNA".encode("latin-1")),
        ("ISO_IR 192", "Müller^Anna".encode()),
        ("ISO_IR 192", "Müller^Anna^^^  ".encode()),
        ("ISO_IR 192", "Müller^Anna=王^小东".encode()),
    ]
    for number, ds in enumerate(slices):
        charset, name = writings[number % len(writings)]
        ds.SpecificCharacterSet = charset
        put_raw(ds, "PatientName", "PN", name)


def _nobody(*names: str) -> Callable[[list[Dataset]], None]:
    def change(slices: list[Dataset]) -> None:
        for number, ds in enumerate(slices):
            ds.PatientID, ds.PatientName = "", names[number % len(names)]

    return change


OTHER = {"PatientName": "Other^Person", "PatientBirthDate": "19500505"}
MAKERS: dict[str, Maker] = {
    "ct_without_rescale": _changed(_without(*SCALE), modality="CT"),
    "ct_without_intercept": _changed(_without("RescaleIntercept"), modality="CT"),
    "ct_intercept_with_comma": _changed(_raw("RescaleIntercept", "DS", b"-1024,0"), modality="CT"),
    "ct_slope_of_two_numbers": _changed(_raw("RescaleSlope", "DS", b"1\\1"), modality="CT"),
    "ct_slope_zero": _scan(modality="CT", slope=0.0, intercept=-1024.0),
    "slope_too_small_for_any_number": _scan(attributes={"RescaleSlope": "1e-300"}),
    "one_slice_without_intercept": _changed(_without("RescaleIntercept", of=6), modality="CT"),
    "one_slice_without_rescale": _changed(_without(*SCALE, of=6), slope=2.0, intercept=0),
    "one_frame_without_intercept": _frame_without_intercept,
    "mr_without_intercept": _changed(_without("RescaleIntercept"), slope=2.0, intercept=0),
    "pet_slope_of_each_slice": _scan(
        modality="PT",
        slope=1.0,
        intercept=0,
        per_slice={i: {"RescaleSlope": f"{1 + i / 10:g}"} for i in range(N)},
    ),
    "pet_repeated_with_another_slope": _again(
        knobs={"modality": "PT", "slope": 1.0, "intercept": 0}, RescaleSlope="5"
    ),
    "ct_repeated_with_another_padding": _again(knobs={"modality": "CT"}, PixelPaddingValue=40),
    "two_units": _scan(
        modality="PT",
        slope=1.0,
        intercept=0,
        attributes={"Units": "BQML"},
        per_slice={6: {"Units": "CNTS"}},
    ),
    "two_rescale_types": _scan(modality="CT", per_slice={6: {"RescaleType": "HU_MOD"}}),
    "one_rescale_type_left_out": _changed(_without("RescaleType", of=6), modality="CT"),
    "film_slope_zero": _scan(1, modality="DX", slope=0.0, intercept=1.0),
    "one_identifier_of_two_people": _scan(per_slice={6: OTHER}),
    "one_identifier_and_two_names": _scan(per_slice={6: {"PatientName": "Other^Name"}}),
    "one_name_in_two_writings": _changed(_two_character_sets),
    "no_identifier_and_two_names": _changed(_nobody("One^Person", "Other^Person")),
    "no_identifier_and_one_name": _changed(_nobody("One^Person", "ONE^PERSON")),
    "kernel_changes_halfway": _scan(
        attributes={"ConvolutionKernel": "B30f"},
        per_slice={i: {"ConvolutionKernel": "B60f"} for i in HALF},
    ),
    "kernel_changes_halfway_first": _scan(
        attributes={"ConvolutionKernel": "B30f"},
        per_slice={i: {"ConvolutionKernel": "B60f"} for i in HALF},
    ),
    "sequence_changes_halfway": _scan(per_slice={i: {"ScanningSequence": "SE"} for i in HALF}),
    "patient_turned_halfway": _scan(per_slice={i: {"PatientPosition": "FFS"} for i in HALF}),
    "one_slice_without_thickness": _changed(
        _without("SliceThickness", "SpacingBetweenSlices"), n=1
    ),
}
