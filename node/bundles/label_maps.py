"""Label maps on their way from a model's process: made of its outcome, written to a file."""

from pathlib import Path

import numpy as np


def label_map(outcome: np.ndarray) -> np.ndarray:
    """Give [slices, rows, columns] of uint8, or uint16 where there are larger labels.

    Raises:
        ValueError: the outcome is no label map [1, slices, rows, columns].
    """
    if outcome.ndim != 4 or len(outcome) != 1:
        raise ValueError(f"the bundle made an array of shape {outcome.shape}, not one label map")
    large = outcome.dtype != np.uint8 and outcome.size and outcome.max() > 255
    return outcome[0].astype(np.uint16 if large else np.uint8, copy=False)


def is_whole(outcome: np.ndarray) -> bool:
    """Say whether an outcome can be labels; between 0 and 2 an interpolation finds a 1."""
    return outcome.dtype.kind != "f" or bool((outcome == np.floor(outcome)).all())


def write(path: Path, labels: np.ndarray) -> None:
    """Write a .npy file; slice by slice, for `np.save` takes seconds where they lie in reverse.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        descr = np.lib.format.dtype_to_descr(labels.dtype)
        header = {"descr": descr, "fortran_order": False, "shape": labels.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for plane in labels:
            file.write(np.ascontiguousarray(plane).data)
