"""Writes every series of the corpus of hazards, each into a folder of its own.

    python -m tests.dicom.hazards.corpus OUT [NAME ...]

Each maker writes the files of one series, from nothing but this script: no patient, no download,
the same bytes each time. What has to become of each is said in `verdicts.yaml`, under its name.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.dicom.hazards import (
    cines,
    encodings,
    files,
    frames,
    meanings,
    mosaics,
    pictures,
    places,
    series,
    sparse,
)

Maker = Callable[[Path], list[Path]]
MAKERS: dict[str, Maker] = {
    **encodings.MAKERS,
    **places.MAKERS,
    **series.MAKERS,
    **files.MAKERS,
    **pictures.MAKERS,
    **frames.MAKERS,
    **cines.MAKERS,
    **mosaics.MAKERS,
    **meanings.MAKERS,
    **sparse.MAKERS,
}


def main() -> int:
    """Write the series that are named, or all."""
    out, *names = sys.argv[1:]
    for name in names or MAKERS:
        paths = MAKERS[name](Path(out) / name)
        print(f"{name}: {len(paths)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
