"""The two doors have the same names, and the asynchronous one gives the same answers."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

from ragdiet.aio import AsyncRAG
from ragdiet.rag import RAG

WAYS_IN_AND_OUT = {"__aenter__": "__enter__", "__aexit__": "__exit__"}


def public(door: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(door, callable)
        if not name.startswith("_")
    }


def test_the_doors_have_the_same_verbs_and_arguments() -> None:
    synchronous, asynchronous = public(RAG), public(AsyncRAG)
    assert synchronous.keys() == asynchronous.keys()
    for name, signature in synchronous.items():
        if name in ("local", "connect"):  # AsyncRAG hands these arguments on whole
            continue
        assert list(asynchronous[name].parameters.values()) == list(signature.parameters.values()), name


def test_async_answers_are_the_same(rag: RAG, handbook: Path) -> None:
    question = "How long is the notice period?"

    async def run() -> None:
        door = AsyncRAG(rag)
        report = await door.ingest(handbook)
        assert report.added == 3
        answers = await asyncio.gather(*(door.ask(question) for _ in range(20)))
        assert {answer.text for answer in answers} == {rag.ask(question).text}
        assert len({answer.prompt_id for answer in answers}) == 20
        assert await door.retrieve(question) == rag.retrieve(question)
        context = await door.compress(question, await door.retrieve(question))
        assert (await door.generate(question, context)).text == rag.generate(question, context).text
        stream = door.ask(question, stream=True)
        assert "".join([piece async for piece in stream]) == (await stream.answer()).text
        assert (await door.quote(question)).most == 0
        assert await door.costs(by="stage") == rag.costs(by="stage")
        assert await door.migrate() == rag.migrate()
        await door.close()

    asyncio.run(run())


def test_async_local_opens_and_closes(tmp_path: Path) -> None:
    async def run() -> None:
        async with await AsyncRAG.local(tmp_path / "store") as door:
            assert await door.retrieve("anything") == ()

    asyncio.run(run())
