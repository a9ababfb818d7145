"""Asks that went wrong, kept as cases, and what people thought of answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ragdiet.store.policies import protect_by_tenant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ask", sa.Column("record", JSONB(), comment="what it saw and did, for a month"), schema="ragdiet")
    op.create_table(
        "failure",
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="failed, abstained or disliked"),
        sa.Column("state", sa.Text(), server_default="open", nullable=False, comment="open, fixed or closed"),
        sa.Column("question", sa.Text(), nullable=False, comment="with personal data and secrets masked"),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False, comment="proposed, or tagged by somebody"),
        sa.Column("evidence", sa.Text(), server_default="", nullable=False, comment="what speaks for the cause"),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("expected", JSONB(), server_default="{}", nullable=False, comment="answers, documents, outcome"),
        sa.Column("record", JSONB(), server_default="{}", nullable=False, comment="what the ask saw and did"),
        sa.Column("checked", sa.Text(), server_default="", nullable=False, comment="why it did not pass"),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("prompt_id", "tenant"),
        schema="ragdiet",
    )
    op.create_index("failure_opened", "failure", ["tenant", "opened_at"], schema="ragdiet")
    op.create_table(
        "feedback",
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("prompt_id", "tenant"),
        schema="ragdiet",
    )
    for table in ("failure", "feedback"):
        for statement in protect_by_tenant(table):
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for table in ("feedback", "failure"):
        op.drop_table(table, schema="ragdiet")
    op.drop_column("ask", "record", schema="ragdiet")
