"""Every error ragdiet raises.

::

    RagdietError
    ├── InvalidArgument            a value given to a call cannot work (also a ValueError)
    │   ├── InvalidQuestion        empty, too long, or not text
    │   ├── NotAllowed             a model or tenant that is not on the list; `.name`
    │   ├── NotCertified           nobody has measured when questions are alike to a `.model`
    │   ├── BudgetTooSmall         the best sentence alone does not fit; `.smallest` would
    │   ├── UnknownFilterKey       a key that no metadata of the collection has; `.near` ones it has
    │   ├── FilterTypeMismatch     a value of a type that the key never has
    │   ├── BadTemplate            a safe reply's template lacks its placeholder, or has an unknown one
    │   ├── LanguageMismatch       the collection was made for another language
    │   └── DimensionMismatch      a vector's length is not that of its embedding space
    ├── MissingExtra               an optional dependency is not installed (also an ImportError)
    ├── VocabularyUnavailable      no token vocabulary on this machine and none could be fetched
    ├── SourceError                a document's source; `.uri` names it
    │   ├── SourceNotFound
    │   ├── SourceUnreadable       permission, vanished while being read, a link that loops
    │   ├── UnsupportedFormat      binary content, or a format with no loader
    │   ├── BadEncoding            not the text it claims to be
    │   ├── BrokenFile             the parser of its format gives up on it
    │   ├── EmptyDocument          nothing to index
    │   ├── EmptySource            `sync=True` from a source that holds nothing at all
    │   └── QualityRejected        readable, but the quality policy keeps it out
    │       ├── DuplicateDocument  the text of another document
    │       ├── NearDuplicate      the text of another document but for small edits
    │       ├── LowInformation     nothing in it that could answer a question
    │       ├── Boilerplate        only lines that other documents repeat
    │       └── SensitiveContent   a secret or personal data
    ├── StoreError                 the database
    │   ├── StoreUnavailable       cannot be reached, or was lost in mid-call
    │   │   ├── StoreNotReady      there, but silent, starting up, or without a free connection: wait
    │   │   ├── CommitUnknown      lost while it committed: what was written may be there or not
    │   │   └── LedgerUnavailable  nor can the disk take what a request costs, so it was not sent
    │   ├── StoreAccessDenied      the server, or AWS on the way to it, refuses the credentials
    │   ├── CertificateRejected    the server's certificate cannot be trusted, or it has none
    │   ├── DatabaseMissing        the server has no database of that name
    │   ├── SchemaMissing          never migrated
    │   ├── SchemaOutdated         migrated by an older ragdiet
    │   ├── SchemaTooNew           migrated by a newer ragdiet
    │   ├── SpaceMissing           no table for this embedder's vectors yet
    │   ├── SpaceMismatch          the space was made by another model or with other dimensions
    │   ├── SpaceBuilding          the space is still being built; `.chunks` of `.total` have a vector
    │   ├── SpaceBusy              another process builds this very space
    │   ├── SpaceInUse             the space cannot be retired: something would be lost with it
    │   ├── SpaceRetired           the space was retired, and its vectors are gone
    │   ├── RuntimeRoleError       the role does not exist, or policies do not hold it
    │   └── EmbeddedServerError    the embedded PostgreSQL
    │       ├── DataDirectoryInvalid
    │       └── ServerStartTimeout
    ├── ModelError                 a model call; `.code` is the provider's own, `.retryable`, `.may_be_billed`
    │   ├── ModelInputError        the request is at fault (validation, context window, guardrail)
    │   ├── AccessDenied           credentials, permissions, or a model without access
    │   ├── Throttled
    │   ├── ModelTimeout
    │   ├── ModelUnavailable       the service failed or cannot be reached
    │   ├── CircuitOpen            it failed so often of late that it is not asked for a while
    │   └── BadReply               a reply that cannot be used: cut off, malformed, NaN, wrong count
    ├── UnknownModel               no provider or model of that exact name
    ├── UnknownPrice               no price row for that exact model and region
    ├── UnknownPrompt              nothing is kept under that prompt_id
    └── OverBudget                 a call was not made: a budget has less left than it may take; `.budget`, `.left`

``category`` puts each into one of the classes an operator counts by: ``input``, ``retrieval``,
``inference``, ``store``, ``setup``, ``money``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar


class RagdietError(Exception):
    """Base of every ragdiet error. The message says what to do next."""

    category: ClassVar[str] = "setup"


class InvalidArgument(RagdietError, ValueError):
    """A value given to a call cannot work."""

    category = "input"


class InvalidQuestion(InvalidArgument):
    """A question that is empty, too long, or holds no text."""


class NotAllowed(InvalidArgument):
    """A model or a tenant, ``name``, that is not on the list of those allowed."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class NotCertified(InvalidArgument):
    """No threshold is certified for the vectors of ``model``."""

    def __init__(self, message: str, *, model: str) -> None:
        super().__init__(message)
        self.model = model


