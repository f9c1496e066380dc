"""What it costs to write results: radnode beside highdicom and dcmqi's itkimage2segimage.

The same label map over the same CT series goes to each, one after the other, in shuffled order, in
every round, so what disturbs the machine disturbs all alike: what counts is the ratio in a round.

Two kinds of rows. *Process*: a fresh process reads the headers of the series and the mask from
disk and writes the Segmentation; dcmqi knows no other way, and the interpreter's start and all
imports count against the other two. *Warm*: a process that lives on, as a node's does, and has
written one before; the mask is in memory, the headers are read anew each time. highdicom is used as
its documentation has it: headers without pixels, a three-dimensional label map, empty frames
omitted. All are told which segments there are, so nobody looks for them, and all write a binary
Segmentation in Explicit VR Little Endian. radnode writes a digest too, which the others do not.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the tables, and give every raw figure.

    Args:
        rounds: how many are counted.
        folder: scratch, begun afresh.
        quick: smaller volumes, to see that everything works.
    """
    from bench.writing.running import measure

    return measure(rounds, folder, quick=quick)
