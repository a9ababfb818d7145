"""One embedded server for the whole run; one template database, migrated once and cloned for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ragdiet.bedrock import BedrockClient
from ragdiet.embed import MiniLM
from ragdiet.rag import RAG
from ragdiet.store import Database, migrate
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.testing.bedrock import BedrockServer
from tests.embedders import WordEmbedder

# How long an example takes tells how busy the machine is; what must be fast has bounds of its own.
hypothesis.settings.register_profile("ragdiet", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("ragdiet")

_numbers = count(1)


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept in the user's folder for state is kept in one of the run's own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start(tmp_path_factory.mktemp("server")) as running:
        with psycopg.connect(running.dsn, autocommit=True) as connection:  # speed: these rows need not survive a crash
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture(scope="session")
def minilm() -> MiniLM:
    return MiniLM()


@pytest.fixture(scope="session")
def template(server: EmbeddedServer, minilm: MiniLM) -> str:
    create_database(server, "template_ragdiet")
    migrate(database_dsn(server, "template_ragdiet"), WordEmbedder().space, minilm.space)
    return "template_ragdiet"


@pytest.fixture
def empty_dsn(server: EmbeddedServer) -> Iterator[str]:
    """A database that was never migrated."""
    yield from _temporary_database(server, None)


@pytest.fixture
def dsn(server: EmbeddedServer, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _temporary_database(server, template)


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    opened = Database(dsn, timeout=5)
    yield opened
    opened.close()


@pytest.fixture
def rag(database: Database) -> Iterator[RAG]:
    """A RAG over a fresh database whose embedder needs no model."""
    with RAG(database, embedder=WordEmbedder()) as opened:
        yield opened


@pytest.fixture
def bedrock(shared: tuple[BedrockServer, BedrockClient]) -> BedrockServer:
    """The stand-in of the module's ``shared``, which tests.stand_in.served gives, as it was when it started."""
    shared[0].reset()
    return shared[0]


@pytest.fixture
def client(shared: tuple[BedrockServer, BedrockClient]) -> BedrockClient:
    """The client of the module's ``shared``."""
    shared[1]._governing.clear()  # what one test's faults teach is not for the next
    return shared[1]


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """A small folder of documents."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "leaving.md").write_text(
        "# Leaving\n\n## Notice period\n\nThe notice period is three months for permanent staff.\n"
        "During probation it is two weeks.\n\n## Equipment\n\nReturn your laptop to the office in Utrecht.\n"
    )
    (folder / "travel.md").write_text(
        "# Travel\n\nTrains are booked through the travel desk. First class is allowed above four hours.\n\n"
        "Hotel rooms may cost up to 140 euros a night.\n"
    )
    (folder / "pantry.txt").write_text("The coffee machine is descaled every second Friday.\n")
    return folder


@dataclass(frozen=True)
class Roles:
    """DSNs of one database: as its superuser, as the owner of the tables, and as the runtime role."""

    admin: str
    owner: str
    app: str


@pytest.fixture(scope="session")
def owned_template(server: EmbeddedServer) -> str:
    """A database as on Aurora: its owner is no superuser, and the runtime role owns nothing."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE ragdiet_owner LOGIN")
        connection.execute("CREATE ROLE tenant_app LOGIN")
    create_database(server, "template_owned", owner="ragdiet_owner")
    dsn = database_dsn(server, "template_owned")
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE EXTENSION vector")
    migrate(make_conninfo(dsn, user="ragdiet_owner"), WordEmbedder().space, runtime_role="tenant_app")
    return "template_owned"


@pytest.fixture
def roles(server: EmbeddedServer, owned_template: str) -> Iterator[Roles]:
    """A migrated database of the test's own, whose tables belong to no superuser."""
    yield from owned_database(server, owned_template)


def owned_database(server: EmbeddedServer, template: str) -> Iterator[Roles]:
    for dsn in _temporary_database(server, template):
        yield Roles(dsn, make_conninfo(dsn, user="ragdiet_owner"), make_conninfo(dsn, user="tenant_app"))


def create_database(server: EmbeddedServer, name: str, template: str | None = None, owner: str | None = None) -> None:
    statement = SQL("CREATE DATABASE {}").format(Identifier(name))
    if template:  # speed: a copy of small files takes half the time of their blocks by way of the log
        statement += SQL(" TEMPLATE {} STRATEGY file_copy").format(Identifier(template))
    if owner:
        statement += SQL(" OWNER {}").format(Identifier(owner))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(statement)


def database_dsn(server: EmbeddedServer, name: str) -> str:
    return make_conninfo(server.dsn, dbname=name)


def _temporary_database(server: EmbeddedServer, template: str | None) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    create_database(server, name, template)
    yield database_dsn(server, name)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
