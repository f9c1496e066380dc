"""A result that is held since its model is not sure enough says who released it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a column; nothing until now was held for that."""
    op.add_column("job", sa.Column("released_by", sa.Text(), nullable=True))
