"""Times every installed decoder on the same frames, in turns; the table in `decoding` is from here.

python -m bench.volume --decoders

Each decodes the pixels of whole files: ours as the node does, pydicom's through each of its
plug-ins, SimpleITK and gdcm by their readers; some also alone, called without a plug-in.
"""

import statistics
import zlib  # noqa: F401 - before gdcm, which brings one of its own
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder

from bench.volume.inputs import ONE_OBJECT, SYNTAXES, series
from node.dicom import pixels, scanning

FRAMES = 6
Decode = Callable[[Path], np.ndarray]
_NATIVE = frozenset(("explicit", "implicit", "big_endian", "deflated"))


def measure_decoders(
    rounds: int, folder: Path, wanted: Iterable[str] = tuple(SYNTAXES)
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure, print a block for each compressed transfer syntax, and give every figure.

    Returns:
        Milliseconds a frame (median of the rounds) and the largest difference to what is right of
        each decoder, by transfer syntax.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in (*wanted, *ONE_OBJECT):
        if name not in _NATIVE and (files := _files(folder, name)):
            found[name] = _measured(files, rounds)
            if found[name]:
                _show(name, found[name])
    return found


def _files(folder: Path, name: str) -> list[Path]:
    if name in ONE_OBJECT:
        return [Path(str(get_testdata_file(ONE_OBJECT[name], download=False)))]
    return series(folder, name, quick=True)[:FRAMES]


def _measured(files: list[Path], rounds: int) -> dict[str, dict[str, float]]:
    decoders = _working(_decoders(files[0]), files[0])
    if "radnode" not in decoders:
        return {}
    ours = [decoders["radnode"](path).astype(np.int64) for path in files]
    went: dict[str, list[float]] = {name: [] for name in decoders}
    apart: dict[str, float] = dict.fromkeys(decoders, 0.0)
    for _ in range(rounds):
        for name, decode in decoders.items():
            begin = process_time()
            values = [decode(path) for path in files]
            went[name].append((process_time() - begin) / len(files) * 1000)
            worst = max(_apart(one, other) for one, other in zip(values, ours, strict=True))
            apart[name] = max(apart[name], worst)
    return {
        name: {"ms": statistics.median(times), "differs": apart[name]}
        for name, times in went.items()
    }


def _apart(one: np.ndarray, other: np.ndarray) -> int:
    """Give the largest difference; that of a sign which a decoder is not told of is none."""
    apart = (one.astype(np.int64) - other) % (1 << 16)
    return int(np.minimum(apart, (1 << 16) - apart).max())


def _working(decoders: dict[str, Decode], file: Path) -> dict[str, Decode]:
    """Leave out what does not read this transfer syntax, or not these bits."""
    kept = {}
    for name, decode in decoders.items():
        try:
            decode(file)
            kept[name] = decode
        except Exception as error:  # noqa: BLE001 - whatever a decoder says that it cannot
            print(f"  {name} does not read it: {(str(error).splitlines() or [''])[0][:80]}")
    return kept


def _decoders(file: Path) -> dict[str, Decode]:
    syntax = pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
    found: dict[str, Decode] = {"radnode": _ours, "SimpleITK": _simpleitk, "gdcm": _gdcm}
    for plugin in get_decoder(syntax).available_plugins:
        found[f"pydicom, {plugin}"] = _by_pydicom(plugin)
    found.update({f"{name}, alone": _alone(decode) for name, decode in _ALONE.items()})
    return found


def _ours(path: Path) -> np.ndarray:
    image = scanning.scan(path)
    assert image is not None
    return pixels.stored(image)


def _by_pydicom(plugin: str) -> Decode:
    def decode(path: Path) -> np.ndarray:
        ds = pydicom.dcmread(path)
        decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
        return decoder.as_array(ds, raw=True, decoding_plugin=plugin)[0]

    return decode


def _simpleitk(path: Path) -> np.ndarray:
    import SimpleITK

    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0]
    return values.astype(np.int64) + 1024  # it rescales; the intercept of all inputs is that


def _gdcm(path: Path) -> np.ndarray:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    image = reader.GetImage()
    decoded = image.GetBuffer().encode("utf-8", "surrogateescape")
    size = image.GetPixelFormat().GetPixelSize()
    return np.frombuffer(decoded, f"<u{size}").reshape(image.GetDimensions()[1::-1])


def _alone(decode: Callable[[bytes], Any]) -> Decode:
    def go(path: Path) -> np.ndarray:
        ds = pydicom.dcmread(path)
        (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
        return np.asarray(decode(frame)).reshape(ds.Rows, ds.Columns)

    return go


def _openjpeg(frame: bytes) -> np.ndarray:
    from openjpeg.utils import decode

    return decode(frame, 0, reshape=False).view("<u2")


def _pillow(frame: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(BytesIO(frame), formats=("JPEG", "JPEG2000")))


def _pyjpegls(frame: bytes) -> np.ndarray:
    import jpeg_ls

    return np.frombuffer(jpeg_ls.decode_pixel_data(frame)[0], "<u2")


_ALONE: dict[str, Callable[[bytes], Any]] = {
    "openjpeg": _openjpeg,
    "Pillow": _pillow,
    "pyjpegls": _pyjpegls,
}


def _show(name: str, figures: dict[str, dict[str, float]]) -> None:
    ours = figures["radnode"]["ms"]
    print(f"\n{name}: milliseconds a frame")
    for decoder, said in sorted(figures.items(), key=lambda item: item[1]["ms"]):
        other = f"   differs by up to {said['differs']:.0f}" if said["differs"] else ""
        print(f"  {decoder:24}{said['ms']:>8.2f}   {said['ms'] / ours:>5.1f} times ours{other}")
