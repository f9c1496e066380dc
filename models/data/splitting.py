"""Divides patients, never images, into those to learn from and those to be held against."""

import hashlib
from collections.abc import Sequence


def by_patient(
    patients: Sequence[str], validation: float, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the patients for training and those for validation.

    Patients are ranked by a digest of seed and name, so that the order in which they are listed
    does not matter and a newcomer moves few of the others. All images of a patient are on one side.
    With fewer than three patients there is nobody to spare: then both sides are the same, and
    whoever reports figures has to say so.

    Args:
        patients: names, repeated as often as they have images.
        validation: share of the patients, 0 to 1.
        seed: another seed, another division.
    """
    names = sorted(set(patients))
    if len(names) < 3 or validation <= 0:
        return tuple(names), tuple(names)
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    held = max(1, round(validation * len(names)))
    return tuple(sorted(ranked[held:])), tuple(sorted(ranked[:held]))
