"""Writes down what late images do to jobs and results of the edition before.

A job that reads some of the images only must not say anything of the series once more are here. As
long as nothing of it is owed to anybody it ends, whether it waits, is held or runs; who runs it
finds that out with the next heartbeat, or when it hands over its first result. Once its mask is
owed it goes on to its end, since a mask without its report is worse than an outdated pair, and the
results of the next edition name both as their predecessors.
"""

from sqlalchemy import exists, select, update

from node.ledger.rows import Row, job_concerns
from node.ledger.schema import job as table
from node.ledger.schema import result as results
from node.ledger.schema import series
from node.ledger.transactions import Page
from node.rules import states
from node.rules.events import Event

IS_OUTDATED = exists().where(
    series.c.series_instance_uid == table.c.series_instance_uid,
    series.c.edition > table.c.edition,
)
"""Of a job: its series has images that it does not read."""
_UNFINISHED = ("held", "waiting", "running")
_IS_OWED = exists().where(
    results.c.job_id == table.c.job_id, ~results.c.withheld, ~results.c.kind.startswith("NOT_RUN")
)


def end_outdated(page: Page, series_uid: str, edition: int) -> None:
    """End the jobs of a series that read less than this edition, and of which nothing is owed."""
    mine = (table.c.series_instance_uid == series_uid, table.c.edition < edition)
    query = select(table).where(*mine, table.c.state.in_(_UNFINISHED), ~_IS_OWED)
    for row in page.connection.execute(query.order_by(table.c.job_id)).mappings().all():
        state = states.after("job", row["state"], Event.JOB_SUPERSEDED)
        reason = f"images came for edition {edition} before it had made anything"
        values = {"state": state, "worker": None, "lease_until": None, "reason": reason}
        change = update(table).where(table.c.job_id == row["job_id"])
        page.connection.execute(change.values(**values, finished_at=page.now))
        told = {"worker": row["worker"], "reason": reason, "edition": row["edition"]}
        page.note(Event.JOB_SUPERSEDED, f"job {row['job_id']}", job_concerns(row), told)


def note_superseded(page: Page, row: Row) -> None:
    """Mark what the same model made of the newest edition before: it is not of all the images."""
    earlier = (
        select(table)
        .join(results, results.c.job_id == table.c.job_id)
        .where(table.c.series_instance_uid == row["series_instance_uid"])
        .where(table.c.model == row["model"], table.c.edition < row["edition"])
        .where(~results.c.withheld, results.c.kind != "PREVIEW")
        .order_by(table.c.edition.desc(), table.c.finished_at.desc())
    )
    old = page.connection.execute(earlier.limit(1)).mappings().first()
    if old is None:
        return
    theirs = select(results.c.kind, results.c.sop_instance_uid).where(
        results.c.job_id == old["job_id"], ~results.c.withheld, results.c.kind != "PREVIEW"
    )
    told = [
        {"kind": one.kind, "sop": one.sop_instance_uid} for one in page.connection.execute(theirs)
    ]
    about = {"by": row["job_id"], "edition": row["edition"], "results": told}
    page.note(Event.RESULTS_SUPERSEDED, f"job {old['job_id']}", job_concerns(old), about)
