"""How the tests look at results: read again by kind, and pictures searched for what is in them."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from node.dicom.results.model_run import Made


def read_all(objects: Iterable[Made | None]) -> dict[str, list[Dataset]]:
    """Read results by kind, as the gate is given them; those not made are left out."""
    there: dict[str, list[Dataset]] = defaultdict(list)
    for one in objects:
        if one is not None:
            there[one.kind].append(pydicom.dcmread(one.path))
    return there


def boxes(pixels: np.ndarray, colour: tuple[int, int, int], side: int) -> int:
    """Count squares of one colour in a picture [rows, columns, RGB] that do not touch."""
    return int((pixels == colour).all(axis=-1).sum()) // side**2


def filled(loops: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Fill closed lines along pixel edges by the even-odd rule: bool [rows, columns].

    Each is [points, (row, column)], whole numbers being corners of pixels.
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.int64)
    for loop in loops:
        for (row, column), (next_row, next_column) in zip(
            loop, np.roll(loop, -1, axis=0), strict=True
        ):
            if column == next_column:
                crossings[min(row, next_row) : max(row, next_row), column] += 1
            else:
                assert row == next_row, "a line runs across a pixel"
    return (np.cumsum(crossings, axis=1)[:, :-1] % 2).astype(bool)
