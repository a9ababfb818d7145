"""Tenants kept apart by the database: every way we could think of to see or touch another one's rows."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ragdiet.errors import InvalidArgument, RuntimeRoleError, StoreError, UnknownFilterKey
from ragdiet.rag import RAG
from ragdiet.store import Database, migrate
from ragdiet.types import Document
from tests.conftest import Roles
from tests.embedders import SentenceWordEmbedder, WordEmbedder

SPACE = WordEmbedder().space
SECRETS = {"one": "The secret of tenant one is amber.", "two": "The secret of tenant two is basalt."}
EVERYTHING = (
    "corpus document chunk lexical term fingerprint token_bits fusion metadata_key embedding_cache call ask "
    "calibration answer_cache vector_words_64 sentence_words_64 searchable_document searchable_lexical "
    "searchable_fingerprint"
).split()


@pytest.fixture
def database(roles: Roles) -> Iterator[Database]:
    opened = Database(roles.app, timeout=5)
    yield opened
    opened.close()


@pytest.fixture
def rag(database: Database, roles: Roles) -> RAG:
    """Two tenants with a row in every table, through the runtime role."""
    filled = RAG(database, embedder=SentenceWordEmbedder())
    for tenant, secret in SECRETS.items():
        source = [Document("a", secret, meta={"tenant": tenant}), Document("b", f"Tenant {tenant} will go.")]
        filled.ingest(source, tenant=tenant)
        filled.ingest(source[:1], tenant=tenant, sync=True)
        filled.ask("What is the secret?", tenant=tenant)
        with database.transaction(tenant=tenant) as connection:
            chunk, corpus = only(connection, "SELECT id, corpus_id FROM ragdiet.chunk")
            connection.execute("INSERT INTO ragdiet.token_bits VALUES (%s, %s, '')", (chunk, corpus))
            connection.execute("INSERT INTO ragdiet.fusion VALUES (%s, 'words_64', 0.5, 9)", (corpus,))
            connection.execute("INSERT INTO ragdiet.metadata_key VALUES (%s, 'k', 'string', false)", (corpus,))
            connection.execute("INSERT INTO ragdiet.calibration VALUES (%s, 'm', 'c', '{0}', 1)", (tenant,))
            connection.execute(
                "INSERT INTO ragdiet.answer_cache "
                "VALUES (%s, 'k', 's', %s, 1, 'p', 'm', '{}', 'q', NULL, now(), now())",
                (tenant, corpus),
            )
    return filled


def only(connection: psycopg.Connection, query: str) -> tuple[int, ...]:
    (row,) = connection.execute(query).fetchall()  # type: ignore[call-overload]
    return tuple(row)


def seen(connection: psycopg.Connection) -> dict[str, int]:
    return {name: only(connection, f"SELECT count(*) FROM ragdiet.{name}")[0] for name in EVERYTHING}


def ids(rag: RAG, tenant: str) -> dict[str, int]:
    """The numbers of a tenant's corpus, document and chunk."""
    with rag.store.transaction(tenant=tenant) as connection:
        return {name: only(connection, f"SELECT id FROM ragdiet.{name}")[0] for name in ("corpus", "document", "chunk")}


def test_every_table_is_under_a_policy(roles: Roles) -> None:
    with psycopg.connect(roles.owner) as connection:
        tables = connection.execute(
            "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
            "WHERE relnamespace = 'ragdiet'::regnamespace AND relkind = 'r'"
        ).fetchall()
    assert {name for name, enabled, _ in tables if not enabled} == {"alembic_version", "space"}
    assert {name for name, enabled, forced in tables if enabled and not forced} == {
        "document",
        "lexical",
        "fingerprint",
        "budget",  # read by a trigger of the owner's, for the role that calls
        "budget_period",
    }


def test_no_tenant_sees_nothing(rag: RAG) -> None:
    with rag.store.transaction(tenant=None) as connection:
        assert set(seen(connection).values()) == {0}
    with rag.store.transaction(tenant="three") as connection:
        assert set(seen(connection).values()) == {0}


