"""Jobs that wait for other series of their study say what it lacks."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column; no job until now waits for anything but its turn."""
    op.add_column("job", sa.Column("lacking", sa.Text(), nullable=True))
