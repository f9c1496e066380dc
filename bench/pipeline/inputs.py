"""Makes the CT series of a made-up body, and a 3D U-Net that was taught to find its organs.

python -m bench.pipeline.inputs FOLDER [--quick]
"""

import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

Array = np.ndarray

SPACING = (1.0, 0.78, 0.78)
WHOLE, SMALL = (300, 512, 512), (150, 192, 192)
TARGET_MM = 1.5
WINDOW = 96
GREY = (-200.0, 300.0)
"""What is scaled to 0 and 1."""

ORGANS = (
    ((0.45, 0.44, 0.34), (0.16, 0.13, 0.13), 115.0),
    ((0.50, 0.52, 0.68), (0.09, 0.08, 0.07), 125.0),
    ((0.30, 0.60, 0.37), (0.08, 0.05, 0.05), 155.0),
    ((0.32, 0.60, 0.63), (0.08, 0.05, 0.05), 155.0),
)
"""Middle and half axes, as parts of the volume's size, and HU."""


def phantom(shape: tuple[int, int, int], seed: int) -> tuple[Array, Array]:
    """Make a body.

    Args:
        shape: slices, rows, columns.
        seed: bodies differ a little.

    Returns:
        HU as int16 and the organs' mask, both [slices, rows, columns].
    """
    rng = np.random.default_rng(seed)
    z, y, x = (np.linspace(0, 1, n, dtype=np.float32) for n in shape)
    body = ((y[:, None] - 0.5) / 0.34) ** 2 + ((x - 0.5) / 0.44) ** 2
    hu = np.where(body < 1, np.where(body > 0.85, -100.0, 45.0), -1000.0)
    hu = np.broadcast_to(hu, shape).astype(np.float32)
    mask = np.zeros(shape, dtype=np.uint8)

    def inside(middle: Array, half: Array) -> Array:
        parts = [((a - m) / h) ** 2 for a, m, h in zip((z, y, x), middle, half, strict=True)]
        near: Array = parts[0][:, None, None] + parts[1][:, None] + parts[2] < 1
        return near

    for side in (0.33, 0.67):
        hu[inside(np.array([0.85, 0.45, side]), np.array([0.28, 0.2, 0.13]))] = -850
    hu[:, inside(np.array([0.5, 0.72, 0.5]), np.array([9.0, 0.06, 0.06]))[len(z) // 2]] = 400
    for middle, half, grey in ORGANS:
        moved = np.array(middle) + rng.normal(0, 0.01, 3)
        where = inside(moved, np.array(half) * rng.uniform(0.85, 1.15, 3))
        hu[where], mask[where] = grey, 1
    noise = rng.normal(0, 18, shape[1:]).astype(np.float32)
    for k in range(len(z)):
        hu[k] += np.roll(noise, (37 * k, 91 * k), (0, 1))
    return hu.astype(np.int16), mask


# ---- the series ------------------------------------------------------------------------------


def series(folder: Path, *, quick: bool, real: bool = False) -> list[Path]:
    """Write the series unless it is there; give its files, feet first.

    With `real` it is a real chest CT (512 x 512 x 133 at 0.7 x 0.7 x 2.5 mm).
    """
    if real:
        return _real_series(folder)
    shape = SMALL if quick else WHOLE
    out = folder / f"series-{shape[0]}"
    if not out.exists():
        written = out.with_suffix(".new")
        written.mkdir(parents=True, exist_ok=True)
        for number, hu in enumerate(phantom(shape, 7)[0]):
            ds = _header(number, hu.shape)
            ds.PixelData = (hu + 1024).clip(0).astype("<u2").tobytes()
            ds["PixelData"].VR = "OW"
            ds.save_as(written / f"IM{number + 1:04d}.dcm", enforce_file_format=True)
        written.rename(out)
    return sorted(out.glob("*.dcm"))


def _real_series(folder: Path) -> list[Path]:
    out = folder / "series-real"
    if not out.exists():
        from bench import real_input

        written = out.with_suffix(".new")
        real_input.write_series(real_input.chest_ct(folder), written, "CT")
        written.rename(out)
    return sorted(out.glob("*.dcm"))


def _header(number: int, shape: tuple[int, ...]) -> Dataset:
    ds = Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.17.{number}")
    ds.Modality, ds.PatientID, ds.PatientName = "CT", "BENCH", "Bench^Body"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.18", "2.25.19"
    ds.FrameOfReferenceUID, ds.InstanceNumber = "2.25.20", number + 1
    ds.ImagePositionPatient = ["-199.68", "-199.68", f"{SPACING[0] * number:.1f}"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing, ds.SliceThickness = [str(SPACING[1]), str(SPACING[2])], str(SPACING[0])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    return ds


# ---- the network -----------------------------------------------------------------------------


def network(folder: Path, *, quick: bool) -> tuple[Path, Path]:
    """Train the network unless it is there; give its state dict and its ONNX file."""
    kind = "quick" if quick else "trained"
    weights, exported = folder / f"{kind}.pt", folder / f"{kind}.onnx"
    if not (weights.exists() and exported.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        _make(weights, exported, steps=2 if quick else 60)
    return weights, exported


def architecture() -> "torch.nn.Module":  # type: ignore[name-defined]  # noqa: F821
    """Give MONAI's U-Net with 16 to 256 channels."""
    from monai.networks.nets import UNet

    return UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2, norm="batch")


def _make(weights: Path, exported: Path, steps: int) -> None:
    import torch

    torch.manual_seed(0)
    net = architecture()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    rng = np.random.default_rng(0)
    hu, mask = phantom((200, 266, 266), 1)
    for step in range(steps):
        if step % 20 == 19:
            hu, mask = phantom((200, 266, 266), step)
        corner = [int(rng.integers(0, n - WINDOW)) for n in hu.shape]
        place = tuple(slice(c, c + WINDOW) for c in corner)
        image = (hu[place].astype(np.float32).clip(*GREY) - GREY[0]) / (GREY[1] - GREY[0])
        # the network sees [x, y, z]; bodies are [slices, rows, columns]
        image, wanted = image.transpose(2, 1, 0), mask[place].transpose(2, 1, 0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = net(torch.from_numpy(np.ascontiguousarray(image))[None, None])
        target = torch.from_numpy(np.ascontiguousarray(wanted))[None].long()
        loss = torch.nn.functional.cross_entropy(scores.float(), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    torch.save(net.state_dict(), weights)
    zeros = torch.zeros(1, 1, WINDOW, WINDOW, WINDOW)
    names = {"input_names": ["image"], "output_names": ["scores"]}
    program = torch.onnx.export(net, (zeros,), dynamo=True, opset_version=18, **names)
    program.save(exported)


def main() -> int:
    """Make both, in a process that may be forgotten afterwards."""
    folder, quick = Path(sys.argv[1]), "--quick" in sys.argv
    series(folder, quick=quick, real="--real" in sys.argv)
    network(folder, quick=quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
