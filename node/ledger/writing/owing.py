"""How a delivery comes to be and moves: shared by finishing, delivering, confirming, retrying."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from node.ledger.chain import Concerns
from node.ledger.rows import Row
from node.ledger.schema import delivery as table
from node.ledger.schema import job
from node.ledger.transactions import Page
from node.rules import naming, states
from node.rules.events import Event
from node.rules.nouns import Result


def delivery_id(sop_instance_uid: str, destination: str) -> str:
    """Name the delivery of one result to one destination; it cannot exist twice."""
    return uuid.uuid5(naming.NAMESPACE, f"delivery\x1f{sop_instance_uid}\x1f{destination}").hex


def owe(page: Page, job_row: Row, result: Result, destinations: Sequence[str]) -> None:
    """Queue a result for each destination that is not owed it already."""
    for destination in dict.fromkeys(destinations):
        name = delivery_id(result.sop_instance_uid, destination)
        known = select(table.c.delivery_id).where(table.c.delivery_id == name)
        if page.connection.execute(known).first() is not None:
            continue
        row: dict[str, Any] = {
            "delivery_id": name,
            "job_id": job_row["job_id"],
            "sop_instance_uid": result.sop_instance_uid,
            "destination": destination,
            "state": states.after("delivery", "", Event.DELIVERY_QUEUED),
            "attempts": 0,
            "not_before": page.now,
            "queued_at": page.now,
        }
        page.connection.execute(insert(table), row)
        told = {"destination": destination, "kind": result.kind}
        full = {
            **row,
            "study_uid": job_row["study_instance_uid"],
            "series_uid": job_row["series_instance_uid"],
        }
        page.note(Event.DELIVERY_QUEUED, f"delivery {name}", _concerns(full), told)


def rows_of(
    page: Page, *conditions: ColumnElement[bool], limit: int | None = None
) -> Sequence[Row]:
    """Give deliveries with the study and series of their job, oldest first."""
    query = (
        select(
            table,
            job.c.study_instance_uid.label("study_uid"),
            job.c.series_instance_uid.label("series_uid"),
        )
        .join(job, job.c.job_id == table.c.job_id)
        .where(*conditions)
        .order_by(table.c.queued_at, table.c.delivery_id)
        .limit(limit)
    )
    return page.connection.execute(query).mappings().all()


def move(
    page: Page,
    row: Row,
    event: Event,
    values: Mapping[str, Any],
    told: Mapping[str, object],
) -> None:
    """Take a delivery to the state that follows, and note it.

    Raises:
        ForbiddenTransitionError: its state does not allow the event.
    """
    state = states.after("delivery", row["state"], event)
    change = update(table).where(table.c.delivery_id == row["delivery_id"])
    page.connection.execute(change.values(state=state, **values))
    detail = {"destination": row["destination"], **told}
    page.note(event, f"delivery {row['delivery_id']}", _concerns(row), detail)


def _concerns(row: Row) -> Concerns:
    return Concerns(
        study_uid=row["study_uid"],
        series_uid=row["series_uid"],
        sop_uid=row["sop_instance_uid"],
        job_id=row["job_id"],
        delivery_id=row["delivery_id"],
    )
