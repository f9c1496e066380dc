"""What is known of images and series: for settling, for building volumes, for the sweep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from node.ledger.reading.releasing import releasable
from node.ledger.rows import attributes_of, instance_of
from node.ledger.schema import (
    association,
    conflict,
    feeding,
    habit,
    instance,
    job,
    result,
    series,
    signal,
)
from node.ledger.transactions import Transactions, chunks
from node.rules import naming
from node.rules.nouns import (
    SO_FAR,
    Habit,
    Instance,
    SeriesEvidence,
    Signal,
)
from node.rules.studying import HeldJob, StudySeries


class Evidence(Transactions):
    """Questions about what was received."""

    def open_series(self) -> list[SeriesEvidence]:
        """Give every series that has not settled, the one longest without an image first."""
        is_open = series.c.state == "open"
        with self._reading() as connection:
            query = select(series).where(is_open).order_by(series.c.last_received)
            rows = connection.execute(query).mappings().all()
            if not rows:
                return []
            fed = _feeders(connection, is_open)
            habits = _habits(connection, is_open)
            signals = _signals(connection, is_open)
        return [
            replace(
                _evidence(row, fed.get(row["series_instance_uid"], {})),
                habit=habits.get(row["series_instance_uid"]),
                signals=tuple(signals.get(row["series_instance_uid"], ())),
            )
            for row in rows
        ]

    def instances_of(self, series_uid: str, edition: int) -> list[Instance]:
        """Give the images of a series up to an edition, by UID; `attributes` are the series'."""
        with self._reading() as connection:
            of = select(series.c.attributes).where(series.c.series_instance_uid == series_uid)
            attributes = attributes_of(connection.scalar(of) or {})
            query = select(instance).where(*_up_to(series_uid, edition))
            rows = connection.execute(query.order_by(instance.c.sop_instance_uid)).mappings()
            return [instance_of(row, attributes) for row in rows]

    def evidence_of(self, series_uid: str, edition: int) -> str:
        """Digest the images of a series up to an edition (`rules.naming.evidence_digest`)."""
        with self._reading() as connection:
            query = select(instance.c.sop_instance_uid, instance.c.sha256)
            rows = connection.execute(query.where(*_up_to(series_uid, edition)))
            return naming.evidence_digest((row[0], row[1]) for row in rows)

    def study_series(self, study_uid: str) -> list[StudySeries]:
        """Give every series of a study that has images."""
        query = select(series).where(series.c.study_instance_uid == study_uid)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(series.c.series_instance_uid)).mappings()
            return [
                StudySeries(
                    row["series_instance_uid"],
                    attributes_of(row["attributes"]),
                    row["last_received"],
                    settled=row["state"] == "settled",
                )
                for row in rows
            ]

    def held_jobs(self) -> list[HeldJob]:
        """Give the jobs that wait for other series of their studies, the oldest first."""
        query = select(job).where(job.c.state == "held").order_by(job.c.created_at, job.c.job_id)
        with self._reading() as connection:
            return [
                HeldJob(
                    row["job_id"],
                    row["series_instance_uid"],
                    row["study_instance_uid"],
                    row["route"],
                    row["lacking"] or "",
                )
                for row in connection.execute(query).mappings()
            ]

    def missing_from_ledger(self, names: Iterable[str]) -> list[str]:
        """Give those file names that no image has: a crash came before their row."""
        missing: list[str] = []
        with self._reading() as connection:
            for some in chunks(names):
                known: set[str] = set()
                for table in (instance, conflict):
                    query = select(table.c.spool_name).where(table.c.spool_name.in_(some))
                    known.update(connection.scalars(query))
                missing.extend(name for name in some if name not in known)
        return missing

    def instances_kept(self) -> list[tuple[str, int]]:
        """Give the file name and data set's size in bytes of each image that is to be there."""
        query = select(instance.c.spool_name, instance.c.size)
        with self._reading() as connection:
            rows = connection.execute(query.where(instance.c.released_at.is_(None)))
            return [(row[0], row[1]) for row in rows]

    def let_go(self, names: Iterable[str]) -> list[str]:
        """Give those file names whose bytes were let go: a crash came before the file went."""
        gone: list[str] = []
        with self._reading() as connection:
            for some in chunks(names):
                for table in (instance, conflict, result):
                    query = select(table.c.spool_name).where(
                        table.c.spool_name.in_(some), table.c.released_at.is_not(None)
                    )
                    gone.extend(connection.scalars(query))
        return gone

    def releasable(self, kind: str, before: datetime) -> list[tuple[str, list[str]]]:
        """Give the files that nobody needs any more, by series.

        Args:
            kind: "instances" or "results".
            before: only what was received, or made, before this.

        Returns:
            Pairs of Series Instance UID (for results: of the images) and names in the spool, of
            series that are settled and whose jobs and deliveries are all final.
        """
        with self._reading() as connection:
            return releasable(connection, kind, before)


