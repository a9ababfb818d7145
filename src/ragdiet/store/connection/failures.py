"""What the driver's errors mean, and what to do about each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from ragdiet.errors import (
    CertificateRejected,
    DatabaseMissing,
    InvalidArgument,
    OverBudget,
    RagdietError,
    SchemaMissing,
    StoreAccessDenied,
    StoreError,
    StoreNotReady,
    StoreUnavailable,
)

# libpq gives a connection that fails no SQLSTATE, only a text; PostgreSQL's own, RDS's and RDS Proxy's are here.
_REFUSALS: tuple[tuple[re.Pattern[str], type[StoreError], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, advice)
    for pattern, kind, advice in (
        (
            r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist|not permitted to log in"
            r"|permission denied for database",
            StoreAccessDenied,
            "",
        ),
        (r"database .* does not exist", DatabaseMissing, "create it, or give the name of another in the DSN"),
        (
            r"does not match host name",
            CertificateRejected,
            "the server's certificate is another host's: give the name that is in it, not an alias or an IP address",
        ),
        (
            r"certificate|SSL was required|does not support SSL|SSL error|SSL SYSCALL",
            CertificateRejected,
            "give the authority of the server's certificate as sslrootcert=/path in the DSN; for RDS and Aurora it is "
            "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
        ),
        (
            r"too many (clients|connections)|connection slots|waiting to acquire",
            StoreNotReady,
            "the server has no connection left: use fewer processes or a smaller max_size, raise max_connections, or "
            "put RDS Proxy between",
        ),
        (r"the database system is", StoreNotReady, "it starts up or shuts down: wait, then call again"),
        (
            r"timeout expired|timed out",
            StoreNotReady,
            "nothing answered in time: check the security group and the address; a cluster wakes in 15 to 30 s",
        ),
        (
            r"session is (not )?read-only|hot standby|in recovery",
            StoreUnavailable,
            "no host of the DSN takes writes: give the cluster's writer endpoint, or wait until a failover is over",
        ),
        (
            r"resolve host|translate host name",
            StoreUnavailable,
            "check the address: there is no host of that name, or this machine's DNS cannot see it",
        ),
    )
)
_OVER_BUDGET = "RD001"  # what the trigger of the ledger's table raises
_UNREACHED = "check the address and that the server runs, then call again"


def refusal(error: psycopg.Error, where: str, *, credentials_advice: str) -> StoreError:
    """The ragdiet error for a connection to ``where`` that could not be opened."""
    text = str(error)
    for pattern, kind, advice in _REFUSALS:
        if pattern.search(text):
            return kind(f"{where}: {reason(error)}: {advice or credentials_advice}")
    return StoreUnavailable(f"the database cannot be reached at {where} ({reason(error)}): {_UNREACHED}")


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn the driver's errors into ragdiet's, each with the next step."""
    try:
        yield
    except RagdietError:
        raise
    except PoolTimeout as error:
        raise StoreUnavailable(
            "no database connection became free in time: the pool is too small for the load, or transactions last "
            "too long. Give a larger max_size"
        ) from error
    except PoolClosed as error:
        raise StoreUnavailable("this RAG was closed: open another") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise SchemaMissing(
            f"the schema is not complete ({reason(error)}): call rag.migrate() or run `ragdiet migrate`"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(f"this database role may not do that ({reason(error)}): grant it, or use the owner") from error
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise StoreError(f"the database cannot write ({reason(error)}): nothing of this batch was kept") from error
    except psycopg.errors.UntranslatableCharacter as error:
        raise InvalidArgument(f"text that PostgreSQL cannot hold ({reason(error)}): remove NUL characters") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailable(
            f"the database cannot be reached or was lost ({reason(error)}): check the address and that the "
            "server runs, then call again; nothing was half-written"
        ) from error
    except psycopg.Error as error:
        if error.sqlstate == _OVER_BUDGET:
            raise _over_budget(error.diag.message_detail or "{}") from error
        raise StoreError(f"the database refused: {reason(error)}") from error


def reason(error: psycopg.Error) -> str:
    """The first line of what the driver says."""
    return (error.diag.message_primary or str(error) or type(error).__name__).strip().splitlines()[0]


def _over_budget(detail: str) -> OverBudget:
    said = json.loads(detail)
    resets_at = said["resets_at"] and datetime.fromisoformat(said["resets_at"]).astimezone(UTC)
    return OverBudget(
        budget=f"the budget {said['budget']!r}",
        unit=said["unit"],
        left=Decimal(said["left"]),
        asked=Decimal(said["asked"]),
        resets_at=resets_at,
    )
