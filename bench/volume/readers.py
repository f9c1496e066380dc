"""The readers that are compared; each is run in a process of its own, which says what it cost.

python -m bench.volume.readers READER REPEATS FILE ...
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.memory import peak_kb, reset_peak

Reader = Callable[[list[Path]], np.ndarray]


def radnode() -> Reader:
    """Read from files, all at once."""
    from node.dicom.volume import read_volume
    from node.rules.nouns import InputRequirement

    wants = InputRequirement(("CT",))
    return lambda paths: read_volume(paths, wants).voxels  # type: ignore[union-attr]


def radnode_headers() -> Reader:
    """Read, and make a data set of every header, as results of models do."""
    from node.dicom.volume import read_volume
    from node.rules.nouns import InputRequirement

    wants = InputRequirement(("CT",))

    def read(paths: list[Path]) -> np.ndarray:
        volume = read_volume(paths, wants)
        list(volume.sources)  # type: ignore[union-attr]
        return volume.voxels  # type: ignore[union-attr]

    return read


def radnode_growing() -> Reader:
    """Read slice by slice, as they come, out of order."""
    from node.dicom.growing import GrowingVolume
    from node.rules.nouns import InputRequirement

    def read(paths: list[Path]) -> np.ndarray:
        growing = GrowingVolume(InputRequirement(("CT",)))
        for place in np.random.default_rng(3).permutation(len(paths)):
            growing.place(paths[place])
        return growing.finish().voxels  # type: ignore[union-attr]

    return read


def radnode_finish() -> Reader:
    """What is left to do when the last slice has come: only that is timed."""
    from node.dicom.growing import GrowingVolume
    from node.rules.nouns import InputRequirement

    grown: list[GrowingVolume] = []

    def read(paths: list[Path]) -> np.ndarray:
        if not grown:
            growing = GrowingVolume(InputRequirement(("CT",)))
            for path in paths:
                growing.place(path)
            grown.append(growing)
        return grown[0].finish().voxels  # type: ignore[union-attr]

    return read


def simpleitk() -> Reader:
    """SimpleITK's series reader, told the files in their order."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def read(paths: list[Path]) -> np.ndarray:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames([str(path) for path in paths])
        return SimpleITK.GetArrayFromImage(reader.Execute())

    return read


def simpleitk_sorting() -> Reader:
    """The same, but it finds out the order itself, as one has to; still it checks nothing."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def read(paths: list[Path]) -> np.ndarray:
        reader = SimpleITK.ImageSeriesReader()
        names = reader.GetGDCMSeriesFileNames(str(paths[0].parent))
        wanted = {str(path) for path in paths}
        reader.SetFileNames([name for name in names if name in wanted])
        return SimpleITK.GetArrayFromImage(reader.Execute())

    return read


def pydicom_numpy() -> Reader:
    """What nearly everybody writes: dcmread, sort, pixel_array, rescale, stack."""
    import pydicom

    def read(paths: list[Path]) -> np.ndarray:
        slices = [pydicom.dcmread(path) for path in paths]
        slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
        return np.stack(
            [
                ds.pixel_array * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept)
                for ds in slices
            ]
        )

    return read


READERS: dict[str, Callable[[], Reader]] = {
    "radnode": radnode,
    "radnode, all headers": radnode_headers,
    "radnode, growing": radnode_growing,
    "radnode, last slice to volume": radnode_finish,
    "SimpleITK, files in order": simpleitk,
    "SimpleITK, sorting": simpleitk_sorting,
    "pydicom + NumPy": pydicom_numpy,
}


def main() -> int:
    """Read once for the memory, then time; print it all as JSON."""
    name, repeats, *files = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    paths, read = [Path(file) for file in files], READERS[name]()
    before = reset_peak()
    voxels = read(paths)
    peak = peak_kb() - before
    digest = hashlib.sha256(np.ascontiguousarray(voxels, np.int16).tobytes()).hexdigest()
    size = voxels.shape[0] * voxels.shape[1] * voxels.shape[2] * 2
    del voxels
    seconds, cpu = [], []
    for _ in range(int(repeats)):
        wall, used = time.perf_counter(), time.process_time()
        read(paths)
        seconds.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - used)
    figures = {"digest": digest, "bytes": size, "slices": len(paths), "peak_kb": peak}
    print(json.dumps({**figures, "seconds": min(seconds), "cpu_seconds": min(cpu)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
