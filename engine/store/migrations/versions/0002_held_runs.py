"""Queued runs can be held."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only. A plain new column: SQLite would make the table anew for more, and lose what refers to it."""
    op.add_column("run", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
