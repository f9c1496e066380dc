"""Hands a series to the model's process slice by slice, while it arrives."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from node.bundles.manifest import Bundle
from node.bundles.process import GoneError
from node.bundles.runner import Runner
from node.dicom.findings import Findings
from node.rules.failures import Refusal

SLICES = "slices.npy"


class Grid(Protocol):
    """Where slices will lie: what of `node.dicom.growing.Lattice` a model needs."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    @property
    def slots(self) -> int:
        """How many places for slices there are."""
        ...

    @property
    def affine(self) -> np.ndarray:
        """4 x 4, from (slot, row, column, 1) to LPS millimetres."""
        ...

    @property
    def first(self) -> int | None:
        """The slot at which the series begins, None when that is not known."""
        ...

    @property
    def last(self) -> int | None:
        """The slot at which it ends, None when that is not known."""
        ...


class Following:
    """One series on its way to one model. Whatever fails, the series can be looked at as a whole.

    Slices lie in a file that the model's process maps; it is as large as the slots that are filled.
    They are written there and not mapped here: a full disk answers a write with an error, and a
    process that writes to mapped memory with SIGBUS.
    """

    def __init__(
        self, runner: Runner, bundle: Bundle, grid: Grid, folder: Path, timeout_s: float
    ) -> None:
        """Begin with no slice.

        Args:
            runner: has the bundle's process.
            bundle: from the shelf, fit to run.
            grid: where slices will lie.
            folder: for the file alone; it goes with `close`.
            timeout_s: how long an answer may take.

        Raises:
            OSError: the file cannot be made.
        """
        self._runner, self._bundle, self._grid = runner, bundle, grid
        self._timeout = timeout_s
        self._path = folder / SLICES
        size = (grid.slots, *grid.shape)
        self._file = self._path.open("wb", buffering=0)
        try:
            self._begins = _lay_out(self._file, size)
        except OSError:
            self.close()
            raise
        self._waiting: list[int] = []
        self._begun = False
        self.why = ""
        """Why the series has to be looked at as a whole; "" as long as it has not."""

    def put(self, slot: int, values: np.ndarray) -> None:
        """Take a slice, [rows, columns]; it is handed over by `push`."""
        if self.why:
            return
        if values.dtype != np.int16:
            self.why = "its values are no 16-bit whole numbers"
        elif values.shape != self._grid.shape:
            self.why = "a slice is of another size"
        elif self._written(slot, np.ascontiguousarray(values, "<i2")):
            self._waiting.append(slot)

    def _written(self, slot: int, values: np.ndarray) -> bool:
        left, at = values.data.cast("B"), self._begins + slot * values.nbytes
        try:
            while left:
                count = os.pwrite(self._file.fileno(), left, at)
                left, at = left[count:], at + count
        except OSError as error:
            self.why = f"a slice cannot be written: {error.strerror}"
            return False
        return True

    def push(self) -> None:
        """Hand over what waits, unless the process is at work for somebody else."""
        if not self.why and self._waiting and not self._runner.is_busy:
            self._push()

    def _push(self) -> None:
        try:
            if not self._begun:
                self._begin()
            waiting, self._waiting = self._waiting, []
            if waiting and not self.why:
                self._say({"verb": "feed", "slots": waiting})
        except GoneError as error:
            self.why = error.refusal.reason

    def _begin(self) -> None:
        self._begun = True
        self._say(
            {
                "verb": "begin",
                "slices": str(self._path),
                "affine": self._grid.affine.tolist(),
                "first": self._grid.first,
                "last": self._grid.last,
            }
        )

    def _say(self, request: dict[str, object]) -> None:
        self.why = self._runner.ask(self._bundle, request, self._timeout)["why"]

    def finish(
        self, affine: np.ndarray, shape: Sequence[int], timeout_s: float
    ) -> Findings | Refusal | None:
        """Give what the model found, now that all slices are there.

        Args:
            affine: of the whole volume, from (slice, row, column, 1) to LPS millimetres.
            shape: slices, rows, columns.
            timeout_s: how long it may take.

        Returns:
            The findings or a refusal, as `Runner.predict` gives them for the whole volume; None
            when it has to be asked.
        """
        if self._waiting and not self.why:
            self._push()
        if self.why:
            return None
        answer = self._path.with_name("labels.npy")
        request = {"verb": "finish", "affine": affine.tolist(), "answer": str(answer)}
        try:
            return self._runner.conclude(self._bundle, request, tuple(shape), timeout_s)
        finally:
            answer.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the folder back; who has mapped the file keeps what it sees."""
        self._file.close()
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()


def _lay_out(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Make the file that of an array of zeros, without a byte of them; give where they begin."""
    header = {"descr": "<i2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    begins = file.tell()
    file.truncate(begins + 2 * math.prod(shape))
    return begins
