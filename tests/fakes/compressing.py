"""Compresses images in every transfer syntax that scanners and archives send."""

import zlib  # noqa: F401 - before gdcm, which brings one of its own
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import gdcm
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

BASELINE = UID("1.2.840.10008.1.2.4.50")
LOSSLESS = UID("1.2.840.10008.1.2.4.57")
LOSSLESS_SV1 = UID("1.2.840.10008.1.2.4.70")
NEAR_LOSSLESS = UID("1.2.840.10008.1.2.4.81")


def compress(ds: Dataset, transfer_syntax: UID) -> None:
    """Compress the native pixels of an image of one frame, in place."""
    if transfer_syntax == BASELINE:
        frame = BytesIO()
        Image.fromarray(ds.pixel_array).save(frame, "JPEG", quality=95)
        encapsulated(ds, frame.getvalue(), transfer_syntax)
    elif transfer_syntax in (LOSSLESS, LOSSLESS_SV1):
        _by_gdcm(ds, transfer_syntax)
    elif transfer_syntax == NEAR_LOSSLESS:
        ds.compress(transfer_syntax, jls_error=2, generate_instance_uid=False)
    else:
        ds.compress(transfer_syntax, generate_instance_uid=False)


def encapsulated(ds: Dataset, frame: bytes, transfer_syntax: UID) -> None:
    """Have an image hold these compressed bytes, whatever they are."""
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = transfer_syntax


def _by_gdcm(ds: Dataset, transfer_syntax: UID) -> None:
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.dcm", Path(folder) / "after.dcm"
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds["PixelData"].VR = "OW"
        ds.save_as(before, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(before))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        kind = gdcm.TransferSyntax.GetTSType(str(transfer_syntax))
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(after))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        ds.PixelData = pydicom.dcmread(after).PixelData
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = transfer_syntax
