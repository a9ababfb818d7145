"""Fingerprints against copies, the embedding cache, unread unchanged files, and documents that expire."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "document",
        sa.Column("source_hash", sa.LargeBinary(), nullable=True, comment="of the file's bytes and uri"),
        schema="ragdiet",
    )
    op.create_index(
        "document_expires",
        "document",
        ["corpus_id", "expires_at"],
        schema="ragdiet",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.add_column(
        "corpus",
        sa.Column(
            "next_expiry", sa.DateTime(timezone=True), nullable=True, comment="the soonest expires_at of its documents"
        ),
        schema="ragdiet",
    )
    op.create_index("chunk_hash", "chunk", ["hash"], schema="ragdiet")
    op.create_table(
        "fingerprint",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(), nullable=False, comment="of the text, white space aside"),
        sa.Column("meta_hash", sa.LargeBinary(), nullable=False, comment="of the metadata: copies have the same"),
        sa.Column("signature", sa.LargeBinary(), nullable=False, comment="MinHash; empty for a text too short"),
        sa.Column("facts", sa.LargeBinary(), nullable=False, comment="of the numbers and negations"),
        sa.Column(
            "bands", sa.ARRAY(sa.BigInteger()), nullable=False, comment="texts that share one may be near copies"
        ),
        sa.Column("edges", sa.ARRAY(sa.BigInteger()), nullable=False, comment="of its first and last lines"),
        sa.ForeignKeyConstraint(["document_id"], ["ragdiet.document.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id"),
        schema="ragdiet",
    )
    op.create_index("fingerprint_text", "fingerprint", ["corpus_id", "text_hash"], schema="ragdiet")
    for column in ("bands", "edges"):
        op.create_index(
            f"fingerprint_{column}",
            "fingerprint",
            [column],
            schema="ragdiet",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        )
    op.create_table(
        "embedding_cache",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="as chunk.hash"),
        sa.Column("embedding", HALFVEC(), nullable=False),
        sa.Column("sentence_embeddings", postgresql.ARRAY(HALFVEC()), nullable=True),
        sa.Column("cached_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("space", "hash"),
        schema="ragdiet",
    )
    op.create_index("embedding_cache_age", "embedding_cache", ["cached_at"], schema="ragdiet")


def downgrade() -> None:
    op.drop_table("embedding_cache", schema="ragdiet")
    op.drop_table("fingerprint", schema="ragdiet")
    op.drop_index("chunk_hash", "chunk", schema="ragdiet")
    op.drop_column("corpus", "next_expiry", schema="ragdiet")
    op.drop_index("document_expires", "document", schema="ragdiet")
    op.drop_column("document", "source_hash", schema="ragdiet")
