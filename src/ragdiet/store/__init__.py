from ragdiet.store.cache import EmbeddingCache
from ragdiet.store.changes import DocumentChange, FingerprintRow, KnownChunk, KnownDocument, NewChunk, StaleChange
from ragdiet.store.collections import Collections
from ragdiet.store.database import Database
from ragdiet.store.documents import DocumentStore
from ragdiet.store.fingerprints import FingerprintStore, StoredFingerprint
from ragdiet.store.indexes import Indexes
from ragdiet.store.migrate import migrate
from ragdiet.store.statistics import (
    Corpus,
    ensure_corpus,
    find_corpus,
    rebuild_statistics,
    refreeze_average_length,
)
from ragdiet.store.token_bits import TokenBits
from ragdiet.store.version import SCHEMA_VERSION, check_schema

__all__ = [
    "SCHEMA_VERSION",
    "Collections",
    "Corpus",
    "Database",
    "DocumentChange",
    "DocumentStore",
    "EmbeddingCache",
    "FingerprintRow",
    "FingerprintStore",
    "Indexes",
    "KnownChunk",
    "KnownDocument",
    "NewChunk",
    "StaleChange",
    "StoredFingerprint",
    "TokenBits",
    "check_schema",
    "ensure_corpus",
    "find_corpus",
    "migrate",
    "rebuild_statistics",
    "refreeze_average_length",
]
