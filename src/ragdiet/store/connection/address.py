"""Where the writer and the readers are, and what every connection to them is opened with."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ragdiet.errors import InvalidArgument

Parameters: TypeAlias = Mapping[str, str]
"""libpq's connection parameters by name."""

_DEFAULTS = {
    "fallback_application_name": "ragdiet",
    "connect_timeout": "30",  # seconds; Aurora wakes from 0 ACU in about 15, after a day's sleep in 30
    # A host that is gone says nothing: without these a lost connection is noticed after minutes or never.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}

_OF_ONE_HOST = ("host", "hostaddr", "port")
_SAFE = "verify-full"


def writer_parameters(dsn: str, *, guarded: bool, strict: bool, proxy: bool) -> dict[str, str]:
    """The parameters of the writer, with what ``dsn`` leaves open.

    ``guarded``: the server's certificate and name are checked unless the DSN says otherwise; ``strict``: the
    DSN may not. Raises InvalidArgument for a DSN that cannot be read, or that is not safe enough.
    """
    given = _parsed(dsn, "the DSN")
    if not proxy:  # which finds the writer itself
        given.setdefault("target_session_attrs", "read-write")
    return _completed(given, guarded=guarded, strict=strict, proxy=proxy)


def reader_parameters(reader: str, writer: Parameters, *, guarded: bool, strict: bool, proxy: bool) -> dict[str, str]:
    """The parameters of ``reader``: a host name, or a DSN; what it does not say is as at the writer."""
    own = _parsed(reader, "reader") if "=" in reader or "://" in reader else {"host": reader}
    moved = {"target_session_attrs", *(("hostaddr",) if "host" in own else ())}
    given = {name: value for name, value in writer.items() if name not in moved} | own
    if "," in given.get("host", ""):
        given.setdefault("target_session_attrs", "prefer-standby")
        given.setdefault("load_balance_hosts", "random")
    return _completed(given, guarded=guarded, strict=strict, proxy=proxy)


def each_host(parameters: Parameters) -> list[dict[str, str]]:
    """The parameters of each host, in the order in which they are to be tried.

    libpq takes several hosts, but a password for all of them; an IAM token is good for one.
    """
    lists = {name: parameters[name].split(",") for name in _OF_ONE_HOST if name in parameters}
    hosts = max((len(values) for values in lists.values()), default=1)
    if any(len(values) not in (1, hosts) for values in lists.values()):
        raise InvalidArgument(f"the DSN names {hosts} hosts and another number of ports: give one port, or one a host")
    single = [
        {**parameters, **{name: values[min(number, len(values) - 1)] for name, values in lists.items()}}
        for number in range(hosts)
    ]
    if parameters.get("load_balance_hosts") == "random":
        random.shuffle(single)
    if parameters.get("target_session_attrs") == "prefer-standby":
        return [{**one, "target_session_attrs": mode} for mode in ("standby", "any") for one in single]
    return single


def address(parameters: Parameters) -> str:
    """The host and port, for messages."""
    host = parameters.get("host") or parameters.get("hostaddr") or "the local socket"
    return host if host.startswith("/") else f"{host}:{port(parameters)}"


def port(parameters: Parameters) -> int:
    return int(parameters.get("port") or os.environ.get("PGPORT") or 5432)


def is_network(parameters: Parameters) -> bool:
    """Whether the way to the server is a network's, not a socket in the file system."""
    host = parameters.get("host", "")
    return bool(host or "hostaddr" in parameters) and not host.startswith("/")


def _parsed(dsn: str, what: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError:
        # libpq quotes what it cannot read, and that may be the password.
        raise InvalidArgument(
            f"{what} cannot be read: give postgresql://user@host:5432/database, with every special character of a "
            "password percent-encoded, or host=... dbname=... user=..."
        ) from None


def _completed(given: dict[str, str], *, guarded: bool, strict: bool, proxy: bool) -> dict[str, str]:
    for parameters in each_host(given):
        if strict and not is_network(parameters):
            raise InvalidArgument(f"an IAM token needs a network address, not {address(parameters)}: give host=...")
    if strict and not given.get("user"):
        raise InvalidArgument("an IAM token is made for one database role: name it in the DSN, postgresql://role@host")
    if strict and given.get("sslmode", _SAFE) != _SAFE:
        raise InvalidArgument(
            f"sslmode={given['sslmode']} could hand the IAM token to someone else: leave it out, or give {_SAFE}"
        )
    if guarded and is_network(given):
        given.setdefault("sslmode", _SAFE)
    if strict:
        given.setdefault("gssencmode", "disable")  # else tried first, and no certificate is checked there
    if given.get("sslmode") == _SAFE and not _has_root_certificate(given):
        if not proxy:
            raise InvalidArgument(
                "no certificate to check the server's with: download "
                "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem and add "
                "sslrootcert=/path/to/global-bundle.pem to the DSN, or sslrootcert=system where the system trusts "
                "the server's authority"
            )
        given["sslrootcert"] = "system"  # RDS Proxy's certificates are those of a public authority
    return {**_DEFAULTS, **given}


def _has_root_certificate(given: Parameters) -> bool:
    named = given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    return bool(named) or (Path.home() / ".postgresql" / "root.crt").exists()
