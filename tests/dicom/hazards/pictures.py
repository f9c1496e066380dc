"""Pictures: chest films, mammograms, ultrasound stills, scintigrams."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from tests.fakes.compressing import BASELINE, compress
from tests.fakes.scanner import Scanner, put_raw, save

Maker = Callable[[Path], list[Path]]
_OF_SLICES = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "SliceThickness",
    "SpacingBetweenSlices",
    "PixelSpacing",
    "PositionReferenceIndicator",
)


def film(modality: str = "DX", **attributes: object) -> Dataset:
    """Make one picture of the phantom: 40 around it, 800 in it, 12 bits."""
    (ds,) = Scanner(modality).series(1)
    for keyword in _OF_SLICES:
        del ds[keyword]
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.BitsStored, ds.HighBit = 12, 11
    ds.ImagerPixelSpacing = ["0.2", "0.2"]
    ds.WindowCenter, ds.WindowWidth = "420", "760"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _one(modality: str = "DX", **attributes: object) -> Maker:
    return lambda out: save([film(modality, **attributes)], out)


def _changed(change: Callable[[Dataset], None], modality: str = "DX") -> Maker:
    def make(out: Path) -> list[Path]:
        ds = film(modality)
        change(ds)
        return save([ds], out)

    return make


def _without_window(ds: Dataset) -> None:
    del ds.WindowCenter, ds.WindowWidth


def _marker(ds: Dataset) -> None:
    """A letter of three pixels burnt in with the highest value that there is, and no window."""
    values = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).copy()
    values[2:5, 2] = 4095
    ds.PixelData = values.tobytes()
    _without_window(ds)


def _without_spacing(ds: Dataset) -> None:
    del ds.ImagerPixelSpacing
    ds.PixelSpacing = ["0", "0"]


def _voi_table(ds: Dataset) -> None:
    """Bright at the top, dark below: 4096 entries of 8 bits."""
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 8]
    item.LUTData = np.where(np.arange(4096) > 400, 255, 0).astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    ds.VOILUTSequence = [item]


def _broken_table(ds: Dataset) -> None:
    _voi_table(ds)
    del ds.VOILUTSequence[0].LUTData


def _in_colours(photometric: str, *, compressed: bool = False) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        grey = (np.frombuffer(ds.PixelData, "<u2") // 4).astype("u1")
        ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit = 7
        ds.PhotometricInterpretation = photometric
        ds.PixelData = np.repeat(grey, 3).tobytes()
        ds["PixelData"].VR = "OB"
        if compressed:
            compress(ds, BASELINE)

    return change


def _palette(ds: Dataset) -> None:
    inside = np.frombuffer(ds.PixelData, "<u2") > 400
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PhotometricInterpretation = "PALETTE COLOR"
    ds.PixelData = inside.astype("u1").tobytes()
    ds["PixelData"].VR = "OB"
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ramp = (np.arange(256) * 65535).clip(0, 65535).astype("<u2")
        setattr(ds, f"{colour}PaletteColorLookupTableData", ramp.tobytes())


def _two(out: Path) -> list[Path]:
    lateral = film(ViewPosition="LL", InstanceNumber=2, SOPInstanceUID="1.2.3.4")
    lateral.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    lateral.PixelData = bytes(len(lateral.PixelData))
    return save([film(), lateral], out)


def _in_a_byte(ds: Dataset) -> None:
    small = (np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns) // 4).astype("u1")
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = small.tobytes()
    ds["PixelData"].VR = "OB"
    ds.WindowCenter, ds.WindowWidth = "105", "190"
    compress(ds, BASELINE)


MAKERS: dict[str, Maker] = {
    "film": _one(),
    "film_cr": _one("CR"),
    "film_negative": _one(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"),
    "film_inverse_shape": _one(PresentationLUTShape="INVERSE"),
    "film_without_window": _changed(_without_window),
    "film_with_a_marker": _changed(_marker),
    "film_sigmoid": _one(VOILUTFunction="SIGMOID"),
    "film_exact_window": _one(VOILUTFunction="LINEAR_EXACT"),
    "film_voi_table": _changed(_voi_table),
    "film_voi_table_broken": _changed(_broken_table),
    "film_with_padding": _one(PixelPaddingValue=40),
    "film_without_spacing": _changed(_without_spacing),
    "film_in_jpeg": _changed(_in_a_byte),
    "film_for_a_volume_model": _one(),
    "film_raw": _one(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1.1"),
    "film_of_many_frames": _one(NumberOfFrames=3),
    "film_spacing_out_of_range": _one(ImagerPixelSpacing=["0.01", "0.01"]),
    "film_window_no_number": _changed(lambda ds: put_raw(ds, "WindowCenter", "DS", b"wide")),
    "mammogram": _one("MG", ImageLaterality="L"),
    "scintigram": _one("NM"),
    "ultrasound_grey": _changed(_in_a_byte, "US"),
    "ultrasound_rgb": _changed(_in_colours("RGB"), "US"),
    "ultrasound_ybr_jpeg": _changed(_in_colours("RGB", compressed=True), "US"),
    "ultrasound_palette": _changed(_palette, "US"),
    "two_films": _two,
    "two_films_first": _two,
    "two_films_last": _two,
}
