"""Bytes on disk: written once, synced, renamed into place, never changed, let go only here.

The protocol of an image that was answered with Success. The bytes go to a file in `incoming/`
under a name that we made (never the peer's UID); the file is synced; it is renamed into
`instances/xx/`; that folder is synced. From then on neither a killed process, nor a kernel crash,
nor a power cut can take it (as far as the disk keeps its own promise of a flush). A crash before
the rename leaves a file in `incoming/`, which was never answered for, and which the next start
clears away. The file is the truth; the ledger's row is an index of it, restored from it if lost.
"""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOMS = tuple(f"{number:02x}" for number in range(256))
"""Sub-folders by the first two letters of a file's name, so that no folder grows too large."""


class Spool:
    """The folder that keeps images and results.

    `incoming/` half-written files, `instances/` images as they came, `results/` what models
    made of them, `work/` scratch of running jobs (what a crash left is cleared at each start).
    """

    def __init__(self, root: Path) -> None:
        """Make the folders if need be.

        Raises:
            OSError: the folder cannot be made or written.
        """
        self.root = root
        for kind in ("instances", "results"):
            for room in ROOMS:
                (root / kind / room).mkdir(parents=True, exist_ok=True)
        self._incoming = root / "incoming"
        self._work = root / "work"
        self._incoming.mkdir(exist_ok=True)
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

    def keep_instance(self, pieces: Iterable[bytes]) -> str:
        """Keep a new image and give its name; when this returns, a power cut cannot take it.

        Raises:
            OSError: it could not be kept (disk full, read-only, failing); nothing is left behind.
        """
        return self._keep("instances", f"{uuid.uuid4().hex}.dcm", pieces)

    def keep_result(self, name: str, content: bytes) -> str:
        """Keep a result under a name that is the same on every try; an earlier try is replaced.

        `name` is made by us from a derived UID: digits, letters and dots.

        Raises:
            OSError: it could not be kept; nothing is left behind.
        """
        room = uuid.uuid5(uuid.NAMESPACE_OID, name).hex[:2]
        return self._keep("results", name, (content,), room)

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
        for room in ROOMS:
            for entry in os.scandir(self.root / "instances" / room):
                yield f"instances/{room}/{entry.name}"

    def result_names(self) -> Iterator[str]:
        """Give the names of all kept results."""
        for room in ROOMS:
            for entry in os.scandir(self.root / "results" / room):
                yield f"results/{room}/{entry.name}"

    def release(self, spool_name: str) -> bool:
        """Let a file go; False when it was gone already."""
        try:
            self.path(spool_name).unlink()
        except FileNotFoundError:
            return False
        return True

    def clear_incoming(self) -> int:
        """Clear away half-written files of a process that died; give their number."""
        files = list(self._incoming.iterdir())
        for file in files:
            file.unlink(missing_ok=True)
        return len(files)

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

    def _keep(self, kind: str, name: str, pieces: Iterable[bytes], room: str = "") -> str:
        folder = self.root / kind / (room or name[:2])
        temporary = self._incoming / f"{uuid.uuid4().hex}.part"
        try:
            with temporary.open("xb", buffering=0) as file:
                for piece in pieces:
                    _write_all(file.fileno(), piece)
                os.fsync(file.fileno())
            temporary.rename(folder / name)
            _sync_folder(folder)
        except OSError:
            temporary.unlink(missing_ok=True)
            if kind == "instances":  # not answered for; a result of an earlier try may stay
                (folder / name).unlink(missing_ok=True)
            raise
        return f"{kind}/{folder.name}/{name}"


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
