"""Bytes are kept whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from node.spool import Spool


def test_what_is_kept_is_there_under_a_name_of_ours(tmp_path):
    spool = Spool(tmp_path)
    name = spool.keep_instance((b"abc", b"def"))
    assert spool.path(name).read_bytes() == b"abcdef"
    assert list(spool.instance_names()) == [name]


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path, monkeypatch):
    spool = Spool(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(OSError, match="No space"):
        spool.keep_instance((b"abc",))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_sync_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, failing):
    spool = Spool(tmp_path)
    real, calls = os.fsync, []

    def broken(descriptor):
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        spool.keep_instance((b"abc",))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    seen = []
    real = os.fsync

    def watched(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append(("folder" if path.is_dir() else "file", len(list(spool.instance_names()))))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    spool.keep_instance((b"abc",))
    assert seen == [("file", 0), ("folder", 1)]


def finished(spool, content):
    """A file that a job has finished, in its scratch folder."""
    path = spool.work("job") / "2.25.1.dcm"
    path.write_bytes(content)
    return path


def test_a_result_of_an_earlier_try_is_replaced(tmp_path):
    spool = Spool(tmp_path)
    first = spool.keep_result(finished(spool, b"one"))
    assert spool.keep_result(finished(spool, b"two")) == first
    assert spool.path(first).read_bytes() == b"two"


def test_half_written_files_go_at_the_start(tmp_path):
    spool = Spool(tmp_path)
    (tmp_path / "instances" / "00" / "half.dcm.part").write_bytes(b"x")
    assert spool.clear_incoming() == 1
    assert spool.clear_incoming() == 0


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "instances/../../x"])
def test_no_name_leads_out_of_the_spool(tmp_path, name):
    with pytest.raises(ValueError, match="not a name"):
        Spool(tmp_path).path(name)


def test_letting_go_twice_does_no_harm(tmp_path):
    spool = Spool(tmp_path)
    name = spool.keep_instance((b"abc",))
    assert spool.release(name)
    assert not spool.release(name)


def test_a_spool_is_received_into_by_one_at_a_time(tmp_path):
    first, second = Spool(tmp_path), Spool(tmp_path)
    with first.held(), pytest.raises(OSError, match="another radnode"), second.held():
        pass
    with second.held():
        pass


def test_an_image_that_comes_in_pieces_is_kept_as_one(tmp_path):
    spool = Spool(tmp_path)
    file = spool.incoming()
    file.write(b"abc", memoryview(b"def"))
    file.write(b"ghi")
    with file.read(3) as written:
        assert bytes(written) == b"defghi"
    name = file.keep()
    assert spool.path(name).read_bytes() == b"abcdefghi"
    assert spool.clear_incoming() == 0


def descriptors():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_an_image_that_is_given_up_leaves_nothing_behind(tmp_path):
    spool = Spool(tmp_path)
    before = descriptors()
    file = spool.incoming()
    file.write(b"abc")
    file.discard()
    file.discard()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert descriptors() == before


@pytest.mark.parametrize("durable", ["association", "none"])
def test_with_less_durability_no_image_is_synced_but_every_result_is(
    tmp_path, monkeypatch, durable
):
    spool = Spool(tmp_path, durable)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    spool.keep_instance((b"abc",))
    assert synced == []
    spool.keep_result(finished(spool, b"abc"))
    assert len(synced) == 2


def test_everything_is_synced_at_once_when_asked(tmp_path):
    spool = Spool(tmp_path)
    descriptor = spool.open_sync()
    spool.sync_all(descriptor)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        spool.sync_all(descriptor)


def test_a_file_that_is_short_or_gone_is_not_whole(tmp_path):
    spool = Spool(tmp_path)
    name = spool.keep_instance((b"head", b"data"))
    assert spool.is_whole(name, 4)
    os.truncate(spool.path(name), 3)
    assert not spool.is_whole(name, 4)
    spool.release(name)
    assert not spool.is_whole(name, 0)


def test_a_short_write_is_written_to_its_end(tmp_path, monkeypatch):
    """The system may take less than it was given."""
    spool = Spool(tmp_path)
    monkeypatch.setattr(os, "writev", lambda fd, pieces: os.write(fd, b"".join(pieces)[:4]))
    name = spool.keep_instance((b"abc", b"defghi"))
    assert spool.path(name).read_bytes() == b"abcdefghi"
