"""Results that not every destination must have, and results that failed our own checks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add three columns; every result until now was for everybody."""
    flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    for name in ("optional", "withheld"):
        op.add_column("result", sa.Column(name, flag, nullable=False, server_default=sa.false()))
    op.add_column("result", sa.Column("instead_of", sa.Text(), nullable=True))
