"""What does this UID stand for, and which jobs, results and deliveries belong to it?"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, or_, select

from node.ledger.schema import association, conflict, delivery, instance, job, result, series


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for, and the names of everything that belongs to it.

    `kind` is study, series, instance, job, result, delivery, association, or "" for unknown.
    For a result, `jobs` holds the job that made it; for an instance, nothing but its series.
    """

    kind: str
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()


def find(connection: Connection, uid: str) -> Found:
    """Look a name up: any UID of a study, series, instance or result, or one of our own names."""
    for kind, table, condition in _questions(uid):
        if connection.execute(select(table).where(condition).limit(1)).first() is not None:
            return _belongings(connection, kind, uid)
    return Found("")


def _questions(uid: str) -> list[tuple[str, Table, ColumnElement[bool]]]:
    return [
        ("series", series, series.c.series_instance_uid == uid),
        ("study", series, series.c.study_instance_uid == uid),
        ("instance", instance, instance.c.sop_instance_uid == uid),
        ("instance", conflict, conflict.c.sop_instance_uid == uid),
        ("result", result, _of_result(uid)),
        ("job", job, job.c.job_id == uid),
        ("delivery", delivery, delivery.c.delivery_id == uid),
        ("association", association, association.c.association == uid),
    ]


def _of_result(uid: str) -> ColumnElement[bool]:
    return or_(result.c.sop_instance_uid == uid, result.c.series_instance_uid == uid)


def _belongings(connection: Connection, kind: str, uid: str) -> Found:
    if kind == "association":
        return Found(kind)
    if kind == "instance":
        of = select(instance.c.study_instance_uid, instance.c.series_instance_uid)
        row = connection.execute(of.where(instance.c.sop_instance_uid == uid)).one()
        return Found(kind, (row[0],), (row[1],))
    conditions = {
        "series": job.c.series_instance_uid == uid,
        "study": job.c.study_instance_uid == uid,
        "job": job.c.job_id == uid,
        "result": job.c.job_id.in_(select(result.c.job_id).where(_of_result(uid))),
        "delivery": job.c.job_id.in_(
            select(delivery.c.job_id).where(delivery.c.delivery_id == uid)
        ),
    }
    jobs = connection.execute(select(job).where(conditions[kind])).mappings().all()
    names = tuple(row["job_id"] for row in jobs)
    studies = {row["study_instance_uid"] for row in jobs}
    of_series = {row["series_instance_uid"] for row in jobs}
    if kind in ("series", "study"):
        column = series.c.series_instance_uid if kind == "series" else series.c.study_instance_uid
        rows = connection.execute(select(series).where(column == uid)).mappings().all()
        studies = {row["study_instance_uid"] for row in rows}
        of_series = {row["series_instance_uid"] for row in rows}
    return Found(
        kind,
        tuple(sorted(studies)),
        tuple(sorted(of_series)),
        names,
        *_products(connection, kind, uid, conditions[kind]),
    )


def _products(
    connection: Connection, kind: str, uid: str, of_jobs: ColumnElement[bool]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the results and the deliveries: of the jobs, or of the one thing that was named."""
    made: ColumnElement[bool] = result.c.job_id.in_(select(job.c.job_id).where(of_jobs))
    sent: ColumnElement[bool] = delivery.c.job_id.in_(select(job.c.job_id).where(of_jobs))
    if kind == "result":
        made = _of_result(uid)
        sent = delivery.c.sop_instance_uid.in_(select(result.c.sop_instance_uid).where(made))
    if kind == "delivery":
        sent = delivery.c.delivery_id == uid
        made = result.c.sop_instance_uid.in_(select(delivery.c.sop_instance_uid).where(sent))
    results = connection.scalars(select(result.c.sop_instance_uid).where(made))
    deliveries = connection.scalars(select(delivery.c.delivery_id).where(sent))
    return tuple(results), tuple(deliveries)
