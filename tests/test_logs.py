"""Logs: what a line says, what it does not, whose lines are left out, and sinks that fail."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ragdiet.errors import InvalidArgument, SchemaMissing
from ragdiet.guard import Masking
from ragdiet.observe import JsonFormatter, JsonHandler, Trace, log_to, new_id, tracing
from ragdiet.observe.hiding import LONGEST
from ragdiet.observe.sink import Sink, StreamTarget
from ragdiet.rag import RAG
from tests.embedders import WordEmbedder

EMAIL = "jo@example.org"
CARD = "4111 1111 1111 1111"
KEY = "ghp_" + "a1B2" * 9


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


@pytest.fixture
def other() -> Iterator[logging.Logger]:
    """A logger of somebody else's, at every level."""
    logger = logging.getLogger("elsewhere.http")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A log of everything; gives its lines so far."""
    path = tmp_path / "ask.log"
    log = log_to(path, level="DEBUG")

    def read() -> list[dict[str, Any]]:
        log.flush()
        return lines(path)

    yield read
    log.close()


def test_an_ask_tells_its_steps_its_calls_and_its_end(
    written: Callable[[], list[dict[str, Any]]], rag: RAG, handbook: Path
) -> None:
    rag.ingest(handbook)
    answer = rag.ask("How long is the notice period?", tags={"by": EMAIL})
    own = [line for line in written() if line.get("prompt_id") == answer.prompt_id]
    assert [line["event"] for line in own if line["event"] != "call"] == ["ask started", "step", "step", "ask"]
    assert [line["stage"] for line in own if line["event"] == "call"] == ["embed", "retrieve", "compress", "generate"]
    end = own[-1]
    assert end["outcome"] == "answered"
    assert end["tags"] == ["success"]
    assert end["cost_usd"] == "0"
    assert end["user_tags"] == {"by": "<EMAIL>"}
    assert end["confidence"] == pytest.approx(answer.confidence, abs=1e-4)
    assert [line["attempt"] for line in own if line["event"] == "step"] == [1, 2]


def test_a_question_put_again_and_a_safe_reply_are_tagged(
    written: Callable[[], list[dict[str, Any]]], rag: RAG, handbook: Path
) -> None:
    rag.ingest(handbook)
    assert rag.ask("Who painted the ceiling of the chapel?", collection="empty").outcome == "abstained"
    own = [line for line in written() if line["event"] in ("step", "ask")]
    assert [(line.get("step"), line.get("tags")) for line in own] == [
        ("retrieve", None),
        ("re-search", ["re-query"]),
        ("safe reply", ["fallback"]),
        (None, ["re-query", "fallback"]),
    ]


def test_an_ask_that_raises_is_a_failure(written: Callable[[], list[dict[str, Any]]], rag: RAG) -> None:
    with pytest.raises(InvalidArgument):
        rag.ask("Where?", budget=-1)
    end = written()[-1]
    assert (end["event"], end["level"], end["outcome"]) == ("ask", "WARNING", "error")
    assert (end["error"], end["error_class"], end["tags"]) == ("InvalidArgument", "input", ["failure"])


def test_an_ask_of_a_database_without_its_tables_is_a_failure(
    written: Callable[[], list[dict[str, Any]]], empty_dsn: str
) -> None:
    with RAG.connect(empty_dsn, embedder=WordEmbedder()) as rag, pytest.raises(SchemaMissing):
        rag.ask("How long is the notice period?", prompt_id="not-migrated")
    started, end = (line for line in written() if line.get("prompt_id") == "not-migrated")
    assert started["event"] == "ask started"
    assert (end["event"], end["level"], end["outcome"], end["error"]) == ("ask", "WARNING", "error", "SchemaMissing")


def test_values_are_hidden_wherever_they_stand(
    written: Callable[[], list[dict[str, Any]]], other: logging.Logger
) -> None:
    other.debug("body %s", json.dumps({"text": f"first\n{CARD}\nthen\t{EMAIL}"}))
    other.info({"sent to": [EMAIL, {"card": CARD}]})
    other.info("for %(who)s", {"who": EMAIL}, extra={"who": EMAIL, "deep": {EMAIL: [CARD]}, "card": 4111111111111111})
    other.info("as bytes %r, quoted %s", f"müller\n{EMAIL}".encode(), "m\\u00fcller@b\\u00fccher.de, jo%40example.org")
    other.info("fields", extra={"password": "x", "auth_token": b"y", "phone": 5550199712, "tokens": 12, "call": EMAIL})
    try:
        raise ValueError(f"no such person: {EMAIL}")
    except ValueError:
        other.exception("lost %s", KEY, stack_info=True)
    found = written()
    text = json.dumps(found)
    for value in (EMAIL, CARD, "4111111111111111", KEY, "5550199712", "example.org", "cher.de"):
        assert value not in text
    assert found[0]["message"] == 'body {"text": "first\\n <CREDIT_CARD>\\n then\\t <EMAIL>"}'
    assert found[2]["message"] == "for <EMAIL>"
    assert found[2]["deep"] == {"<EMAIL>": ["<CREDIT_CARD>"]}
    assert {name: found[4][name] for name in ("password", "auth_token", "phone", "tokens")} == {
        "password": "<CREDENTIAL>",
        "auth_token": "<CREDENTIAL>",
        "phone": "<PHONE>",
        "tokens": 12,
    }
    assert found[5]["error"] == "ValueError"
    assert "no such person: <EMAIL>" in found[5]["exception"]


@pytest.mark.parametrize("place", [LONGEST - 7, LONGEST, LONGEST + 300, LONGEST + 506])
def test_what_is_cut_is_not_cut_within_a_value(
    written: Callable[[], list[dict[str, Any]]], other: logging.Logger, place: int
) -> None:
    other.info("%s", "word " * (place // 5) + CARD + " " + "more " * 9_000)
    token = f"eyJ{'a1' * 300}.eyJ{'b2' * 300}.{'c3' * 30}"
    other.info("%s", "w" * place + " " + token + " more" * 9_000)
    first, second = (line["message"] for line in written() if line["logger"] == other.name)
    assert "4111" not in first
    assert "eyJ" not in second
    assert first.endswith("characters)")
    assert len(first) < LONGEST + 200


def test_masking_that_fails_hides_the_whole_line(tmp_path: Path, other: logging.Logger) -> None:
    def broken(text: str) -> list[tuple[int, int, str]]:
        raise RuntimeError(text)

    path = tmp_path / "ask.log"
    log = log_to(path, masking=Masking(finders=(broken,)))
    prompt_id = new_id()
    with tracing(Trace(prompt_id=prompt_id, tenant="acme")):
        other.info("of %s", EMAIL)
    log.handle(logging.makeLogRecord({"msg": "too few %s %s", "args": (EMAIL,)}))
    log.close()
    for line in lines(path):
        assert line.pop("ts")
        assert line.pop("error") in ("RuntimeError", "TypeError")
        assert line.pop("prompt_id", prompt_id) == prompt_id
        assert line.pop("level")
        assert line == {"event": "log", "message": "could not be masked"}
    assert len(lines(path)) == 2


def test_a_masking_of_ones_own_is_asked(tmp_path: Path, other: logging.Logger) -> None:
    path = tmp_path / "ask.log"
    log = log_to(path, masking=Masking(records={"staff number"}, finders=(lambda text: [(2, 6, "staff number")],)))
    other.info("is A123 there")
    log.close()
    assert lines(path)[0]["message"].startswith("is")
    assert "A123" not in path.read_text()


def test_a_line_is_one_line_whatever_is_in_it(written: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("elsewhere").error("one\ntwo\r\x85\u2028three \ud800")
    assert written()[0]["message"] == "one\ntwo\r\x85\u2028three \ud800"


def test_lines_of_an_ask_are_kept_or_left_out_together_but_what_matters_is_kept(
    tmp_path: Path, rag: RAG, handbook: Path
) -> None:
    rag.ingest(handbook)
    path = tmp_path / "ask.log"
    log = log_to(path, sample=0.5)
    answered = [rag.ask("How long is the notice period?", prompt_id=f"ask-{n}").prompt_id for n in range(6)]
    log.flush()
    kept = [sum(line["prompt_id"] == each for line in lines(path)) for each in answered]
    assert set(kept) == {0, 3}
    path.write_text("")
    log.close()

    log = log_to(path, sample=0)
    rag.ask("How long is the notice period?")
    rag.ask("Who painted the ceiling of the chapel?", collection="empty")
    with pytest.raises(InvalidArgument):
        rag.ask("Where?", budget=-1)
    logging.getLogger("elsewhere").warning("of no ask")
    log.close()
    assert [(line["event"], line.get("tags")) for line in lines(path)] == [
        ("step", ["fallback"]),
        ("ask", ["re-query", "fallback"]),
        ("ask", ["failure"]),
        ("log", None),
    ]


def test_of_dict_config(tmp_path: Path, rag: RAG, handbook: Path) -> None:
    path = tmp_path / "ask.log"
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    ours = logging.getLogger("ragdiet")
    try:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"json": {"()": "ragdiet.observe.JsonFormatter"}},
                "handlers": {
                    "file": {"class": "ragdiet.observe.JsonHandler", "target": str(path)},
                    "plain": {"class": "logging.FileHandler", "filename": f"{path}.2", "formatter": "json"},
                },
                "loggers": {"ragdiet": {"level": "INFO", "handlers": ["file", "plain"]}},
            }
        )
        rag.ingest(handbook)
        rag.ask("How long is the notice period?")
        for handler in ours.handlers:
            handler.close()
        assert [line["event"] for line in lines(path)] == ["step", "step", "ask"]
        assert lines(path) == lines(Path(f"{path}.2"))
    finally:
        ours.handlers.clear()
        ours.setLevel(logging.NOTSET)
        root.handlers[:] = handlers
        root.setLevel(level)


def test_what_cannot_work_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be opened"):
        log_to(tmp_path / "no" / "ask.log")
    with pytest.raises(InvalidArgument, match="is no log"):
        log_to(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="sample is 2"):
        log_to(tmp_path / "ask.log", sample=2)
    with pytest.raises(InvalidArgument, match="'LOUD'"):
        log_to(tmp_path / "ask.log", level="LOUD")
    with pytest.raises(InvalidArgument, match="do not mask"):
        JsonHandler(io.StringIO()).setFormatter(logging.Formatter())


def test_closing_leaves_no_trace(tmp_path: Path) -> None:
    before = logging.getLogger("ragdiet").level, [*logging.getLogger().handlers]
    log_to(tmp_path / "ask.log", level="DEBUG").close()
    assert (logging.getLogger("ragdiet").level, logging.getLogger().handlers) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_noted_once_and_the_ask_ends(
    rag: RAG, handbook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rag.ingest(handbook)
    log = log_to("/dev/full")
    for _ in range(2):
        assert rag.ask("How long is the notice period?").outcome == "answered"
        log.flush()
    log.close()
    assert log.lost == 6
    assert capsys.readouterr().err.count("/dev/full cannot be written: No space left on device") == 1


def test_a_folder_that_is_gone_and_comes_back(
    rag: RAG, handbook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rag.ingest(handbook)
    folder = tmp_path / "logs"
    folder.mkdir()
    log = log_to(folder / "ask.log")
    shutil.rmtree(folder)
    assert rag.ask("How long is the notice period?").outcome == "answered"
    log.flush()
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    folder.mkdir()
    assert rag.ask("How long is the notice period?").outcome == "answered"
    log.close()
    found = lines(folder / "ask.log")
    assert (found[0]["event"], found[0]["lost"]) == ("lines lost", 3)
    assert found[-1]["event"] == "ask"


def test_a_file_that_is_rotated_is_opened_anew(tmp_path: Path, other: logging.Logger) -> None:
    path = tmp_path / "ask.log"
    log = log_to(path)
    other.info("before")
    log.flush()
    path.rename(tmp_path / "ask.log.1")
    other.info("after")
    log.close()
    assert [line["message"] for line in (*lines(tmp_path / "ask.log.1"), *lines(path))] == ["before", "after"]


@pytest.mark.parametrize("gone", ["closed", "pipe"])
def test_a_stream_that_is_gone(gone: str, rag: RAG, handbook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rag.ingest(handbook)
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    log = log_to(stream)
    if gone == "closed":
        stream.close()
    os.close(reading)
    assert rag.ask("How long is the notice period?").outcome == "answered"
    log.close()
    assert log.lost == 3
    assert capsys.readouterr().err.count("ragdiet: log lines are lost") == 1
    if gone == "pipe":
        with pytest.raises(BrokenPipeError):
            stream.close()


def test_a_reader_that_is_stuck_holds_up_nobody_and_the_rest_is_dropped() -> None:
    class Stuck(io.StringIO):
        free = threading.Event()

        def write(self, text: str) -> int:
            self.free.wait()
            return super().write(text)

    stream = Stuck()
    sink = Sink(StreamTarget(stream), most=10)
    sink.put("first")
    assert not sink.flush(0.1)  # it is being written
    for number in range(25):
        sink.put(str(number))
    assert sink.lost == 15
    stream.free.set()
    sink.close()
    written = stream.getvalue().splitlines()
    assert [line for line in written if "lost" not in line] == ["first", *map(str, range(10))]
    assert [json.loads(line)["lost"] for line in written if "lost" in line] == [15]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # other tests' threads may be there
def test_a_child_process_logs_too_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "ask.log"
    log = log_to(path)
    logging.getLogger("elsewhere").warning("parent")
    if (child := os.fork()) == 0:
        logging.getLogger("elsewhere").warning("child")
        log.flush()
        os._exit(0)
    os.waitpid(child, 0)
    log.close()
    assert sorted(line["message"] for line in lines(path)) == ["child", "parent"]


def test_a_formatter_serves_any_handler() -> None:
    record = logging.makeLogRecord({"name": "elsewhere", "levelname": "INFO", "msg": "to %s", "args": (EMAIL,)})
    assert json.loads(JsonFormatter().format(record))["message"] == "to <EMAIL>"


def test_logs_that_are_closed_in_any_order_keep_the_others_level(tmp_path: Path) -> None:
    ours = logging.getLogger("ragdiet")
    before = ours.level
    close, plain = log_to(tmp_path / "close.log", level="DEBUG"), log_to(tmp_path / "plain.log")
    assert ours.level == logging.DEBUG
    close.close()
    assert ours.level == logging.INFO
    plain.close()
    assert ours.level == before
    own = log_to(tmp_path / "own.log")
    ours.setLevel(logging.ERROR)
    own.close()
    assert ours.level == logging.ERROR
    ours.setLevel(before)


def test_numbers_that_json_has_not(tmp_path: Path, other: logging.Logger) -> None:
    log = log_to(tmp_path / "ask.log")
    other.info("odd", extra={"ratio": float("nan"), "most": float("inf"), "share": 0.5})
    log.close()
    (line,) = (tmp_path / "ask.log").read_text().splitlines()
    found = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (found["ratio"], found["most"], found["share"]) == ("nan", "inf", 0.5)
