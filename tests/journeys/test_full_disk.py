"""A disk that is really full: what cannot be kept is not promised, and it recovers by itself."""

import contextlib
import hashlib
import subprocess
import time

import pytest

from node.dicom import status
from tests.fakes import raw_peer as raw
from tests.fakes.inventory import faults, files, half_written
from tests.fakes.process import NodeProcess
from tests.journeys.kill_under_load import image

DISK_MB = 40
SIZE = 400_000


@contextlib.contextmanager
def small_disk(folder):
    """A file system of its own with room for 40 MB."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Sent:
    """Sends images of ever new UIDs, and keeps what it was answered."""

    def __init__(self, port):
        self.port, self.count = port, 0
        self.answered, self.others = {}, []

    def peer(self):
        return raw.RawPeer(self.port, seconds=30).associate()

    def one(self, peer, size=SIZE):
        """Send one image and give the status."""
        self.count += 1
        uid = f"1.2.826.0.1.5.{self.count}"
        data = image(uid, "1.2.826.0.1.6", size, self.count * 997 % (1 << 19))
        reply = peer.store(uid, data, size=131072)
        if reply is None:
            return None
        if reply.status == status.SUCCESS:
            self.answered[uid] = hashlib.sha256(data).hexdigest()
        else:
            self.others.append((reply.status, reply.comment))
        return reply.status

    def until_refused(self, peer, most=200):
        for _ in range(most):
            told = self.one(peer)
            if told != status.SUCCESS:
                return told
        raise AssertionError(f"{most} images of {SIZE} bytes on {DISK_MB} MB")


@pytest.fixture(params=["spool alone", "with the ledger"])
def small(request, tmp_path):
    """A node with little room: for images alone, or for its ledger as well."""
    with small_disk(tmp_path / "disk") as disk:
        folder = tmp_path / "node"
        folder.mkdir()
        if request.param == "spool alone":
            (folder / "var").mkdir()
            (folder / "var" / "spool").symlink_to(disk)
        else:
            (folder / "var").symlink_to(disk)
        node = NodeProcess(folder, node={"minimum_free_mb": 0})
        node.disk = disk
        yield node
        node.kill()


def fill(node):
    """Take all the room there is, but for less than an image."""
    ballast = node.disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    return ballast


def wait_until_served(sent, seconds=40):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with sent.peer() as peer:
            if peer.accepted and sent.one(peer) == status.SUCCESS:
                return
        time.sleep(0.5)
    raise AssertionError(f"not served again: {sent.others[-3:]}")


def test_what_no_longer_fits_is_refused_and_room_that_comes_back_is_used(small):
    small.start(legs=("receive",))
    sent = Sent(small.port)
    with sent.peer() as peer:
        assert [sent.one(peer) for _ in range(5)] == [status.SUCCESS] * 5
        ballast = fill(small)
        for _ in range(20):
            assert sent.one(peer) == status.OUT_OF_RESOURCES
            assert sent.one(peer, 3_000_000) == status.OUT_OF_RESOURCES, "one that is streamed"
        assert all(comment for _, comment in sent.others)
        assert half_written(small.data) == []
        assert len(files(small.data)) == 5
        ballast.unlink()
        wait_until_served(sent)
        peer.release()
    wait_until_served(sent)
    assert small.stop() == 0
    assert faults(small.data, sent.answered) == []


def test_a_disk_that_fills_up_image_by_image_keeps_what_was_answered(small):
    small.start(legs=("receive",))
    sent = Sent(small.port)
    with sent.peer() as peer:
        assert sent.until_refused(peer) == status.OUT_OF_RESOURCES
        assert len(sent.answered) > 40
    small.kill()  # in this state, too
    subprocess.run(["mount", "-o", "remount,size=80m", str(small.disk)], check=True)
    small.start(legs=("receive",))
    wait_until_served(sent)
    assert small.stop() == 0
    assert faults(small.data, sent.answered) == []


def test_below_the_watermark_associations_are_refused_as_transient(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        folder = tmp_path / "node"
        folder.mkdir()
        (folder / "var").symlink_to(disk)
        node = NodeProcess(folder, node={"minimum_free_mb": 15})
        try:
            node.start(legs=("receive",))
            sent = Sent(node.port)
            with sent.peer() as peer:
                assert sent.until_refused(peer) == status.OUT_OF_RESOURCES
                with raw.RawPeer(node.port) as other:
                    other.associate()
                    assert other.rejection is not None
                    assert other.rejection[0] == 2, "transient (PS3.8 9.3.4)"
                peer.release()
            subprocess.run(["mount", "-o", "remount,size=80m", str(disk)], check=True)
            wait_until_served(sent)
            assert node.stop() == 0
            assert faults(node.data, sent.answered) == []
        finally:
            node.kill()
