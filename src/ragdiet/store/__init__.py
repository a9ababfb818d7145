from ragdiet.store.changes import DocumentChange, KnownDocument, NewChunk, StaleChange
from ragdiet.store.database import Database
from ragdiet.store.documents import DocumentStore
from ragdiet.store.migrate import migrate
from ragdiet.store.statistics import Corpus, ensure_corpus, find_corpus, refreeze_average_length
from ragdiet.store.version import SCHEMA_VERSION, check_schema

__all__ = [
    "SCHEMA_VERSION",
    "Corpus",
    "Database",
    "DocumentChange",
    "DocumentStore",
    "KnownDocument",
    "NewChunk",
    "StaleChange",
    "check_schema",
    "ensure_corpus",
    "find_corpus",
    "migrate",
    "refreeze_average_length",
]
