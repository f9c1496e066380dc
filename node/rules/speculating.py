"""May the model look at a series that has not settled? It may be wrong, so it must cost little."""

from dataclasses import dataclass

from node.rules.nouns import SeriesEvidence


@dataclass(frozen=True, slots=True)
class Eagerness:
    """How much is done before a series has settled.

    At most `series` are read at once, in `megabytes` of memory together; 0 of either turns all of
    it off. The model looks early at most `guesses` times at one series (0: never), when nothing
    came for `quiet` seconds after every association that fed it was released. With `streaming`
    models that can are run slice by slice while a series arrives, one series at a time.
    """

    series: int = 4
    megabytes: float = 1024.0
    guesses: int = 2
    quiet: float = 0.3
    streaming: bool = True


def announced(evidence: SeriesEvidence) -> set[int]:
    """Give how many images the series will have, by those who must know."""
    counts = {signal.images for signal in evidence.signals if signal.firm}
    said = evidence.attributes.get("ImagesInAcquisition")
    if isinstance(said, float) and said > 1:
        counts.add(int(said))
    return counts


def is_likely_complete(evidence: SeriesEvidence, quiet: float, eagerness: Eagerness) -> bool:
    """Say whether a series that has been quiet for so many seconds is probably all there.

    That its slices make a volume without a gap is found out when the volume is made.
    """
    counts = announced(evidence)
    if evidence.aborted or any(count > evidence.instances for count in counts):
        return False
    pause = evidence.habit.pause if evidence.habit is not None else 0.0
    if evidence.open_associations:
        return evidence.instances in counts and quiet >= eagerness.quiet
    return evidence.last_closed is not None and quiet >= max(eagerness.quiet, pause)
