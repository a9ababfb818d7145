"""Every table, declared once. The migrations are checked against this in the tests.

All tables live in the PostgreSQL schema ``ragdiet``. A *corpus* is one tenant's collection; rows carry
its small number instead of two names. An embedding space brings two tables of its own
(``vector_<space>`` and ``sentence_<space>``), kept narrow and apart from the text, so that exact scans
read little and edits of metadata never touch the HNSW index.
"""

from __future__ import annotations

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ragdiet.analysis import TERM_SPACE

SCHEMA = "ragdiet"
metadata = MetaData(schema=SCHEMA)

corpus = Table(
    "corpus",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("chunks", BigInteger, nullable=False, server_default="0"),
    Column("total_length", BigInteger, nullable=False, server_default="0", comment="terms in all chunks, with repeats"),
    Column("average_length", Float(53), comment="the avgdl that stored BM25 weights were made with"),
    Column("version", BigInteger, nullable=False, server_default="0", comment="counts changes of the content"),
    Column("next_expiry", DateTime(timezone=True), comment="the soonest expires_at of its documents"),
    Column("language", Text, nullable=False, server_default="english", comment="of its analyzer"),
    UniqueConstraint("tenant", "collection"),
)

document = Table(
    "document",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), nullable=False),
    Column("external_id", Text, nullable=False),
    Column("uri", Text),
    Column("title", Text),
    Column("content_hash", LargeBinary, nullable=False),
    Column("pipeline", Text, nullable=False, comment="chunker, analyzer and space the chunks were made with"),
    Column("meta", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("expires_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("source_hash", LargeBinary, comment="of the file's bytes and uri"),
    UniqueConstraint("corpus_id", "external_id"),
    Index("document_meta", "meta", postgresql_using="gin", postgresql_ops={"meta": "jsonb_path_ops"}),
    Index("document_expires", "corpus_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    Column("document_id", ForeignKey(document.c.id, ondelete="CASCADE"), primary_key=True),
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), nullable=False),
    Column("text_hash", LargeBinary, nullable=False, comment="of the text, white space aside"),
    Column("meta_hash", LargeBinary, nullable=False, comment="of the metadata: copies have the same"),
    Column("signature", LargeBinary, nullable=False, comment="MinHash; empty for a text too short"),
    Column("facts", LargeBinary, nullable=False, comment="of the numbers and negations"),
    Column("bands", ARRAY(BigInteger), nullable=False, comment="texts that share one may be near copies"),
    Column("edges", ARRAY(BigInteger), nullable=False, comment="of its first and last lines"),
    Index("fingerprint_text", "corpus_id", "text_hash"),
    # Looked up a thousand times a batch: a list of pending entries would be read through each time.
    Index("fingerprint_bands", "bands", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
    Index("fingerprint_edges", "edges", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
)

chunk = Table(
    "chunk",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("document_id", ForeignKey(document.c.id, ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="of the context line and the text"),
    Column("tokens", Integer, nullable=False),
    Column("start_offset", Integer, nullable=False),
    Column("end_offset", Integer, nullable=False),
    Column("meta", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("sentences", ARRAY(Integer), nullable=False, comment="start, end, start, end, ... within the text"),
    Column("corpus_id", Integer, nullable=False, comment="that of its document"),
    Column("context", Text, comment="the line embedded before the text; null in rows of an older ragdiet"),
    Index("chunk_document", "document_id", "ordinal"),
    Index("chunk_hash", "hash"),
)

lexical = Table(
    "lexical",
    metadata,
    Column("chunk_id", ForeignKey(chunk.c.id, ondelete="CASCADE"), primary_key=True),
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), nullable=False),
    Column("length", Integer, nullable=False, comment="terms in the chunk, with repeats"),
    Column("terms", ARRAY(Integer), nullable=False),
    Column("weights", SPARSEVEC(TERM_SPACE), nullable=False),
    Index("lexical_terms", "terms", postgresql_using="gin"),
    Index("lexical_corpus", "corpus_id"),
)

term = Table(
    "term",
    metadata,
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), primary_key=True),
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("df", Integer, nullable=False, comment="chunks that hold the term"),
)