class BudgetTooSmall(InvalidArgument):
    """Not even the best sentence fits the token budget; ``smallest`` is the least that would."""

    def __init__(self, message: str, *, budget: int, smallest: int) -> None:
        super().__init__(message)
        self.budget = budget
        self.smallest = smallest


class BadTemplate(InvalidArgument):
    """A template that cannot be filled: it lacks its placeholder, or has one that is not known."""


class UnknownFilterKey(InvalidArgument):
    """No document or chunk of the collection has this ``key``; ``near`` are those most like it."""

    def __init__(self, message: str, *, key: str, near: tuple[str, ...]) -> None:
        super().__init__(message)
        self.key = key
        self.near = near


class FilterTypeMismatch(InvalidArgument):
    """A filter's value is of a type that ``key`` never has; ``types`` are those it has, as JSON names them."""

    def __init__(self, message: str, *, key: str, types: tuple[str, ...]) -> None:
        super().__init__(message)
        self.key = key
        self.types = types


class LanguageMismatch(InvalidArgument):
    """A collection whose terms were made by the rules of another language, ``actual``."""

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class DimensionMismatch(InvalidArgument):
    """A vector whose length is not that of its embedding space."""

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class MissingExtra(RagdietError, ImportError):
    """An optional dependency is not installed; the message holds the exact command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}. Install it with: pip install 'ragdiet[{extra}]'")
        self.package = package
        self.extra = extra


class VocabularyUnavailable(RagdietError):
    """No token vocabulary on this machine, and it could not be downloaded."""


class SourceError(RagdietError):
    """A document's source; ``uri`` names it."""

    category = "input"

    def __init__(self, message: str, *, uri: str | None = None) -> None:
        super().__init__(message)
        self.uri = uri


class SourceNotFound(SourceError):
    """The path, or every match of the glob, does not exist."""


class SourceUnreadable(SourceError):
    """Permission denied, vanished while being read, or a link that loops."""


class UnsupportedFormat(SourceError):
    """Binary content, or a format without a loader."""


class BadEncoding(SourceError):
    """The bytes are not text in the encoding they claim."""


class BrokenFile(SourceError):
    """The parser of the file's format gave up on it."""


class EmptyDocument(SourceError):
    """Nothing to index in the document."""


class EmptySource(SourceError):
    """``sync=True`` from a source that holds nothing: refused, since it would delete everything."""


class QualityRejected(SourceError):
    """A document that could be read, but that the quality policy keeps out of the index."""


class DuplicateDocument(QualityRejected):
    """The text is that of another document of the collection."""


class NearDuplicate(QualityRejected):
    """The text is that of another document of the collection but for small edits."""


class LowInformation(QualityRejected):
    """Nothing in the document could answer a question: rules, contents, encoded data."""


class Boilerplate(QualityRejected):
    """The document holds only lines that other documents of the collection repeat."""


class SensitiveContent(QualityRejected):
    """The document holds a secret or personal data, and the policy rejects such documents."""


class StoreError(RagdietError):
    """The database refused or failed."""

    category = "store"


class StoreUnavailable(StoreError):
    """The database cannot be reached, or the connection was lost in mid-call."""


class StoreNotReady(StoreUnavailable):
    """The server is there but silent, starting up, or without a free connection: wait, then call again."""


class CommitUnknown(StoreUnavailable):
    """The connection was lost while it committed: what was written is whole, and there or not there."""


class LedgerUnavailable(StoreUnavailable):
    """What a request will cost can be written down neither in the database nor on disk, so it was not sent."""


