"""From what a model found to results that are kept, checked and owed to their destinations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from node import log
from node.dicom import results
from node.dicom.results import Made, ModelRun, Withheld
from node.rules.events import Event
from node.rules.nouns import STANDARD_OUTPUTS, Job, Output, Result, Route
from node.stages.notices import keep
from node.stages.turning import Bell, Rooms


@dataclass(frozen=True, slots=True)
class HandedOver:
    """All that was made of a run, and what the ledger is told of it (no patient in it)."""

    kept: tuple[Result, ...]
    facts: Mapping[str, object]


class Handover:
    """Makes the results of a run, in the order in which they are owed."""

    def __init__(self, rooms: Rooms, routes: Mapping[str, Route], deliver: Bell) -> None:
        """`routes` say what is wanted; `deliver` is rung whenever something is owed."""
        self._ledger = rooms.ledger
        self._spool = rooms.spool
        self._worker = rooms.worker
        self._routes = routes
        self._deliver = deliver

    def make(self, run: ModelRun, job: Job) -> HandedOver | Withheld:
        """Make masks, reports and the rest; owe masks and reports as soon as they are checked.

        A mask of hundreds of slices is on its way while the report on it is made. `job` is the
        one in the ledger. A mask or report that does not stand our checks ends it all; of the
        rest, which only shows what was found, it is on record.

        Raises:
            OSError: a result cannot be written, or a source image not be read.
            LeaseLostError: somebody else has the job.
            ResultChangedError: a result exists already under the same UID with other bytes.
        """
        masks = self._owed(results.make_mask(run, self._wanted(job)), job)
        if isinstance(masks, Withheld):
            return masks
        reports = self._owed(results.make_report(run, _made(masks)), job)
        if isinstance(reports, Withheld):
            return reports
        first = (*masks, *reports)
        rest, facts = self._rest(run, job, _made(first))
        return HandedOver((*(kept for _, kept in first), *rest), facts)

    def aside(self, withheld: Withheld) -> list[Result]:
        """Keep what did not stand our checks, for who looks into it.

        Raises:
            OSError: it could not be kept.
        """
        return [replace(keep(self._spool, one), withheld=True) for one in withheld.objects]

    def _owed(
        self, made: tuple[Made, ...] | Withheld, job: Job
    ) -> list[tuple[Made, Result]] | Withheld:
        """Keep what was made, and owe it; it then lies where it is kept."""
        if isinstance(made, Withheld):
            return made
        kept = [keep(self._spool, one) for one in made]
        if kept:
            self._ledger.results_ready(job.job_id, self._worker, kept, job.send_to)
            self._deliver.ring()
        return list(zip(self._there(made, kept), kept, strict=True))

    def _there(self, made: Sequence[Made], kept: Sequence[Result]) -> Iterator[Made]:
        for one, other in zip(made, kept, strict=True):
            yield replace(one, path=self._spool.path(other.spool_name))

    def _rest(
        self, run: ModelRun, job: Job, first: Sequence[Made]
    ) -> tuple[list[Result], Mapping[str, object]]:
        """Make what shows what was found; if it fails our checks, that holds nothing else up."""
        rest = results.make_rest(run, self._wanted(job), first)
        if isinstance(rest, Withheld):
            log.say(Event.RESULTS_WITHHELD, "error", job=job.job_id, reason=rest.refusal.reason)
            return self.aside(rest), {**results.facts(run), "withheld": rest.refusal.reason}
        return [keep(self._spool, one) for one in rest.objects], rest.facts

    def _wanted(self, job: Job) -> frozenset[Output]:
        route = self._routes.get(job.route)
        return STANDARD_OUTPUTS if route is None else route.results


def _made(handed: Sequence[tuple[Made, Result]]) -> list[Made]:
    return [made for made, _ in handed]