token_bits = Table(
    "token_bits",
    metadata,
    Column("chunk_id", ForeignKey(chunk.c.id, ondelete="CASCADE"), primary_key=True),
    Column("corpus_id", Integer, nullable=False),
    Column("bits", LargeBinary, nullable=False, comment="the signs of each token's vector"),
)

fusion = Table(
    "fusion",
    metadata,
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), primary_key=True),
    Column("space", Text, primary_key=True),
    Column("dense_weight", Float(53), nullable=False),
    Column("questions", Integer, nullable=False, comment="labelled ones it was learnt from"),
    Column("learnt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

metadata_key = Table(
    "metadata_key",
    metadata,
    Column("corpus_id", ForeignKey(corpus.c.id, ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("type", Text, primary_key=True, comment="as jsonb_typeof names it"),
    Column("of_chunks", Boolean, primary_key=True, comment="in the metadata of chunks, not of documents"),
)

space = Table(
    "space",
    metadata,
    Column("name", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("fusion_weight", Float(53), nullable=False),
    Column("state", Text, nullable=False, comment="building, active or retired"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

embedding_cache = Table(
    "embedding_cache",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("space", Text, primary_key=True),
    Column("hash", LargeBinary, primary_key=True, comment="as chunk.hash"),
    Column("embedding", HALFVEC(), nullable=False),
    Column("sentence_embeddings", ARRAY(HALFVEC())),
    Column("cached_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("embedding_cache_age", "cached_at"),
)

call = Table(
    "call",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("prompt_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("served", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("tags", JSONB, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_5m_tokens", BigInteger, nullable=False),
    Column("cache_write_1h_tokens", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("price", Text, nullable=False, comment="source and date of the rates used"),
    Column("cost", Numeric, nullable=False, comment="USD; the worst case while started or unknown"),
    Column("status", Text, nullable=False, comment="started, done, failed or unknown"),
    Column("seconds", Float(53), nullable=False),
    Column("error", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column(
        "recorded_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="by the database's clock, when it got the row first",
    ),
    Index("call_prompt", "prompt_id"),
    Index("call_started", "started_at"),
    Index("call_open", "recorded_at", postgresql_where=text("status = 'started'")),
    Index("call_recorded", "recorded_at", postgresql_using="brin"),
)

budget = Table(
    "budget",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("tenant", Text, comment="whose calls it binds; NULL: all of them together"),
    Column("tag_key", Text),
    Column("tag_value", Text),
    Column("per", Text, nullable=False, comment="day, month or ever; UTC"),
    Column("unit", Text, nullable=False, comment="usd or tokens, as billed"),
    Column("most", Numeric, nullable=False),
    Column("soft", Numeric, nullable=False, comment="the share of it that is told of"),
    Column("on_soft", Text, nullable=False, comment="warn or cheaper"),
    Index("budget_tenant", "tenant"),
)

budget_period = Table(
    "budget_period",
    metadata,
    Column("budget_id", ForeignKey(budget.c.id, ondelete="CASCADE"), primary_key=True),
    Column("starts", DateTime(timezone=True), primary_key=True),
    Column("tenant", Text, comment="that of its budget"),
    Column("spent", Numeric, nullable=False, comment="by calls that ended, or may have been billed"),
    Column("reserved", Numeric, nullable=False, comment="the worst case of calls on their way"),
    Column("warned_at", DateTime(timezone=True), comment="when it passed its soft limit"),
)

ask = Table(
    "ask",
    metadata,
    Column("prompt_id", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("confidence", Float(53), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("collection", Text, nullable=False, server_default=""),
    Column("tags", JSONB, nullable=False, server_default="{}"),
    Column("question", Text, nullable=False, server_default="", comment="with personal data and secrets masked"),
    Column("reason", Text, nullable=False, server_default="", comment="of the last step"),
    Column("model", Text, nullable=False, server_default="", comment="whose reply is the answer"),
    Column("cost", Numeric, nullable=False, server_default="0", comment="USD; of all calls"),
    Column("tokens", BigInteger, nullable=False, server_default="0", comment="of the context"),
    Column("tokens_before", BigInteger, nullable=False, server_default="0", comment="of the context before the diet"),
    Column("seconds", Float(53), nullable=False, server_default="0"),
    Column(
        "reused", Text, nullable=False, server_default="", comment="exact, similar or shared; else it was generated"
    ),
    Column("record", JSONB, comment="what it saw and did, for a month"),
    Column("database_seconds", Float(53), nullable=False, server_default="0", comment="of its searches"),
    Column("database_blocks", BigInteger, comment="read from storage by its searches; null where it is not known"),
    Column("database_cost", Numeric, comment="USD; an estimate, and no part of cost"),
    Index("ask_finished", "finished_at"),
)

failure = Table(
    "failure",
    metadata,
    Column("prompt_id", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="failed, abstained or disliked"),
    Column("state", Text, nullable=False, server_default="open", comment="open, fixed or closed"),
    Column("question", Text, nullable=False, comment="with personal data and secrets masked"),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False, server_default="", comment="proposed, or tagged by somebody"),
    Column("evidence", Text, nullable=False, server_default="", comment="what speaks for the cause"),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    Column("note", Text, nullable=False, server_default=""),
    Column("expected", JSONB, nullable=False, server_default="{}", comment="answers, documents, outcome"),
    Column("record", JSONB, nullable=False, server_default="{}", comment="what the ask saw and did"),
    Column("checked", Text, nullable=False, server_default="", comment="why it did not pass"),
    Column("checked_at", DateTime(timezone=True)),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("failure_opened", "tenant", "opened_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("prompt_id", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("good", Boolean, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


calibration = Table(
    "calibration",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("counter", Text, primary_key=True, comment="the name of our token counter"),
    Column("logs", ARRAY(REAL), nullable=False, comment="ln(billed / counted), the latest last"),
    Column("seen", BigInteger, nullable=False, comment="replies that it was learnt from, ever"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


answer_cache = Table(
    "answer_cache",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True, comment="hash of the question and of its scope"),
    Column("scope", LargeBinary, nullable=False, comment="hash of all but the question"),
    # No foreign key: its lock would have each answer wait for an ingest that is under way.
    Column("corpus_id", Integer, nullable=False),
    Column("version", BigInteger, nullable=False, comment="that of the corpus when it was read"),
    Column("prompt_id", Text, nullable=False, comment="of the ask that made it"),
    Column("model", Text, nullable=False),
    Column("answer", Text, nullable=False, comment="JSON"),
    Column("question", Text, comment="where it may be found by nearness"),
    Column("embedding", HALFVEC()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("answer_cache_scope", "tenant", "scope"),
)


def space_tables(name: str, dimensions: int) -> tuple[Table, Table]:
    """The tables of one embedding space: chunk vectors, and the sentence vectors of each chunk."""
    own = MetaData(schema=SCHEMA)
    chunk.to_metadata(own)
    corpus.to_metadata(own)
    document.to_metadata(own)
    vectors = Table(
        f"vector_{name}",
        own,
        Column("chunk_id", ForeignKey(f"{SCHEMA}.chunk.id", ondelete="CASCADE"), primary_key=True),
        Column("corpus_id", ForeignKey(f"{SCHEMA}.corpus.id", ondelete="CASCADE"), nullable=False),
        Column("embedding", HALFVEC(dimensions), nullable=False),
        Index(f"vector_{name}_corpus", "corpus_id"),
        Index(
            f"vector_{name}_hnsw",
            "embedding",
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 128},
            postgresql_ops={"embedding": "halfvec_cosine_ops"},
        ),
    )
    sentences = Table(
        f"sentence_{name}",
        own,
        Column("chunk_id", ForeignKey(f"{SCHEMA}.chunk.id", ondelete="CASCADE"), primary_key=True),
        Column("embeddings", ARRAY(HALFVEC(dimensions)), nullable=False, comment="in the order of chunk.sentences"),
        Column("corpus_id", Integer, nullable=False, comment="that of its document"),
    )
    return vectors, sentences
