"""The command line as a person uses it: real processes, real exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragdiet.store.embedded import EmbeddedServer

COMMAND = [str(Path(sys.executable).with_name("ragdiet"))]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose server runs all the time, so that no command waits for one to start and to stop."""
    folder = tmp_path_factory.mktemp("cli") / "store"
    with EmbeddedServer.start(folder):
        yield folder


@pytest.fixture
def environment(store: Path) -> dict[str, str]:
    return {**os.environ, "RAGDIET_PATH": str(store)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def test_from_ingest_to_costs(environment: dict[str, str], handbook: Path) -> None:
    migrated = run(environment, "migrate")
    assert (migrated.returncode, migrated.stdout, migrated.stderr) == (0, "schema 0008\n", "")
    ingested = run(environment, "ingest", str(handbook))
    assert ingested.returncode == 0
    assert ingested.stdout.startswith("3 added, 0 updated, 0 unchanged")
    again = run(environment, "ingest", str(handbook))
    assert "3 unchanged" in again.stdout
    assert " 0 tokens embedded" in again.stdout
    found = run(environment, "retrieve", "How long is the notice period?", "-k", "2")
    assert found.stdout.startswith("1. Leaving")
    answered = run(environment, "ask", "How long is the notice period for permanent staff?")
    assert answered.returncode == 0
    assert "three months" in answered.stdout
    assert "leaving.md" in answered.stdout
    assert "confidence" in answered.stdout
    assert "price $0" in answered.stdout
    enough = run(environment, "ask", "How long is the notice period for permanent staff?", "--budget", "auto")
    assert enough.stdout.splitlines()[0] == answered.stdout.splitlines()[0]
    quoted = run(environment, "quote", "How long is the notice period?", "--budget", "100")
    assert quoted.stdout == "least $0   expected $0   most $0\n"
    costs = run(environment, "costs", "--by", "model", "--since", "7d")
    assert "local:extractive" in costs.stdout
    kept = run(environment, "answers")
    assert ["kept", "now", "0"] in [line.split() for line in kept.stdout.splitlines()]
    assert run(environment, "answers", "--clear").stdout == "0 answers were forgotten\n"
    cells = "model calls asks tokens in from cache tokens out USD per ask not settled"
    assert costs.stdout.splitlines()[0].split() == cells.split()
    exact = run(environment, "costs", "--by", "day", "--by", "model", "--csv").stdout.splitlines()
    assert exact[0].startswith("day,model,calls,asks,uncached_tokens")
    assert len(exact) > 2
    page = handbook.parent / "report.html"
    written = run(environment, "costs", "--html", str(page), "--since", "30d")
    assert (written.returncode, written.stdout) == (0, "")
    assert "local:extractive" in page.read_text("utf-8")


def test_unanswerable_question_ends_with_status_2(environment: dict[str, str], handbook: Path) -> None:
    run(environment, "ingest", str(handbook))
    log = handbook.parent / "ask.log"
    asked = run(environment, "--log", str(log), "ask", "Who won the chess tournament in Reykjavik in 1972?")
    assert asked.returncode == 2
    told = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [(line["event"], line.get("outcome")) for line in told][-1] == ("ask", "abstained")
    assert told[-1]["prompt_id"] in asked.stdout
    assert "abstained" in asked.stdout
    assert re.search(r"re-search: \d+ hits, confidence 0\.\d\d under", asked.stdout)
    assert "Spassky" not in asked.stdout


def test_from_a_failure_to_a_case_that_passes(environment: dict[str, str], handbook: Path, tmp_path: Path) -> None:
    environment = environment | {"RAGDIET_COLLECTION": "cases"}
    run(environment, "ingest", str(handbook))
    assert run(environment, "failures", "list", "--tag", "insurance").stdout == "no such case is kept\n"
    run(environment, "ask", "Which insurer covers dental treatment?")
    listed = run(environment, "failures", "list", "--json")
    case = json.loads(listed.stdout.splitlines()[0])  # the latest
    assert (case["kind"], case["question"]) == ("abstained", "Which insurer covers dental treatment?")
    name = case["prompt_id"]
    tagged = run(
        environment, "failures", "tag", name, "insurance", "--answer", "Sunflower Mutual", "--note", "ask them"
    )
    assert (tagged.returncode, "ingest gap" in tagged.stdout) == (0, True)
    assert f"failures replay {name}" in run(environment, "failures", "show", name).stdout
    assert json.loads(run(environment, "failures", "export", "--case", name).stdout)["answers"] == ["Sunflower Mutual"]
    still = run(environment, "failures", "replay", name)
    assert (still.returncode, "still wrong" in still.stdout) == (2, True)
    assert run(environment, "eval").returncode == 2
    (tmp_path / "insurer.md").write_text("# Insurance\n\nDental treatment is covered by Sunflower Mutual.\n")
    run(environment, "ingest", str(tmp_path / "insurer.md"))
    passed = run(environment, "eval")
    assert (passed.returncode, passed.stdout.startswith("1 of 1 as expected")) == (0, True)
    assert name in run(environment, "failures", "list", "--state", "fixed").stdout
    assert run(environment, "feedback", name, "--bad", "--note", "too long").returncode == 0
    unknown = run(environment, "feedback", "nobody", "--good")
    assert (unknown.returncode, unknown.stderr.startswith("Error: UnknownPrompt: ")) == (1, True)


def test_a_reader_that_leaves_hears_no_complaint(environment: dict[str, str], handbook: Path) -> None:
    run(environment, "ingest", str(handbook))
    costs = subprocess.Popen(
        [*COMMAND, "costs", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert costs.stdout is not None
    costs.stdout.close()
    _, told = costs.communicate(timeout=60)
    assert (costs.returncode, told) == (1, "")


def test_a_terminal_gets_a_bar(environment: dict[str, str], handbook: Path) -> None:
    terminal, stderr = pty.openpty()
    subprocess.run(
        [*COMMAND, "--collection", "bar", "ingest", str(handbook)], env=environment, stderr=stderr, check=True
    )
    os.close(stderr)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert shown.endswith("[####################] 3 of 3 documents, 0 unchanged, 0 rejected, 3 chunks written\r\n")


def test_rejected_files_end_with_status_3(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Lions sleep most of the day.")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00\x00 \x81 not text")
    done = run(environment, "--collection", "mixed", "ingest", str(tmp_path))
    assert done.returncode == 3
    assert done.stdout.startswith("1 added")
    assert "rejected" in done.stderr
    assert "bad.txt" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ingest", "no/such/folder"), "SourceNotFound"),
        (("ask", "   "), "InvalidQuestion"),
        (("ask", "How long?", "--budget", "0"), "InvalidArgument"),
        (("ask", "How long?", "--budget", "much"), "neither a number of tokens nor auto"),
        (("ask", "How long?", "--max-cost", "cheap"), "InvalidArgument"),
        (("retrieve", "notice", "-k", "0"), "InvalidArgument"),
        (("--model", "gpt-unknown", "ask", "How long?"), "UnknownModel"),
        (("--model", "bedrock:us.amazon.nova-lite-v1:0", "ask", "How long?"), "region"),
        (("--region", "us-east-1", "--model", "bedrock:no.such-model", "ask", "How long?"), "UnknownPrice"),
        (("--database", "host=127.0.0.1 port=1", "ask", "How long?"), "StoreUnavailable"),
        (("costs", "--since", "yesterday"), "neither a date"),
        (("costs", "--since", "-5d"), "would end before it begins"),
        (("costs", "--since", "2026-02-01", "--until", "2026-01-01"), "would end before it begins"),
        (("costs", "--html", "no/such/folder/report.html"), "report.html cannot be written: No such file"),
    ],
)
def test_errors_are_one_line_and_no_traceback(
    environment: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    done = run(environment, *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_names_every_verb() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    for verb in (
        "ask",
        "costs",
        "demo",
        "ingest",
        "lint",
        "migrate",
        "quote",
        "reembed",
        "retire",
        "retrieve",
        "spaces",
    ):
        assert f"\n  {verb} " in shown


def test_a_dry_run_writes_nothing(environment: dict[str, str], handbook: Path) -> None:
    done = run(environment, "--collection", "dry", "ingest", "--dry-run", str(handbook))
    assert done.returncode == 0
    assert done.stdout.startswith("dry run, nothing was written: 3 added, 0 updated")
    assert "tokens to embed" in done.stdout
    assert run(environment, "--collection", "dry", "retrieve", "notice period").stdout == ""


def test_copies_are_named_and_no_fault(environment: dict[str, str], handbook: Path) -> None:
    text = " ".join(f"Sentence {word} says what nobody else says." for word in "one two three four five six".split())
    (handbook / "a.txt").write_text(text)
    (handbook / "b.txt").write_text(text)
    done = run(environment, "--collection", "copies", "ingest", str(handbook))
    assert done.returncode == 0
    assert "4 added" in done.stdout
    assert "1 rejected" in done.stdout
    assert "DuplicateDocument: the same text as 'a.txt'" in done.stderr
    assert "5 added" in run(environment, "--collection", "all", "ingest", "--keep-duplicates", str(handbook)).stdout


def test_another_embedder(environment: dict[str, str], handbook: Path, tmp_path: Path) -> None:
    titan = "bedrock:amazon.titan-embed-text-v2:0"
    run(environment, "--collection", "spaces", "ingest", str(handbook))
    dry = run(environment, "--region", "us-east-1", "--collection", "spaces", "reembed", titan, "--only", "--dry-run")
    assert re.match(
        r"dry run, nothing was written: titan_v2_1024 is building, .*; 3 chunks, \d+ tokens to embed", dry.stdout
    )
    assert "$0.00000" in dry.stdout
    gate = tmp_path / "labelled.jsonl"
    gate.write_text('{"question": "How long is the notice period?", "documents": ["leaving.md"]}\n')
    same = run(environment, "--collection", "spaces", "reembed", "local:minilm", "--only", "--gate", str(gate))
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.startswith("minilm_384 is active; 0 chunks, 0 tokens embedded, 0 chunks missing")
    listed = run(environment, "spaces").stdout.splitlines()
    assert listed[0].split() == ["space", "model", "dimensions", "state", "chunks", "missing", "index"]
    assert [line.split()[0] for line in listed[1:]] == ["minilm_384"]
    assert listed[1].split()[2:4] == ["384", "active"]
    assert "SpaceInUse" in run(environment, "retire", "minilm_384").stderr
    gate.write_text('{"question": "How long?"}')
    assert "line 1 of" in run(environment, "reembed", "local:minilm", "--gate", str(gate)).stderr
    assert "SourceNotFound" in run(environment, "reembed", "local:minilm", "--gate", str(tmp_path / "none")).stderr


def test_collections_change_names_and_go(environment: dict[str, str], handbook: Path) -> None:
    run(environment, "--collection", "old", "ingest", str(handbook / "leaving.md"))
    run(environment, "--collection", "new", "ingest", "--expires-in", "0.00001", str(handbook))
    assert run(environment, "swap", "old", "new").stdout == "old and new have changed names\n"
    assert run(environment, "drop", "new").stdout == "documents deleted: 1\n"
    assert run(environment, "sweep").stdout == "documents deleted: 3\n"
    missing = run(environment, "swap", "old", "nowhere")
    assert missing.returncode == 1
    assert "there is no collection 'nowhere'" in missing.stderr
