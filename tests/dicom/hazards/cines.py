"""Cines of ultrasound and X-ray, and nuclear images: many frames without functional groups."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from node.rules.naming import derived_uid
from tests.dicom.hazards.pictures import film
from tests.fakes.enhanced import compress_frames
from tests.fakes.scanner import CORONAL, Scanner, save

Maker = Callable[[Path], list[Path]]
Change = Callable[[Dataset], None]
ULTRASOUND, ANGIOGRAPHY = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.12.1"
FRAMES = 6


def cine(kind: str, frames: int = FRAMES, **attributes: object) -> Dataset:
    """Make a cine of the phantom, which grows brighter by ten from frame to frame."""
    ds = film("US", SOPClassUID=kind, **attributes)
    ds.file_meta.MediaStorageSOPClassUID = kind
    still = np.frombuffer(ds.PixelData, "<u2")
    ds.Modality = "US" if kind == ULTRASOUND else "XA"
    ds.NumberOfFrames = frames
    ds.FrameTime = "40"
    ds.FrameIncrementPointer = int("00181063", 16)
    ds.PixelData = b"".join((still + 10 * number).astype("<u2") for number in range(frames))
    ds["PixelData"].VR = "OW"
    return ds


def _one(kind: str, change: Change | None = None, **attributes: object) -> Maker:
    def make(out: Path) -> list[Path]:
        ds = cine(kind, **attributes)  # type: ignore[arg-type]
        if change is not None:
            change(ds)
        return save([ds], out)

    return make


def _in_colours(ds: Dataset) -> None:
    grey = (np.frombuffer(ds.PixelData, "<u2") // 4).astype("u1")
    ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PhotometricInterpretation = "RGB"
    ds.PixelData = np.repeat(grey, 3).tobytes()
    ds["PixelData"].VR = "OB"


def _compressed(syntax: str) -> Change:
    return lambda ds: compress_frames(ds, syntax)


def _without(*keywords: str) -> Change:
    def change(ds: Dataset) -> None:
        for keyword in keywords:
            del ds[keyword]

    return change


def _cut_short(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[:-100]


def _two(out: Path) -> list[Path]:
    other = cine(ANGIOGRAPHY, 4, SOPInstanceUID="1.2.3.4", InstanceNumber=2)
    other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    return save([cine(ANGIOGRAPHY), other], out)


# ---- nuclear medicine --------------------------------------------------------------------------


def reconstruction(
    n: int = 20, *, order: Sequence[int] | None = None, spacing: float = 3.0, **knobs: object
) -> Dataset:
    """Put a phantom into one nuclear image, its frames in any order (PS3.3 C.8.4.15)."""
    slices = Scanner("NM", slice_spacing=abs(spacing), **knobs).series(n)  # type: ignore[arg-type]
    if spacing < 0:
        slices = slices[::-1]
    order = range(n) if order is None else order
    detector = Dataset()
    detector.ImagePositionPatient = slices[0].ImagePositionPatient
    detector.ImageOrientationPatient = slices[0].ImageOrientationPatient
    ds = _gathered([slices[place] for place in order])
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.SliceVector = [place + 1 for place in order]
    ds.SpacingBetweenSlices = str(spacing)
    ds.DetectorInformationSequence = [detector]
    ds.NumberOfDetectors = 1
    ds.DetectorVector = [1] * n
    return ds


def _gathered(slices: Sequence[Dataset]) -> Dataset:
    made = slices[0]
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = derived_uid("nuclear")
    made.PixelData = b"".join(one.PixelData for one in slices)
    made["PixelData"].VR = "OW"
    made.NumberOfFrames = len(slices)
    made.InstanceNumber = 1
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        if keyword in made:
            del made[keyword]
    return made


def _reconstruction(change: Change | None = None, **how: object) -> Maker:
    def make(out: Path) -> list[Path]:
        ds = reconstruction(**how)  # type: ignore[arg-type]
        if change is not None:
            change(ds)
        return save([ds], out)

    return make


def _gated(out: Path) -> list[Path]:
    """Two time slots of a heart beat, the second one darker."""
    one, other = reconstruction(), reconstruction()
    darker = np.frombuffer(other.PixelData, "<u2") - 10
    one.PixelData += darker.astype("<u2").tobytes()
    one["PixelData"].VR = "OW"
    one.ImageType = ["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"]
    one.NumberOfFrames = 40
    one.SliceVector = [*one.SliceVector, *one.SliceVector]
    one.DetectorVector = [1] * 40
    one.TimeSlotVector = [1] * 20 + [2] * 20
    return save([one], out)


def _planar(kind: str, **vectors: Sequence[int]) -> Maker:
    """Projections: whole bodies from front and back, or one after the other."""

    def make(out: Path) -> list[Path]:
        frames = len(next(iter(vectors.values())))
        pictures = [film("NM") for _ in range(frames)]
        for number, ds in enumerate(pictures):
            stored = np.frombuffer(ds.PixelData, "<u2") + 10 * number
            ds.PixelData = stored.astype("<u2").tobytes()
        ds = _gathered(pictures)
        ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
        for keyword, vector in vectors.items():
            setattr(ds, keyword, list(vector))
        return save([ds], out)

    return make


def _big_endian(ds: Dataset) -> None:
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian


def _short_vector(ds: Dataset) -> None:
    ds.SliceVector = list(ds.SliceVector)[:-1]


def _of_another_detector(ds: Dataset) -> None:
    ds.DetectorVector = [2] * 20


PLACED: dict[str, Maker] = {
    "nuclear_reconstruction": _reconstruction(),
    "nuclear_reconstruction_backwards": _reconstruction(spacing=-3.0),
    "nuclear_reconstruction_shuffled": _reconstruction(
        order=[int(place) for place in np.random.default_rng(3).permutation(20)]
    ),
    "nuclear_reconstruction_coronal": _reconstruction(orientation=CORONAL),
    "nuclear_reconstruction_big_endian": _reconstruction(_big_endian),
    "nuclear_reconstruction_gated_first": _gated,
}
MAKERS: dict[str, Maker] = {
    "angiogram": _one(ANGIOGRAPHY),
    "angiogram_one_frame": _one(ANGIOGRAPHY, _without("NumberOfFrames"), frames=1),
    "angiogram_without_window": _one(ANGIOGRAPHY, _without("WindowCenter", "WindowWidth")),
    "angiogram_inverse": _one(ANGIOGRAPHY, PhotometricInterpretation="MONOCHROME1"),
    "angiogram_rle": _one(ANGIOGRAPHY, _compressed(RLELossless)),
    "angiogram_jpeg_ls": _one(ANGIOGRAPHY, _compressed(JPEGLSLossless)),
    "angiogram_jpeg_2000": _one(ANGIOGRAPHY, _compressed(JPEG2000Lossless)),
    "angiogram_too_short": _one(ANGIOGRAPHY, frames=2),
    "angiogram_cut_short": _one(ANGIOGRAPHY, _cut_short),
    "angiogram_for_a_volume_model": _one(ANGIOGRAPHY),
    "angiogram_for_a_picture_model": _one(ANGIOGRAPHY),
    "angiogram_last_frame": _one(ANGIOGRAPHY),
    "two_angiograms": _two,
    "two_angiograms_last": _two,
    "ultrasound_cine": _one(ULTRASOUND, _in_colours),
    "ultrasound_cine_of_the_retired_class": _one("1.2.840.10008.5.1.4.1.1.3", Modality="US"),
    **PLACED,
    "nuclear_reconstruction_gated": _gated,
    "nuclear_reconstruction_without_spacing": _reconstruction(_without("SpacingBetweenSlices")),
    "nuclear_reconstruction_without_detector": _reconstruction(
        _without("DetectorInformationSequence")
    ),
    "nuclear_reconstruction_of_another_detector": _reconstruction(_of_another_detector),
    "nuclear_reconstruction_without_frame": _reconstruction(_without("FrameOfReferenceUID")),
    "nuclear_vector_too_short": _reconstruction(_short_vector),
    "nuclear_whole_body": _planar("WHOLE BODY", DetectorVector=[1, 2]),
    "nuclear_whole_body_first": _planar("WHOLE BODY", DetectorVector=[1, 2]),
    "nuclear_dynamic": _planar("DYNAMIC", PhaseVector=[1] * 6, TimeSliceVector=range(1, 7)),
    "nuclear_dynamic_of_two_detectors": _planar(
        "DYNAMIC", DetectorVector=[1, 1, 1, 2, 2, 2], TimeSliceVector=[1, 2, 3, 1, 2, 3]
    ),
}
