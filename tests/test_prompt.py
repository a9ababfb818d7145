"""The prompt as it is sent: what is the same for every question comes first and is cached where that pays."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.account import MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, PrefixNotCached, RetryPolicy, Reuse, cheapest_ttl, price_with_cache
from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.generate import SYSTEM, ConverseGenerator, answer_length, system_text
from ragdiet.generate.citations import cited_claims
from ragdiet.generate.length import LONGEST
from ragdiet.generate.prompt import REFUSAL
from ragdiet.testing.bedrock import BedrockServer
from ragdiet.tokens import default_counter
from ragdiet.types import Context, Example, Generation, Prompt, Turn

REGION = "us-east-1"
LITE = "us.amazon.nova-lite-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
NEAR_HAIKU = "apac.anthropic.claude-haiku-4-5-20251001-v1:0"
"""The price table has no rate for its cache of an hour."""

LONG = " ".join(f"Rule {number}: the desk answers within {number} hours." for number in range(600))
SHORT = "Answer in the voice of the staff desk."
EXAMPLES = (
    Example(sources="[1] Tea\nTea is at four.", question="When is tea?", answer="Tea is at four [1]."),
    Example(sources="[1] ====\nThe gate shuts at nine.", question="When is lunch?", answer="NOT FOUND"),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    with (
        pytest.MonkeyPatch.context() as patch,
        BedrockServer(region=REGION, chat=(LITE, HAIKU, LLAMA, NEAR_HAIKU)) as running,
    ):
        for name, value in running.environment.items():
            patch.setenv(name, value)
        made = BedrockClient(REGION, endpoint_url=running.url, retry=RetryPolicy(attempts=1))
        yield running, made
        made.close()


@pytest.fixture
def server(shared: tuple[BedrockServer, BedrockClient]) -> BedrockServer:
    shared[0].reset()
    return shared[0]


def generator(
    shared: tuple[BedrockServer, BedrockClient], model: str = LITE, ledger: MemoryLedger | None = None, **given: Any
) -> ConverseGenerator:
    return ConverseGenerator(
        model,
        region=REGION,
        ledger=ledger or MemoryLedger(),
        prices=PriceBook.default(),
        client=shared[1],
        **given,
    )


def prompt(question: str = "When is lunch?", system: str = LONG, **given: Any) -> Prompt:
    context = Context(
        text=f"[1] Canteen\nLunch is at noon for whoever asks {question}",
        tokens=0,
        tokens_before=0,
        kept=(),
        dropped=(),
    )
    return Prompt(system=system_text(system), question=question, context=context, **given)


def points(server: BedrockServer) -> list[list[object]]:
    """The cache points of each request."""
    return [
        [block["cachePoint"] for block in call.request.get("system", ()) if "cachePoint" in block]
        for call in server.calls
    ]


# -- the prefix --------------------------------------------------------------------------------------------------


def test_two_questions_share_their_bytes_up_to_the_cache_point(
    server: BedrockServer, shared: tuple[BedrockServer, BedrockClient]
) -> None:
    made = generator(shared, cache="5m")
    made.generate(prompt("When is lunch?", examples=EXAMPLES, length=answer_length("When is lunch?").ask))
    history = (Turn(role="user", text="Hello?"), Turn(role="assistant", text="Hello."))
    question = "How do I book a train to Utrecht in 2027?"
    made.generate(
        prompt(question, examples=EXAMPLES, history=history, length=answer_length(question).ask, max_tokens=77)
    )
    one, other = (call.request for call in server.calls)
    assert json.dumps(one["system"]) == json.dumps(other["system"])
    text, point = one["system"]
    assert point == {"cachePoint": {"type": "default"}}
    assert text["text"].startswith(f"{LONG}\n\n{SYSTEM}")
    assert text["text"].endswith("Question: When is lunch?\nAnswer: NOT FOUND\n")
    assert one["messages"] != other["messages"]
    assert "one short sentence" in one["messages"][-1]["content"][-1]["text"]
    assert [call.cache_write_tokens > 1024 for call in server.calls] == [True, False]
    assert server.calls[1].cache_read_tokens == server.calls[0].cache_write_tokens


@given(question=st.text(max_size=40), context=st.text(max_size=80))
def test_nothing_that_changes_is_in_the_prefix(question: str, context: str) -> None:
    from ragdiet.generate.prompt import prefix

    whole = Context(text=context, tokens=0, tokens_before=0, kept=(), dropped=())
    made = Prompt(system=SYSTEM, question=question, context=whole, examples=EXAMPLES, length=question)
    assert prefix(made) == prefix(prompt("Other?", "", examples=EXAMPLES))


def test_the_rules_are_short_and_hold_what_replies_are_read_by() -> None:
    assert default_counter().count(SYSTEM) <= 62
    assert SYSTEM.endswith(f"reply only {REFUSAL}\n")
    assert ("End each sentence with its source's number .", (1,)) in [
        (claim.strip(), tuple(numbers)) for claim, numbers in cited_claims(SYSTEM)
    ]


def test_own_system_text_comes_before_the_rules_which_stay() -> None:
    assert system_text(None) == system_text("  \n") == SYSTEM
    assert system_text(" Be kind. \n") == f"Be kind.\n\n{SYSTEM}"


# -- the cache point ---------------------------------------------------------------------------------------------


def test_auto_writes_nothing_before_a_prefix_came_twice(
    server: BedrockServer, shared: tuple[BedrockServer, BedrockClient]
) -> None:
    made = generator(shared)
    for _ in range(3):
        made.generate(prompt())
    assert points(server) == [[], [{"type": "default"}], [{"type": "default"}]]
    assert [call.cache_read_tokens > 0 for call in server.calls] == [False, False, True]


@pytest.mark.parametrize(
    ("model", "system", "cache", "warned"),
    [
        (LITE, SHORT, "auto", False),
        (LITE, SHORT, "5m", True),
        (LITE, LONG, "off", False),
        (LLAMA, LONG, "auto", False),
        (LLAMA, LONG, "1h", True),
        (HAIKU, " ".join(["word"] * 2_000), "5m", True),
    ],
)
def test_no_cache_point_where_nothing_would_be_cached(
    model: str,
    system: str,
    cache: str,
    warned: bool,
    server: BedrockServer,
    shared: tuple[BedrockServer, BedrockClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = generator(shared, model, cache=cache)
    for _ in range(3):
        made.generate(prompt(system=system))
    assert points(server) == [[], [], []]
    assert len(caplog.records) == warned
    for record in caplog.records:
        assert isinstance(record.msg, PrefixNotCached)
        assert (record.levelno, record.name, record.msg.model) == (logging.WARNING, "ragdiet.generate", model)
        assert (record.msg.minimum is None) == (model == LLAMA)
        assert model in record.getMessage()


def test_a_prefix_that_the_provider_left_uncached_is_told_once(
    server: BedrockServer, shared: tuple[BedrockServer, BedrockClient], caplog: pytest.LogCaptureFixture
) -> None:
    system = " ".join(["internationalisation"] * 420)  # by our count enough, by the provider's not
    made = generator(shared, cache="5m")
    for _ in range(2):
        made.generate(prompt(system=system))
    assert points(server) == [[{"type": "default"}]] * 2
    assert [type(record.msg) for record in caplog.records] == [PrefixNotCached]
    made.generate(prompt(system=f"{system} too"))
    assert len(caplog.records) == 2


def test_an_hour_is_named_and_billed_as_such(
    server: BedrockServer, shared: tuple[BedrockServer, BedrockClient]
) -> None:
    ledger = MemoryLedger()
    made = generator(shared, HAIKU, ledger, cache="1h")
    system = " ".join([LONG] * 2)
    replies = [made.generate(prompt(system=system)) for _ in range(2)]
    assert points(server)[0] == [{"type": "default", "ttl": "1h"}]
    written, read = (reply.usage for reply in replies)
    assert written.cache_write_1h_tokens == read.cache_read_tokens > 4_096
    saved = Decimal(written.cache_write_1h_tokens) * (Decimal("2.2") - Decimal("0.11")) / 1_000_000
    assert replies[0].cost - replies[1].cost == saved


def test_a_time_to_live_without_a_price_is_told_at_once(shared: tuple[BedrockServer, BedrockClient]) -> None:
    with pytest.raises(UnknownPrice, match="5m"):
        generator(shared, NEAR_HAIKU, cache="1h")
    with pytest.raises(InvalidArgument, match="'auto', '5m', '1h'"):
        generator(shared, cache="2h")


@pytest.mark.parametrize("cache", ["auto", "5m", "off"])
@pytest.mark.parametrize("model", [LITE, HAIKU])
def test_quotes_bound_what_is_billed_with_a_cache_too(
    model: str, cache: str, server: BedrockServer, shared: tuple[BedrockServer, BedrockClient]
) -> None:
    made = generator(shared, model, cache=cache)
    asked = prompt(system=" ".join([LONG] * 2))
    quote = made.quote(asked)
    assert quote.least <= quote.expected <= quote.most
    replies: list[Generation] = [made.generate(asked) for _ in range(3)]
    assert all(reply.cost <= quote.most for reply in replies)


def test_the_share_from_which_a_cache_pays() -> None:
    haiku = PriceBook.default().price(HAIKU)
    assert price_with_cache(haiku, "5m", 0.0) == pytest.approx(1.25)
    assert price_with_cache(haiku, "5m", 1.0) == pytest.approx(0.1)
    assert price_with_cache(haiku, "1h", 0.0) == pytest.approx(2.0)
    assert price_with_cache(PriceBook.default().price(LLAMA), "5m", 1.0) is None
    assert cheapest_ttl(haiku, ()) is None
    assert cheapest_ttl(haiku, (10.0,)) == "5m"
    assert cheapest_ttl(haiku, (1_000.0,)) == "1h"
    assert cheapest_ttl(haiku, (5_000.0,)) is None
    assert cheapest_ttl(haiku, (10.0, *[5_000.0] * 4)) is None  # a share of 0.2
    assert cheapest_ttl(haiku, (10.0, 10.0, *[5_000.0] * 6)) == "5m"  # 0.25


def test_gaps_are_those_of_one_prefix() -> None:
    reuse = Reuse()
    assert reuse.gaps("a", now=0.0) == ()
    assert reuse.gaps("b", now=5.0) == ()
    assert reuse.gaps("a", now=7.0) == (7.0,)
    assert len([reuse.gaps("a", now=8.0 + at) for at in range(100)][-1]) == 32
    for other in range(300):
        reuse.gaps(str(other), now=200.0)
    assert reuse.gaps("a", now=300.0) == ()


# -- the length --------------------------------------------------------------------------------------------------

KINDS = {
    "yes or no": """Can I carry days over to next year?
        Is there a fee when I leave early?
        Do interns get a laptop?
        Does the policy cover dental care?
        Are trains booked through the travel desk?
        May contractors use the gym?""",
    "fact": """How long is the notice period?
        When did the company move to Utrecht?
        Who signs the expense claims?
        Where do I return my laptop?
        What is the capital of Australia?
        Which year was the bridge built?
        What is the maximum hotel rate?
        How much may a hotel room cost?
        Do you know when lunch is served?
        Could you tell me who founded the company?""",
    "list": """List the public holidays.
        What are the three branches of government?
        Which documents do I need for a visa?
        Give examples of allowed expenses.
        Name all the members of the board.
        Which countries are in the Benelux?""",
    "definition": """What is a sabbatical?
        What does FTE stand for?
        What is meant by gross misconduct?
        What is photosynthesis?
        Define working time.""",
    "explanation": """Why was the project stopped?
        How does the pension fund work?
        What happens when I miss a deadline?
        Explain the bonus scheme.
        What caused the outage in May?
        Can you explain the bonus scheme?""",
    "comparison": """What is the difference between leave and sabbatical?
        How do the two plans differ?
        Compare the old contract with the new one.
        Is plan A better, or what are its advantages over plan B?
        MacBook versus ThinkPad: which do we get?""",
    "steps": """How do I book a train?
        How can employees request parental leave?
        How to reset a password?
        What are the steps to close an account?
        Please tell me how to file a claim.""",
    "other": """notice period France
        Kündigungsfrist?
        parental leave policy""",
}


@pytest.mark.parametrize(
    ("kind", "question"), [(kind, line.strip()) for kind in KINDS for line in KINDS[kind].split("\n")]
)
def test_the_wording_tells_the_kind(kind: str, question: str) -> None:
    assert answer_length(question).kind == kind


@given(st.text(max_size=200))
def test_any_text_has_a_length(question: str) -> None:
    length = answer_length(question)
    assert 200 <= length.max_tokens < LONGEST
    assert length.ask.startswith("Answer ")
