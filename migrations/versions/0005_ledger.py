"""What each ask was about, and what it took."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def column(name: str, kind: sa.types.TypeEngine, default: str, comment: str | None = None) -> sa.Column:
        return sa.Column(name, kind, nullable=False, server_default=default, comment=comment)

    for added in (
        column("collection", sa.Text(), ""),
        column("tags", JSONB(), "{}"),
        column("question", sa.Text(), "", "with personal data and secrets masked"),
        column("reason", sa.Text(), "", "of the last step"),
        column("model", sa.Text(), "", "whose reply is the answer"),
        column("cost", sa.Numeric(), "0", "USD; of all calls"),
        column("tokens", sa.BigInteger(), "0", "of the context"),
        column("tokens_before", sa.BigInteger(), "0", "of the context before the diet"),
        column("seconds", sa.Float(53), "0"),
        column("reused", sa.Text(), "", "exact, similar or shared; else it was generated"),
    ):
        op.add_column("ask", added, schema="ragdiet")
    op.add_column("ask", column("database_seconds", sa.Float(53), "0", "of its searches"), schema="ragdiet")
    for name, kind, comment in (
        ("database_blocks", sa.BigInteger(), "read from storage by its searches; null where it is not known"),
        ("database_cost", sa.Numeric(), "USD; an estimate, and no part of cost"),
    ):
        op.add_column("ask", sa.Column(name, kind, comment=comment), schema="ragdiet")
    op.create_index("ask_finished", "ask", ["finished_at"], schema="ragdiet")
    # A prompt_id may be a caller's own, and two tenants may choose the same.
    op.drop_constraint("ask_pkey", "ask", schema="ragdiet")
    op.create_primary_key("ask_pkey", "ask", ["prompt_id", "tenant"], schema="ragdiet")
    op.add_column(
        "call",
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="by the database's clock, when it got the row first",
        ),
        schema="ragdiet",
    )
    op.create_index(
        "call_open", "call", ["recorded_at"], schema="ragdiet", postgresql_where=sa.text("status = 'started'")
    )


def downgrade() -> None:
    op.drop_index("call_open", "call", schema="ragdiet")
    op.drop_column("call", "recorded_at", schema="ragdiet")
    op.drop_constraint("ask_pkey", "ask", schema="ragdiet")
    op.create_primary_key("ask_pkey", "ask", ["prompt_id"], schema="ragdiet")
    op.drop_index("ask_finished", "ask", schema="ragdiet")
    for name in (
        "collection",
        "tags",
        "question",
        "reason",
        "model",
        "cost",
        "tokens",
        "tokens_before",
        "seconds",
        "reused",
        "database_seconds",
        "database_blocks",
        "database_cost",
    ):
        op.drop_column("ask", name, schema="ragdiet")
