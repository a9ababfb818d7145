"""How a new connection proves who it is: with what the DSN says, an IAM token, or a secret's password."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ragdiet.errors import InvalidArgument, StoreAccessDenied, StoreUnavailable
from ragdiet.store.connection.address import Parameters, port

if TYPE_CHECKING:
    import boto3

_RDS_HOST = re.compile(r"\.([a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2})\.rds\.amazonaws\.com(?:\.cn)?$")
_ARN = re.compile(r"arn:[\w-]+:secretsmanager:([\w-]+):")


class Credentials(Protocol):
    """Asked once for every connection to one host."""

    advice: str
    """What to look at when the server refuses."""

    def of(self, parameters: Parameters) -> Mapping[str, str]:
        """The parameters to add: a password, and a user where the DSN names none."""
        ...

    def instead_of(self, refused: Mapping[str, str], parameters: Parameters) -> Mapping[str, str] | None:
        """Told that the server refused what ``of`` gave: something else to try, if there is any."""
        ...


class InDsn:
    """Whatever the DSN, the environment or the password file says."""

    advice = "check the user and the password of the DSN, and pg_hba.conf"

    def of(self, parameters: Parameters) -> Mapping[str, str]:
        return {}

    def instead_of(self, refused: Mapping[str, str], parameters: Parameters) -> None:
        return None


class Token:
    """An IAM token, signed here and good for 15 minutes: a fresh one for every connection.

    It is tied to host, port, user and region; the region is read from the name of an RDS endpoint, else
    ``region``. Nothing is sent to AWS, except where the credentials themselves have to be fetched.
    """

    advice = (
        "GRANT rds_iam to the role, allow rds-db:connect on it to these AWS credentials, name the endpoint itself and "
        "no alias of it, and set this machine's clock: a token is good for 15 minutes"
    )

    def __init__(self, region: str | None, session: boto3.Session | None = None) -> None:
        self._region = region
        self._clients = _Clients("rds", session)

    def of(self, parameters: Parameters) -> Mapping[str, str]:
        host = parameters["host"]
        found = _RDS_HOST.search(host)
        region = found[1] if found else self._region
        if region is None:
            raise InvalidArgument(f"{host} does not tell its AWS region: give region=..., for which the token is made")
        with _aws_errors("no IAM token can be signed"):
            token = self._clients.of(region).generate_db_auth_token(
                DBHostname=host, Port=port(parameters), DBUsername=parameters["user"], Region=region
            )
        return {"password": token}

    def instead_of(self, refused: Mapping[str, str], parameters: Parameters) -> None:
        return None  # each is new already


class Secret:
    """The password, and the user where the DSN names none, of a Secrets Manager secret in RDS's JSON form.

    Fetched when the first connection is opened, and again when the server refuses the password. While a
    rotation is under way the server may know the coming password already: it is taken when there is one.
    """

    advice = "the secret holds another password than the server: finish or repeat its rotation"

    def __init__(self, name: str, region: str | None, session: boto3.Session | None = None) -> None:
        found = _ARN.match(name)
        self._name = name
        self._region = found[1] if found else region
        self._clients = _Clients("secretsmanager", session)
        self._lock = threading.Lock()
        self._known: Mapping[str, str] | None = None

    def of(self, parameters: Parameters) -> Mapping[str, str]:
        with self._lock:
            self._known = self._known or self._fetch("AWSCURRENT")
            return _proof(self._known, parameters)

    def instead_of(self, refused: Mapping[str, str], parameters: Parameters) -> Mapping[str, str] | None:
        with self._lock:
            for found in self._versions():
                if _proof(found, parameters) != refused:
                    self._known = found
                    return _proof(found, parameters)
        return None

    def _versions(self) -> Iterator[Mapping[str, str]]:
        if self._known is not None:  # another thread may have fetched it meanwhile
            yield self._known
        yield self._fetch("AWSCURRENT")
        if (pending := self._pending()) is not None:
            yield pending

    def _pending(self) -> Mapping[str, str] | None:
        """The version that a rotation is bringing in, or None where none is under way."""
        client = self._clients.of(self._region)
        try:
            return self._fetch("AWSPENDING")
        except StoreAccessDenied as error:
            if isinstance(error.__cause__, client.exceptions.ResourceNotFoundException):
                return None
            raise

    def _fetch(self, stage: str) -> Mapping[str, str]:
        with _aws_errors(f"the secret {self._name} cannot be read"):
            reply = self._clients.of(self._region).get_secret_value(SecretId=self._name, VersionStage=stage)
        try:
            held = json.loads(reply["SecretString"])
            return {"username": str(held.get("username", "")), "password": str(held["password"])}
        except (KeyError, ValueError, AttributeError):
            raise StoreAccessDenied(
                f"the secret {self._name} is not of the form {{'username': ..., 'password': ...}}: name the secret "
                "that RDS made, or one like it"
            ) from None


def _proof(secret: Mapping[str, str], parameters: Parameters) -> Mapping[str, str]:
    return {"password": secret["password"], "user": parameters.get("user") or secret["username"]}


class _Clients:
    """One boto3 client a region; boto3 is imported when the first is made."""

    def __init__(self, service: str, session: boto3.Session | None) -> None:
        self._service = service
        self._session = session
        self._lock = threading.Lock()
        self._made: dict[str | None, Any] = {}

    def of(self, region: str | None) -> Any:  # Any: the per-service stubs are not a dependency
        with self._lock:  # a boto3 session is not safe to share while it makes a client
            if region not in self._made:
                import boto3

                session = self._session or boto3.Session()
                self._made[region] = session.client(self._service, region_name=region)  # type: ignore[call-overload]  # a plain str
            return self._made[region]


@contextmanager
def _aws_errors(problem: str) -> Iterator[None]:
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        NoRegionError,
    )

    try:
        yield
    except NoRegionError as error:
        raise InvalidArgument(f"{problem}: its AWS region is not known. Give region=...") from error
    except (ConnectionError, HTTPClientError) as error:
        raise StoreUnavailable(
            f"{problem}: AWS cannot be reached ({error}). Check the network, then call again"
        ) from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise StoreAccessDenied(
            f"{problem}: AWS says {code or error}. Check its name and region, and that these credentials may "
            "call secretsmanager:GetSecretValue and kms:Decrypt"
        ) from error
    except BotoCoreError as error:
        raise StoreAccessDenied(
            f"{problem}: {error}. Give AWS credentials, by a role, a profile or the environment"
        ) from error
