"""Which bytes does nobody need any more? Two questions in SQL, for images and for results."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, exists, select, union_all

from node.ledger.schema import conflict, delivery, instance, job, result, series

UNFINISHED_JOB = ("held", "waiting", "running")
UNFINISHED_DELIVERY = ("queued", "sending")


def releasable(connection: Connection, kind: str, before: datetime) -> list[tuple[str, list[str]]]:
    """Give series and the names of their files that may go; see `Evidence.releasable`.

    Raises:
        ValueError: `kind` is neither instances nor results.
    """
    if kind == "instances":
        query = union_all(_images(before), _contradictions(before))
    elif kind == "results":
        query = union_all(_results(before))
    else:
        raise ValueError(f"bytes are of instances or results, not of {kind}")
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row[0], []).append(row[1])
    return [(uid, sorted(names)) for uid, names in sorted(found.items())]


def _images(before: datetime) -> Select[str, str]:
    return (
        select(instance.c.series_instance_uid, instance.c.spool_name)
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(instance.c.released_at.is_(None), series.c.state == "settled")
        .where(series.c.last_received < before)
        .where(~_at_work(series.c.series_instance_uid))
    )


def _contradictions(before: datetime) -> Select[str, str]:
    return select(conflict.c.series_instance_uid, conflict.c.spool_name).where(
        conflict.c.released_at.is_(None), conflict.c.received_at < before
    )


def _results(before: datetime) -> Select[str, str]:
    on_its_way = exists().where(
        delivery.c.sop_instance_uid == result.c.sop_instance_uid,
        delivery.c.state.in_(UNFINISHED_DELIVERY),
    )
    return (
        select(job.c.series_instance_uid, result.c.spool_name)
        .join(job, job.c.job_id == result.c.job_id)
        .where(result.c.released_at.is_(None), result.c.made_at < before, ~on_its_way)
    )


def _at_work(uid: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether any job or delivery of a series is not final."""
    to_run = exists().where(job.c.series_instance_uid == uid, job.c.state.in_(UNFINISHED_JOB))
    to_send = exists().where(
        job.c.series_instance_uid == uid,
        delivery.c.job_id == job.c.job_id,
        delivery.c.state.in_(UNFINISHED_DELIVERY),
    )
    return to_run | to_send
