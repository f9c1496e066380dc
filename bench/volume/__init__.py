"""How fast slices become a volume: radnode beside SimpleITK's series reader and pydicom with NumPy.

The same slices in each transfer syntax, read from files in a warm page cache, by one process a
measurement, on one core. Readers take turns in every round, so that what disturbs the machine
disturbs all of them alike; what counts is the ratio inside a round. Every reader's voxels are held
against the others', so that nobody is fast by being wrong.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the table, and give every raw figure.

    Args:
        rounds: how many are counted.
        folder: scratch, for the series.
        quick: a few slices, to see that everything works.
    """
    from bench.volume.running import measure  # what is imported here, the readers' start pays

    return measure(rounds, folder, quick=quick)