def _up_to(series_uid: str, edition: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return instance.c.series_instance_uid == series_uid, instance.c.edition <= edition


def _feeders(
    connection: Connection, is_open: ColumnElement[bool]
) -> dict[str, dict[str, tuple[int, datetime | None]]]:
    """For each open series, its associations by outcome: how many, and when the last one ended."""
    query = (
        select(
            feeding.c.series_instance_uid,
            association.c.outcome,
            func.count(),
            func.max(association.c.closed_at),
        )
        .join(association, association.c.association == feeding.c.association)
        .join(series, series.c.series_instance_uid == feeding.c.series_instance_uid)
        .where(is_open)
        .group_by(feeding.c.series_instance_uid, association.c.outcome)
    )
    found: dict[str, dict[str, tuple[int, datetime | None]]] = {}
    for uid, outcome, count, last in connection.execute(query):
        found.setdefault(uid, {})[outcome] = (count, last)
    return found


def _habits(connection: Connection, is_open: ColumnElement[bool]) -> dict[str, Habit]:
    """For each open series, the habits of the slowest of those who feed it."""
    query = (
        select(feeding.c.series_instance_uid, habit.c.series, habit.c.pause_ms, habit.c.splits)
        .join(association, association.c.association == feeding.c.association)
        .join(series, series.c.series_instance_uid == feeding.c.series_instance_uid)
        .outerjoin(habit, habit.c.calling_ae == association.c.calling_ae)
        .where(is_open)
    )
    found: dict[str, list[Habit | None]] = {}
    for uid, seen, pause, splits in connection.execute(query):
        known = None if seen is None else Habit(seen, pause / 1000, splits)
        found.setdefault(uid, []).append(known)
    return {uid: slowest for uid, of_one in found.items() if (slowest := _slowest(of_one))}


def _slowest(habits: Sequence[Habit | None]) -> Habit | None:
    """Give the fewest series seen, the longest pause, the most splits; a stranger has sent none."""
    known = [one for one in habits if one is not None]
    if not known:
        return None
    seen = 0 if len(known) < len(habits) else min(one.series for one in known)
    return Habit(seen, max(one.pause for one in known), max(one.splits for one in known))


def _signals(connection: Connection, is_open: ColumnElement[bool]) -> dict[str, list[Signal]]:
    query = (
        select(signal.c.series_instance_uid, signal.c.source, signal.c.images)
        .join(series, series.c.series_instance_uid == signal.c.series_instance_uid)
        .where(is_open)
        .order_by(signal.c.source)
    )
    found: dict[str, list[Signal]] = {}
    for uid, source, images in connection.execute(query):
        found.setdefault(uid, []).append(Signal(source, images, source not in SO_FAR))
    return found


def _evidence(
    row: Mapping[Any, Any], fed: Mapping[str, tuple[int, datetime | None]]
) -> SeriesEvidence:
    ends = [
        (last, outcome != "released", outcome)
        for outcome, (_, last) in fed.items()
        if last is not None
    ]
    last_closed, _, how = max(ends, default=(None, False, "released"))
    return SeriesEvidence(
        series_instance_uid=row["series_instance_uid"],
        study_instance_uid=row["study_instance_uid"],
        edition=row["edition"],
        instances=row["instances"],
        first_received=row["first_received"],
        last_received=row["last_received"],
        open_associations=fed.get("open", (0, None))[0],
        last_closed=last_closed,
        aborted=how in ("aborted", "lost"),
        attributes=attributes_of(row["attributes"]),
    )
