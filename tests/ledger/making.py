"""Makes what the tests write into a ledger: images, series, jobs, results."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, text

from node.clock import Clock
from node.ledger.opening import Ledger, open_ledger
from node.rules import naming
from node.rules.nouns import Caller, Instance, Job, Result, RouteDecision, SeriesEvidence
from tests.fakes.clock import FakeClock

STUDY = "1.2.826.0.1.10"
SERIES = "1.2.826.0.1.10.1"
CALLER = Caller("SCANNER", "RADNODE", "192.0.2.7")
CHOSEN = [RouteDecision("brain", chosen=True, reason="all of it fits")]


@dataclass
class Home:
    """Where a ledger lives, and the clock that it goes by."""

    url: str | None
    data_dir: Path
    clock: FakeClock
    opened: list[Ledger] = field(default_factory=list)

    def open(self, clock: Clock | None = None) -> Ledger:
        ledger = open_ledger(self.url, self.data_dir, clock or self.clock)
        self.opened.append(ledger)
        return ledger

    @property
    def ledger(self) -> Ledger:
        return self.opened[0] if self.opened else self.open()

    def close(self) -> None:
        for ledger in self.opened:
            ledger.close()

    @contextmanager
    def tampering(self):
        """Somebody who owns the database and goes past the node."""
        with self.ledger._engine.begin() as connection:
            yield Tamperer(connection)


class Tamperer:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.embedded = connection.dialect.name == "sqlite"
        if not self.embedded:
            connection.execute(text("SET TRANSACTION READ WRITE"))

    def sql(self, statement: str, **values: object):
        return self.connection.execute(text(statement), values)

    def drop_triggers(self) -> None:
        if self.embedded:
            for name in ("updated", "deleted", "replaced"):
                self.sql(f"DROP TRIGGER audit_never_{name}")
        else:
            self.sql("DROP TRIGGER audit_never_changed ON audit")


def an_instance(home: Home, number: int = 1, **fields: object) -> Instance:
    """An image; `number` names it, and unless told otherwise its bytes and its file too."""
    made = Instance(
        sop_instance_uid=f"{SERIES}.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        series_instance_uid=SERIES,
        study_instance_uid=STUDY,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=sha256(str(number).encode()).hexdigest(),
        size=524_288,
        spool_name=f"instances/ab/{number:032x}.dcm",
        received_at=home.clock.now(),
        calling_ae="SCANNER",
        association=None,
        attributes={"Modality": "MR", "ImageType": ("ORIGINAL", "PRIMARY"), "EchoTime": 4.5},
    )
    return replace(made, **fields)


def evidence(home: Home, series: str = SERIES) -> SeriesEvidence:
    """What the ledger knows of one open series."""
    found = [e for e in home.ledger.open_series() if e.series_instance_uid == series]
    assert len(found) == 1
    return found[0]


def a_job_for(home: Home, seen: SeriesEvidence, model: str = "brain_mask") -> Job:
    digest = home.ledger.evidence_of(seen.series_instance_uid, seen.edition)
    return Job(
        job_id=naming.job_id(seen.series_instance_uid, digest, f"hash of {model}"),
        series_instance_uid=seen.series_instance_uid,
        study_instance_uid=seen.study_instance_uid,
        edition=seen.edition,
        evidence=digest,
        route="brain",
        model=model,
        bundle_hash=f"hash of {model}",
        send_to=("pacs", "archive"),
        settled_at=home.clock.now(),
    )


def settle(home: Home, series: str = SERIES, model: str = "brain_mask") -> Job:
    """Settle an open series, and give the job that was made."""
    seen = evidence(home, series)
    job = a_job_for(home, seen, model)
    assert home.ledger.series_settled(seen, "nothing came for 5 s", CHOSEN, job)
    return job


def a_waiting_job(home: Home, number: int = 1) -> Job:
    """A series of one image, settled, with its job."""
    series = f"{SERIES}.{number}00"
    one = an_instance(home, number * 1000, series_instance_uid=series)
    home.ledger.instances_received([one])
    return settle(home, series)


def results_of(job: Job) -> list[Result]:
    """What a model made for a job: a segmentation, a report, a picture."""
    return [
        Result(
            sop_instance_uid=naming.result_uid(job.job_id, kind, "instance"),
            sop_class_uid=sop_class,
            series_instance_uid=naming.result_uid(job.job_id, kind, "series"),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            kind=kind,
            spool_name=f"results/cd/{job.job_id}.{kind}",
            sha256=sha256(f"{kind} {job.job_id}".encode()).hexdigest(),
            size=4096,
        )
        for kind, sop_class in (
            ("SEG", "1.2.840.10008.5.1.4.1.1.66.4"),
            ("SR", "1.2.840.10008.5.1.4.1.1.88.34"),
            ("PREVIEW", ""),
        )
    ]


def a_finished_job(home: Home, number: int = 1, send_to: tuple[str, ...] = ("pacs",)) -> Job:
    """A job that ran, with its results owed to the destinations."""
    job = a_waiting_job(home, number)
    claimed = home.ledger.claim_job("worker", 30)
    assert claimed is not None
    assert claimed.job_id == job.job_id
    home.ledger.job_finished(job.job_id, "worker", results_of(job), send_to, {"ml": 12.5})
    return job


def events_of(home: Home, uid: str) -> list[str]:
    """What the timeline says happened to something, in order."""
    return [row["event"] for row in home.ledger.timeline(uid)]
