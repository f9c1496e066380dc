"""The tables of the ledger, with a sentence for every column.

States are texts out of `node.rules.states`, moments are UTC, structures are canonical JSON.
Nothing here holds a patient: UIDs, digests, names that we made, and what routing may look at.
A change of this file comes with a new migration under `migrations/versions`, named in `REVISIONS`.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from node.ledger.columns import Flag, Moment, Plain, Structure

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision that this version of the node knows, oldest first; the last one is ours."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Large = BigInteger().with_variant(Integer(), "sqlite")

audit = Table(
    "audit",
    metadata,
    Column("seq", Large, primary_key=True, autoincrement=False, doc="1, 2, 3 … without a gap"),
    Column("at", Moment, nullable=False, doc="when it was written down"),
    Column("event", Plain, nullable=False, doc="out of node.rules.events"),
    Column("subject", Plain, nullable=False, doc="what it happened to: its kind and its name"),
    Column("study_uid", Plain, doc="Study Instance UID that it concerns"),
    Column("series_uid", Plain, doc="Series Instance UID of the images that it concerns"),
    Column("sop_uid", Plain, doc="SOP Instance UID of the image or the result"),
    Column("job_id", Plain, doc="the job that it concerns"),
    Column("delivery_id", Plain, doc="the delivery that it concerns"),
    Column("detail", Plain, nullable=False, doc="the rest, as canonical JSON"),
    Column("previous_hash", Plain, nullable=False, doc="hash of the row before; 64 zeros"),
    Column("hash", Plain, nullable=False, doc="sha256 over all the other fields"),
    info={"about": "What happened, in order; rows are added and never changed."},
    sqlite_strict=True,
)
for _name in ("study_uid", "series_uid", "sop_uid", "job_id", "delivery_id"):
    _present = audit.c[_name].is_not(None)
    Index(
        f"ix_audit_{_name}",
        audit.c[_name],
        sqlite_where=_present,
        postgresql_where=_present,
    )

association = Table(
    "association",
    metadata,
    Column("association", Plain, primary_key=True, doc="our own name for it"),
    Column("peer", Plain, nullable=False, doc="the peer's name in the configuration"),
    Column("calling_ae", Plain, nullable=False, doc="calling AE title, as the caller gave it"),
    Column("called_ae", Plain, nullable=False, doc="called AE title, as the caller gave it"),
    Column("address", Plain, nullable=False, doc="the caller's network address"),
    Column("opened_at", Moment, nullable=False, doc="when it was accepted"),
    Column("closed_at", Moment, doc="when it ended; empty while it is open"),
    Column("outcome", Plain, nullable=False, doc="open, released, aborted or lost"),
    Column("instances", Integer, nullable=False, doc="how many images it brought"),
    info={"about": "Who called, and how it ended."},
    sqlite_strict=True,
)
Index("ix_association_outcome", association.c.outcome)

series = Table(
    "series",
    metadata,
    Column("series_instance_uid", Plain, primary_key=True, doc="(0020,000E)"),
    Column("study_instance_uid", Plain, nullable=False, index=True, doc="(0020,000D)"),
    Column("state", Plain, nullable=False, doc="out of node.rules.states.SERIES"),
    Column("edition", Integer, nullable=False, doc="1, and one more for each reopening"),
    Column("instances", Integer, nullable=False, doc="how many images, of all editions"),
    Column("first_received", Moment, nullable=False, doc="when its first image came"),
    Column("last_received", Moment, nullable=False, doc="when its latest image came"),
    Column("attributes", Structure, nullable=False, doc="of its first image, for routing"),
    Column("settled_at", Moment, doc="when this edition settled; empty while it is open"),
    Column("reason", Plain, doc="why it was taken for complete"),
    info={"about": "Series that were received, and whether they have stopped growing."},
    sqlite_strict=True,
)
Index("ix_series_state_last_received", series.c.state, series.c.last_received)

instance = Table(
    "instance",
    metadata,
    Column("sop_instance_uid", Plain, primary_key=True, doc="(0008,0018)"),
    Column("sop_class_uid", Plain, nullable=False, doc="(0008,0016)"),
    Column(
        "series_instance_uid",
        Plain,
        ForeignKey("series.series_instance_uid"),
        nullable=False,
        doc="(0020,000E)",
    ),
    Column("study_instance_uid", Plain, nullable=False, doc="(0020,000D)"),
    Column("transfer_syntax_uid", Plain, nullable=False, doc="as it came over the wire"),
    Column("sha256", Plain, nullable=False, doc="of the data set as it came"),
    Column("size", Large, nullable=False, doc="bytes of the data set"),
    Column("spool_name", Plain, nullable=False, unique=True, doc="its file in the spool"),
    Column("received_at", Moment, nullable=False, doc="when it was answered for"),
    Column("calling_ae", Plain, nullable=False, doc="who sent it"),
    Column("association", Plain, doc="which association brought it; empty if restored"),
    Column("edition", Integer, nullable=False, doc="the edition of the series it opened or met"),
    Column("released_at", Moment, doc="when its bytes were let go; empty while they are kept"),
    info={"about": "Images that we promised to keep."},
    sqlite_strict=True,
)
Index("ix_instance_series_instance_uid_edition", instance.c.series_instance_uid, instance.c.edition)
Index(
    "ix_instance_kept",
    instance.c.series_instance_uid,
    sqlite_where=instance.c.released_at.is_(None),
    postgresql_where=instance.c.released_at.is_(None),
)

conflict = Table(
    "conflict",
    metadata,
    Column("spool_name", Plain, primary_key=True, doc="the file of the later content"),
    Column("sop_instance_uid", Plain, nullable=False, index=True, doc="(0008,0018)"),
    Column("series_instance_uid", Plain, nullable=False, index=True, doc="of the later one"),
    Column("study_instance_uid", Plain, nullable=False, doc="of the later one"),
    Column("sha256", Plain, nullable=False, doc="of the later content"),
    Column("size", Large, nullable=False, doc="bytes of the later data set"),
    Column("received_at", Moment, nullable=False, doc="when it was answered for"),
    Column("calling_ae", Plain, nullable=False, doc="who sent it"),
    Column("association", Plain, doc="which association brought it"),
    Column("released_at", Moment, doc="when its bytes were let go"),
    info={"about": "Images under the SOP Instance UID of another: kept, and used by no model."},
    sqlite_strict=True,
)

feeding = Table(
    "feeding",
    metadata,
    Column("series_instance_uid", Plain, primary_key=True, doc="the series that was fed"),
    Column("association", Plain, primary_key=True, doc="the association that fed it"),
    info={"about": "Which associations brought images of which series."},
    sqlite_strict=True,
)

habit = Table(
    "habit",
    metadata,
    Column("calling_ae", Plain, primary_key=True, doc="the sender's AE title"),
    Column("series", Integer, nullable=False, doc="how many series of it have settled"),
    Column("pause_ms", Integer, nullable=False, doc="its longest pause inside one; old ones fade"),
    Column("splits", Integer, nullable=False, doc="how many of them came in parts"),
    info={"about": "How long senders pause inside a series, and how often they send one in parts."},
    sqlite_strict=True,
)

signal = Table(
    "signal",
    metadata,
    Column("series_instance_uid", Plain, primary_key=True, doc="the series that it is about"),
    Column("source", Plain, primary_key=True, doc="who says so, in words"),
    Column("images", Integer, nullable=False, doc="how many images the series has"),
    Column("told_at", Moment, nullable=False, doc="when it was said last"),
    info={"about": "What others say of how many images a series has."},
    sqlite_strict=True,
)

job = Table(
    "job",
    metadata,
    Column("job_id", Plain, primary_key=True, doc="node.rules.naming.job_id"),
    Column(
        "series_instance_uid",
        Plain,
        ForeignKey("series.series_instance_uid"),
        nullable=False,
        index=True,
        doc="the series that it reads",
    ),
    Column("study_instance_uid", Plain, nullable=False, index=True, doc="of that series"),
    Column("edition", Integer, nullable=False, doc="the edition that it reads"),
    Column("evidence", Plain, nullable=False, doc="digest of the images that it reads"),
    Column("route", Plain, nullable=False, doc="the route that asked for it"),
    Column("model", Plain, nullable=False, doc="the bundle's name"),
    Column("bundle_hash", Plain, nullable=False, doc="the bundle's hash when it was made"),
    Column("send_to", Structure, nullable=False, doc="names of the destinations"),
    Column("settled_at", Moment, nullable=False, doc="when its series had settled"),
    Column("state", Plain, nullable=False, doc="out of node.rules.states.JOB"),
    Column("attempts", Integer, nullable=False, doc="how often it was claimed"),
    Column("not_before", Moment, nullable=False, doc="when it may be claimed"),
    Column("worker", Plain, doc="who holds it while it runs"),
    Column("lease_until", Moment, doc="until when, if no heartbeat comes"),
    Column("created_at", Moment, nullable=False, doc="when it was made"),
    Column("finished_at", Moment, doc="when it was done, refused or failed"),
    Column("reason", Plain, doc="why it was refused, failed or put off, in plain words"),
    Column("advice", Plain, doc="what a person can do about it"),
    Column("findings", Structure, doc="what the model found, and facts of the run"),
    Column("turn_at", Moment, doc="its turn goes by this instead of when it was made"),
    Column("lacking", Plain, doc="what its study lacks, or lacked when it was released"),
    Column("released_by", Plain, doc="who let its result go out that was held for doubt"),
    info={"about": "One model run over one edition of one series."},
    sqlite_strict=True,
)
Index("ix_job_state_not_before", job.c.state, job.c.not_before)

result = Table(
    "result",
    metadata,
    Column("sop_instance_uid", Plain, primary_key=True, doc="derived, the same on every try"),
    Column(
        "job_id",
        Plain,
        ForeignKey("job.job_id"),
        nullable=False,
        index=True,
        doc="the job that made it",
    ),
    Column("sop_class_uid", Plain, nullable=False, doc="(0008,0016)"),
    Column("series_instance_uid", Plain, nullable=False, index=True, doc="its own new series"),
    Column("transfer_syntax_uid", Plain, nullable=False, doc="as it lies in the spool"),
    Column("kind", Plain, nullable=False, doc="as in node.rules.nouns.Result"),
    Column("spool_name", Plain, nullable=False, doc="its file in the spool"),
    Column("sha256", Plain, nullable=False, doc="of that file"),
    Column("size", Large, nullable=False, doc="bytes of that file"),
    Column("predecessor", Plain, doc="the same kind of result of the edition before"),
    Column("made_at", Moment, nullable=False, doc="when its job finished"),
    Column("released_at", Moment, doc="when its bytes were let go"),
    Column("optional", Flag, nullable=False, doc="whether a destination may do without it"),
    Column("instead_of", Plain, doc="SOP class; only for who does not accept that"),
    Column("withheld", Flag, nullable=False, doc="whether it failed our own checks"),
    info={"about": "Objects that models made."},
    sqlite_strict=True,
)
Index(
    "ix_result_kept",
    result.c.made_at,
    sqlite_where=result.c.released_at.is_(None),
    postgresql_where=result.c.released_at.is_(None),
)

delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", Plain, primary_key=True, doc="derived from result and destination"),
    Column(
        "job_id",
        Plain,
        ForeignKey("job.job_id"),
        nullable=False,
        index=True,
        doc="the job of the result",
    ),
    Column(
        "sop_instance_uid",
        Plain,
        ForeignKey("result.sop_instance_uid"),
        nullable=False,
        doc="the result",
    ),
    Column("destination", Plain, nullable=False, doc="the peer's name in the configuration"),
    Column("state", Plain, nullable=False, doc="out of node.rules.states.DELIVERY"),
    Column("attempts", Integer, nullable=False, doc="how often it was tried since queued_at"),
    Column("not_before", Moment, nullable=False, doc="when it may be sent"),
    Column("queued_at", Moment, nullable=False, doc="since when the destination is owed it"),
    Column("worker", Plain, doc="who is sending it"),
    Column("lease_until", Moment, doc="until when he may"),
    Column("accepted_at", Moment, doc="when the destination answered success"),
    Column("asked_at", Moment, doc="when storage commitment was last asked for"),
    Column("finished_at", Moment, doc="when it was committed or given up"),
    Column("status", Plain, doc="what the destination answered"),
    Column("reason", Plain, doc="why it failed or was put off, in plain words"),
    UniqueConstraint("sop_instance_uid", "destination"),
    info={"about": "One result on its way to one destination."},
    sqlite_strict=True,
)
Index(
    "ix_delivery_destination_state_not_before",
    delivery.c.destination,
    delivery.c.state,
    delivery.c.not_before,
)
Index("ix_delivery_state_lease_until", delivery.c.state, delivery.c.lease_until)

commitment = Table(
    "commitment",
    metadata,
    Column("transaction_uid", Plain, primary_key=True, doc="(0008,1195)"),
    Column(
        "delivery_id",
        Plain,
        ForeignKey("delivery.delivery_id"),
        primary_key=True,
        doc="the delivery asked about",
    ),
    Column("asked_at", Moment, nullable=False, doc="when it was asked"),
    info={"about": "Questions for storage commitment; a late answer still finds what it is about."},
    sqlite_strict=True,
)
