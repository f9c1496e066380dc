"""The first tables, and the triggers that keep the audit trail append-only."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
LARGE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SQLITE = (
    """CREATE TRIGGER audit_never_updated BEFORE UPDATE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER audit_never_deleted BEFORE DELETE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit
       WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
       BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
)
POSTGRESQL = (
    """CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$""",
    """CREATE TRIGGER audit_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
       FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
)


def upgrade() -> None:
    """Make everything."""
    for make in (_audit, _association, _series, _instance, _conflict, _feeding, _job, _result):
        make()
    _delivery()
    _commitment()
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def _text(name: str, *constraints: Any, nullable: bool = False) -> sa.Column[str]:  # noqa: ANN401
    return sa.Column(name, sa.Text(), *constraints, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, nullable=nullable)


def _partial(name: str, table: str, column: str, where: str) -> None:
    present = sa.text(where)
    op.create_index(name, table, [column], sqlite_where=present, postgresql_where=present)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", LARGE, autoincrement=False, nullable=False),
        _moment("at"),
        _text("event"),
        _text("subject"),
        _text("study_uid", nullable=True),
        _text("series_uid", nullable=True),
        _text("sop_uid", nullable=True),
        _text("job_id", nullable=True),
        _text("delivery_id", nullable=True),
        _text("detail"),
        _text("previous_hash"),
        _text("hash"),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_strict=True,
    )
    for name in ("study_uid", "series_uid", "sop_uid", "job_id", "delivery_id"):
        _partial(f"ix_audit_{name}", "audit", name, f"{name} IS NOT NULL")


def _association() -> None:
    op.create_table(
        "association",
        _text("association"),
        _text("peer"),
        _text("calling_ae"),
        _text("called_ae"),
        _text("address"),
        _moment("opened_at"),
        _moment("closed_at", nullable=True),
        _text("outcome"),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("association", name="pk_association"),
        sqlite_strict=True,
    )
    op.create_index("ix_association_outcome", "association", ["outcome"])


def _series() -> None:
    op.create_table(
        "series",
        _text("series_instance_uid"),
        _text("study_instance_uid"),
        _text("state"),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        _moment("first_received"),
        _moment("last_received"),
        _text("attributes"),
        _moment("settled_at", nullable=True),
        _text("reason", nullable=True),
        sa.PrimaryKeyConstraint("series_instance_uid", name="pk_series"),
        sqlite_strict=True,
    )
    op.create_index("ix_series_state_last_received", "series", ["state", "last_received"])
    op.create_index("ix_series_study_instance_uid", "series", ["study_instance_uid"])


def _instance() -> None:
    op.create_table(
        "instance",
        _text("sop_instance_uid"),
        _text("sop_class_uid"),
        _text(
            "series_instance_uid",
            sa.ForeignKey("series.series_instance_uid", name="fk_instance_series_instance_uid"),
        ),
        _text("study_instance_uid"),
        _text("transfer_syntax_uid"),
        _text("sha256"),
        sa.Column("size", LARGE, nullable=False),
        _text("spool_name"),
        _moment("received_at"),
        _text("calling_ae"),
        _text("association", nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        _moment("released_at", nullable=True),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_instance"),
        sa.UniqueConstraint("spool_name", name="uq_instance_spool_name"),
        sqlite_strict=True,
    )
    _partial("ix_instance_kept", "instance", "series_instance_uid", "released_at IS NULL")
    op.create_index(
        "ix_instance_series_instance_uid_edition", "instance", ["series_instance_uid", "edition"]
    )


def _conflict() -> None:
    op.create_table(
        "conflict",
        _text("spool_name"),
        _text("sop_instance_uid"),
        _text("series_instance_uid"),
        _text("study_instance_uid"),
        _text("sha256"),
        sa.Column("size", LARGE, nullable=False),
        _moment("received_at"),
        _text("calling_ae"),
        _text("association", nullable=True),
        _moment("released_at", nullable=True),
        sa.PrimaryKeyConstraint("spool_name", name="pk_conflict"),
        sqlite_strict=True,
    )
    op.create_index("ix_conflict_series_instance_uid", "conflict", ["series_instance_uid"])
    op.create_index("ix_conflict_sop_instance_uid", "conflict", ["sop_instance_uid"])


def _job() -> None:
    op.create_table(
        "job",
        _text("job_id"),
        _text(
            "series_instance_uid",
            sa.ForeignKey("series.series_instance_uid", name="fk_job_series_instance_uid"),
        ),
        _text("study_instance_uid"),
        sa.Column("edition", sa.Integer(), nullable=False),
        _text("evidence"),
        _text("route"),
        _text("model"),
        _text("bundle_hash"),
        _text("send_to"),
        _moment("settled_at"),
        _text("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("not_before"),
        _text("worker", nullable=True),
        _moment("lease_until", nullable=True),
        _moment("created_at"),
        _moment("finished_at", nullable=True),
        _text("reason", nullable=True),
        _text("advice", nullable=True),
        _text("findings", nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_job"),
        sqlite_strict=True,
    )
    op.create_index("ix_job_series_instance_uid", "job", ["series_instance_uid"])
    op.create_index("ix_job_state_not_before", "job", ["state", "not_before"])
    op.create_index("ix_job_study_instance_uid", "job", ["study_instance_uid"])


def _result() -> None:
    op.create_table(
        "result",
        _text("sop_instance_uid"),
        _text("job_id", sa.ForeignKey("job.job_id", name="fk_result_job_id")),
        _text("sop_class_uid"),
        _text("series_instance_uid"),
        _text("transfer_syntax_uid"),
        _text("kind"),
        _text("spool_name"),
        _text("sha256"),
        sa.Column("size", LARGE, nullable=False),
        _text("predecessor", nullable=True),
        _moment("made_at"),
        _moment("released_at", nullable=True),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_result"),
        sqlite_strict=True,
    )
    op.create_index("ix_result_job_id", "result", ["job_id"])
    _partial("ix_result_kept", "result", "made_at", "released_at IS NULL")
    op.create_index("ix_result_series_instance_uid", "result", ["series_instance_uid"])


def _delivery() -> None:
    op.create_table(
        "delivery",
        _text("delivery_id"),
        _text("job_id", sa.ForeignKey("job.job_id", name="fk_delivery_job_id")),
        _text(
            "sop_instance_uid",
            sa.ForeignKey("result.sop_instance_uid", name="fk_delivery_sop_instance_uid"),
        ),
        _text("destination"),
        _text("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("not_before"),
        _moment("queued_at"),
        _text("worker", nullable=True),
        _moment("lease_until", nullable=True),
        _moment("accepted_at", nullable=True),
        _moment("asked_at", nullable=True),
        _moment("finished_at", nullable=True),
        _text("status", nullable=True),
        _text("reason", nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delivery"),
        sa.UniqueConstraint(
            "sop_instance_uid", "destination", name="uq_delivery_sop_instance_uid_destination"
        ),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_delivery_destination_state_not_before",
        "delivery",
        ["destination", "state", "not_before"],
    )
    op.create_index("ix_delivery_job_id", "delivery", ["job_id"])
    op.create_index("ix_delivery_state_lease_until", "delivery", ["state", "lease_until"])


def _feeding() -> None:
    op.create_table(
        "feeding",
        _text("series_instance_uid"),
        _text("association"),
        sa.PrimaryKeyConstraint("series_instance_uid", "association", name="pk_feeding"),
        sqlite_strict=True,
    )


def _commitment() -> None:
    op.create_table(
        "commitment",
        _text("transaction_uid"),
        _text(
            "delivery_id", sa.ForeignKey("delivery.delivery_id", name="fk_commitment_delivery_id")
        ),
        _moment("asked_at"),
        sa.PrimaryKeyConstraint("transaction_uid", "delivery_id", name="pk_commitment"),
        sqlite_strict=True,
    )
