"""Row-level security: the statements that hold every row to its tenant. See ``tenancy`` for the setting.

The owner is held to a tenant too (FORCE) once one is set; where none is, he sees all rows, for migrations,
sweeps and checks, and every other role sees none.

PostgreSQL gives a condition to an index under a policy only if its operator is marked leakproof, which those of
arrays and jsonb are not: the keyword search would read all rows. So ``lexical``, ``document`` and
``fingerprint`` are searched through views named ``searchable_...``, which their owner reads for the role that
asks and which hold the same condition. These three tables are not forced, as the owner's reading would be
under the policy again. The views are checked, lest somebody who was granted too much write through them.

COPY FROM is refused under a policy as well. It goes into ``incoming_...``, views whose trigger inserts each row
as the role that copies, so that its policies check it.
"""

from __future__ import annotations

from collections.abc import Iterator

_OF_TENANT = "tenant = (SELECT ragdiet.tenant()) OR (SELECT ragdiet.sees_all())"
# The array is made once in a statement, not for each row.
_OF_CORPUS = (
    "corpus_id = ANY (ARRAY(SELECT id FROM ragdiet.corpus WHERE tenant = (SELECT ragdiet.tenant()))) "
    "OR (SELECT ragdiet.sees_all())"
)

_BY_TENANT = ("corpus", "embedding_cache", "call", "ask")
_BY_CORPUS = ("chunk", "term", "token_bits", "fusion", "metadata_key")
_SEARCHED = ("document", "lexical", "fingerprint")
_COPIED = ("document", "fingerprint", "chunk", "lexical", "token_bits")

_FUNCTIONS = (
    """
    CREATE FUNCTION ragdiet.tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN starts_with(current_setting('ragdiet.tenant', true), 't:')
                THEN substr(current_setting('ragdiet.tenant', true), 3) END
    """,
    """
    CREATE FUNCTION ragdiet.sees_all() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    BEGIN
        IF current_setting('ragdiet.tenant', true) <> '' THEN
            RETURN false;
        END IF;
        RETURN (SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class
                WHERE oid = 'ragdiet.corpus'::regclass);
    END $$
    """,
)


def create_policies() -> Iterator[str]:
    """For the tables that every database has since schema 0003."""
    yield from _FUNCTIONS
    for table in _BY_TENANT:
        yield from _protect(table, _OF_TENANT)
    for table in _BY_CORPUS:
        yield from _protect(table, _OF_CORPUS)
    for table in _SEARCHED:
        yield from _protect(table, _OF_CORPUS, forced=False)
        rows = f"SELECT * FROM ragdiet.{table} WHERE {_OF_CORPUS}"  # noqa: S608 - constants
        yield f"CREATE VIEW ragdiet.searchable_{table} AS {rows} WITH CHECK OPTION"
    for table in _COPIED:
        yield from _take_in(table)
    yield "ALTER VIEW ragdiet.incoming_document ALTER updated_at SET DEFAULT now()"


def protect_by_tenant(table: str, *, forced: bool = True) -> Iterator[str]:
    """For one more table whose rows name their tenant; where it is not ``forced``, its owner sees all rows always."""
    return _protect(table, _OF_TENANT, forced=forced)


def create_space_policies(space: str) -> Iterator[str]:
    """For the tables of one embedding space."""
    for table in (f"vector_{space}", f"sentence_{space}"):
        yield from _protect(table, _OF_CORPUS)
        yield from _take_in(table)


def drop_space_policies(space: str) -> Iterator[str]:
    """What of them outlasts the tables of a space."""
    for table in (f"vector_{space}", f"sentence_{space}"):
        yield from _let_go(table)


def drop_policies(spaces: list[str]) -> Iterator[str]:
    """Undo all of it, for all spaces."""
    of_spaces = [f"{kind}_{space}" for space in spaces for kind in ("vector", "sentence")]
    for table in _SEARCHED:
        yield f"DROP VIEW ragdiet.searchable_{table}"
    for table in (*_COPIED, *of_spaces):
        yield from _let_go(table)
    for table in (*_BY_CORPUS, *_SEARCHED, *of_spaces, *_BY_TENANT):
        yield f'DROP POLICY IF EXISTS tenant ON ragdiet."{table}"'
        yield f'ALTER TABLE IF EXISTS ragdiet."{table}" DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY'
    yield "DROP FUNCTION ragdiet.tenant(), ragdiet.sees_all()"


def _protect(table: str, condition: str, *, forced: bool = True) -> Iterator[str]:
    yield f'CREATE POLICY tenant ON ragdiet."{table}" USING ({condition})'  # for what is written too
    yield f'ALTER TABLE ragdiet."{table}" ENABLE ROW LEVEL SECURITY'
    if forced:
        yield f'ALTER TABLE ragdiet."{table}" FORCE ROW LEVEL SECURITY'


def _take_in(table: str) -> Iterator[str]:
    incoming = f'ragdiet."incoming_{table}"'
    # A table that was dropped by hand takes its view along, and leaves the function.
    yield f'CREATE VIEW {incoming} AS TABLE ragdiet."{table}" LIMIT 0'
    body = f'BEGIN INSERT INTO ragdiet."{table}" VALUES (NEW.*); RETURN NEW; END'  # noqa: S608 - a table of ours
    yield f"CREATE OR REPLACE FUNCTION {incoming}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    yield f"CREATE TRIGGER insert INSTEAD OF INSERT ON {incoming} FOR EACH ROW EXECUTE FUNCTION {incoming}()"


def _let_go(table: str) -> Iterator[str]:
    yield f'DROP VIEW IF EXISTS ragdiet."incoming_{table}"'
    yield f'DROP FUNCTION IF EXISTS ragdiet."incoming_{table}"()'
