"""What was learnt of senders, what others say of series, and which jobs go before their turn."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Add two tables, empty, and a column; every job until now goes in its turn."""
    op.create_table(
        "habit",
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("pause_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("calling_ae", name="pk_habit"),
        sqlite_strict=True,
    )
    op.create_table(
        "signal",
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", "source", name="pk_signal"),
        sqlite_strict=True,
    )
    op.add_column("job", sa.Column("turn_at", MOMENT, nullable=True))
