"""Answers that may be given again."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC

from ragdiet.store.policies import protect_by_tenant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answer_cache",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="hash of the question and of its scope"),
        sa.Column("scope", sa.LargeBinary(), nullable=False, comment="hash of all but the question"),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="that of the corpus when it was read"),
        sa.Column("prompt_id", sa.Text(), nullable=False, comment="of the ask that made it"),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("question", sa.Text(), comment="where it may be found by nearness"),
        sa.Column("embedding", HALFVEC()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key"),
        schema="ragdiet",
    )
    op.create_index("answer_cache_scope", "answer_cache", ["tenant", "scope"], schema="ragdiet")
    for statement in protect_by_tenant("answer_cache"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_table("answer_cache", schema="ragdiet")