class StoreAccessDenied(StoreError):
    """The server refuses the password or token, or AWS does not give the secret or the credentials."""

    category = "setup"


class CertificateRejected(StoreError):
    """The server's certificate cannot be trusted or is another host's, or the server speaks no TLS."""

    category = "setup"


class DatabaseMissing(StoreError):
    """The server has no database of that name."""

    category = "setup"


class SchemaMissing(StoreError):
    """The database was never migrated."""


class SchemaOutdated(StoreError):
    """The database was migrated by an older ragdiet."""


class SchemaTooNew(StoreError):
    """The database was migrated by a newer ragdiet."""


class SpaceMissing(StoreError):
    """The database has no table for this embedder's vectors yet."""


class SpaceMismatch(StoreError):
    """The embedding space was made by another model, or with other dimensions."""


class SpaceBuilding(StoreError):
    """The space is still being built, here or as a whole: ``chunks`` of ``total`` have a vector in it."""

    def __init__(self, message: str, *, chunks: int, total: int) -> None:
        super().__init__(message)
        self.chunks = chunks
        self.total = total


class SpaceBusy(StoreError):
    """Another process builds this very space, or retires it."""


class SpaceInUse(StoreError):
    """The space cannot be retired: this RAG uses it, or some chunks have no vector elsewhere."""


class SpaceRetired(StoreError):
    """The space was retired, and its vectors are gone."""


class RuntimeRoleError(StoreError):
    """The role cannot be the runtime role: it does not exist, or row-level security would not hold it."""


class EmbeddedServerError(StoreError):
    """The embedded PostgreSQL cannot be used."""


class DataDirectoryInvalid(EmbeddedServerError):
    """The folder is not a PostgreSQL data directory this server can open."""


class ServerStartTimeout(EmbeddedServerError):
    """The embedded PostgreSQL did not accept connections in time."""


class ModelError(RagdietError):
    """A model call failed. ``code`` is the provider's own error code, ``retry_after`` the seconds it
    asked to wait; ``may_be_billed`` is true where the provider may charge the failed try all the same.
    """

    category = "inference"
    may_be_billed: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        may_be_billed: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        if may_be_billed is not None:
            self.may_be_billed = may_be_billed


class ModelInputError(ModelError):
    """The request is at fault: validation, context window, an input guardrail."""

    category = "input"


class AccessDenied(ModelError):
    """Credentials are missing or expired, or the account has no access to the model."""

    category = "setup"


class Throttled(ModelError):
    """The account's quota is used up for the moment."""


class ModelTimeout(ModelError):
    """The model did not reply in time; the try may still be billed."""

    may_be_billed = True


class ModelUnavailable(ModelError):
    """The service failed, or cannot be reached."""


class CircuitOpen(ModelError):
    """The service failed so often of late that it is not asked for a while: nothing was sent."""


class BadReply(ModelError):
    """A reply that cannot be used: cut off, malformed, NaN, or of the wrong count."""

    may_be_billed = True


class UnknownModel(RagdietError, LookupError):
    """No provider or model of exactly that name."""


class UnknownPrice(RagdietError, LookupError):
    """No price row for exactly that model and region. Unknown is not zero."""

    category = "money"


class UnknownPrompt(RagdietError, LookupError):
    """Nothing is kept under that prompt_id."""


class OverBudget(RagdietError):
    """A call was not made, since it may take more than a budget has left: nothing was sent, and nothing spent.

    ``budget`` is its name, ``left`` what it has left and ``asked`` the worst case of the call, both in ``unit``: "usd"
    or "tokens", as they are billed. ``resets_at`` is when its next period begins, None for one that has no other.
    """

    category = "money"

    def __init__(
        self, *, budget: str, unit: str, left: Decimal, asked: Decimal, resets_at: datetime | None = None
    ) -> None:
        shown = "${:f}".format if unit == "usd" else "{:,f} tokens".format
        until = f"wait until {resets_at:%Y-%m-%d %H:%M} UTC, " if resets_at else ""
        super().__init__(
            f"{budget} has {shown(left)} left, and this call may take {shown(asked)}: {until}raise it, or ask for less"
        )
        self.budget = budget
        self.unit = unit
        self.left = left
        self.asked = asked
        self.resets_at = resets_at