@pytest.mark.parametrize("setting", ["one", "one'--", "t", "T:one", " t:one", "t:", "t:%", "t:one\n"])
def test_a_setting_that_is_no_tenant_sees_nothing(rag: RAG, roles: Roles, setting: str) -> None:
    with psycopg.connect(roles.app) as connection:
        connection.execute("SELECT set_config('ragdiet.tenant', %s, true)", (setting,))
        assert set(seen(connection).values()) == {0}


def test_a_tenant_sees_its_own_rows_and_the_owner_all(rag: RAG, roles: Roles) -> None:
    with rag.store.transaction(tenant="one") as connection:
        one = seen(connection)
        assert {row[0] for row in connection.execute("SELECT text FROM ragdiet.chunk")} == {SECRETS["one"]}
    assert all(one.values()), one
    with psycopg.connect(roles.owner) as connection:
        assert seen(connection) == {name: 2 * count for name, count in one.items()}
    owner = Database(roles.owner)
    with owner.transaction(tenant="one") as connection:
        bypassed = seen(connection)
        assert [name for name in EVERYTHING if bypassed[name] != one[name]] == ["document", "lexical", "fingerprint"]
    owner.close()


def test_a_pooled_connection_forgets_its_tenant(rag: RAG, roles: Roles) -> None:
    store = Database(roles.app, max_size=1, timeout=5)
    numbers = set()
    for end in (None, ZeroDivisionError, psycopg.Rollback):
        try:
            with store.transaction(tenant="one") as connection:
                numbers.add(connection.info.backend_pid)
                assert only(connection, "SELECT count(*) FROM ragdiet.chunk") == (1,)
                if end is not None:
                    raise end
        except ZeroDivisionError:
            pass
        with store.transaction(tenant=None) as connection:
            numbers.add(connection.info.backend_pid)
            assert set(seen(connection).values()) == {0}
            assert connection.execute("SELECT ragdiet.tenant()").fetchone() == (None,)
    assert len(numbers) == 1
    with pytest.raises(StoreError), store.transaction(tenant="one") as connection:
        connection.execute("SELECT 1 / 0")
    with store.transaction(tenant=None) as connection:
        assert set(seen(connection).values()) == {0}
    store.close()


def test_the_default_tenant_is_a_tenant_like_any_other(rag: RAG) -> None:
    rag.ingest([Document("d", "The default tenant keeps marble.")])
    with rag.store.transaction(tenant="") as connection:
        assert connection.execute("SELECT text FROM ragdiet.chunk").fetchall() == [
            ("The default tenant keeps marble.",)
        ]
    with rag.store.transaction(tenant=None) as connection:
        assert set(seen(connection).values()) == {0}


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_prepared_plan_serves_each_tenant_its_own(rag: RAG, roles: Roles, mode: str) -> None:
    store = Database(roles.app, max_size=1, timeout=5)
    for number in range(12):
        tenant = ("one", "two", None)[number % 3]
        with store.transaction(tenant=tenant) as connection:
            connection.execute("SELECT set_config('plan_cache_mode', %s, true)", (mode,))
            for name in ("chunk", "searchable_lexical", "corpus", "vector_words_64"):
                rows = connection.execute(f"SELECT * FROM ragdiet.{name}", prepare=True).fetchall()
                assert len(rows) == (tenant is not None), (number, name)
            texts = connection.execute("SELECT text FROM ragdiet.chunk", prepare=True).fetchall()
            assert texts == ([(SECRETS[tenant],)] if tenant else [])
    store.close()


def test_a_prepared_retrieve_serves_each_tenant_its_own(rag: RAG, roles: Roles) -> None:
    store = Database(roles.app, max_size=1, timeout=5)
    asking = RAG(store, embedder=SentenceWordEmbedder())
    for number in range(14):
        tenant = ("one", "two")[number % 2]
        assert [hit.text for hit in asking.retrieve("secret", tenant=tenant)] == [SECRETS[tenant]]
        assert asking.retrieve("secret", tenant="three") == ()
    store.close()


