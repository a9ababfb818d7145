"""The first schema: corpora, documents, chunks, the keyword index and the ledger."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import SPARSEVEC
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ask",
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(precision=53), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("prompt_id"),
        schema="ragdiet",
    )
    op.create_table(
        "call",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("served", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False, comment="source and date of the rates used"),
        sa.Column("cost", sa.Numeric(), nullable=False, comment="USD; the worst case while started or unknown"),
        sa.Column("status", sa.Text(), nullable=False, comment="started, done, failed or unknown"),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        schema="ragdiet",
    )
    op.create_index("call_prompt", "call", ["prompt_id"], schema="ragdiet")
    op.create_index("call_started", "call", ["started_at"], schema="ragdiet")
    op.create_table(
        "corpus",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "total_length",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="terms in all chunks, with repeats",
        ),
        sa.Column(
            "average_length",
            sa.Float(precision=53),
            nullable=True,
            comment="the avgdl that stored BM25 weights were made with",
        ),
        sa.Column(
            "version", sa.BigInteger(), server_default="0", nullable=False, comment="counts changes of the content"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "collection"),
        schema="ragdiet",
    )
    op.create_table(
        "space",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("fusion_weight", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="building, active or retired"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema="ragdiet",
    )
    op.create_table(
        "document",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "pipeline", sa.Text(), nullable=False, comment="chunker, analyzer and space the chunks were made with"
        ),
        sa.Column("meta", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("corpus_id", "external_id"),
        schema="ragdiet",
    )
    op.create_index(
        "document_meta",
        "document",
        ["meta"],
        schema="ragdiet",
        postgresql_using="gin",
        postgresql_ops={"meta": "jsonb_path_ops"},
    )
    op.create_table(
        "term",
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("term", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("df", sa.Integer(), nullable=False, comment="chunks that hold the term"),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corpus_id", "term"),
        schema="ragdiet",
    )
    op.create_table(
        "chunk",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="of the context line and the text"),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("start_offset", sa.Integer(), nullable=False),
        sa.Column("end_offset", sa.Integer(), nullable=False),
        sa.Column("meta", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "sentences", sa.ARRAY(sa.Integer()), nullable=False, comment="start, end, start, end, ... within the text"
        ),
        sa.ForeignKeyConstraint(["document_id"], ["ragdiet.document.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        schema="ragdiet",
    )
    op.create_index("chunk_document", "chunk", ["document_id", "ordinal"], schema="ragdiet")
    op.create_table(
        "lexical",
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False, comment="terms in the chunk, with repeats"),
        sa.Column("terms", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("weights", SPARSEVEC(1_000_000_000), nullable=False),
        sa.ForeignKeyConstraint(["chunk_id"], ["ragdiet.chunk.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk_id"),
        schema="ragdiet",
    )
    op.create_index("lexical_corpus", "lexical", ["corpus_id"], schema="ragdiet")
    op.create_index("lexical_terms", "lexical", ["terms"], schema="ragdiet", postgresql_using="gin")


def downgrade() -> None:
    for table in ("lexical", "chunk", "term", "document", "space", "corpus", "call", "ask"):
        op.drop_table(table, schema="ragdiet")
