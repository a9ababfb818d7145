"""Languages, learnt weights, metadata keys, token bits, what was embedded of a chunk; every row names its corpus, to
keep tenants apart."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from ragdiet.store.policies import create_policies, create_space_policies, drop_policies

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "corpus",
        sa.Column("language", sa.Text(), nullable=False, server_default="english", comment="of its analyzer"),
        schema="ragdiet",
    )
    _add_corpus("chunk", "d.corpus_id FROM ragdiet.document d WHERE d.id = own.document_id")
    op.add_column(
        "chunk",
        sa.Column("context", sa.Text(), comment="the line embedded before the text; null in rows of an older ragdiet"),
        schema="ragdiet",
    )
    for space in _spaces():
        _add_corpus(f"sentence_{space}", "c.corpus_id FROM ragdiet.chunk c WHERE c.id = own.chunk_id")
    op.create_table(
        "token_bits",
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False, comment="the signs of each token's vector"),
        sa.ForeignKeyConstraint(["chunk_id"], ["ragdiet.chunk.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk_id"),
        schema="ragdiet",
    )
    op.execute("ALTER TABLE ragdiet.token_bits ALTER bits SET STORAGE EXTERNAL")  # signs do not compress
    op.create_table(
        "fusion",
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("dense_weight", sa.Float(53), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False, comment="labelled ones it was learnt from"),
        sa.Column("learnt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corpus_id", "space"),
        schema="ragdiet",
    )
    op.create_table(
        "metadata_key",
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False, comment="as jsonb_typeof names it"),
        sa.Column("of_chunks", sa.Boolean(), nullable=False, comment="in the metadata of chunks, not of documents"),
        sa.ForeignKeyConstraint(["corpus_id"], ["ragdiet.corpus.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corpus_id", "key", "type", "of_chunks"),
        schema="ragdiet",
    )
    for table, of_chunks in (("document", "false"), ("chunk", "true")):
        op.execute(
            "INSERT INTO ragdiet.metadata_key "
            f"SELECT DISTINCT corpus_id, key, jsonb_typeof(value), {of_chunks} "
            f"FROM ragdiet.{table}, jsonb_each(meta) WHERE octet_length(key) <= 1000"
        )
    # What lies there was removed or never written, and nothing says by whom: it is kept where there is one tenant.
    op.execute("DELETE FROM ragdiet.embedding_cache WHERE EXISTS (SELECT FROM ragdiet.corpus WHERE tenant <> '')")
    op.add_column(
        "embedding_cache", sa.Column("tenant", sa.Text(), nullable=False, server_default=""), schema="ragdiet"
    )
    op.alter_column("embedding_cache", "tenant", server_default=None, schema="ragdiet")
    op.drop_constraint("embedding_cache_pkey", "embedding_cache", schema="ragdiet")
    op.create_primary_key("embedding_cache_pkey", "embedding_cache", ["tenant", "space", "hash"], schema="ragdiet")
    _move_terms("+")
    _run(create_policies())
    for space in _spaces():
        _run(create_space_policies(space))


def downgrade() -> None:
    _run(drop_policies(_spaces()))
    op.execute("DELETE FROM ragdiet.embedding_cache WHERE tenant <> ''")
    op.drop_constraint("embedding_cache_pkey", "embedding_cache", schema="ragdiet")
    op.drop_column("embedding_cache", "tenant", schema="ragdiet")
    op.create_primary_key("embedding_cache_pkey", "embedding_cache", ["space", "hash"], schema="ragdiet")
    _move_terms("-")
    for table in ("metadata_key", "fusion", "token_bits"):
        op.drop_table(table, schema="ragdiet")
    for space in _spaces():
        op.execute(f'ALTER TABLE IF EXISTS ragdiet."sentence_{space}" DROP COLUMN corpus_id')
    op.drop_column("chunk", "context", schema="ragdiet")
    op.drop_column("chunk", "corpus_id", schema="ragdiet")
    op.drop_column("corpus", "language", schema="ragdiet")


def _spaces() -> list[str]:
    return list(op.get_bind().execute(sa.text("SELECT name FROM ragdiet.space")).scalars())


def _run(statements: Iterable[str]) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _move_terms(sign: str) -> None:
    """Terms as ``ragdiet.analysis.corpus_terms`` numbers them, or as they were before."""
    op.execute(
        "CREATE FUNCTION ragdiet.moved(term bigint, corpus_id bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS "
        f"$$ SELECT ((term - 1 {sign} corpus_id * 618033989) % 1000000000 + 1000000000) % 1000000000 + 1 $$"
    )
    op.execute(
        "UPDATE ragdiet.lexical l SET (terms, weights) = (SELECT array_agg(term ORDER BY term), "
        "('{' || string_agg(term || ':' || weight, ',' ORDER BY term) || '}/1000000000')::sparsevec "
        "FROM (SELECT ragdiet.moved(split_part(entry, ':', 1)::bigint, l.corpus_id) AS term, "
        "split_part(entry, ':', 2) AS weight "
        "FROM unnest(string_to_array(trim('{' FROM split_part(l.weights::text, '}', 1)), ',')) AS entry) AS entries) "
        "WHERE cardinality(terms) > 0"
    )
    op.execute(
        "CREATE TEMP TABLE moved AS SELECT corpus_id, ragdiet.moved(term, corpus_id) AS term, df FROM ragdiet.term"
    )
    op.execute("DELETE FROM ragdiet.term")
    op.execute("INSERT INTO ragdiet.term SELECT corpus_id, term, df FROM moved")
    op.execute("DROP TABLE moved")
    op.execute("DROP FUNCTION ragdiet.moved")


def _add_corpus(table: str, source: str) -> None:
    op.add_column(
        table, sa.Column("corpus_id", sa.Integer(), nullable=True, comment="that of its document"), schema="ragdiet"
    )
    op.execute(f'UPDATE ragdiet."{table}" own SET corpus_id = (SELECT {source})')
    op.alter_column(table, "corpus_id", nullable=False, schema="ragdiet")
