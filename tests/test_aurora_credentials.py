"""IAM tokens, rotated secrets and TLS, against servers that check them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ragdiet.errors import (
    CertificateRejected,
    DatabaseMissing,
    InvalidArgument,
    StoreAccessDenied,
    StoreNotReady,
    StoreUnavailable,
)
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.store.connection import reader_parameters, writer_parameters
from ragdiet.types import Document
from tests.aws_doors import KEY, SECRET_KEY, IamDoor, SecretsManager, TlsDoor
from tests.certificates import Certificate, issue
from tests.clusters import Server, clusters, free_port, silent_port
from tests.embedders import WordEmbedder

REGION = "eu-central-1"
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:rds-app"
_ACCESS = """
host  all  app     127.0.0.1/32  scram-sha-256
host  all  barred  127.0.0.1/32  reject
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("certificates"), "good", host="localhost")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """``owner`` is trusted, ``app`` needs a password, ``limited`` may connect once."""

    def prepare(dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'first'")
            connection.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 1")

    with clusters(prepare) as made:
        yield made.primary(hba=_ACCESS)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    with SecretsManager() as manager:
        for name, value in {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": manager.url,
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        yield manager


@pytest.fixture
def tls(server: Server, certificate: Certificate) -> Iterator[TlsDoor]:
    with TlsDoor(server.port, certificate=str(certificate.certificate), key=str(certificate.key)) as opened:
        yield opened


@pytest.fixture
def door(server: Server, certificate: Certificate, aws: SecretsManager) -> Iterator[IamDoor]:
    files = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    with IamDoor(server.port, host="localhost", region=REGION, **files) as opened:
        yield opened


def trusting(port: int, certificate: Certificate, *, user: str = "app", host: str = "localhost") -> str:
    return f"host={host} port={port} user={user} dbname=postgres sslrootcert={certificate.authority}"


def user_of(database: Database) -> str:
    row = database.run(lambda opened: opened.execute("SELECT current_user").fetchone(), tenant=None)
    assert row
    return str(row[0])


def set_password(server: Server, password: str) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute(f"ALTER ROLE app PASSWORD '{password}'")


def test_each_connection_has_a_fresh_token_which_is_not_logged(
    door: IamDoor, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("ragdiet", "psycopg", "psycopg.pool"):
        caplog.set_level(logging.DEBUG, name)
    dsn = trusting(door.port, certificate, user="owner")
    with RAG.connect(dsn, auth="iam", region=REGION, embedder=WordEmbedder(), patience=10) as rag:
        rag.migrate()
        rag.ingest([Document("leaving", "The notice period is three months.")])
        time.sleep(1.1)  # a token's time is in seconds
        with rag.store.transaction(tenant=None), rag.store.transaction(tenant=None) as second:
            assert second.execute("SELECT current_user").fetchone() == ("owner",)
        assert rag.retrieve("notice period")[0].document_id == "leaving"
    assert len(door.tokens) >= 4
    assert len(set(door.tokens)) >= 2
    for token in door.tokens:
        assert token.rpartition("=")[2] not in caplog.text


def test_a_token_that_is_refused_says_what_to_look_at(door: IamDoor, certificate: Certificate) -> None:
    dsn = trusting(door.port, certificate, user="owner")
    with pytest.raises(StoreAccessDenied, match=r"PAM authentication failed.*rds_iam"):
        Database(dsn, auth="iam", region="us-east-1", timeout=5)
    with closing(Database(dsn, auth="iam", region=REGION, timeout=5)) as database:
        door.ahead = timedelta(minutes=16)
        began = time.monotonic()
        with pytest.raises(StoreAccessDenied, match="15 minutes"):
            user_of(database)
        assert time.monotonic() - began < 4


def test_the_region_of_a_token_is_that_of_the_endpoint(aws: SecretsManager) -> None:
    from ragdiet.store.connection import Token

    host = "docs.cluster-cabc123.ap-southeast-2.rds.amazonaws.com"
    token = Token(None).of({"host": host, "port": "5432", "user": "app"})["password"]
    assert token.startswith(f"{host}:5432/?")
    assert "%2Fap-southeast-2%2Frds-db%2Faws4_request" in token
    with pytest.raises(InvalidArgument, match="give region"):
        Token(None).of({"host": "localhost", "port": "5432", "user": "app"})


def test_no_credentials_to_sign_with(
    door: IamDoor, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(StoreAccessDenied, match=r"no IAM token can be signed.*Give AWS credentials"):
        Database(trusting(door.port, certificate), auth="iam", region=REGION)


@pytest.mark.parametrize(
    ("dsn", "advice"),
    [
        ("host=db user=app sslmode=require sslrootcert=system", "verify-full"),
        ("host=db user=app sslmode=verify-ca sslrootcert=system", "verify-full"),
        ("postgresql://app@db/docs?sslmode=disable", "verify-full"),
        ("host=db sslrootcert=system", "name it in the DSN"),
        ("host=/var/run/postgresql user=app", "needs a network address"),
        ("user=app dbname=docs", "needs a network address"),
        ("host=db,/tmp user=app sslrootcert=system", "needs a network address"),
        ("host=a,b,c port=1,2 user=app sslrootcert=system", "one a host"),
        ("host=db user=app", "global-bundle.pem"),
    ],
)
def test_a_token_is_never_at_risk(dsn: str, advice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    with pytest.raises(InvalidArgument, match=advice):
        Database(dsn, auth="iam", region=REGION)


def test_what_the_dsn_leaves_open_is_filled_in() -> None:
    iam = {"guarded": True, "strict": True, "proxy": False}
    writer = writer_parameters("host=w,v port=6000 user=app dbname=docs sslrootcert=/ca.pem", **iam)
    assert writer["sslmode"] == "verify-full"
    assert writer["gssencmode"] == "disable"
    assert writer["target_session_attrs"] == "read-write"
    assert writer["connect_timeout"] == "30"
    reader = reader_parameters("r", writer, **iam)
    assert (reader["host"], reader["port"], reader["user"], reader["dbname"]) == ("r", "6000", "app", "docs")
    assert (reader["sslmode"], reader["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert "target_session_attrs" not in reader
    several = reader_parameters("postgresql://r1:7000,r2:7001/", writer, **iam)
    assert (several["port"], several["target_session_attrs"]) == ("7000,7001", "prefer-standby")
    plain = writer_parameters("host=w", guarded=False, strict=False, proxy=True)
    assert "sslmode" not in plain
    assert "target_session_attrs" not in plain


def test_a_server_that_is_not_the_one_named_gets_nothing(
    server: Server, door: IamDoor, certificate: Certificate, tmp_path: Path
) -> None:
    other = issue(tmp_path, "other", host="localhost")
    with pytest.raises(CertificateRejected, match=r"certificate verify failed.*sslrootcert"):
        Database(trusting(door.port, other, user="owner"), auth="iam", region=REGION)
    with pytest.raises(CertificateRejected, match=r"does not match host name.*not an alias"):
        Database(trusting(door.port, certificate, user="owner", host="127.0.0.1"), auth="iam", region=REGION)
    with pytest.raises(CertificateRejected, match="does not support SSL"):
        Database(trusting(server.port, certificate, user="owner"), auth="iam", region=REGION)
    assert door.tokens == []


def test_a_rotated_password_is_fetched_when_the_old_one_is_refused(
    server: Server, tls: TlsDoor, certificate: Certificate, aws: SecretsManager
) -> None:
    set_password(server, "first")
    aws.put(SECRET, "app", "first")
    dsn = f"host=localhost port={tls.port} dbname=postgres sslrootcert={certificate.authority}"
    with closing(Database(dsn, secret=SECRET, max_size=1, timeout=10)) as database:
        assert user_of(database) == "app"
        assert aws.fetched == [(SECRET, "AWSCURRENT")]
        with database.transaction(tenant=None) as held:
            assert held.pgconn.ssl_in_use

        set_password(server, "second")  # a rotation sets the server's first ...
        aws.put(SECRET, "app", "second", "AWSPENDING")
        database.forget_connections()
        assert user_of(database) == "app"
        aws.put(SECRET, "app", "second")  # ... and then the secret's
        del aws.secrets[SECRET, "AWSPENDING"]
        set_password(server, "third")
        aws.put(SECRET, "app", "third")
        database.forget_connections()
        assert user_of(database) == "app"

        set_password(server, "fourth")
        database.forget_connections()
        began = time.monotonic()
        with pytest.raises(StoreAccessDenied, match=r"password authentication failed.*rotation"):
            user_of(database)
        assert time.monotonic() - began < 5


def test_a_secret_that_cannot_be_had(tls: TlsDoor, certificate: Certificate, aws: SecretsManager) -> None:
    dsn = trusting(tls.port, certificate)
    with pytest.raises(StoreAccessDenied, match=r"ResourceNotFoundException.*GetSecretValue"):
        Database(dsn, secret=SECRET)
    aws.secrets[SECRET, "AWSCURRENT"] = "no json, but hunter2"
    with pytest.raises(StoreAccessDenied, match="not of the form") as refused:
        Database(dsn, secret=SECRET)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(InvalidArgument, match="Give region"):
        Database(dsn, secret="rds-app")
    with pytest.raises(InvalidArgument, match="give one"):
        Database(dsn, secret=SECRET, auth="iam")


def test_every_way_of_not_getting_in_says_what_to_do(server: Server) -> None:
    here = f"host=127.0.0.1 port={server.port} dbname=postgres"
    with pytest.raises(StoreAccessDenied, match=r"password authentication failed.*pg_hba.conf"):
        Database(f"{here} user=app password=wrong")
    with pytest.raises(StoreAccessDenied, match=r"pg_hba.conf rejects"):
        Database(f"{here} user=barred")
    with pytest.raises(DatabaseMissing, match="create it"):
        Database(f"{here} user=owner dbname=nowhere")
    with pytest.raises(StoreUnavailable, match=r"refused.*check the address"):
        Database(f"host=127.0.0.1 port={free_port()}")
    with pytest.raises(StoreUnavailable, match="no host of that name"):
        Database("host=nowhere.invalid user=app")
    with silent_port() as port, pytest.raises(StoreNotReady, match="nothing answered in time"):
        Database(f"host=127.0.0.1 port={port} connect_timeout=2", timeout=1)
    limited = f"{here} user=limited"
    with psycopg.connect(limited), pytest.raises(StoreNotReady, match=r"too many connections.*RDS Proxy"):
        Database(limited, timeout=1)
    with pytest.raises(InvalidArgument, match="percent-encoded") as unreadable:
        Database("postgresql://app:pa%ss@host:port:1/")
    assert "pa%ss" not in str(unreadable.value)


def test_behind_a_proxy_nothing_stays_at_the_server(server: Server) -> None:
    with closing(Database(server.dsn, proxy=True, max_size=1, timeout=10)) as database:
        for _ in range(8):
            with database.transaction(tenant=None) as connection:
                connection.execute("SELECT %s::int", (1,))
                connection.execute("SELECT set_config('enable_seqscan', 'off', true)")
        with database.transaction(tenant=None) as connection:
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
            assert connection.execute("SHOW enable_seqscan").fetchone() == ("on",)
