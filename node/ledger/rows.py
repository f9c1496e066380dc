"""From rows of the tables to the nouns that the rest of the node talks about."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from node.ledger.chain import Concerns
from node.rules.nouns import Attribute, Delivery, Instance, Job, Result

Row = RowMapping | Mapping[Any, Any]


def attributes_of(kept: Mapping[str, Any]) -> dict[str, Attribute]:
    """Give header values as the rules know them: JSON's lists become tuples again."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in kept.items()}


def instance_of(row: Row, attributes: Mapping[str, Attribute]) -> Instance:
    """Read an image; `attributes` are its series'."""
    return Instance(
        sop_instance_uid=row["sop_instance_uid"],
        sop_class_uid=row["sop_class_uid"],
        series_instance_uid=row["series_instance_uid"],
        study_instance_uid=row["study_instance_uid"],
        transfer_syntax_uid=row["transfer_syntax_uid"],
        sha256=row["sha256"],
        size=row["size"],
        spool_name=row["spool_name"],
        received_at=row["received_at"],
        calling_ae=row["calling_ae"],
        association=row["association"],
        attributes=attributes,
    )


def job_of(row: Row) -> Job:
    """Read a job."""
    return Job(
        job_id=row["job_id"],
        series_instance_uid=row["series_instance_uid"],
        study_instance_uid=row["study_instance_uid"],
        edition=row["edition"],
        evidence=row["evidence"],
        route=row["route"],
        model=row["model"],
        bundle_hash=row["bundle_hash"],
        send_to=tuple(row["send_to"]),
        settled_at=row["settled_at"],
        attempts=row["attempts"],
        lacking=row["lacking"] or "",
        released_by=row["released_by"] or "",
    )


def job_concerns(row: Row) -> Concerns:
    """Say under which names the timeline finds a job."""
    return Concerns(
        study_uid=row["study_instance_uid"],
        series_uid=row["series_instance_uid"],
        job_id=row["job_id"],
    )


def result_of(row: Row) -> Result:
    """Read a result."""
    return Result(
        sop_instance_uid=row["sop_instance_uid"],
        sop_class_uid=row["sop_class_uid"],
        series_instance_uid=row["series_instance_uid"],
        transfer_syntax_uid=row["transfer_syntax_uid"],
        kind=row["kind"],
        spool_name=row["spool_name"],
        sha256=row["sha256"],
        size=row["size"],
        predecessor=row["predecessor"],
        optional=bool(row["optional"]),
        instead_of=row["instead_of"],
        withheld=bool(row["withheld"]),
    )


def delivery_of(row: Row, result: Result) -> Delivery:
    """Read a delivery of a result."""
    return Delivery(
        delivery_id=row["delivery_id"],
        job_id=row["job_id"],
        destination=row["destination"],
        result=result,
        attempts=row["attempts"],
        queued_at=row["queued_at"],
    )
