"""Series whose slices lie as scanners lay them, and as they should not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from tests.fakes.scanner import AXIAL, CORONAL, SAGITTAL, Scanner, put_raw, save

OBLIQUE = (0.9659258, 0.0, -0.2588190, 0.0669873, 0.9659258, 0.2500000)
ORIENTATIONS = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "oblique": OBLIQUE,
    "columns_backwards": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "rows_backwards": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "both_backwards": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
}
N = 20
Maker = Callable[[Path], list[Path]]


def _scan(n: int = N, **knobs: object) -> Maker:
    return lambda out: Scanner(**knobs).save(out, n)  # type: ignore[arg-type]


def _changed(change: Callable[[list[Dataset]], None], n: int = N, **knobs: object) -> Maker:
    def make(out: Path) -> list[Path]:
        slices = Scanner(**knobs).series(n)  # type: ignore[arg-type]
        change(slices)
        return save(slices, out)

    return make


def _without(*keywords: str) -> Callable[[list[Dataset]], None]:
    def change(slices: list[Dataset]) -> None:
        for ds in slices:
            for keyword in keywords:
                del ds[keyword]

    return change


def _raw(keyword: str, vr: str, value: bytes) -> Callable[[list[Dataset]], None]:
    def change(slices: list[Dataset]) -> None:
        for ds in slices:
            put_raw(ds, keyword, vr, value)

    return change


def _moved(index: int, by: tuple[float, float, float]) -> Callable[[list[Dataset]], None]:
    def change(slices: list[Dataset]) -> None:
        ds = slices[index]
        place = np.array(ds.ImagePositionPatient, float) + by
        ds.ImagePositionPatient = [f"{value:.6f}" for value in place]

    return change


def _stretched(factor: float) -> Callable[[list[Dataset]], None]:
    """Draw the second half of the slices apart."""

    def change(slices: list[Dataset]) -> None:
        first = np.array(slices[9].ImagePositionPatient, float)
        for ds in slices[10:]:
            away = np.array(ds.ImagePositionPatient, float) - first
            ds.ImagePositionPatient = [f"{v:.6f}" for v in first + factor * away]

    return change


def _other_numbers(slices: list[Dataset]) -> None:
    for ds, number in zip(slices, np.random.default_rng(4).permutation(len(slices)), strict=True):
        ds.InstanceNumber = int(number)


def _repeated(change: Callable[[Dataset], None]) -> Maker:
    """One more image at the place of the fifth, with a UID of its own."""

    def make(out: Path) -> list[Path]:
        again = Scanner().series(N)[4]
        again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        change(again)
        return save([*Scanner().series(N), again], out)

    return make


def _darker(ds: Dataset) -> None:
    ds.PixelData = bytes(len(ds.PixelData))


MAKERS: dict[str, Maker] = {
    **{f"at_{name}": _scan(orientation=axes, n=40) for name, axes in ORIENTATIONS.items()},
    "reversed_order": _scan(reverse=True),
    "instance_numbers_shuffled": _changed(_other_numbers),
    "no_instance_numbers": _changed(_without("InstanceNumber")),
    "jitter_4_micrometres": _scan(jitter_mm=0.004),
    "jitter_half_millimetre": _scan(jitter_mm=0.25),
    "slices_missing": _scan(missing=(7, 8)),
    "slices_missing_in_two_places": _scan(missing=(3, 9)),
    "slices_missing_and_filled": _scan(missing=(3, 9)),
    "two_neighbours_missing_and_filled": _scan(missing=(7, 8)),
    "more_missing_than_may_be_filled": _scan(missing=(3, 9, 12)),
    "first_and_last_missing": _scan(missing=(0, 19)),
    "uneven_spacing": _changed(_moved(5, (0, 0, 0.9))),
    "two_spacings": _scan(n=30, slice_spacing=2.0, missing=range(1, 14, 2)),
    "two_spacings_resampled": _scan(n=50, slice_spacing=1.0, missing=range(1, 24, 2)),
    "two_spacings_without_a_common_step": _changed(_stretched(1.37)),
    "two_spacings_of_two_and_three": _scan(
        n=41,
        slice_spacing=1.0,
        missing=[p for p in range(41) if p % (2 if p < 20 else 3) != (0 if p < 20 else 2)],
    ),
    "two_spacings_wider_than_the_model_reads": _scan(
        n=30, slice_spacing=2.0, missing=range(1, 14, 2)
    ),
    "a_lost_slice_is_no_spacing": _scan(missing=(9,)),
    "one_slice_shifted": _changed(_moved(5, (0, 4, 0))),
    "tilted_gantry": _scan(tilt=15.0),
    "tilted_gantry_kept": _scan(tilt=15.0),
    "tilted_the_other_way_kept": _scan(tilt=-20.0, reverse=True),
    "tilted_and_one_shifted": _changed(_moved(5, (0, 4, 0)), tilt=15.0),
    "tilted_and_missing_filled": _scan(tilt=15.0, missing=(6,)),
    "two_directions": _scan(
        per_slice={9: {"ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"]}}
    ),
    "cosines_no_directions": _scan(
        attributes={"ImageOrientationPatient": ["1", "0", "0", "0.5", "0.5", "0"]}
    ),
    "cosines_not_square": _scan(
        attributes={"ImageOrientationPatient": ["1", "0", "0", "0.6", "0.8", "0"]}
    ),
    "no_position": _changed(_without("ImagePositionPatient")),
    "no_orientation": _changed(_without("ImageOrientationPatient")),
    "no_spacing": _changed(_without("PixelSpacing")),
    "no_frame_of_reference": _changed(_without("FrameOfReferenceUID")),
    "spacing_zero": _scan(attributes={"PixelSpacing": ["0", "0"]}),
    "spacing_with_comma": _changed(_raw("PixelSpacing", "DS", b"2,0\\1,5")),
    "position_nan": _changed(_raw("ImagePositionPatient", "DS", b"nan\\0\\0")),
    "position_far_away": _changed(_raw("ImagePositionPatient", "DS", b"1e30\\0\\0")),
    "position_of_two_numbers": _changed(_raw("ImagePositionPatient", "DS", b"1\\2")),
    "thickness_too_long_a_number": _changed(
        _raw("SliceThickness", "DS", b"3.00000000000000000001")
    ),
    "repeated_image": _repeated(lambda ds: None),
    "other_image_at_one_place": _repeated(_darker),
    "one_uid_twice": _changed(
        lambda slices: setattr(slices[9], "SOPInstanceUID", slices[0].SOPInstanceUID)
    ),
    "one_slice": _scan(n=1),
    "one_slice_for_a_model_of_one": _scan(n=1),
}
