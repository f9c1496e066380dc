"""How often senders send a series in parts, over one association after another."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column; of the series until now it was not counted."""
    number = sa.Column("splits", sa.Integer(), nullable=False, server_default="0")
    op.add_column("habit", number)
