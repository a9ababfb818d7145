from ragdiet.store.connection.address import reader_parameters, writer_parameters
from ragdiet.store.connection.credentials import Credentials, InDsn, Secret, Token
from ragdiet.store.connection.endpoint import Endpoint
from ragdiet.store.connection.failures import mapped_errors
from ragdiet.store.connection.lent import Lent, register_vectors
from ragdiet.store.connection.retry import is_commit_unknown, retried

__all__ = [
    "Credentials",
    "Endpoint",
    "InDsn",
    "Lent",
    "Secret",
    "Token",
    "is_commit_unknown",
    "mapped_errors",
    "reader_parameters",
    "register_vectors",
    "retried",
    "writer_parameters",
]
