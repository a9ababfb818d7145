"""From an ask that went wrong to a regression case that passes: kept, explained, tagged, exported, asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from ragdiet.errors import InvalidArgument, SourceNotFound, Throttled, UnknownPrompt
from ragdiet.evaluation import read_labelled
from ragdiet.failures import CAUSES, MEANINGS, Expected
from ragdiet.failures.cause import Findings, propose
from ragdiet.gold import holds
from ragdiet.observe import cancelled_by
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import Document, GuardVerdict
from tests.conftest import Roles
from tests.embedders import WordEmbedder
from tests.test_ask import DOCUMENTS, Scripted, Sure, made

REFUSAL = "I cannot answer this from the sources."
QUESTION = "How long is the notice period?"


@pytest.mark.parametrize(
    ("cause", "findings"),
    [
        ("guard", Findings(outcome="abstained", reason="refused", in_corpus=False)),
        ("guard", Findings(outcome="failed", reason="guard failed")),
        ("inference error", Findings(outcome="failed", reason="models failed", in_corpus=True, rank=1)),
        ("inference error", Findings(outcome="failed", reason="out of time")),
        ("inference error", Findings(outcome="abstained", reason="over budget", lacking=("long",))),
        ("input", Findings(outcome="clarify", reason="")),
        ("ingest gap", Findings(outcome="abstained", reason="nothing found", in_corpus=False)),
        ("ingest gap", Findings(outcome="abstained", reason="nothing found", lacking=("parental",))),
        ("chunk cut", Findings(outcome="abstained", reason="not supported", in_corpus=False, across_chunks=True)),
        ("retrieval miss", Findings(outcome="abstained", reason="nothing found", in_corpus=True)),
        ("retrieval miss", Findings(outcome="abstained", reason="nothing found")),
        ("ranking", Findings(outcome="abstained", reason="not supported", in_corpus=True, rank=40, in_hits=False)),
        ("diet dropped it", Findings(outcome="answered", reason="", in_corpus=True, rank=9, in_hits=True)),
        (
            "stale corpus",
            Findings(
                outcome="abstained", reason="nothing found", in_corpus=True, rank=1, in_hits=True, was_in_hits=False,
                in_context=True, has_moved=True,
            ),
        ),
        (
            "wrong model",
            Findings(
                outcome="abstained", reason="not supported", in_corpus=True, rank=1, in_hits=True, in_context=True,
                model_refused=True,
            ),
        ),
        ("wrong model", Findings(outcome="abstained", reason="not supported")),
        (
            "unsupported answer",
            Findings(outcome="answered", reason="", in_corpus=True, rank=1, in_hits=True, in_context=True),
        ),
        ("unsupported answer", Findings(outcome="answered", reason="")),
    ],
)  # fmt: skip
def test_each_cause_is_told_from_what_the_stages_showed(cause: str, findings: Findings) -> None:
    proposed, evidence = propose(findings)
    assert proposed == cause
    assert evidence
    assert {*MEANINGS} == {*CAUSES}


def test_an_abstained_ask_is_kept_and_passes_once_the_document_is_there(database: Database) -> None:
    rag = made(database, confidence=Sure(retrieval=0.1))
    answer = rag.ask("How long is parental leave?", prompt_id="gap-1")
    assert answer.outcome == "abstained"
    (case,) = rag.failures.list()
    assert (case.prompt_id, case.kind, case.question) == ("gap-1", "abstained", "How long is parental leave?")
    shown = rag.failures.show("gap-1")
    assert shown.cause == "ingest gap"
    assert "parental" in shown.evidence
    assert [hit["document_id"] for hit in shown.record["hits"]]
    assert [attempt["step"] for attempt in shown.record["attempts"]] == [a.step for a in answer.attempts]
    assert shown.record["versions"]["corpus"] >= 1
    assert shown.record["versions"]["space"] == rag.space.name
    tagged = rag.failures.tag("gap-1", "leave", answers=["sixteen weeks"], documents=["leave"])
    assert (tagged.tags, tagged.cause) == (("leave",), "ingest gap")

    better = RAG(database, embedder=rag.embedder, confidence=Sure())
    assert not better.evaluate().rows[0].answer.text.startswith("Sixteen")
    assert better.failures.show("gap-1").state == "open"
    better.ingest([Document("leave", "Parental leave is sixteen weeks.", "Leave")])
    evaluation = better.evaluate()
    assert (evaluation.passed, evaluation.failed) == (1, ())
    (fixed,) = better.failures.list(state="fixed")
    assert (fixed.prompt_id, fixed.checked) == ("gap-1", "")
    better.ingest([Document("leave", "Parental leave is ten weeks.", "Leave")])
    (regressed,) = better.evaluate().regressions
    assert "sixteen weeks" in regressed.fault
    assert [case.prompt_id for case in better.failures.list()] == ["gap-1"]


def test_what_was_expected_is_followed_through_the_stages(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(QUESTION, prompt_id="shy-1")
    assert rag.failures.tag("shy-1", answers=["three months"]).cause == "wrong model"
    assert rag.failures.tag("shy-1", answers=["four months"]).cause == "ingest gap"
    assert rag.failures.tag("shy-1", documents=["leaving"]).cause == "wrong model"
    assert rag.failures.tag("shy-1", documents=["nowhere"]).cause == "ingest gap"
    assert rag.failures.tag("shy-1", cause="guard").cause == "guard"
    assert rag.failures.tag("shy-1", answers=["three months"]).cause == "guard"  # somebody's word stands

    liar = made(database, Scripted("liar", "Five days [1]."))
    liar.ask(QUESTION, prompt_id="liar-1")
    liar.feedback("liar-1", good=False, note="wrong number")
    (case,) = (case for case in liar.failures.list() if case.prompt_id == "liar-1")
    assert (case.kind, case.note) == ("disliked", "wrong number")
    assert liar.failures.tag("liar-1", answers=["three months"]).cause == "unsupported answer"
    replay = liar.failures.replay("liar-1")
    assert "three months" in replay.fault
    assert replay.answer is not None
    assert replay.answer.text == "Five days [1]."
    assert made(database).failures.replay("liar-1").fault == ""


def test_asking_a_case_again_makes_no_other_case_of_it(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(QUESTION, prompt_id="one")
    rag.failures.tag("one", answers=["three months"])
    assert rag.failures.replay("one").fault
    assert rag.evaluate().regressions
    assert rag.evaluate([{"question": "Where do laptops go?", "answers": ["Utrecht"]}]).failed
    assert [case.prompt_id for case in rag.failures.list(state=None)] == ["one"]
    rag.ask("How are trains booked?", prompt_id="two")
    assert [case.prompt_id for case in rag.failures.list(state=None)] == ["two", "one"]


def test_a_hit_behind_those_that_are_read_and_a_chunk_that_is_cut(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask("Where do laptops go back to?", k=1, prompt_id="one")
    assert rag.failures.tag("one", answers=["140 euros"]).cause in ("ranking", "retrieval miss")
    found = rag.failures.replay("one").findings
    assert found.in_corpus
    assert not found.in_hits


def test_failed_models_and_guards_are_told_apart(database: Database) -> None:
    rag = made(database, Scripted("broken", Throttled("busy")))
    rag.ask(QUESTION, prompt_id="broken-1")
    (case,) = rag.failures.list()
    assert (case.kind, case.reason) == ("failed", "models failed")
    assert rag.failures.show("broken-1").cause == "inference error"
    assert rag.failures.list(cause="inference error")
    assert rag.failures.list(cause="guard") == ()


def test_an_ask_that_nobody_waited_for_is_no_failure(database: Database, dsn: str) -> None:
    rag = made(database)
    with rag.ask(QUESTION, stream=True) as stream:
        next(iter(stream))
    with cancelled_by(given_up := Event()):
        given_up.set()
        assert rag.ask(QUESTION).outcome == "failed"
    assert rag.failures.list(state=None) == ()
    with psycopg.connect(dsn) as connection:
        reasons = {row[0] for row in connection.execute("SELECT reason FROM ragdiet.ask")}
    assert "cancelled" in reasons


def test_words_that_only_ask_are_no_gap(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask("Which trains has the travel desk?", prompt_id="which")
    rag.ask("Which parental trains has the travel desk?", prompt_id="gap")
    assert rag.failures.show("which").cause != "ingest gap"
    assert rag.failures.show("gap").evidence.startswith("no chunk has: parental;")


def test_two_tenants_may_choose_the_same_prompt_id(roles: Roles) -> None:
    with closing(Database(roles.app, timeout=5)) as store:
        rag = made(store, Scripted("shy", REFUSAL))
        rag.ingest(DOCUMENTS, tenant="other")
        asked = {"": QUESTION, "other": "Where do laptops go?"}
        for tenant, question in asked.items():
            rag.ask(question, prompt_id="mine", tenant=tenant)
            rag.feedback("mine", good=False, tenant=tenant)
        for tenant, question in asked.items():
            (case,) = rag.failures.list(tenant=tenant)
            assert (case.prompt_id, case.question) == ("mine", question)
        rag.ledger.flush()
    with psycopg.connect(roles.admin) as connection:
        assert dict(connection.execute("SELECT tenant, question FROM ragdiet.ask").fetchall()) == asked
    with closing(Database(roles.admin)) as store:
        rows = made(store).costs(by=["tenant", "outcome"])
        assert sorted((row.keys[0], row.asks) for row in rows if row.keys[1] == "abstained") == [("", 1), ("other", 1)]


def test_an_answer_that_was_liked_is_no_failure(database: Database, dsn: str) -> None:
    rag = made(database)
    answer = rag.ask(QUESTION)
    rag.feedback(answer.prompt_id, good=True)
    assert rag.failures.list() == ()
    rag.feedback(answer.prompt_id, good=False, note="too short")
    rag.feedback(answer.prompt_id, good=False)
    (case,) = rag.failures.list()
    assert (case.kind, case.note, case.outcome) == ("disliked", "too short", "answered")
    assert rag.failures.show(case.prompt_id).record["kept"]
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT good FROM ragdiet.feedback").fetchall() == [(False,)]
    with pytest.raises(UnknownPrompt, match="nothing was asked"):
        rag.feedback("nobody", good=True)


def test_nothing_personal_is_kept(database: Database, dsn: str) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ingest([Document("mail", "The notice period of jane.roe@example.com is three months.", "Mail")])
    rag.ask("What notice period does jane.roe@example.com have?", prompt_id="mail-1")
    with psycopg.connect(dsn) as connection:
        kept = connection.execute("SELECT f::text FROM ragdiet.failure f UNION SELECT a::text FROM ragdiet.ask a")
        text = " ".join(row[0] for row in kept)
    assert "jane.roe" not in text
    assert "notice period" in text
    assert "values masked" in rag.failures.show("mail-1").evidence


def test_an_issue_is_markdown_that_hostile_text_cannot_leave(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask("Notice ``` period <script>alert(1)</script> | [x](http://evil) ?", prompt_id="bad-1")
    issue = rag.failures.export("bad-1")
    title, rest = issue.split("\n", 1)
    assert title.startswith("# abstained: Notice")
    assert "<script>" not in title
    assert r"\[x](" in title  # escaped, so no link
    assert "````text\nNotice ``` period" in rest
    assert "ragdiet --collection default failures replay bad-1" in rest
    assert "| read | shy | no |" in rest
    assert "Nothing was said yet" in rest


def test_cases_become_labelled_questions(database: Database, tmp_path: Path) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(QUESTION, prompt_id="shy-1")
    with pytest.raises(InvalidArgument, match="tag it"):
        rag.failures.export("shy-1", form="case")
    rag.failures.tag("shy-1", answers=["three months", "3 months"], outcome="answered")
    line = rag.failures.export("shy-1", form="case")
    assert json.loads(line) == {
        "id": "shy-1", "question": QUESTION, "answers": ["three months", "3 months"], "outcome": "answered",
    }  # fmt: skip
    (tmp_path / "cases.jsonl").write_text(line)
    evaluation = made(database).evaluate(read_labelled(tmp_path / "cases.jsonl"), cases=False)
    assert [row.name for row in evaluation.rows] == ["shy-1"]
    assert evaluation.passed == 1
    assert "1 of 1 as expected; 1 answered, 0 of them wrong; 0 regressions" in str(evaluation)


def test_tenants_see_their_own_cases(database: Database) -> None:
    hostile = "'; drop table ragdiet.failure; --"
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ingest(DOCUMENTS, tenant=hostile)
    rag.ask(QUESTION, tenant=hostile, prompt_id="theirs")
    assert rag.failures.list() == ()
    assert [case.prompt_id for case in rag.failures.list(tenant=hostile)] == ["theirs"]
    with pytest.raises(UnknownPrompt):
        rag.failures.show("theirs")
    with pytest.raises(UnknownPrompt):
        rag.failures.tag("theirs", "x")
    with pytest.raises(UnknownPrompt):
        rag.feedback("theirs", good=False)
    assert rag.evaluate().rows == ()
    assert rag.failures.tag("theirs", answers=["three months"], tenant=hostile).cause == "wrong model"


def test_what_older_asks_saw_is_forgotten(database: Database, dsn: str) -> None:
    rag = made(database)
    rag.ask(QUESTION, prompt_id="old")
    rag.ask("Who pays for the pantry's piano?", prompt_id="gone")
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE ragdiet.ask SET finished_at = now() - interval '40 days' WHERE prompt_id = 'old'")
    assert rag.failures.forget(timedelta(days=30)) == 1
    rag.sweep()
    with psycopg.connect(dsn) as connection:
        kept = connection.execute("SELECT prompt_id, record IS NULL FROM ragdiet.ask ORDER BY 1").fetchall()
    assert kept == [("gone", False), ("old", True)]


def test_what_cannot_be_kept_is_said(database: Database, tmp_path: Path) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(QUESTION, prompt_id="shy-1")
    for wrong in ({"cause": "bad luck"}, {"state": "done"}, {"outcome": "ok"}, {"answers": [" "]}, {"note": "\0"}):
        with pytest.raises(InvalidArgument):
            rag.failures.tag("shy-1", **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="limit"):
        rag.failures.list(limit=0)
    with pytest.raises(UnknownPrompt, match="list them"):
        rag.failures.replay("none")
    with pytest.raises(SourceNotFound):
        read_labelled(tmp_path / "none.jsonl")
    path = tmp_path / "labels.jsonl"
    for line, told in (
        ("{", "not JSON"),
        ("[]", "no question"),
        ('{"question": " "}', "no question"),
        ('{"question": "a"}', "nothing of what is expected"),
        ('{"question": "a", "answers": "b"}', "lists of texts"),
        ('{"question": "a", "answers": [""]}', "says nothing"),
        ('{"question": "a", "outcome": "won"}', "none of"),
        ('{"question": "a", "answer": "b", "gold": 1}', "unknown keys gold"),
    ):
        path.write_text(f"\n{line}\n")
        with pytest.raises(InvalidArgument, match=told) as raised:
            read_labelled(path)
        assert "line 2" in str(raised.value)


def test_expectations() -> None:
    assert holds("It is Three months [1].", ["the three months"])
    assert not holds("It is thirteen months.", ["three months"])
    assert holds("答えは三か月です。", ["三か月"])
    assert not holds("anything", ["[1]"])
    assert not Expected()


def test_nothing_is_kept_where_that_is_not_wanted(database: Database, dsn: str) -> None:
    rag = made(database, Scripted("shy", REFUSAL), keep_failures=False)
    assert rag.ask(QUESTION).outcome == "abstained"
    assert rag.failures.list() == ()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT outcome, record FROM ragdiet.ask").fetchall() == [("abstained", {})]


class Blocks:
    """A guard that refuses every question."""

    name = "blocks"
    is_local = True

    def check_input(self, text: str) -> GuardVerdict:
        return GuardVerdict(action="block", reason="no")


MONTHS, PASSWORD = "How long is the notice period?", "What is the wifi password?"
RULES = [Document(f"rule{n}", f"The notice period in case {n} is a notice period of a kind.") for n in range(12)]
PARAGRAPHS = " ".join(f"Paragraph {n} speaks of the notice period." for n in range(30))


@pytest.mark.parametrize(
    ("cause", "said", "question", "expected", "pieces", "documents", "k"),
    [
        ("input", "choices were offered", "it?", "three months", {"clarify": True}, DOCUMENTS, 10),
        ("input", "'notice' for 'notise'", "How long is the notise?", "three months",
         {"confidence": Sure(retrieval=0.0)}, DOCUMENTS, 10),
        ("ingest gap", "no chunk", PASSWORD, "swordfish", {}, DOCUMENTS, 10),
        ("retrieval miss", "gate 1", MONTHS, "three months", {"confidence": Sure(retrieval=0.1)}, DOCUMENTS, 10),
        ("ranking", "behind the hits", MONTHS, "Friday", {}, [*RULES, *DOCUMENTS], 2),
        ("diet dropped it", "the context does not", MONTHS, "purple horse",
         {}, [Document("long", f"{PARAGRAPHS} The purple horse eats grass.")], 10),
        ("unsupported answer", "does not say it", MONTHS, "three months",
         {"models": [Scripted("liar", "Nine weeks [1].")]}, DOCUMENTS, 10),
        ("unsupported answer", "no reply was accepted", MONTHS, "three months",
         {"models": [Scripted("right", "Three months [1].")], "confidence": Sure(answer=0.1)}, DOCUMENTS, 10),
        ("wrong model", "the model said", MONTHS, "three months", {}, DOCUMENTS, 10),
        ("inference error", "models failed", MONTHS, "three months",
         {"models": [Scripted("broken", Throttled("busy"))]}, DOCUMENTS, 10),
        ("guard", "refused", MONTHS, "three months", {"guards": [Blocks()]}, DOCUMENTS, 10),
    ],
)  # fmt: skip
def test_the_causes_of_real_asks(
    database: Database, cause: str, said: str, question: str, expected: str, pieces: dict[str, Any],
    documents: Sequence[Document], k: int,
) -> None:  # fmt: skip
    given: dict[str, Any] = {"models": [Scripted("shy", REFUSAL)], "confidence": Sure(), "clarify": False} | pieces
    rag = RAG(database, embedder=WordEmbedder(), answer_cache=None, **given)
    rag.ingest(documents)
    answer = rag.ask(question, k=k, budget=60)
    if answer.outcome in ("answered", "clarify"):
        rag.feedback(answer.prompt_id, good=False)
    case = rag.failures.tag(answer.prompt_id, answers=[expected])
    assert case.cause == cause, case.evidence
    assert said in case.evidence


def test_a_corpus_that_has_caught_up(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(PASSWORD, prompt_id="early")
    assert rag.failures.show("early").evidence == "no chunk has: wifi, password; say what was expected to know more"
    rag.ingest([Document("wifi", "The wifi password is swordfish.")])
    assert rag.failures.tag("early", answers=["swordfish"]).cause == "stale corpus"


def test_how_many_is_no_gap(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(MONTHS, prompt_id="one")
    assert rag.failures.show("one").cause == "wrong model"
    rag.ask("How long is the notice period of jo.doe@example.com?", prompt_id="two")
    shown = rag.failures.show("two")
    assert shown.cause == "wrong model"
    assert "values masked" in shown.evidence


def test_what_people_say_of_an_answer_is_masked(database: Database, dsn: str) -> None:
    mail, card = "jo.doe@example.com", "4111 1111 1111 1111"
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(MONTHS, prompt_id="one")
    rag.feedback("one", good=False, note=f"{mail} paid with {card}")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT note FROM ragdiet.feedback").fetchone() == (
            "<EMAIL> paid with <CREDIT_CARD>",
        )
    assert rag.failures.show("one").note == "<EMAIL> paid with <CREDIT_CARD>"
    case = rag.failures.tag("one", f"of {mail}", note=f"ask {mail}", answers=[f"write to {mail}"])
    assert (case.tags, case.note) == (("of <EMAIL>",), "ask <EMAIL>")
    assert case.expected.answers == (f"write to {mail}",)  # a reply is held against it
    assert mail not in rag.failures.export("one")


def test_ids_and_notes_that_nothing_can_have(database: Database) -> None:
    rag = made(database, Scripted("shy", REFUSAL))
    rag.ask(MONTHS, prompt_id="one")
    for prompt_id in ("a\0", "\ud800", ""):
        with pytest.raises(UnknownPrompt):
            rag.feedback(prompt_id, good=True)
        with pytest.raises(UnknownPrompt):
            rag.failures.show(prompt_id)
    with pytest.raises(InvalidArgument, match="surrogate"):
        rag.feedback("one", good=True, note="\ud800")
    with pytest.raises(InvalidArgument, match="surrogate"):
        rag.failures.tag("one", "\ud800")


@pytest.mark.parametrize("reason", ["over budget", "cancelled", "raised KeyError"])
def test_an_ask_that_was_broken_off_is_no_models_fault(reason: str) -> None:
    assert propose(Findings(outcome="failed", reason=reason, in_corpus=True))[0] == "inference error"
