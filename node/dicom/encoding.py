"""Writes a result as the bytes of a DICOM file, the same bytes every time."""

from io import BytesIO

import pydicom
from pydicom.dataset import Dataset


def to_bytes(made: Dataset) -> bytes:
    """Write a data set with its file meta information as a DICOM file (PS3.10), in memory."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Dataset:
    """Read such a file again, pixels included."""
    return pydicom.dcmread(BytesIO(content))
