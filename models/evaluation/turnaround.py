"""How long a study takes from the first image to the PACS, by the audit trail's own moments."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from node.clock import SystemClock
from node.ledger.opening import Ledger, LedgerNotReadyError, open_ledger, state_of_schema
from node.rules.events import Event

PAGE = 5000
NO_READING = (
    "This is turnaround, not reading time: the audit trail has no event of a viewer, so nobody "
    "knows when a person opened the study or signed the report."
)
STEPS = (
    ("received_to_settled", "received", "settled"),
    ("settled_to_finished", "settled", "finished"),
    ("finished_to_delivered", "finished", "delivered"),
    ("received_to_delivered", "received", "delivered"),
)


class UnreadableLedgerError(ValueError):
    """The ledger cannot be read; the text says why."""


def open_to_read(url: str) -> Ledger:
    """Open a ledger that is there and current; nothing is made or upgraded.

    Args:
        url: address of the database, or path of an SQLite file.

    Raises:
        UnreadableLedgerError: it is not there, or has the tables of another version.
    """
    address = url if "://" in url else f"sqlite:///{Path(url).resolve()}"
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).is_file():
        raise UnreadableLedgerError(f"there is no ledger {Path(url).name}")
    try:
        state = state_of_schema(address, Path())
        if state != "current":
            raise UnreadableLedgerError(f"the ledger's tables are {state}; `radnode db upgrade`")
        return open_ledger(address, Path(), SystemClock())
    except LedgerNotReadyError as error:
        raise UnreadableLedgerError(str(error)) from error


def audit_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Give all audit rows in order, `PAGE` of them at a time."""
    last = 0
    while rows := ledger.audit_rows(last, PAGE):
        yield from rows
        last = rows[-1]["seq"]


def turnaround(rows: Iterator[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """Give medians and quartiles of every step, over the series that this model looked at.

    Args:
        rows: of the audit trail, in order.
        model: name of the bundle. All its versions count.

    Returns:
        For each of `STEPS` median, quartiles [s] and number of series; or {"absent": why}.
    """
    moments: dict[str, dict[str, datetime]] = {}
    mine: set[str] = set()
    for row in rows:
        series = row["series_uid"]
        if series is None:
            continue
        _mark(moments.setdefault(series, {}), row)
        if row["event"] in (Event.JOB_CREATED, Event.JOB_HELD) and _is_of(row["detail"], model):
            mine.add(series)
    told = {name: _told(_spans(moments, mine, start, end)) for name, start, end in STEPS}
    if not any("median_s" in one for one in told.values()):
        return {"absent": f"the audit trail has no finished series of {model}"}
    return {**told, "series": len(mine), "note": NO_READING}


def _mark(known: dict[str, datetime], row: Mapping[str, Any]) -> None:
    first: Mapping[str, str] = {Event.INSTANCE_RECEIVED: "received"}
    last: Mapping[str, str] = {Event.SERIES_SETTLED: "settled", Event.JOB_FINISHED: "finished"}
    if row["event"] in first:
        known.setdefault(first[row["event"]], row["at"])
    elif row["event"] in last:
        known[last[row["event"]]] = row["at"]
    elif row["event"] == Event.DELIVERY_ACCEPTED:
        known["delivered"] = row["at"]


def _is_of(detail: Mapping[str, Any], model: str) -> bool:
    return str(detail.get("model", "")) == model


def _spans(
    moments: Mapping[str, Mapping[str, datetime]], mine: set[str], start: str, end: str
) -> list[float]:
    found = []
    for series in mine:
        known = moments[series]
        if start in known and end in known and known[end] - known[start] >= timedelta(0):
            found.append((known[end] - known[start]).total_seconds())
    return sorted(found)


def _told(spans: Sequence[float]) -> dict[str, Any]:
    if not spans:
        return {"absent": "no series went so far"}
    quartile: Callable[[int], float] = lambda part: (  # noqa: E731
        spans[0] if len(spans) == 1 else statistics.quantiles(spans, n=4, method="inclusive")[part]
    )
    return {
        "median_s": round(statistics.median(spans), 3),
        "quartiles_s": [round(quartile(0), 3), round(quartile(2), 3)],
        "series": len(spans),
    }
