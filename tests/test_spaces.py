"""Another embedder for what is stored: built in the shadow, judged, switched to, and the old space retired."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg
import pytest

from ragdiet.chunk import RecursiveChunker
from ragdiet.embed import MiniLM
from ragdiet.errors import (
    BadReply,
    InvalidArgument,
    ModelUnavailable,
    SpaceBuilding,
    SpaceBusy,
    SpaceInUse,
    SpaceMismatch,
    SpaceMissing,
    SpaceRetired,
    StoreError,
    StoreNotReady,
)
from ragdiet.ingest.gate import score, shortfall
from ragdiet.rag import RAG
from ragdiet.store import Database, Spaces, migrate
from ragdiet.types import Chunk, Document, Embedding, EmbedKind, Quote, RetrievalScore, Space, SpaceStatus
from tests.conftest import Roles
from tests.embedders import SentenceWordEmbedder, WordEmbedder

ANIMALS = "lion pump turbine harbour violin glacier orchard comet granite lantern meadow compass".split()


def documents(number: int, first: int = 0) -> list[Document]:
    return [
        Document(
            f"d{n}",
            f"# {ANIMALS[n % 12].title()}\n\nThe {ANIMALS[n % 12]} of case {n} is described here in full. "
            f"Its number is {n}, and the {ANIMALS[(n + 1) % 12]} is another matter.",
            title=f"Report {n}",
            meta={"headings": [[0, 1, ANIMALS[n % 12].title()]]},
        )
        for n in range(first, first + number)
    ]


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def status(rag: RAG, name: str) -> SpaceStatus:
    return next(each for each in rag.spaces() if each.name == name)


class New(WordEmbedder):
    """Another model. ``before(texts)`` is called before each batch of documents."""

    def __init__(
        self,
        name: str = "new_words",
        dimensions: int = 32,
        before: Callable[[Sequence[str]], None] = lambda texts: None,
    ) -> None:
        super().__init__(dimensions, name)
        self._before = before

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        if kind == "document":
            self._before(texts)
        return super().embed(texts, kind=kind)

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        cost = Decimal(len(texts)) / 1000
        return Quote(least=cost, expected=cost, most=cost)


def test_a_space_is_built_beside_the_one_in_use_and_switched_to(rag: RAG, database: Database) -> None:
    rag.ingest(documents(30))
    before = rag.retrieve("the violin", k=5)
    report = rag.reembed(New())
    assert (report.state, report.chunks, report.missing, report.reason) == ("active", 30, 0, "")
    assert rag.retrieve("the violin", k=5) == before
    new = RAG(database, embedder=New())
    hits = new.retrieve("the violin", k=5)
    assert len(hits) == 5
    assert all(hit.dense_rank for hit in hits)
    assert {(each.name, each.state, each.chunks, each.missing) for each in rag.spaces()} == {
        ("words_64", "active", 30, 0),
        ("new_words", "active", 30, 0),
        ("minilm_384", "active", 0, 30),
    }


def test_the_same_texts_are_embedded_as_an_ingest_would_embed(rag: RAG, database: Database) -> None:
    """Context lines and all: an ingest with the new embedder finds everything done."""
    source = documents(30)
    rag.ingest(source)
    old = rag.embedder
    new = New()
    rag.reembed(new)
    assert isinstance(old, WordEmbedder)
    assert sorted(new.texts) == sorted(old.texts)
    assert any(text.startswith("Report 4 > Violin\n") for text in new.texts)
    after = RAG(database, embedder=New())
    again = after.ingest(source)
    assert (again.unchanged, again.tokens) == (30, 0)


def test_equal_texts_are_embedded_once(rag: RAG, database: Database) -> None:
    rag.ingest(documents(5))
    rag.ingest(documents(5), collection="second")
    new = New()
    report = rag.reembed(new)
    assert (report.chunks, len(new.texts)) == (10, 5)


def test_sentence_vectors_are_made_too(database: Database, dsn: str) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(documents(6))

    class Sentences(SentenceWordEmbedder):
        def __init__(self) -> None:
            super().__init__(name="sentence_words")

    rag.reembed(Sentences())
    counts = rows(
        dsn,
        "SELECT cardinality(embeddings), cardinality(sentences) / 2 FROM ragdiet.sentence_sentence_words "
        "JOIN ragdiet.chunk c ON c.id = chunk_id",
    )
    assert len(counts) == 6
    assert all(made == wanted for made, wanted in counts)
    hit = RAG(database, embedder=Sentences()).retrieve("violin")[0]
    assert hit.sentence_vectors is not None


def test_minilm_takes_over(rag: RAG, database: Database, minilm: MiniLM) -> None:
    rag.ingest(documents(12))
    report = rag.reembed(minilm, gate=[(f"What is said of the {name}?", {f"d{n}"}) for n, name in enumerate(ANIMALS)])
    assert report.state == "active"
    assert report.before
    assert report.after
    assert report.after.recall == 1
    assert RAG(database, embedder=minilm).retrieve("a stringed instrument")[0].document_id in (
        "d3",
        "d4",
    )  # both have one


def test_a_dry_run_counts_and_prices_and_writes_nothing(rag: RAG, dsn: str) -> None:
    rag.ingest(documents(20))
    rag.ingest(documents(20), collection="second")
    new = New()
    report = rag.reembed(new, dry_run=True)
    assert (report.chunks, report.missing, report.dry_run, report.cost) == (40, 40, True, Decimal("0.02"))
    assert report.tokens > 20 * 20
    assert new.texts == []
    assert rows(dsn, "SELECT to_regclass('ragdiet.vector_new_words')") == [(None,)]
    rag.reembed(new)
    after = rag.reembed(new, dry_run=True)
    assert (after.chunks, after.tokens, after.cost, after.state) == (0, 0, 0, "active")


def test_calls_are_in_the_ledger(rag: RAG) -> None:
    rag.ingest(documents(3))
    rag.reembed(New(), tags={"job": "reembed"})
    assert [row.key for row in rag.costs(by="tag") if "job" in row.key] == ["job=reembed"]


def test_one_collection_alone(rag: RAG, database: Database) -> None:
    rag.ingest(documents(4))
    rag.ingest(documents(6, first=10), collection="second")
    report = rag.reembed(New(), collection="second")
    assert (report.state, report.chunks, report.missing) == ("active", 6, 0)
    new = RAG(database, embedder=New())
    assert new.retrieve("granite", collection="second")
    with pytest.raises(SpaceBuilding, match="none of the 4 chunks of collection 'default'") as caught:
        new.retrieve("granite")
    assert (caught.value.chunks, caught.value.total) == (0, 4)
    with pytest.raises(InvalidArgument, match="'nowhere'"):
        rag.reembed(New(), collection="nowhere")
    with pytest.raises(SpaceInUse, match=r"4 chunks .* in the collections default"):
        new.retire_space("words_64")


def test_a_collection_filled_by_another_embedder_is_no_empty_result(rag: RAG, database: Database) -> None:
    rag.ingest(documents(4))
    other = RAG(database, embedder=New())
    other.migrate()
    for call in (other.retrieve, other.ask, other.quote):
        with pytest.raises(SpaceBuilding, match="another embedder filled it"):
            call("granite")
    assert other.retrieve("granite", collection="nothing here") == ()
    other.ingest(documents(2), collection="own")
    assert other.retrieve("pump", collection="own")


def test_a_space_that_was_made_by_migrate_but_never_used_is_built_too(rag: RAG, database: Database) -> None:
    rag.ingest(documents(4))
    other = RAG(database, embedder=New())
    other.migrate()
    report = rag.reembed(New(), gate=lambda old, new: False)
    assert (report.state, report.reason) == ("building", "the gate said no")
    with pytest.raises(SpaceBuilding):
        other.retrieve("granite")


# The gate


def test_a_gate_that_is_missed_switches_nothing(rag: RAG, database: Database) -> None:
    rag.ingest(documents(12))

    class Useless(New):
        def _vector(self, text: str) -> object:  # type: ignore[override]
            return np.random.default_rng(len(text)).standard_normal(32).astype(np.float32)

    labelled = [(f"{name} described in full", {f"d{n}"}) for n, name in enumerate(ANIMALS)]
    report = rag.reembed(Useless(), gate=labelled)
    assert (report.state, report.missing) == ("building", 0)
    assert report.before
    assert report.after
    assert report.after.ndcg < report.before.ndcg
    assert "nDCG" in report.reason
    with pytest.raises(SpaceBuilding, match="12 of 12 chunks") as caught:
        RAG(database, embedder=Useless()).retrieve("violin")
    assert (caught.value.chunks, caught.value.total) == (12, 12)
    assert RAG(database, embedder=Useless(), allow_building=True).retrieve("violin")
    assert rag.reembed(Useless(), gate=labelled, margin=1.0).state == "active"
    assert RAG(database, embedder=Useless()).retrieve("violin")


def test_a_function_for_a_gate_gets_both(rag: RAG) -> None:
    rag.ingest(documents(12))
    seen = []

    def gate(old: RAG, new: RAG) -> bool:
        with new:  # closing it leaves the connections alone
            seen.append((old.space.name, new.space.name, old.retrieve("violin")[0], new.retrieve("violin")[0]))
        return True

    assert rag.reembed(New(), gate=gate).state == "active"
    old, new, before, after = seen[0]
    assert (old, new, before.document_id) == ("words_64", "new_words", after.document_id)


@pytest.mark.parametrize("labelled", [[], [("question", set())], [("question", "d1")]])
def test_labels_that_prove_nothing(rag: RAG, labelled: list[tuple[str, set[str]]]) -> None:
    rag.ingest(documents(2))
    with pytest.raises(InvalidArgument, match="give"):
        rag.reembed(New(), gate=labelled)
    assert [each.name for each in rag.spaces() if each.name == "new_words"] == []


def test_scores() -> None:
    assert score(["a"], {"a"}) == (1, 1)
    assert score([], {"a"}) == (0, 0)
    assert score(["x", "x", "a"], ["a"]) == (1, pytest.approx(0.6309, abs=1e-4))
    good, bad = RetrievalScore(recall=0.9, ndcg=0.8), RetrievalScore(recall=0.9, ndcg=0.75)
    assert shortfall(good, bad, 0.0) == "nDCG 0.750 against 0.800"
    assert shortfall(good, bad, 0.05000001) == shortfall(bad, good, 0.0) == ""


# While others work


def test_what_is_ingested_meanwhile_is_met_before_the_switch(rag: RAG, database: Database, dsn: str) -> None:
    rag.ingest(documents(20))
    extra = iter([documents(5, first=20), documents(5, first=25)])

    def ingest_more(texts: Sequence[str]) -> None:
        if more := next(extra, None):
            rag.ingest(more)

    report = rag.reembed(New(before=ingest_more))
    assert (report.chunks, report.missing) == (30, 0)
    new = RAG(database, embedder=New())
    assert new.retrieve("case 29")[0].dense_rank
    assert rows(dsn, "SELECT count(*) FROM ragdiet.document WHERE pipeline NOT LIKE '%|new_words|%'") == [(0,)]


def test_chunks_that_change_or_go_meanwhile(rag: RAG, dsn: str) -> None:
    rag.ingest(documents(20))
    rag.ingest(documents(5), collection="gone")

    def disturb(texts: Sequence[str]) -> None:
        rag.ingest(
            [Document("d3", "Something else altogether stands here now.")],
        )
        rag.drop("gone")

    report = rag.reembed(New(before=disturb))
    assert (report.state, report.missing) == ("active", 0)
    assert rows(dsn, "SELECT count(*) FROM ragdiet.vector_new_words") == [(20,)]
    assert rows(
        dsn,
        "SELECT c.text FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = document_id "
        "JOIN ragdiet.vector_new_words v ON v.chunk_id = c.id WHERE external_id = 'd3'",
    ) == [("Something else altogether stands here now.",)]


def test_a_line_before_the_text_that_changes_in_the_last_moment(rag: RAG, database: Database, dsn: str) -> None:
    """The gate's own ingest is met by the last pass, which must come again for a chunk whose context line changed
    while it was embedded."""
    rag.ingest(documents(20))
    late = documents(1, first=20)[0]
    moved = replace(late, id="moved", title="Moved")

    def rename(texts: Sequence[str]) -> None:
        if any(text.startswith("Report 20 ") for text in texts):
            rag.ingest([*documents(20), moved], sync=True)

    def gate(old: RAG, new: RAG) -> bool:
        return old.ingest([late]).added == 1

    new = New(before=rename)
    report = rag.reembed(new, gate=gate)
    assert (report.state, report.missing, report.rejected) == ("active", 0, ())
    text = next(text for text in new.texts if text.startswith("Moved > "))
    stored = rows(
        dsn,
        "SELECT embedding::text FROM ragdiet.vector_new_words v JOIN ragdiet.chunk c ON c.id = v.chunk_id "
        "JOIN ragdiet.document d ON d.id = c.document_id WHERE d.external_id = 'moved'",
    )
    wanted = new.embed([text], kind="query").vectors[0]
    assert np.allclose(json.loads(str(stored[0][0])), wanted, atol=1e-3)
    assert RAG(database, embedder=New()).ingest([*documents(20), moved], sync=True).unchanged == 21


def test_a_document_that_lacks_a_vector_is_read_again(rag: RAG, database: Database, dsn: str) -> None:
    rag.ingest(documents(3))
    rag.reembed(New(), gate=lambda old, new: False)
    rag.ingest(documents(1, first=3))
    Spaces(database).activate(New().space, instead_of=rag.space)
    assert rows(dsn, "SELECT external_id FROM ragdiet.document WHERE pipeline NOT LIKE '%|new_words|%'") == [("d3",)]
    after = RAG(database, embedder=New()).ingest(documents(4))
    assert (after.unchanged, after.updated, after.chunks) == (3, 1, 1)


def test_what_an_old_writer_leaves_after_the_switch(
    rag: RAG, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Its words find it, it is counted, and the next reembed or ingest of the new RAG gives it its vector."""
    rag.ingest(documents(20))
    rag.reembed(New())
    late = documents(4, first=20)
    rag.ingest(late)
    new = RAG(database, embedder=New())
    with caplog.at_level(logging.WARNING, logger="ragdiet.store"):
        found = [hit for hit in new.retrieve("case 21") if hit.document_id == "d21"]
    assert [(hit.dense_rank, hit.keyword_rank is not None) for hit in found] == [(None, True)]
    assert "4 of 24 chunks of collection 'default' have no vector in space 'new_words'" in caplog.text
    assert status(new, "new_words").missing == 4
    assert new.ingest(late[:1]).updated == 1
    assert status(new, "new_words").missing == 3
    report = new.reembed(New())
    assert (report.state, report.chunks, report.missing) == ("active", 3, 0)
    assert next(hit for hit in new.retrieve("case 21") if hit.document_id == "d21").dense_rank


