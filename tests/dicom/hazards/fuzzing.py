"""Damages DICOM files as one would who knows their structure, and sees what becomes of them.

    python -m tests.dicom.hazards.fuzzing SEED COUNT

Whatever the bytes are, there is a volume or a refusal, a header or a refusal: no other exception,
no crash of a decoder, and no memory that goes with what a file promises. Run in a process of its
own, since a decoder that crashes takes its process along; the limit on memory is this process's.
"""

import faulthandler
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from struct import pack, pack_into, unpack_from
from tempfile import TemporaryDirectory
from time import monotonic

from bench.memory import peak_kb, reset_peak
from node.dicom.growing import GrowingVolume
from node.dicom.header import Part10, read_part10
from node.dicom.volume import Volume, read_volume
from node.rules.failures import Refusal
from node.rules.nouns import Choose, InputRequirement
from tests.dicom.hazards.corpus import MAKERS

SEEDS = (
    *("explicit", "implicit", "big_endian", "deflated", "rle", "jpeg_ls", "jpeg_2000"),
    *("jpeg_lossless_sv1", "bytes_jpeg_baseline", "htj2k", "padding_range_in_ct", "pet_scaled"),
    *("modality_table", "film_voi_table", "ultrasound_rgb", "ultrasound_ybr_jpeg"),
    *("ultrasound_palette", "film_negative", "sequences_of_undefined_length"),
    *("angiogram", "angiogram_rle", "ultrasound_cine", "nuclear_dynamic"),
    *("nuclear_reconstruction", "nuclear_reconstruction_gated_first", "mosaic", "mosaic_jpeg_2000"),
    *("enhanced_ct", "enhanced_mr", "enhanced_jpeg_2000", "enhanced_rle", "enhanced_implicit"),
    *("angiogram_jpeg_2000", "two_spacings_resampled", "enhanced_frames_nearly_empty"),
    *("cine_frames_nearly_empty", "legacy_ct", "ct_without_rescale"),
)
_TAKEN = {"two_spacings_resampled": slice(8, 18)}
LIMIT_BYTES = 3 << 30
LONGEST_SECONDS = 10.0
WANTS = InputRequirement(
    ("CT", "MR", "PT", "DX", "US", "XA", "NM"),
    minimum_slices=1,
    choose=Choose.FIRST,
    tilted=True,
    missing_slices=3,
    cine=True,
    variable_spacing=True,
)
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_LENGTHS = (0, 1, 2, 3, 255, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_VRS = (b"US", b"SS", b"DS", b"IS", b"UN", b"SQ", b"OW", b"OB", b"FD", b"AT", b"zz", b"\0\0")
_TEXTS = (
    *(b"", b"0", b"-1", b"nan", b"inf", b"1e308", b"1e-308", b"65535", b"99999999999999999999"),
    *(
        b"1\\2",
        b"1\\2\\3\\4\\5\\6\\7",
        b"0\\0",
        b"\\",
        b"1,5",
        b"\xff\xfe",
        b"9" * 64,
        b"LOCALIZER",
    ),
)
_SYNTAXES = (
    *(b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2"),
    *(b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.50"),
    *(b"1.2.840.10008.1.2.4.51", b"1.2.840.10008.1.2.4.57", b"1.2.840.10008.1.2.4.70"),
    *(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.81", b"1.2.840.10008.1.2.4.90"),
    *(b"1.2.840.10008.1.2.4.91", b"1.2.840.10008.1.2.4.201", b"1.2.840.10008.1.2.4.100", b""),
)


def elements(content: bytes) -> list[tuple[int, int, int, int]]:
    """Find elements of explicit little endian: begin, place of the length, of the value, end."""
    found, position = [], 132
    while position + 12 <= len(content):
        long = content[position + 4 : position + 6] in _LONG
        layout, place = ("<I", position + 8) if long else ("<H", position + 6)
        start = place + (4 if long else 2)
        (length,) = unpack_from(layout, content, place)
        end = len(content) if length == 0xFFFFFFFF else start + length
        if end > len(content):
            break
        found.append((position, place, start, end))
        position = end
    return found


def _bytes(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 6)):
        content[rng.randrange(len(content))] = rng.randrange(256)


def _header_bytes(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(132, min(len(content), 1900))] = rng.randrange(256)


def _pixel_bytes(content: bytearray, rng: random.Random) -> None:
    start = elements(bytes(content))[-1][2]
    for _ in range(rng.randint(1, 6)):
        content[rng.randrange(start, min(len(content), start + 160))] = rng.randrange(256)


def _length(content: bytearray, rng: random.Random) -> None:
    _, place, start, _ = rng.choice(elements(bytes(content)))
    if start - place == 4:
        pack_into("<I", content, place, rng.choice(_LENGTHS))
    else:
        pack_into("<H", content, place, rng.choice(_LENGTHS) % (1 << 16))


def _representation(content: bytearray, rng: random.Random) -> None:
    begin, *_ = rng.choice(elements(bytes(content)))
    content[begin + 4 : begin + 6] = rng.choice(_VRS)


def _value(content: bytearray, rng: random.Random) -> None:
    begin, place, start, end = rng.choice(elements(bytes(content)))
    if start - place == 4:
        return
    if content[begin + 4 : begin + 6] in (b"US", b"SS"):
        value = pack("<H", rng.choice((0, 1, 2, 7, 8, 16, 17, 255, 256, 32768, 65535)))
    else:
        value = rng.choice(_TEXTS)
        value += b" " * (len(value) % 2)
    content[start:end] = value
    pack_into("<H", content, place, len(value))


def _without(content: bytearray, rng: random.Random) -> None:
    begin, _, _, end = rng.choice(elements(bytes(content)))
    del content[begin:end]


def _twice(content: bytearray, rng: random.Random) -> None:
    begin, _, _, end = rng.choice(elements(bytes(content))[:-1])
    content[end:end] = content[begin:end]


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _appended(content: bytearray, rng: random.Random) -> None:
    content += rng.randbytes(rng.randint(1, 64))


def _syntax(content: bytearray, rng: random.Random) -> None:
    for begin, place, start, end in elements(bytes(content)):
        if content[begin : begin + 4] == b"\2\0\x10\0":
            uid = rng.choice(_SYNTAXES)
            uid += b"\0" * (len(uid) % 2)
            content[start:end] = uid
            pack_into("<H", content, place, len(uid))
            return


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_bytes, _header_bytes, _header_bytes, _pixel_bytes, _pixel_bytes, _length, _representation),
    *(_value, _value, _value, _without, _twice, _cut, _appended, _syntax),
)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to four ways."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        try:
            rng.choice(DAMAGES)(changed, rng)
        except (IndexError, ValueError):
            continue  # nothing left to damage in this way
    return bytes(changed)


def series(folder: Path) -> list[list[bytes]]:
    """Give the files of the series that are damaged, usually four of each."""
    return [
        [path.read_bytes() for path in MAKERS[name](folder / name)[_TAKEN.get(name, slice(4))]]
        for name in SEEDS
    ]


def judge(contents: list[bytes], folder: Path) -> bool:
    """Read files; give whether a volume came of them. Anything but an answer is an error."""
    paths = [folder / f"{number}.dcm" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    begin = monotonic()
    outcome = read_volume(paths, WANTS)
    assert isinstance(outcome, Volume | Refusal)
    growing = GrowingVolume(WANTS)
    for path, content in zip(paths, contents, strict=True):
        growing.place(path, content)
    grown = growing.finish()
    assert type(grown) is type(outcome), (grown, outcome)
    if isinstance(outcome, Refusal):
        assert outcome == grown, (grown, outcome)
    for path, content in zip(paths, contents, strict=True):
        if content:
            assert isinstance(read_part10(path), Part10 | Refusal)
    for path in paths:
        path.unlink()
    assert monotonic() - begin < LONGEST_SECONDS
    return isinstance(outcome, Volume)


def run(seed: int, count: int) -> tuple[int, int]:
    """Damage and read so many series; give how many were volumes, and how much memory (kB) came."""
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        bases = series(Path(folder))
        volumes = 0
        before = reset_peak()
        for _ in range(count):
            contents = list(rng.choice(bases))
            for number in range(len(contents)):
                if rng.random() < (1.0 if number == 0 else 0.3):
                    contents[number] = damaged(contents[number], rng)
            (Path(folder) / "last").write_bytes(b"".join(contents))
            volumes += judge(contents, Path(folder))
        return volumes, peak_kb() - before


def main() -> int:
    """Fuzz under a limit on memory; say what came of it."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    seed, count = (int(argument) for argument in sys.argv[1:])
    volumes, memory = run(seed, count)
    print(f"{count} series, {volumes} volumes, {count - volumes} refusals, {memory} kB more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
