"""How fast images are received: radnode beside DCMTK, Orthanc, plain pynetdicom and the floor.

All receivers are up together; each condition goes to one after the other, in shuffled order, in
every round. So what disturbs the machine disturbs all of them alike, and what counts is the ratio
inside a round, not a speed of another day. The floor is the same bytes over loopback into a file.

Peers get TCP_NODELAY and 128 KiB PDUs. As shipped, Debian's DCMTK and Orthanc wait 40 ms an image
for a delayed acknowledgement; those two rows are shown, and nothing is claimed from them.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the table, and give every raw figure.

    Args:
        rounds: how many are counted; one more warms up.
        folder: scratch, begun afresh; on the disk that is to be measured.
        quick: a tenth of the instances, to see that everything works.
    """
    from bench.receive.running import Plan, measure  # the senders' start must stay light

    return measure(Plan(rounds, folder, share=0.1 if quick else 1.0))
