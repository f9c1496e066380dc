"""Frames that make decoders lie, panic or end the process: they are refused before they get there.

Each frame is decoded in a process of its own, since what is feared is the end of that process.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from node.dicom import codestream, pixels, scanning
from node.dicom.elements import MalformedError
from tests.dicom.hazards.corpus import MAKERS

ROOT = Path(__file__).parents[3]
DECODE = """
import sys
from pathlib import Path
import numpy as np
from node.dicom import decoding
from node.dicom.reading import UNREADABLE
syntax, kind, used, file = sys.argv[1:]
try:
    decoding.grey(syntax, Path(file).read_bytes(), (48, 56), np.dtype(kind), int(used))
except UNREADABLE as error:
    print(type(error).__name__)
else:
    print("decoded")
"""
ZLIB = """
from node.dicom import decoding
decoding._gdcm()
import zlib
for number in range(50):
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = bytes(range(256)) * 4000
    deflated = machine.compress(content) + machine.flush()
    assert zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated) == content
print("sound")
"""


def frame_of(folder, name) -> tuple[bytes, scanning.Scan]:
    path = sorted(MAKERS[name](folder))[4]
    image = scanning.scan(path)
    return pixels.fragments(pixels.pixel_content(image)), image


def decoded(folder, frame, image) -> str:
    file = folder / "frame"
    file.write_bytes(frame)
    used = image.text("BitsStored")
    command = [image.transfer_syntax, str(pixels.type_of(image)), used, str(file)]
    ran = subprocess.run(
        [sys.executable, "-c", DECODE, *command],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-500:]
    return ran.stdout.strip()


def run_lengths_too_long(frame):
    return frame[:-2] + bytes([129, 0]) * 40


def segment_that_is_empty(frame):
    return frame[:8] + frame[4:8] + frame[12:]


def garbage_between_markers(frame):
    return frame[:2] + b"\0\0\0" + frame[2:]


def colours_of_no_kind(frame):
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x07"
    return frame[:2] + adobe + frame[2:]


def precision(bits):
    def change(frame):
        place = frame.index(b"\xff\xc3") + 4
        return frame[:place] + bytes([bits]) + frame[place + 1 :]

    change.__name__ = f"precision_{bits}"
    return change


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("rle", run_lengths_too_long, "MalformedError"),
        ("rle", segment_that_is_empty, "MalformedError"),
        ("bytes_jpeg_baseline", garbage_between_markers, "MalformedError"),
        ("jpeg_lossless_sv1", garbage_between_markers, "MalformedError"),
        ("jpeg_lossless_sv1", colours_of_no_kind, "decoded"),
        ("bytes_jpeg_baseline", colours_of_no_kind, "decoded"),
        ("jpeg_lossless_sv1", precision(2), "MalformedError"),
        ("jpeg_lossless_sv1", precision(97), "MalformedError"),
        ("jpeg_2000", lambda frame: frame[:-40] + frame[-2:], "MalformedError"),
        ("jpeg_2000", lambda frame: frame[:-2], "MalformedError"),
        ("jpeg_ls", lambda frame: frame[: len(frame) // 2], "MalformedError"),
        ("jpeg_ls", lambda frame: b"", "MalformedError"),
    ],
)
def test_a_frame_that_decoders_stumble_over_does_no_harm(tmp_path, name, change, said):
    frame, image = frame_of(tmp_path / "series", name)
    assert decoded(tmp_path, frame, image) == "decoded"
    assert decoded(tmp_path, change(frame), image) == said


def test_gdcm_does_not_take_zlib_along():
    """Its libraries have a zlib of their own, which must not become the interpreter's."""
    ran = subprocess.run(
        [sys.executable, "-c", ZLIB], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "sound"), ran.stderr[-500:]


def test_a_codestream_says_what_it_is(tmp_path):
    for name, signed in (("jpeg_2000", False), ("jpeg_2000_signed", True)):
        says = codestream.read(frame_of(tmp_path / name, name)[0])
        assert (says.rows, says.columns, says.samples) == (48, 56, 1)
        assert (says.precision, says.signed) == (16, signed)


def test_no_codestream_is_refused():
    for nonsense in (b"", b"\xff", b"\xff\xd8", b"\xff\x4f\xff\x51", bytes(100)):
        with pytest.raises(MalformedError):
            codestream.read(nonsense)
