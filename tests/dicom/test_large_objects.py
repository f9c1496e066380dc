"""Fear: an object that is large, or pretends to be, takes the memory of all the others."""

import hashlib
import mmap
import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from node.dicom import header
from node.dicom.header import Header
from node.rules.failures import Refusal

MEGABYTE = 1 << 20
DEFLATED = str(DeflatedExplicitVRLittleEndian)
CLASS, INSTANCE, STUDY, SERIES = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.3", "1.2.3.9"


def element(group: int, number: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    if vr in ("OB", "OW", "SQ", "UT"):
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


IDENTITY = element(8, 0x16, "UI", CLASS.encode()) + element(8, 0x18, "UI", INSTANCE.encode())
REST = element(0x20, 0xD, "UI", STUDY.encode()) + element(0x20, 0xE, "UI", SERIES.encode())
ROWS = element(0x28, 0x10, "US", struct.pack("<H", 48))


def deflated(*pieces: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b"".join(map(machine.compress, pieces)) + machine.flush()


def growth_while(what: Callable[[], object]) -> float:
    """Give by how many MB the most memory that was ever resident has grown."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    what()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> bool:
    """Run the test in a process of its own, where nobody's earlier peak hides its growth."""
    if os.environ.get("RADNODE_TEST_ALONE"):
        return True
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", request.node.nodeid],
        cwd=request.config.rootpath,
        env={**os.environ, "RADNODE_TEST_ALONE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return False


def test_a_bomb_is_refused_before_it_has_taken_any_memory(alone):
    if not alone:
        return
    machine = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = machine.compress(IDENTITY + REST) + machine.flush(zlib.Z_FULL_FLUSH)
    sixteen = machine.compress(bytes(16 * MEGABYTE)) + machine.flush(zlib.Z_FULL_FLUSH)
    bomb = head + sixteen * 200  # 3 GiB
    assert len(bomb) < 4 * MEGABYTE
    read: list[object] = []
    grown = growth_while(lambda: read.append(header.read_header(bomb, DEFLATED)))
    assert isinstance(read[0], Refusal)
    assert "too large" in read[0].reason
    assert grown < 4


def test_a_deflated_object_is_inflated_to_its_end_but_never_held_whole(alone):
    if not alone:
        return
    report = element(0x40, 0xA160, "UT", b"x" * 40 * MEGABYTE)
    pixels = element(0x7FE0, 0x10, "OW", bytes(80 * MEGABYTE))
    early = element(9, 0x10, "UT", b"y" * 40 * MEGABYTE)
    data = deflated(IDENTITY, early, REST, ROWS, report, pixels)
    read: list[object] = []
    grown = growth_while(lambda: read.append(header.read_header(data, DEFLATED)))
    assert isinstance(read[0], Header)
    assert read[0].series_instance_uid == SERIES
    assert read[0].attributes["Rows"] == 48.0
    assert grown < 4


@pytest.mark.parametrize("missing", [1, 1000])
def test_a_deflated_object_without_its_end_is_refused(missing):
    pixels = element(0x7FE0, 0x10, "OW", os.urandom(3 * MEGABYTE))
    data = deflated(IDENTITY, REST, ROWS, pixels)
    assert isinstance(header.read_header(data, DEFLATED), Header)
    read = header.read_header(data[:-missing], DEFLATED)
    assert isinstance(read, Refusal)
    assert "does not end" in read.reason


def test_a_length_that_leads_out_of_what_was_deflated_is_refused():
    pixels = element(0x7FE0, 0x10, "OW", bytes(3 * MEGABYTE))
    read = header.read_header(deflated(IDENTITY, REST, ROWS, pixels[:-2]), DEFLATED)
    assert isinstance(read, Refusal)
    assert "ends in the middle" in read.reason


def a_sparse_object(path: Path, fragments: int, spacing: int) -> bytes:
    """Write a compressed multi-frame object with nothing but holes in its fragments."""
    prefix = header.part10_prefix(
        Header(CLASS, INSTANCE, STUDY, SERIES),
        str(JPEG2000Lossless),
        calling_ae="WSI1",
        called_ae="RADNODE",
    )
    start = IDENTITY + REST + ROWS + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    with path.open("wb") as file:
        file.write(prefix + start + struct.pack("<HHI", 0xFFFE, 0xE000, 0))
        for _ in range(fragments):
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, spacing - 8))
            file.seek(spacing - 8, os.SEEK_CUR)
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return prefix


def test_stepping_over_the_fragments_of_a_mapped_file_does_not_make_it_resident(alone, tmp_path):
    if not alone:
        return
    path = tmp_path / "large.dcm"
    prefix = a_sparse_object(path, fragments=20_000, spacing=1 << 16)  # 1.3 GB, mostly holes
    read: list[object] = []

    def look() -> None:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
            memoryview(mapped)[len(prefix) :] as data,
        ):
            read.append(header.read_header(data, str(JPEG2000Lossless)))

    assert growth_while(look) < 24, "one page of each fragment would be 80 MB"
    assert isinstance(read[0], Header)


def test_a_file_is_read_and_digested_piece_by_piece(alone, tmp_path):
    if not alone:
        return
    path = tmp_path / "large.dcm"
    prefix = a_sparse_object(path, fragments=100, spacing=4 * MEGABYTE)
    read: list[object] = []
    assert growth_while(lambda: read.append(header.read_part10(path))) < 24
    kept = read[0]
    assert isinstance(kept, header.Part10)
    assert kept.header.series_instance_uid == SERIES
    assert kept.size == path.stat().st_size - len(prefix)
    with path.open("rb") as file:
        file.seek(len(prefix))
        assert kept.sha256 == hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("size", [0, 1, MEGABYTE - 1, MEGABYTE, 2 * MEGABYTE + 7])
def test_the_digest_is_over_the_data_set_alone(tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "a.dcm"
    path.write_bytes(b"prefix" * 50 + data)
    assert header.data_set_digest(path, size) == hashlib.sha256(data).hexdigest()


def test_a_file_that_is_shorter_than_its_data_set_has_no_digest(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="shorter"):
        header.data_set_digest(path, 6)
    with pytest.raises(FileNotFoundError):
        header.data_set_digest(tmp_path / "gone.dcm", 6)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_header_is_read_from_whatever_holds_it_and_leaves_hold_of_it(kind):
    data = IDENTITY + REST + ROWS + element(0x7FE0, 0x10, "OW", bytes(4608))
    held = kind(data)
    read = header.read_header(held, "1.2.840.10008.1.2.1")
    assert isinstance(read, Header)
    if isinstance(held, bytearray):
        held.clear()  # raises BufferError while anybody looks into it
