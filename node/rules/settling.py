"""Has this series stopped growing? One decision over the evidence, with its reason in words.

How the evidence is weighed. Time alone decides nothing but how long we wait; what else is known
makes that longer or shorter:

* somebody who must know says how many images there are, and they are there: `sure` seconds. (The
  images themselves by Images in Acquisition, MPPS, an availability notification, a request for
  storage commitment.) A PACS that is asked counts what it has so far: `counted` seconds.
* somebody says that there are more, or there are holes (in the numbers, inside a stack, between
  stacks): `incomplete` seconds; then the model is asked, and refuses what it cannot use.
* neither: `quiet` seconds; `unknown` for a sender of which few series were seen yet, or which was
  seen to send series in parts; longer for one that was seen to pause for longer inside a series,
  shorter for one that never did in many, if the images look whole (`rules.completing`).

While an association that fed the series is open, or when the last one broke, no count but the
reached one shortens the wait: a stall is no end, and an abort never is.
"""

from dataclasses import dataclass
from datetime import datetime

from node.rules.completing import Contents
from node.rules.nouns import Habit, SeriesEvidence, Signal

HABIT_SERIES = 20
"""So many series of a sender have to be seen before its habits shorten a wait."""
HABIT_MARGIN = 3.0
"""A pause may be so many times as long as the longest that a sender was seen to make."""
FEW_SERIES = 5
"""With fewer of them seen, nothing is known of a sender."""
SPLITS_AMONG = 50
"""One series in parts among so many is an accident, more of them are a habit."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    `quiet` after the last instance once every association that fed the series is closed;
    `open_quiet` when one is still open (senders that never release, or whose cable was pulled);
    `aborted_quiet` when the last one was aborted: an abort is never the sign of an end. `sure` is
    enough when a count says that all are there, `open_sure` if then an association is still open,
    `counted` when the count is that of a PACS, which may be receiving itself. `incomplete` when
    something is missing, `unknown` when nothing counts and the sender is not known, or known to
    send in parts. No habit makes a wait shorter than `shortest` or longer than `open_quiet` and
    `unknown`.
    """

    quiet: float = 5.0
    open_quiet: float = 60.0
    aborted_quiet: float = 60.0
    sure: float = 0.2
    open_sure: float = 5.0
    counted: float = 2.0
    incomplete: float = 60.0
    shortest: float = 1.0
    unknown: float = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Settled or not, the reason, and when to look again if not (seconds from now)."""

    settled: bool
    reason: str
    again_in: float = 0.0


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long to wait, and for what reason."""

    seconds: float
    why: str


def settle(
    evidence: SeriesEvidence,
    now: datetime,
    patience: Patience,
    watched: float | None = None,
    contents: Contents | None = None,
) -> Verdict:
    """Decide on one series.

    Quiet time is for how long this process has watched the series stand still (`watched`, seconds
    on a clock that never jumps). So a wall clock that is set forwards cuts no series short, one
    that is set back hangs none, and after a restart the wait begins anew. Who has watched nothing
    (None) goes by the wall clock, from the last instance or the last closing association, whichever
    was later.

    `contents` is what its images say (`rules.completing`); None or fewer images than the evidence
    counts when they could not all be looked at, and then they say nothing.
    """
    since = max(evidence.last_received, evidence.last_closed or evidence.last_received)
    quiet = (now - since).total_seconds() if watched is None else watched
    if contents is not None and contents.images != evidence.instances:
        contents = None
    wait = _wait(evidence, contents, patience)
    if quiet >= wait.seconds:
        return Verdict(settled=True, reason=f"{wait.why}, and nothing came for {wait.seconds:g} s")
    reason = f"{wait.why}; quiet for {max(quiet, 0):.1f} of {wait.seconds:g} s"
    return Verdict(settled=False, reason=reason, again_in=wait.seconds - quiet)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What speaks for and what against completeness, in words; "" for nothing."""

    complete: str = ""
    firm: bool = True
    incomplete: str = ""


def _heard(evidence: SeriesEvidence, contents: Contents | None) -> _Heard:
    """Sum up what is known beyond time. One voice that misses images outweighs all others."""
    held = evidence.instances
    voices = list(evidence.signals)
    holes: tuple[str, ...] = ()
    if contents is not None:
        holes = contents.holes
        if contents.announced is not None:
            voices.append(Signal(contents.announced_by, contents.announced))
    counted = [
        f"{v.images - held} of {v.images} images that {v.source} counts"
        for v in voices
        if v.images > held
    ]
    if missing := [*counted, *holes]:
        return _Heard(incomplete=f"{missing[0]} are missing")
    agree = [voice for voice in voices if voice.images == held]
    if not agree:
        return _Heard()
    who = " and ".join(voice.source for voice in agree)
    said = f"all {held} images are there, by {who}"
    return _Heard(complete=said, firm=any(voice.firm for voice in agree))


def _wait(evidence: SeriesEvidence, contents: Contents | None, patience: Patience) -> _Wait:
    """Weigh everything."""
    heard = _heard(evidence, contents)
    if evidence.open_associations:
        usual = _Wait(patience.open_quiet, "an association that fed it is still open")
        sure = patience.open_sure
    elif evidence.aborted:
        usual = _Wait(patience.aborted_quiet, "the association that fed it was aborted or lost")
        sure = patience.quiet
    else:
        usual = _accustomed(evidence.habit, contents, patience)
        sure = patience.sure
    if heard.incomplete:
        return _Wait(max(usual.seconds, patience.incomplete), f"{heard.incomplete}, {usual.why}")
    if heard.complete and (heard.firm or not evidence.open_associations):
        enough = sure if heard.firm else max(sure, patience.counted)
        return _Wait(min(usual.seconds, enough), f"{heard.complete}, {usual.why}")
    return usual


def _accustomed(habit: Habit | None, contents: Contents | None, patience: Patience) -> _Wait:
    """Wait as long as usual for this sender, all of whose associations are closed."""
    why = "every association that fed it was released"
    known = habit or Habit(0, 0.0)
    pause = HABIT_MARGIN * known.pause
    longer = []
    if known.series < FEW_SERIES and not (contents is not None and contents.one_for_all):
        longer.append((patience.unknown, "its sender is not known yet"))
    if known.splits * SPLITS_AMONG > known.series:
        longer.append((patience.unknown, "its sender has sent series in parts before"))
    if pause > patience.quiet:
        bounded = min(pause, max(patience.open_quiet, patience.quiet))
        longer.append((bounded, f"its sender has paused for {known.pause:.1f} s before"))
    if longer:
        seconds = max(patience.quiet, *(seconds for seconds, _ in longer))
        return _Wait(seconds, ", ".join([why, *(reason for _, reason in longer)]))
    if known.series >= HABIT_SERIES and (contents is None or contents.whole):
        shorter = min(max(pause, patience.shortest), patience.quiet)
        return _Wait(shorter, f"{why}, its sender never paused longer than {known.pause:.1f} s")
    return _Wait(patience.quiet, why)
