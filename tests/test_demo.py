"""The demonstration, in this process: on the library's own text, and on a user's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ragdiet import demo
from ragdiet.cli import main


def test_demo_answers_and_abstains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MODULES", ("functools", "statistics", "textwrap"))  # the rest takes longer to embed
    done = CliRunner().invoke(main, ["--path", str(tmp_path / "store"), "demo"])
    assert done.exit_code == 0, done.output
    answers = dict(zip(demo.QUESTIONS, done.output.split("\n\n  ")[1:], strict=False))
    assert "3 added" in done.output
    assert [done.output.count(word) for word in ("answered, confidence", "abstained, confidence")] == [3, 1]
    assert "the LRU features are disabled" in " ".join(done.output.split())
    assert "pydoc:statistics" in done.output
    assert done.output.count("tokens: ") == 3
    assert done.output.count(f"{demo.COMPARED_MODEL}: $0.00") == len(answers) == 4
    assert "$0 as it was not asked" in done.output


def test_demo_takes_a_users_own_files(tmp_path: Path, handbook: Path) -> None:
    store = ["--path", str(tmp_path / "store"), "demo", "--docs", str(handbook)]
    done = CliRunner().invoke(main, [*store, "--question", "How long is the notice period for permanent staff?"])
    assert done.exit_code == 0, done.output
    assert "three months" in done.output
    assert "leaving.md" in done.output
    asked_nothing = CliRunner().invoke(main, store)
    assert asked_nothing.exit_code == 1
    assert 'QUESTION="..."' in asked_nothing.output


def test_documents_are_the_modules_own_words() -> None:
    documents = {document.id: document for document in demo.standard_library()}
    assert list(documents) == list(demo.MODULES)
    import textwrap

    assert (textwrap.dedent.__doc__ or "").splitlines()[0] in documents["textwrap"].text
    for document in documents.values():
        for offset, level, title in document.meta["headings"]:
            assert document.text.startswith(f"{'#' * level} {title}", offset)
