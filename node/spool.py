"""Bytes on disk: written once, synced, renamed into place, never changed, let go only here.

The protocol of an image that was answered with Success. The bytes go to `instances/xx/NAME.part`,
a name that we made (never the peer's UID), as they come; the file is synced; it is renamed to
`NAME.dcm`; that folder is synced. From then on neither a killed process, nor a kernel crash, nor a
power cut can take it (as far as the disk keeps its own promise of a flush). A crash before the
rename leaves a `.part`, which was never answered for, and which the next start clears away. The
file is the truth; the ledger's row is an index of it, restored from it if lost. Each association
syncs in its own thread, so that the kernel can merge what they ask for. (A rename from a common
folder into one of 256 costs the kernel twice as much: measured on ext4.)

That is `durable: instance`. With `association` the two syncs are left out, and the whole file
system is synced once before a release is answered: what was answered in an association that is
still open survives a killed process, not a kernel crash or a power cut. With `none` nothing is
ever synced: the same holds until the kernel has written it by itself, some half a minute later.
"""

import errno
import fcntl
import mmap
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Durability = Literal["instance", "association", "none"]

ROOMS = tuple(f"{number:02x}" for number in range(256))
"""Sub-folders by the first two letters of a file's name, so that no folder grows too large."""


class Spool:
    """The folder that keeps images and results.

    `instances/` images as they came, `results/` what models made of them, `work/` scratch of
    running jobs (what a crash left half-written is cleared at each start).
    """

    def __init__(self, root: Path, durable: Durability = "instance") -> None:
        """Make the folders if need be; `durable` says when images are synced (see above).

        Raises:
            OSError: the folder cannot be made or written.
        """
        self.root = root
        self.durable = durable
        for kind in ("instances", "results"):
            for room in ROOMS:
                (root / kind / room).mkdir(parents=True, exist_ok=True)
        self._work = root / "work"
        self._work.mkdir(exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one process that receives into this spool, until the end of the `with`.

        A second one would take the first one's half-written files for those of a dead process.
        The system lets go of the hold when the process ends, however it ends.

        Raises:
            OSError: another process holds it.
        """
        with (self.root / "receive.lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                why = "another radnode receives into this folder; stop it first"
                raise OSError(errno.EBUSY, why, str(self.root)) from error
            yield

    def incoming(self) -> "Incoming":
        """Open a file for an image that is about to come.

        Raises:
            OSError: it cannot be made.
        """
        name = f"{os.urandom(16).hex()}.dcm"
        folder = f"{self.root}/instances/{name[:2]}"
        return Incoming(folder, name, synced=self.durable == "instance")

    def keep_instance(self, pieces: Sequence[bytes | memoryview]) -> str:
        """Keep a new image and give its name; when this returns it is as safe as is promised.

        Raises:
            OSError: it could not be kept (disk full, read-only, failing); nothing is left behind.
        """
        file = self.incoming()
        file.write(*pieces)
        return file.keep()

    def open_sync(self) -> int:
        """Open what `sync_all` needs, and the caller closes.

        The kernel tells a failed write to each descriptor that was open when it failed, once.

        Raises:
            OSError: it cannot be opened.
        """
        return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def sync_all(self, descriptor: int) -> None:
        """Have everything written that is still in memory: the file system's, not only ours.

        Raises:
            OSError: it could not be written, now or since `descriptor` was opened.
        """
        import ctypes  # it makes code when it is loaded, which a sandbox may forbid: not for all

        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(self.root))

    def is_whole(self, spool_name: str, size: int) -> bool:
        """Say whether a file is there with at least so many bytes."""
        try:
            return self.path(spool_name).stat().st_size >= size
        except OSError:
            return False

    def keep_result(self, finished: Path) -> str:
        """Take a finished file out of a scratch folder; an earlier try's file is replaced.

        Its name is made by us from a derived UID (digits, letters and dots), and is the same on
        every try.

        Raises:
            OSError: it could not be kept.
        """
        room = uuid.uuid5(uuid.NAMESPACE_OID, finished.name).hex[:2]
        folder = self.root / "results" / room
        descriptor = os.open(finished, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        finished.rename(folder / finished.name)
        _sync_folder(str(folder))
        return f"results/{room}/{finished.name}"

    def path(self, spool_name: str) -> Path:
        """Give the path of a kept file; `spool_name` is what keeping it returned.

        Raises:
            ValueError: the name leads out of the spool.
        """
        name = Path(spool_name)
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"not a name in the spool: {spool_name}")
        return self.root / name

    def instance_names(self) -> Iterator[str]:
        """Give the names of all kept images, for the start-up sweep."""
        yield from (name for name in self._names("instances") if not name.endswith(_PART))

    def result_names(self) -> Iterator[str]:
        """Give the names of all kept results."""
        yield from (name for name in self._names("results") if not name.endswith(_PART))

    def release(self, spool_name: str) -> bool:
        """Let a file go; False when it was gone already."""
        try:
            self.path(spool_name).unlink()
        except FileNotFoundError:
            return False
        return True

    def clear_incoming(self) -> int:
        """Clear away half-written images of a process that died; give their number.

        A half-written result has its final name in it: the job's next try writes over it.
        """
        return sum(self.release(one) for one in self._names("instances") if one.endswith(_PART))

    def _names(self, kind: str) -> Iterator[str]:
        for room in ROOMS:
            for entry in os.scandir(self.root / kind / room):
                yield f"{kind}/{room}/{entry.name}"

    def work(self, job: str) -> Path:
        """Give an empty scratch folder for a job."""
        folder = self._work / job
        self.clear_work(job)
        folder.mkdir(parents=True)
        return folder

    def work_names(self) -> set[str]:
        """Name the jobs that have a scratch folder."""
        return {folder.name for folder in self._work.iterdir()}

    def clear_work(self, job: str) -> None:
        """Clear the scratch folder of a job."""
        shutil.rmtree(self._work / job, ignore_errors=True)  # noqa: TID251 - the room that may

    def free_megabytes(self) -> float:
        """Give the free space of the disk in megabytes (10^6 bytes)."""
        return shutil.disk_usage(self.root).free / 1e6


class Incoming:
    """A file on its way into the spool; either `keep` or `discard` ends it."""

    def __init__(self, folder: str, name: str, *, synced: bool) -> None:
        """Open it in `folder`, to be called `name` in the end.

        Raises:
            OSError: it cannot be made.
        """
        self._synced = synced
        self._folder = folder
        self._place = f"{folder}/{name}"
        self._path = self._place + _PART
        self._descriptor = os.open(self._path, _NEW, 0o640)

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write pieces at the end.

        Raises:
            OSError: they could not be written; nothing is left behind.
        """
        wanted = sum(memoryview(piece).nbytes for piece in pieces)
        try:
            written = os.writev(self._descriptor, pieces)
            if written < wanted:  # the disk is nearly full, or the piece very large
                rest = memoryview(b"".join(pieces))[written:]
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self.discard()
            raise

    @contextmanager
    def read(self, start: int) -> Iterator[memoryview]:
        """Look at what was written, from byte `start` on, without taking it into memory."""
        with mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ) as mapped:
            mapped.madvise(mmap.MADV_RANDOM)
            with memoryview(mapped) as whole, whole[start:] as view:
                yield view

    def keep(self, *, replace: bool = False) -> str:
        """Put it into its place and give its name in the spool; it is as safe as was promised.

        Raises:
            OSError: it could not be kept; nothing is left behind, unless an earlier file of the
                same name was to be replaced.
        """
        try:
            if self._synced:
                os.fsync(self._descriptor)
            os.rename(self._path, self._place)  # noqa: PTH104 - on the hot path
            self._path = self._place
            if self._synced:
                _sync_folder(self._folder)
        except OSError:
            self.discard(keep=replace and self._path == self._place)
            raise
        os.close(self._descriptor)
        return "/".join(self._place.split("/")[-3:])

    def discard(self, *, keep: bool = False) -> None:
        """Leave nothing behind, unless the file is to be kept as it is."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        if descriptor >= 0 and not keep:
            with suppress(OSError):  # of a disk that fails: the next start clears it away
                os.unlink(self._path)  # noqa: PTH108 - on the hot path


_PART = ".part"
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
