"""Has this series stopped growing? One decision over the evidence, with its reason in words."""

from dataclasses import dataclass
from datetime import datetime

from node.rules.nouns import SeriesEvidence


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    `quiet` after the last instance once every association that fed the series is closed;
    `open_quiet` when one is still open (senders that never release, or whose cable was pulled);
    `aborted_quiet` when the last one was aborted: an abort is never the sign of an end.
    """

    quiet: float = 5.0
    open_quiet: float = 60.0
    aborted_quiet: float = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Settled or not, the reason, and when to look again if not (seconds from now)."""

    settled: bool
    reason: str
    again_in: float = 0.0


def settle(
    evidence: SeriesEvidence, now: datetime, patience: Patience, watched: float = 0.0
) -> Verdict:
    """Decide on one series.

    Quiet time is counted from the last instance or the last closing association, whichever was
    later, on the wall clock, or for as long as this process has watched the series stand still
    (`watched`, seconds on a clock that never jumps): whichever is longer. So a clock that was set
    back neither hangs a series nor cuts one short by more than it was watched.

    Deeper evidence (expected counts, geometry, the PACS's own count, a sender's habits) has its
    place here: each kind weighed in this function and named in the reason.
    """
    since = evidence.last_received
    if evidence.last_closed is not None and evidence.last_closed > since:
        since = evidence.last_closed
    quiet = max((now - since).total_seconds(), watched)
    if evidence.open_associations:
        needed, state = patience.open_quiet, "an association that fed it is still open"
    elif evidence.aborted:
        needed, state = patience.aborted_quiet, "the association that fed it was aborted or lost"
    else:
        needed, state = patience.quiet, "every association that fed it was released"
    if quiet >= needed:
        return Verdict(settled=True, reason=f"{state}, and nothing came for {needed:g} s")
    reason = f"{state}; quiet for {max(quiet, 0):.1f} of {needed:g} s"
    return Verdict(settled=False, reason=reason, again_in=needed - quiet)
