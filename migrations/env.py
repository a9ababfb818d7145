"""Alembic's entry. ragdiet hands over an open connection, inside one transaction, under a lock."""

from alembic import context

from ragdiet.store.tables import SCHEMA, metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table_schema=SCHEMA, include_schemas=True)
context.run_migrations()
