"""How long after the last slice the mask stands: radnode beside pydicom, MONAI and PyTorch.

A CT series of 300 slices of 512 x 512 at 0.78 x 0.78 x 1.0 mm, from files in a warm page cache, to
a label map on the same grid: decoded, turned and resampled to 1.5 mm, run in windows of 96^3 with
Gaussian blending through a 3D U-Net, brought back. Every contender runs in a process of its own
whose network is loaded and warm before the clock starts, all of them in turn in every round; what
counts is the ratio inside a round. The usual way interpolates scores; its best variant computes in
bfloat16 and brings back labels by nearest neighbour. MONAI's inferer on our engine shows what the
engine alone gives. radnode's label maps are held against that, voxel by voxel.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the tables, and give every raw figure.

    Args:
        rounds: how many are counted.
        folder: scratch, for the series, the network and the label maps.
        quick: a small volume and a network that was hardly trained, to see that everything works.
    """
    from bench.pipeline.running import measure

    return measure(rounds, folder, quick=quick)