def test_threads_with_different_tenants_over_one_connection(rag: RAG, roles: Roles) -> None:
    store = Database(roles.app, max_size=1, timeout=30)
    asking = RAG(store, embedder=SentenceWordEmbedder())
    wrong: list[object] = []

    def run(tenant: str, expected: list[str]) -> None:
        try:
            for _ in range(15):
                texts = [hit.text for hit in asking.retrieve("secret", tenant=tenant)]
                if texts != expected:
                    wrong.append((tenant, texts))
        except Exception as error:  # noqa: BLE001 - collected for the assertion
            wrong.append(error)

    threads = [
        threading.Thread(target=run, args=each)
        for each in (("one", [SECRETS["one"]]), ("two", [SECRETS["two"]]), ("three", []), ("", []))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert wrong == []


HOSTILE = [
    "one",
    "'one'",
    "' OR true --",
    "t:one",
    "one' UNION SELECT * FROM ragdiet.chunk --",
    "%",
    "{one}",
    "$1",
    "\\",
]


def test_hostile_names_and_filters_find_nothing_of_others(rag: RAG) -> None:
    for text in HOSTILE:
        assert rag.retrieve("secret", tenant=f"{text} ") == ()
        assert rag.retrieve("secret", tenant="three", collection=text) == ()
        with pytest.raises(UnknownFilterKey):
            rag.retrieve("secret", tenant="two", filter={text: text})
        assert rag.retrieve("secret", tenant="two", filter={"tenant": text}) == ()
        assert rag.ask(f"What is the secret {text}?", tenant="three").outcome != "answered"
    assert rag.retrieve("secret", tenant="two", filter={"tenant": "two"})


@pytest.mark.parametrize("tenant", ["\x00", "a\x00b", "x" * 201, "\ud800", "line\nbreak"])
def test_names_that_no_tenant_can_have(rag: RAG, tenant: str) -> None:
    with pytest.raises(InvalidArgument, match="tenant"):
        rag.retrieve("secret", tenant=tenant)
    with pytest.raises(InvalidArgument, match="tenant"):
        RAG(rag.store, embedder=WordEmbedder(), tenant=tenant)


WRITES = {
    "corpus": "INSERT INTO ragdiet.corpus (tenant, collection) VALUES ('two', 'mine')",
    "corpus moved": "UPDATE ragdiet.corpus SET tenant = 'two'",
    "document": "INSERT INTO ragdiet.document (corpus_id, external_id, content_hash, pipeline) "
    "VALUES (%(corpus)s, 'x', '', '')",
    "document moved": "UPDATE ragdiet.document SET corpus_id = %(corpus)s",
    "document through its view": "INSERT INTO ragdiet.incoming_document (id, corpus_id, external_id, content_hash, "
    "pipeline, meta) VALUES (99, %(corpus)s, 'x', '', '', '{}')",
    "chunk": "INSERT INTO ragdiet.chunk (document_id, ordinal, text, hash, tokens, start_offset, end_offset, "
    "sentences, corpus_id) VALUES (%(document)s, 9, 'x', '', 1, 0, 1, '{}', %(corpus)s)",
    "chunk moved": "UPDATE ragdiet.chunk SET corpus_id = %(corpus)s",
    "lexical": "INSERT INTO ragdiet.lexical VALUES (%(chunk)s, %(corpus)s, 1, '{1}', '{1:1}/1000000000')",
    "lexical moved": "UPDATE ragdiet.lexical SET corpus_id = %(corpus)s",
    "term": "INSERT INTO ragdiet.term VALUES (%(corpus)s, 7, 7)",
    "term raised": "INSERT INTO ragdiet.term SELECT %(corpus)s, term, df FROM ragdiet.term "
    "ON CONFLICT (corpus_id, term) DO UPDATE SET df = 1000",
    "vector moved": "UPDATE ragdiet.vector_words_64 SET corpus_id = %(corpus)s",
    "sentence moved": "UPDATE ragdiet.sentence_words_64 SET corpus_id = %(corpus)s",
    "fingerprint moved": "UPDATE ragdiet.fingerprint SET corpus_id = %(corpus)s",
    "token_bits moved": "UPDATE ragdiet.token_bits SET corpus_id = %(corpus)s",
    "fusion": "INSERT INTO ragdiet.fusion VALUES (%(corpus)s, 'other', 1, 1)",
    "metadata_key": "INSERT INTO ragdiet.metadata_key VALUES (%(corpus)s, 'x', 'string', false)",
    "embedding_cache moved": "UPDATE ragdiet.embedding_cache SET tenant = 'two'",
    "call moved": "UPDATE ragdiet.call SET tenant = 'two'",
    "answers moved": "UPDATE ragdiet.answer_cache SET tenant = 'two'",
    "calibration": "INSERT INTO ragdiet.calibration VALUES ('two', 'x', 'c', '{0}', 1)",
    "calibration moved": "UPDATE ragdiet.calibration SET tenant = 'two'",
    "ask moved": "UPDATE ragdiet.ask SET tenant = 'two'",
    "searched view": "UPDATE ragdiet.searchable_lexical SET length = 0",
    "searched view, inserted": "INSERT INTO ragdiet.searchable_document (corpus_id, external_id, content_hash, "
    "pipeline) VALUES (%(corpus)s, 'x', '', '')",
    "ledger unsaid": "DELETE FROM ragdiet.call",
    "version": "UPDATE ragdiet.alembic_version SET version_num = '9999'",
    "space": "UPDATE ragdiet.space SET model = 'x'",
    "emptied": "TRUNCATE ragdiet.chunk CASCADE",
    "made": "CREATE TABLE ragdiet.mine ()",
    "altered": "ALTER TABLE ragdiet.chunk DISABLE ROW LEVEL SECURITY",
    "policy": "DROP POLICY tenant ON ragdiet.chunk",
    "function": "CREATE OR REPLACE FUNCTION ragdiet.sees_all() RETURNS boolean LANGUAGE sql RETURN true",
    "row security off": "SET LOCAL row_security = off; SELECT * FROM ragdiet.chunk",
    "owner": "SET ROLE ragdiet_owner",
}


def test_another_tenant_cannot_be_written_to(rag: RAG, roles: Roles) -> None:
    with psycopg.connect(roles.owner) as connection:
        before = seen(connection)
    other = ids(rag, "two")
    for name, statement in WRITES.items():
        assert re.search("row-level security|may not do that", refusal(rag, statement, other)), name
    with psycopg.connect(roles.owner) as connection:
        assert seen(connection) == before


def refusal(rag: RAG, statement: str, numbers: dict[str, int]) -> str:
    """What tenant one is told when it tries ``statement``; empty when it may."""
    try:
        with rag.store.transaction(tenant="one") as connection:
            connection.execute(statement, numbers if "%(" in statement else None)  # type: ignore[call-overload]
    except StoreError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["document", "chunk", "lexical", "term", "fingerprint", "vector_words_64", "corpus"])