def test_two_at_once(rag: RAG, database: Database) -> None:
    rag.ingest(documents(4))
    caught: list[Exception] = []

    def second(texts: Sequence[str]) -> None:
        try:
            RAG(database, embedder=WordEmbedder()).reembed(New())
        except SpaceBusy as error:
            caught.append(error)

    assert rag.reembed(New(before=second)).state == "active"
    assert len(caught) == 1
    other = New(name="third")
    assert rag.reembed(New(name="fourth", before=lambda texts: rag.reembed(other) and None)).state == "active"


def test_readers_never_stop(rag: RAG, database: Database) -> None:
    rag.ingest(documents(300))
    rag.reembed(New())
    new = RAG(database, embedder=New())
    stopped = threading.Event()
    errors: list[Exception] = []
    searches: list[int] = []

    def search() -> None:
        while not stopped.is_set():
            try:
                assert new.retrieve("the violin of case 16", k=3)[0].document_id == "d16"
                searches.append(1)
            except Exception as error:  # noqa: BLE001 - collected for the assertion
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    new.reembed(New(name="next_words"))
    new.retire_space("words_64")
    stopped.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(searches) > 2


# What goes wrong


def test_a_run_that_is_cut_off_goes_on_where_it_ended(rag: RAG, monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    monkeypatch.setattr("ragdiet.ingest.reembed._BATCH", 10)
    rag.ingest(documents(35))
    calls: list[int] = []

    def die(texts: Sequence[str]) -> None:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rag.reembed(New(before=die))
    assert rows(dsn, "SELECT count(*) FROM ragdiet.vector_new_words") == [(20,)]
    assert status(rag, "new_words").state == "building"
    report = rag.reembed(new := New())
    assert (report.state, report.chunks, len(new.texts)) == ("active", 15, 15)


def test_the_database_is_lost_in_the_middle(rag: RAG, dsn: str) -> None:
    rag.ingest(documents(20))

    def cut(texts: Sequence[str]) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    assert rag.reembed(New(before=cut)).state == "active"
    assert rag.reembed(New(name="again")).state == "active"


def test_an_embedder_that_fails_stops_it_and_keeps_what_it_gave(rag: RAG) -> None:
    rag.ingest(documents(3))

    def fail(texts: Sequence[str]) -> None:
        raise ModelUnavailable("the service is down")

    with pytest.raises(ModelUnavailable):
        rag.reembed(New(before=fail))
    assert status(rag, "new_words").state == "building"
    assert rag.reembed(New()).state == "active"


def test_a_text_that_gets_no_vector_keeps_the_space_from_use(rag: RAG, database: Database) -> None:
    rag.ingest(documents(6))

    def refuse(texts: Sequence[str]) -> None:
        if any("case 4 " in text for text in texts):
            raise BadReply("no vector for this one")

    report = rag.reembed(New(before=refuse))
    assert (report.state, report.chunks, report.missing) == ("building", 5, 1)
    assert [(each.uri, each.error) for each in report.rejected] == [("d4", "BadReply")]
    assert report.reason == "1 chunks could not be embedded"
    assert rag.reembed(New()).state == "active"


def test_rows_of_an_older_ragdiet(database: Database, dsn: str) -> None:
    """Their context line is guessed where the hash proves the guess; else only an ingest can tell it."""

    class WithAuthors(RecursiveChunker):
        def chunk(self, document: Document) -> tuple[Chunk, ...]:
            chunks = super().chunk(document)
            return tuple(replace(chunk, context="by Ada") for chunk in chunks) if document.id == "d5" else chunks

    source = documents(6)
    rag = RAG(database, embedder=WordEmbedder(), chunker=WithAuthors())
    rag.ingest(source)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE ragdiet.chunk SET context = NULL")
    report = rag.reembed(New())
    assert (report.state, report.chunks, report.missing) == ("building", 5, 1)
    assert "ingest its document again with the new embedder" in report.rejected[0].reason
    RAG(database, embedder=New(), chunker=WithAuthors()).ingest(source)
    assert rag.reembed(New()).state == "active"


def test_inside_a_users_transaction(rag: RAG, dsn: str) -> None:
    rag.ingest(documents(2))
    with psycopg.connect(dsn) as mine, rag.store.using(mine), pytest.raises(InvalidArgument, match="using"):
        rag.reembed(New())


def test_a_role_that_owns_nothing(rag: RAG, dsn: str, server: object) -> None:
    from psycopg.conninfo import make_conninfo

    rag.ingest(documents(2))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA ragdiet TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA ragdiet TO reader")
    store = Database(make_conninfo(dsn, user="reader"))
    other = RAG(store, embedder=WordEmbedder())
    with pytest.raises(StoreError, match=r"the role that ran rag\.migrate"):
        other.reembed(New())
    with pytest.raises(StoreError, match=r"the role that ran rag\.migrate"):
        other.retire_space("minilm_384")
    store.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")


def test_tenants_apart(roles: Roles) -> None:
    """As on Aurora: the owner embeds for all tenants, each for itself; the runtime role searches with its rights."""
    owners, apps = Database(roles.owner), Database(roles.app)
    for tenant in ("a", "b"):
        RAG(apps, embedder=WordEmbedder(), tenant=tenant).ingest(documents(6))
    owner = RAG(owners, embedder=WordEmbedder())
    dry = owner.reembed(New(), dry_run=True)
    assert (dry.chunks, dry.cost) == (12, Decimal("0.012"))
    new = New()
    report = owner.reembed(new)
    assert (report.state, report.chunks, report.missing, len(new.texts)) == ("active", 12, 0, 12)
    for tenant in ("a", "b"):
        app = RAG(apps, embedder=New(), tenant=tenant)
        assert all(hit.dense_rank for hit in app.retrieve("harbour", k=6))
        assert app.ingest(documents(6)).unchanged == 6
        assert (status(app, "new_words").chunks, status(app, "new_words").missing) == (6, 0)
    app = RAG(apps, embedder=WordEmbedder(), tenant="a")
    for call in (
        lambda: app.reembed(New()),
        lambda: app.reembed(New(), dry_run=True),
        lambda: app.retire_space("new_words"),
    ):
        with pytest.raises(StoreError, match=r"the role that ran rag\.migrate"):
            call()
    assert status(owner, "new_words").chunks == 12
    RAG(owners, embedder=New()).retire_space("words_64")
    assert RAG(apps, embedder=New(), tenant="b").retrieve("harbour")
    for store in (owners, apps):
        store.close()


# The end of a space


def test_a_retired_space_is_gone(rag: RAG, database: Database, dsn: str) -> None:
    rag.ingest(documents(5))
    rag.reembed(New())
    new = RAG(database, embedder=New())
    with pytest.raises(SpaceInUse, match="this RAG searches"):
        rag.retire_space("words_64")
    new.retire_space("words_64")
    assert rows(dsn, "SELECT to_regclass('ragdiet.vector_words_64')") == [(None,)]
    assert (status(new, "words_64").state, status(new, "words_64").chunks) == ("retired", 0)
    again = RAG(database, embedder=WordEmbedder())
    for call in (again.migrate, lambda: again.retrieve("violin")):
        with pytest.raises(SpaceRetired, match="builds it again"):
            call()
    with pytest.raises(SpaceMissing, match="no space 'words_64' to retire: the spaces are minilm_384, new_words"):
        new.retire_space("words_64")
    assert new.retrieve("violin")
    assert new.reembed(WordEmbedder()).chunks == 5
    assert RAG(database, embedder=WordEmbedder()).retrieve("violin")


def test_a_space_others_need_is_not_retired(rag: RAG, database: Database) -> None:
    rag.ingest(documents(5))
    rag.reembed(New())
    new = RAG(database, embedder=New())
    rag.ingest(documents(2, first=5))
    with pytest.raises(SpaceInUse, match="2 chunks have a vector in space 'words_64' alone"):
        new.retire_space("words_64")
    new.reembed(New())
    new.retire_space("words_64")
    new.retire_space("minilm_384")
    with pytest.raises(SpaceMissing, match="no space 'never' to retire"):
        new.retire_space("never")


def test_the_last_active_space_stays(rag: RAG, database: Database) -> None:
    rag.ingest(documents(2))
    rag.retire_space("minilm_384")
    rag.reembed(New(), gate=lambda old, new: False)
    abandoned = RAG(database, embedder=New(), allow_building=True)
    with pytest.raises(SpaceInUse, match="the only active one"):
        abandoned.retire_space("words_64")
    rag.retire_space("new_words")
    assert status(rag, "new_words").state == "retired"


def test_a_space_that_is_searched_without_a_pause(
    rag: RAG, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rag.ingest(documents(2))
    rag.reembed(New())
    new = RAG(database, embedder=New())
    released = threading.Event()

    def read() -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("SELECT count(*) FROM ragdiet.vector_words_64")
            started.set()
            released.wait(30)

    started = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    started.wait(10)
    with monkeypatch.context() as patched:
        patched.setattr("ragdiet.store.spaces._DROP_TRIES", 2)
        with pytest.raises(StoreNotReady, match="when there is less to do"):
            new.retire_space("words_64")
    assert status(new, "words_64").state == "active"
    threading.Timer(1, released.set).start()
    new.retire_space("words_64")
    reader.join()
    assert status(new, "words_64").state == "retired"


# Names and dimensions


def test_four_thousand_dimensions(database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most that an HNSW index takes: stored, indexed at the end, and searched through the index."""
    monkeypatch.setattr("ragdiet.store.indexes._FEWEST", 100)
    rag = RAG(database, embedder=WordEmbedder())
    rag.ingest(documents(150))
    wide = WordEmbedder(4_000, "wide_4000")
    assert rag.reembed(wide).state == "active"
    assert rows(
        dsn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ragdiet.vector_wide_4000_hnsw'::regclass"
    ) == [(True,)]
    assert status(rag, "wide_4000").is_indexed
    vector = str(wide.embed(["the violin of case 16"], kind="query").vectors[0].tolist())
    with psycopg.connect(dsn) as connection:
        connection.execute("SET enable_seqscan = off")
        query = "FROM ragdiet.vector_wide_4000 ORDER BY embedding <=> %s::halfvec(4000) LIMIT 1"
        plan = connection.execute(f"EXPLAIN SELECT chunk_id {query}", (vector,)).fetchall()  # type: ignore[arg-type]
        assert "vector_wide_4000_hnsw" in str(plan)
    new = RAG(database, embedder=wide)
    found = new.retrieve("the violin of case 16")[0]
    assert (found.document_id, found.dense_rank) == ("d16", 1)


@pytest.mark.parametrize(
    ("space", "advice"),
    [
        (Space(name="wide", model="m", dimensions=4_001), "4,001 dimensions, pgvector's HNSW index takes 1 to 4,000"),
        (Space(name="wide", model="m", dimensions=16_000), "4,000"),
        (Space(name="none", model="m", dimensions=0), "1 to 4,000"),
        (Space(name="less", model="m", dimensions=-1), "1 to 4,000"),
        (Space(name="", model="m", dimensions=8), "a letter first"),
        (Space(name="Upper", model="m", dimensions=8), "a letter first"),
        (Space(name='x"; DROP SCHEMA ragdiet', model="m", dimensions=8), "a letter first"),
        (Space(name="long" * 13, model="m", dimensions=8), "48"),
    ],
)
def test_spaces_that_cannot_be(dsn: str, rag: RAG, space: Space, advice: str) -> None:
    with pytest.raises(InvalidArgument, match=advice):
        migrate(dsn, space)
    embedder = WordEmbedder(8)
    embedder.space = space
    for dry_run in (True, False):
        with pytest.raises(InvalidArgument, match=advice):
            rag.reembed(embedder, dry_run=dry_run)


def test_one_name_for_two_lengths_of_a_model(rag: RAG) -> None:
    rag.ingest(documents(2))
    rag.reembed(New(dimensions=32))
    for dry_run in (True, False):
        with pytest.raises(SpaceMismatch, match="holds 32 dimensions of test:words, not 16"):
            rag.reembed(New(dimensions=16), dry_run=dry_run)
    assert rag.reembed(New(name="new_words_16", dimensions=16)).state == "active"


def test_the_longest_name_has_room_for_its_indexes(dsn: str, rag: RAG) -> None:
    rag.ingest(documents(2))
    name = "n" * 48
    rag.reembed(New(name=name))
    assert status(rag, name).is_indexed


# The index


def test_an_index_that_was_left_invalid_is_built_again(rag: RAG, dsn: str) -> None:
    rag.ingest(documents(20))
    rag.reembed(New(), gate=lambda old, new: False)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ragdiet.vector_new_words_hnsw'::regclass"
        )
    assert not status(rag, "new_words").is_indexed
    rag.reembed(New())
    assert status(rag, "new_words").is_indexed


def test_a_build_that_was_cut_off_is_done_again(rag: RAG, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the build in the middle; what it leaves is dropped and built by the next call."""
    monkeypatch.setattr("ragdiet.store.indexes._FEWEST", 100)
    rag.ingest(documents(200))
    holder = psycopg.connect(dsn)  # its snapshot is what a concurrent build waits for
    began = threading.Event()

    def hold(texts: Sequence[str]) -> None:
        if not began.is_set():
            holder.execute("LOCK TABLE ragdiet.vector_new_words IN ROW EXCLUSIVE MODE")
            began.set()
            threading.Thread(target=cut_build).start()

    def cut_build() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for _ in range(300):
                if connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
                ).fetchall():
                    return
                threading.Event().wait(0.05)

    with pytest.raises(StoreError):
        rag.reembed(New(before=hold))
    holder.close()
    assert status(rag, "new_words").state == "building"
    assert not status(rag, "new_words").is_indexed
    assert rows(dsn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(1,)]
    report = rag.reembed(New())
    assert (report.state, report.chunks) == ("active", 0)
    assert status(rag, "new_words").is_indexed
    assert rows(dsn, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_the_lock_is_free_again(rag: RAG, database: Database) -> None:
    spaces = Spaces(database)
    with spaces.building("any"), pytest.raises(SpaceBusy, match="another process"), spaces.building("any"):
        pass
    with spaces.building("any"):
        pass


def test_shared_memory_that_is_too_small_for_parallel_builds(
    rag: RAG, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container with 64 MB of it: the index is built by one process instead."""
    shared = os.statvfs("/dev/shm")
    kilobytes = 2 * shared.f_blocks * shared.f_frsize // 1024
    rag.ingest(documents(50))
    rag.reembed(New(), gate=lambda old, new: False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP INDEX ragdiet.vector_new_words_hnsw")
        connection.execute("ALTER TABLE ragdiet.vector_new_words SET (parallel_workers = 2)")
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET maintenance_work_mem = '{kilobytes}kB'")  # type: ignore[arg-type]
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.DiskFull):
        connection.execute("CREATE INDEX ON ragdiet.vector_new_words USING hnsw (embedding halfvec_cosine_ops)")
    assert rag.reembed(New()).state == "active"
    assert status(rag, "new_words").is_indexed


_CHILD = """
import sys, time
from ragdiet.ingest import reembed
from ragdiet.rag import RAG
from tests.conftest import Roles
from tests.embedders import WordEmbedder
from tests.test_spaces import New

reembed._BATCH = 10
with RAG.connect(sys.argv[1], embedder=WordEmbedder()) as rag:
    rag.reembed(New(before=lambda texts: time.sleep(0.05)))
"""


def test_kill_9_again_and_again(rag: RAG, database: Database, dsn: str) -> None:
    rag.ingest(documents(300))
    kills = 0
    while True:
        child = subprocess.Popen([sys.executable, "-c", _CHILD, dsn], cwd=Path(__file__).parents[1])
        began = vectors_of(dsn)
        while child.poll() is None and vectors_of(dsn) < began + 70:
            time.sleep(0.02)
        if child.poll() is not None:
            break
        child.kill()
        child.wait()
        kills += 1
    assert child.returncode == 0
    assert 3 <= kills <= 4
    assert (status(rag, "new_words").state, status(rag, "new_words").missing) == ("active", 0)
    assert RAG(database, embedder=New()).ingest(documents(300)).unchanged == 300


def vectors_of(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('ragdiet.vector_new_words')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM ragdiet.vector_new_words").fetchone()
    assert row
    return int(row[0])
