"""A budget in billed tokens: how often a prompt is billed above it, by a model whose tokenizer is not ours.

The played model counts tokens of cl100k, the longer ones twice: about a quarter more
than our count, more in some texts than in others. The first 50 replies teach the ratio; those after them are held to
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice, zip_longest
from pathlib import Path
from statistics import mean

import boto3

from benchmarks.diet_tasks import natural_questions, squad
from benchmarks.report import Row
from ragdiet.account import MemoryLedger, PriceBook
from ragdiet.account.ratio import ENOUGH, UNKNOWN_MARGIN
from ragdiet.bedrock import BedrockClient
from ragdiet.diet import SentenceDiet
from ragdiet.generate import ConverseGenerator, system_text
from ragdiet.generate.chat import chat_messages
from ragdiet.testing.bedrock import BedrockServer, ChatModel
from ragdiet.tokens import Cl100kCounter
from ragdiet.types import Passage, Prompt

MODEL = "us.amazon.nova-lite-v1:0"
REGION = "us-east-1"
BUDGET = 600
PROMPTS = 550
_LONG = 7  # bytes of a token of cl100k that is two to the played model


class OtherTokenizer:
    """Counts a text's tokens of cl100k, those of seven bytes or more twice."""

    def __init__(self) -> None:
        self._counter = Cl100kCounter()

    def count(self, text: str) -> int:
        """The tokens of ``text``."""
        tokens = self._counter.encode(text)
        return len(tokens) + sum(_is_long(self._counter, token) for token in tokens)

    def first(self, text: str, most: int) -> str:
        """A beginning of ``text`` of at most ``most`` tokens."""
        while self.count(text) > most:
            text = text[: len(text) * 3 // 4]
        return text


@lru_cache(maxsize=100_000)
def _is_long(counter: Cl100kCounter, token: int) -> bool:
    return len(counter._encoding.decode_single_token_bytes(token)) >= _LONG


def measure(folder: Path) -> Row:
    """The figures over questions of SQuAD and Natural Questions by turns, with their passages."""
    pairs = zip_longest(natural_questions(folder / "nq_lost_in_the_middle"), squad(folder / "squad_v2"))
    tasks = islice((task for pair in pairs for task in pair if task), PROMPTS)
    return calibrated([(task.question, task.hits) for task in tasks])


def calibrated(questions: Sequence[tuple[str, Sequence[Passage]]], *, budget: int = BUDGET) -> Row:
    """Each question asked with its passages dieted to what fits ``budget`` billed tokens, as far as is known by then.

    ``prompts_over``: those after the first 50 whose bill was above the most that was reckoned with before the call.
    ``contexts_over``: those whose context the model counts above the budget. ``over_by_constant``: prompts that a
    constant margin of 1.3 would not have covered.
    """
    tokenizer, counter, diet = OtherTokenizer(), Cl100kCounter(), SentenceDiet()
    chat = {MODEL: ChatModel(tokenizer=tokenizer)}  # type: ignore[arg-type]  # a tokenizer of one's own
    with BedrockServer(region=REGION, chat=chat) as server:
        client = BedrockClient(REGION, endpoint_url=server.url, session=_session(server))
        generator = ConverseGenerator(
            MODEL, region=REGION, ledger=MemoryLedger(), prices=PriceBook.default(), client=client, counter=counter
        )
        rows = list(_rows(questions, generator, diet, counter, tokenizer, budget))
        client.close()
    after = rows[ENOUGH:]
    ratio = generator.billed.now
    return {
        "prompts": len(after),
        "prompts_over": sum(billed > most for billed, most, *_ in after),
        "contexts_over": sum(held > budget for *_, held, _ in after),
        "over_by_constant": sum(billed > counted * UNKNOWN_MARGIN for billed, _, _, counted in after),
        "ratio": round(ratio.middle, 3),
        "margin": round(ratio.margin, 3),
        "budget_used": round(mean(held for *_, held, _ in after) / budget, 3),
    }


def _rows(
    questions: Iterable[tuple[str, Sequence[Passage]]],
    generator: ConverseGenerator,
    diet: SentenceDiet,
    counter: Cl100kCounter,
    tokenizer: OtherTokenizer,
    budget: int,
) -> Iterable[tuple[int, int, int, int]]:
    """Billed, the most that was reckoned with, the context as the model counts it, and our count of the prompt."""
    for question, passages in questions:
        ratio = generator.billed.now
        context = diet.compress(question, passages, budget=ratio.fits(budget))
        prompt = Prompt(system=system_text(None), question=question, context=context, max_tokens=60)
        counted = sum(counter.count_batch([message["content"] for message in chat_messages(prompt)]))
        made = generator.generate(prompt)
        yield made.usage.input_tokens, ratio.most(counted), tokenizer.count(context.text), counted


def _session(server: BedrockServer) -> boto3.Session:
    found = server.environment
    return boto3.Session(
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
