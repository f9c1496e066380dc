"""How fast each engine runs six networks: PyTorch, ONNX Runtime and OpenVINO, in each precision.

Every engine is a process of its own. They take turns in every round, so that what disturbs the
machine disturbs all of them alike; what counts is the ratio inside a round. Each one's numbers are
held against PyTorch's in f32, so that nobody is fast by being wrong.
"""

from pathlib import Path


def run(rounds: int, folder: Path, *, quick: bool = False) -> dict[str, object]:
    """Measure everything `rounds` times, print the tables, and give every raw figure.

    Args:
        rounds: how many are counted.
        folder: where trained and exported networks are kept; the first run takes minutes longer.
        quick: two small networks, untrained, to see that everything works.
    """
    from bench.engines.running import measure  # what is imported here, the engines' start pays

    return measure(rounds, folder, quick=quick)
