"""The only code that runs DDL: the schema, by Alembic, and the tables of an embedding space."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ragdiet.errors import SchemaTooNew, StoreError
from ragdiet.store.connection import mapped_errors
from ragdiet.store.filter_indexes import checked_keys, index_keys
from ragdiet.store.grants import grant_runtime
from ragdiet.store.policies import create_space_policies
from ragdiet.store.version import SCHEMA_VERSION, VERSION_QUERY, check_known, check_space

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ragdiet.types import Space

# Any constant serves, so long as every ragdiet uses the same one.
_LOCK = 0x7261676469657431


def migrate(
    target: str | Callable[[], psycopg.Connection],
    *spaces: Space,
    filter_keys: Iterable[str] = (),
    runtime_role: str | None = None,
    shadow: bool = False,
) -> str:
    """Bring the database to this ragdiet's schema, with tables for each of ``spaces`` and an index for each of
    ``filter_keys`` beside those it has.

    With ``shadow`` they are to be built beside those in use: ones that are new or hold no vector are not searched until
    they are switched to. Raises InvalidArgument for a space that PostgreSQL cannot hold, SpaceMismatch, SpaceRetired.

    ``target`` is a DSN, or what opens a connection. Runs in one transaction under an advisory lock: several
    processes may call it at once, and a failure leaves nothing behind. Needs a role that may create schemas
    and tables and, where pgvector is not there yet, extensions. ``runtime_role`` gets the rights that everything
    else needs, and no more; roles that were given before keep theirs. Returns the schema's version.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    for space in spaces:
        check_space(space)
    keys = checked_keys(filter_keys)
    connect = partial(psycopg.connect, target, connect_timeout=30) if isinstance(target, str) else target
    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    with mapped_errors():
        try:
            with engine.begin() as connection:
                _upgrade(connection)
                for space in spaces:
                    _create_space(connection, space, shadow=shadow)
                index_keys(_driver(connection), keys)
                grant_runtime(_driver(connection), runtime_role)
        except DBAPIError as error:
            raise (error.orig or error) from error
    return SCHEMA_VERSION


def migrations_folder() -> Path:
    """Where the Alembic scripts are: inside the installed package, or at the top of a checkout."""
    installed = Path(str(files("ragdiet"))) / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "migrations"


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    exists = connection.exec_driver_sql("SELECT to_regclass('ragdiet.alembic_version')").scalar()
    found = connection.exec_driver_sql(VERSION_QUERY).scalar() if exists else None
    if found == SCHEMA_VERSION:
        return
    if found is not None and found > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the database is at schema {found}, this ragdiet knows up to {SCHEMA_VERSION}: upgrade ragdiet"
        )
    _create_extension(connection)
    connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS ragdiet")
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _driver(connection: Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _create_extension(connection: Connection) -> None:
    available = connection.exec_driver_sql(
        "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).one_or_none()
    if available is None:
        raise StoreError("this PostgreSQL has no pgvector: install pgvector 0.7 or later on the server")
    version = available.installed_version or available.default_version
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 7):
        raise StoreError(f"pgvector {version} has no halfvec: install 0.7 or later, then ALTER EXTENSION vector UPDATE")
    if available.installed_version is None:
        connection.exec_driver_sql("CREATE EXTENSION vector")


def _create_space(connection: Connection, space: Space, *, shadow: bool) -> None:
    from ragdiet.store import tables

    own = tables.space.c.name == space.name
    known = connection.execute(tables.space.select().where(own)).one_or_none()
    check_known(space, known and (known.model, known.dimensions, known.state), may_be_retired=shadow)
    made = tables.space_tables(space.name, space.dimensions)
    if known is None or known.state == "retired":
        for table in made:
            table.create(connection)
        for statement in create_space_policies(space.name):
            connection.exec_driver_sql(statement)
        connection.execute(tables.space.delete().where(own))
        connection.execute(
            tables.space.insert().values(
                name=space.name,
                model=space.model,
                dimensions=space.dimensions,
                fusion_weight=space.fusion_weight,
                state="building" if shadow else "active",
            )
        )
    elif shadow and connection.execute(made[0].select().limit(1)).first() is None:
        connection.execute(tables.space.update().where(own).values(state="building"))
