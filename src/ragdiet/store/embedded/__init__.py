"""A PostgreSQL server of one's own, in a folder, shared by any number of processes."""

from ragdiet.store.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