def test_writing_without_a_condition_touches_own_rows_alone(rag: RAG, roles: Roles, name: str) -> None:
    with rag.store.transaction(tenant="one") as connection:
        connection.execute(SQL("DELETE FROM {}").format(Identifier("ragdiet", name)))
    with rag.store.transaction(tenant="two") as connection:
        assert all(seen(connection).values())
    assert [hit.text for hit in rag.retrieve("secret", tenant="two")] == [SECRETS["two"]]


def test_copy_into_another_tenant_is_refused(rag: RAG) -> None:
    other = ids(rag, "two")
    for table in ("incoming_token_bits", "token_bits"):
        with pytest.raises(StoreError, match="row-level security"), rag.store.transaction(tenant="one") as connection:  # noqa: SIM117
            with connection.cursor().copy(f"COPY ragdiet.{table} (chunk_id, corpus_id, bits) FROM STDIN") as copy:
                copy.write_row((other["chunk"], other["corpus"], b""))
    with pytest.raises(StoreError, match="may not"), rag.store.transaction(tenant="one") as connection:
        connection.execute("SELECT * FROM ragdiet.incoming_chunk")


def test_an_id_that_another_tenant_uses_is_free(rag: RAG) -> None:
    rag.ingest([Document("a", "Tenant one now says cobalt.")], tenant="one")
    assert [hit.text for hit in rag.retrieve("secret cobalt", tenant="two")] == [SECRETS["two"]]
    assert [hit.text for hit in rag.retrieve("secret cobalt", tenant="one")] == ["Tenant one now says cobalt."]


