"""How long after the last slice the segmentation lies in the PACS, beside what others would take.

A CT of 300 slices of 512 x 512 goes over one association to each contender in turn, at a scanner's
pace and as fast as it is taken, with a known number of images and without. The clock starts when
the last C-STORE was answered, and stops when Orthanc, the destination, says that it has stored the
result. Besides radnode (as shipped, and with single habits turned off) there are two peers with
the very same network in the very same code (radnode's own pipeline, loaded and warm): an Orthanc
whose stable-series event starts it, with the quiet time as shipped and with the shortest that a
stall of 6 s does not break, and dicom-ai-router as shipped. So what differs is all around the
model.

Three things are told apart. *Waiting* is quiet time by configuration. *Model* and *SEG* are the
model's run and the encoding of the segmentation. What is left of the turnaround when neither
of these three was under way is the *overhead*. Then there are scenarios in which series come as
they do in practice, and how often each contender started the model, and on how much of the series;
one must be wrong for each peer, and none for radnode.

A second bundle is the same but for `dicom.windows.box`: its windows lie over the body only. It
is compiled and judged by its own gate first; its mask is held against that of its own batch run,
its time against the batch run without a box.

There are three rounds at most, the Orthanc that waits for a minute takes part in one and in three
scenarios, and scenarios are sent as smaller series, so that all of it takes some twenty minutes.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the tables, and give every raw figure.

    Args:
        rounds: how many are counted.
        folder: scratch, begun afresh; the network is kept beside it, where the pipeline's is.
        quick: a small series, a network that was hardly trained, no default Orthanc.
    """
    from bench.turnaround.running import measure

    return measure(rounds, folder, quick=quick)