def test_wrong_numbers_of_corpora_find_nothing(rag: RAG) -> None:
    """What a mistake in our own code would do: another tenant's number under this one's transaction."""
    from ragdiet.store import DocumentStore, FingerprintStore

    other = ids(rag, "two")
    documents = DocumentStore(rag.store, SPACE, tenant="one")
    assert documents.known(other["corpus"], ["a"]) == {}
    assert documents.known_chunks([other["document"]], texts=True) == {}
    assert documents.external_ids(other["corpus"]) == {}
    with pytest.raises(StoreError, match="dropped"):
        documents.delete(other["corpus"], ["a"])
    assert FingerprintStore(rag.store, tenant="one").terms(other["corpus"], other["document"]) == set()


def test_a_cursor_left_open_ends_with_its_tenant(rag: RAG, roles: Roles) -> None:
    store = Database(roles.app, max_size=1, timeout=5)
    with store.transaction(tenant="one") as connection:
        cursor = connection.cursor("left_open")
        cursor.execute("SELECT text FROM ragdiet.chunk")
    with pytest.raises(StoreError), store.transaction(tenant="two") as connection:
        connection.execute("FETCH ALL FROM left_open")
    cursor.close()
    store.close()


@pytest.mark.parametrize("statement", ["RESET ALL", "DISCARD PLANS", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT"])
def test_a_reset_leaves_no_wider_view(rag: RAG, statement: str) -> None:
    with rag.store.transaction(tenant="one") as connection:
        connection.execute(statement)  # type: ignore[call-overload]
        rows = {row[0] for row in connection.execute("SELECT text FROM ragdiet.chunk")}
    assert rows <= {SECRETS["one"]}


def test_a_savepoint_that_fails_keeps_the_tenant(rag: RAG) -> None:
    with rag.store.transaction(tenant="one") as connection:
        with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
            connection.execute("SELECT 1 / 0 FROM set_config('ragdiet.tenant', 't:two', true)")
        assert connection.execute("SELECT ragdiet.tenant()").fetchone() == ("one",)


def test_what_another_tenant_embedded_is_embedded_again(rag: RAG) -> None:
    """Else a tenant could ask for free whether any other has a text, word for word."""
    for text in (SECRETS["two"], "Tenant two will go."):
        assert rag.ingest([Document("probe", text)], tenant="one", dry_run=True).tokens > 0
        assert rag.ingest([Document("probe", text)], tenant="two", collection="b", dry_run=True).tokens == 0


def test_costs_are_those_of_the_tenant_and_to_the_owner_all(rag: RAG, roles: Roles) -> None:
    one = RAG(rag.store, embedder=WordEmbedder(), tenant="one")
    assert {row.key for row in one.costs(by="tenant")} == {"one"}
    assert {row.key for row in one.costs(by="outcome")} >= {"not an ask"}
    assert rag.costs() == ()  # the default tenant asked for nothing
    owner = Database(roles.owner)
    assert {row.key for row in RAG(owner, embedder=WordEmbedder(), tenant="one").costs(by="tenant")} == {"one", "two"}
    owner.close()


def test_a_sweep_is_the_owners_over_all_and_the_runtimes_over_its_tenant(rag: RAG, roles: Roles) -> None:
    def expire() -> None:
        with psycopg.connect(roles.owner) as connection:
            connection.execute("UPDATE ragdiet.document SET expires_at = now()")
            connection.execute("UPDATE ragdiet.corpus SET next_expiry = now()")

    expire()
    assert RAG(rag.store, embedder=WordEmbedder(), tenant="one").sweep() == 1
    assert rag.sweep() == 0
    rag.ingest([Document("a", SECRETS["one"])], tenant="one")
    expire()
    owner = Database(roles.owner)
    assert RAG(owner, embedder=WordEmbedder()).sweep() == 2
    owner.close()


def test_swap_and_drop_reach_own_collections_alone(rag: RAG) -> None:
    rag.ingest([Document("n", "Tenant one has new granite.")], tenant="one", collection="new")
    rag.swap("default", "new", tenant="one")
    assert [hit.text for hit in rag.retrieve("granite", tenant="one")] == ["Tenant one has new granite."]
    assert rag.drop("new", tenant="one") == 1
    with pytest.raises(InvalidArgument, match="no collection"):
        rag.swap("default", "new", tenant="two")
    assert [hit.text for hit in rag.retrieve("secret", tenant="two")] == [SECRETS["two"]]


def test_the_owner_can_do_all_the_runtime_role_can(roles: Roles) -> None:
    """Small installations have one role for both."""
    owner = Database(roles.owner)
    rag = RAG(owner, embedder=SentenceWordEmbedder())
    for tenant, secret in SECRETS.items():
        rag.ingest([Document("a", secret), Document("b", "To go.")], tenant=tenant)
        rag.ingest([Document("a", secret)], tenant=tenant, sync=True)
        assert [hit.text for hit in rag.retrieve("secret", tenant=tenant)] == [secret]
        assert rag.ask("What is the secret?", tenant=tenant).citations
    owner.close()


def test_a_space_made_later_is_under_the_policies(rag: RAG, roles: Roles) -> None:
    later = WordEmbedder(name="later_64")
    assert migrate(roles.owner, later.space)
    newer = RAG(rag.store, embedder=later)
    newer.ingest([Document("a", "Tenant one has late slate.")], tenant="one", collection="later")
    assert [hit.text for hit in newer.retrieve("slate", tenant="one", collection="later")] == [
        "Tenant one has late slate."
    ]
    with rag.store.transaction(tenant="two") as connection:
        assert only(connection, "SELECT count(*) FROM ragdiet.vector_later_64") == (0,)
    with pytest.raises(StoreError, match="row-level security"), rag.store.transaction(tenant="two") as connection:
        connection.execute(
            "INSERT INTO ragdiet.incoming_vector_later_64 VALUES (%(chunk)s, %(corpus)s, "
            "array_fill(1, ARRAY[64])::halfvec)",
            ids(rag, "two") | {"corpus": ids_of_one(rag)},
        )


def ids_of_one(rag: RAG) -> int:
    with rag.store.transaction(tenant="one") as connection:
        return only(connection, "SELECT min(id) FROM ragdiet.corpus")[0]


def test_rights_are_exactly_those_needed(roles: Roles) -> None:
    with psycopg.connect(roles.owner) as connection:
        granted = connection.execute(
            "SELECT relname, string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM pg_class, aclexplode(relacl) "
            "WHERE relnamespace = 'ragdiet'::regnamespace AND pg_get_userbyid(grantee) = 'tenant_app' GROUP BY 1"
        ).fetchall()
        public = connection.execute(
            "SELECT count(*) FROM pg_class, aclexplode(relacl) "
            "WHERE relnamespace = 'ragdiet'::regnamespace AND grantee = 0"
        ).fetchone()
    rows = "DELETE INSERT SELECT UPDATE"
    tables = (
        "answer_cache calibration chunk corpus document embedding_cache failure feedback fingerprint fusion lexical "
    )
    tables += "metadata_key term token_bits"
    expected = dict.fromkeys((*tables.split(), "vector_words_64", "sentence_words_64"), rows)
    expected |= {"call": "INSERT SELECT UPDATE", "ask": "INSERT SELECT UPDATE"}
    expected |= {"space": "SELECT", "alembic_version": "SELECT", "budget": "SELECT", "budget_period": "SELECT"}
    expected |= {f"searchable_{name}": "SELECT" for name in ("document", "lexical", "fingerprint")}
    copied = ("document", "fingerprint", "chunk", "lexical", "token_bits", "vector_words_64", "sentence_words_64")
    expected |= {f"incoming_{name}": "INSERT" for name in copied}
    expected |= {f"{name}_id_seq": "USAGE" for name in ("corpus", "document", "chunk", "budget")}
    assert dict(granted) == expected
    assert public == (0,)


def test_rights_that_were_too_wide_are_taken_back(roles: Roles) -> None:
    with psycopg.connect(roles.owner) as connection:
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA ragdiet TO tenant_app")
        connection.execute("GRANT SELECT ON ragdiet.chunk TO PUBLIC")
    migrate(roles.owner, SPACE)  # a role that was given before needs no naming
    test_rights_are_exactly_those_needed(roles)


def test_a_view_is_no_way_in_even_for_who_was_granted_all(rag: RAG, roles: Roles) -> None:
    with psycopg.connect(roles.owner) as connection:
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA ragdiet TO tenant_app")
    other = ids(rag, "two")
    for statement in (
        "UPDATE ragdiet.searchable_document SET corpus_id = %(corpus)s, external_id = 'moved'",
        "INSERT INTO ragdiet.searchable_document (corpus_id, external_id, content_hash, pipeline) "
        "VALUES (%(corpus)s, 'x', '', '')",
    ):
        with pytest.raises(StoreError, match="check option"), rag.store.transaction(tenant="one") as connection:
            connection.execute(statement, other)  # type: ignore[call-overload]
    with rag.store.transaction(tenant="one") as connection:
        assert connection.execute("DELETE FROM ragdiet.searchable_lexical").rowcount == 1


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        ("", "CREATE ROLE"),
        ("CREATE ROLE unfit SUPERUSER", "superuser"),
        ("CREATE ROLE unfit BYPASSRLS", "BYPASSRLS"),
        ("CREATE ROLE unfit IN ROLE ragdiet_owner", "may act as 'ragdiet_owner'"),
        ("CREATE ROLE unfit NOINHERIT IN ROLE ragdiet_owner", "may act as 'ragdiet_owner'"),
        ("CREATE ROLE above BYPASSRLS; CREATE ROLE unfit IN ROLE above", "may act as 'above'"),
    ],
)
def test_roles_that_policies_would_not_hold(roles: Roles, make: str, advice: str) -> None:
    with psycopg.connect(roles.admin, autocommit=True) as connection:
        try:
            if make:
                connection.execute(make)  # type: ignore[call-overload]
            with pytest.raises(RuntimeRoleError, match=advice):
                migrate(roles.owner, SPACE, runtime_role="unfit")
        finally:
            connection.execute("DROP ROLE IF EXISTS unfit")
            connection.execute("DROP ROLE IF EXISTS above")
    with pytest.raises(RuntimeRoleError, match="owner"):
        migrate(roles.owner, SPACE, runtime_role="ragdiet_owner")


def test_a_role_whose_name_needs_quotes(roles: Roles) -> None:
    name = 'app "of" Ünal'
    with psycopg.connect(roles.admin, autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(name)))
        try:
            migrate(roles.owner, SPACE, runtime_role=name)
            migrate(roles.owner, WordEmbedder(name="more_64").space)
            store = Database(make_conninfo(roles.app, user=name))
            rag = RAG(store, embedder=WordEmbedder(name="more_64"))
            rag.ingest([Document("a", "Pumps are primed.")], tenant="x")
            assert rag.retrieve("pumps", tenant="x")
            store.close()
        finally:
            connection.execute(SQL("DROP OWNED BY {}").format(Identifier(name)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def test_migrate_is_not_the_runtime_roles(rag: RAG, roles: Roles) -> None:
    assert rag.migrate()  # nothing to do
    with pytest.raises(StoreError, match="owner"):
        rag.migrate(runtime_role="tenant_app")
