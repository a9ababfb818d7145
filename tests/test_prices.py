"""The price book: exact ids, exact arithmetic, and nothing free by mistake."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.account import LongContext, MemoryLedger, Price, PriceBook, PriceRow, metered
from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.types import Usage

MICRO = "us.amazon.nova-micro-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
MILLION = 1_000_000


def row(**given: Any) -> dict[str, Any]:
    """A row of a price file that is right, but for what is given."""
    return {
        "model": "x.model-v1:0",
        "kind": "generate",
        "input": "0.10",
        "output": "0.40",
        "source": "a price page",
        "checked": "2026-11-01",
    } | given


def priced(**given: Any) -> PriceRow:
    return PriceBook([row(**given)]).rows[0]


# -- the packaged table ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "input", "output"),
    [
        (MICRO, "0.035", "0.14"),
        ("us.amazon.nova-lite-v1:0", "0.06", "0.24"),
        ("us.amazon.nova-pro-v1:0", "0.80", "3.20"),
        ("eu.amazon.nova-lite-v1:0", "0.078", "0.312"),
        ("us.amazon.nova-2-lite-v1:0", "0.33", "2.75"),
        ("global.amazon.nova-2-lite-v1:0", "0.30", "2.50"),
        (HAIKU, "1.10", "5.50"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "1.00", "5.00"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.30", "16.50"),
        ("us.anthropic.claude-sonnet-5-5", "2.20", "11.00"),
        ("us.anthropic.claude-opus-5", "5.50", "27.50"),
        ("us.anthropic.claude-opus-5-5", "4.40", "22.00"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "0.72", "0.72"),
        ("us.meta.llama4-scout-17b-instruct-v1:0", "0.17", "0.66"),
        ("mistral.mistral-large-3-675b-instruct", "0.50", "1.50"),
        ("openai.gpt-oss-20b-1:0", "0.07", "0.30"),
        ("amazon.titan-embed-text-v2:0", "0.02", None),
        ("cohere.embed-multilingual-v3", "0.10", None),
        ("cohere.embed-v4:0", "0.12", None),
        ("amazon.nova-2-multimodal-embeddings-v1:0", "0.135", None),
    ],
)
def test_rates_of_the_table(model: str, input: str, output: str | None) -> None:
    found = PriceBook.default().price(model)
    assert found.model == model
    assert found.input == Decimal(input)
    assert found.output == (None if output is None else Decimal(output))


def test_rerankers_are_priced_by_query() -> None:
    book = PriceBook.default()
    assert book.price("amazon.rerank-v1:0").cost(Usage(units=1)) == Decimal("0.001")
    assert book.price("cohere.rerank-v3-5:0").cost(Usage(units=3)) == Decimal("0.006")


def test_an_answer_of_the_usual_size() -> None:
    usage = Usage(input_tokens=3000, output_tokens=300)
    assert PriceBook.default().price(MICRO).cost(usage) == Decimal("0.000147")
    assert PriceBook.default().price(HAIKU).cost(usage) == Decimal("0.00495")


def test_each_row_says_where_and_when_it_was_read() -> None:
    rows = PriceBook.default().rows
    assert len(rows) > 450
    assert {found.reference.split(" (")[0] for found in rows} == {
        "litellm 1.106.2 price table @ 2026-11-23",
        "Amazon Bedrock documentation, not its price page @ 2026-11-23",
        "litellm 1.110.2 price table @ 2026-11-30",
        "AWS Price List of AmazonRDS, read at second hand @ 2026-11-30",
    }


def test_the_file_holds_no_floats() -> None:
    text = resources.files("ragdiet.account").joinpath("prices.json").read_text(encoding="utf-8")

    def refuse(number: str) -> None:
        raise AssertionError(f"{number} is no decimal string")

    assert json.loads(text, parse_float=refuse)["unit"]


def test_the_claude_rows_agree_with_the_published_multiples() -> None:
    """Writes cost 1.25x (5 minutes) and 2x (1 hour) the input, reads 0.1x or, from the 5.5 family, 0.05x and less;
    a regional profile costs 1.1x the global one, but for Sonnet 4, which is from before that."""
    book = PriceBook.default()
    claude = [found for found in book.newest if "anthropic." in found.model]
    assert len(claude) > 140
    for found in claude:
        assert found.input is not None
        assert found.cache_write_5m in (found.input * Decimal("1.25"), None)
        assert found.cache_write_1h in (found.input * 2, None)
        # Haiku 5.5 reads at 0.1x like the older ones, in the table.
        share = "0.05" if found.model.endswith(("sonnet-5-5", "opus-5-5")) else "0.1"
        share = "0.025" if found.model.endswith(("fable-5-1", "mythos-5-1")) else share
        assert found.cache_read in (found.input * Decimal(share), None)
        profile, _, name = found.model.partition(".")
        if profile in ("us", "eu", "apac", "jp", "au") and any(row.model == f"global.{name}" for row in claude):
            premium = Decimal(1) if "sonnet-4-2025" in name else Decimal("1.1")
            assert found.input == premium * (book.price(f"global.{name}").input or 0)


def test_there_is_one_book_and_it_is_not_changed() -> None:
    book = PriceBook.default()
    before = book.rows
    other = book.with_prices([row(model=MICRO)])
    assert PriceBook.default() is book
    assert book.rows == before
    assert other.price(MICRO).input == Decimal("0.10")
    assert book.price(MICRO).input == Decimal("0.035")


# -- looking up --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    ["", "nova-micro", "amazon.nova-micro", MICRO + " ", MICRO.upper(), "us.amazon.nova-micro-v1:1", MICRO[:-1], "us."],
)
def test_only_the_exact_id_is_found(model: str) -> None:
    with pytest.raises(UnknownPrice, match="with_prices"):
        PriceBook.default().price(model)


def test_a_bare_claude_id_is_answered_with_its_profiles() -> None:
    with pytest.raises(UnknownPrice) as caught:
        PriceBook.default().price(HAIKU.removeprefix("us."))
    for profile in ("us.", "eu.", "global."):
        assert profile + HAIKU.removeprefix("us.") in str(caught.value)


def test_a_slip_of_the_pen_is_answered_with_the_nearest_id() -> None:
    with pytest.raises(UnknownPrice, match=MICRO):
        PriceBook.default().price("us.amazon.nova-mirco-v1:0")


def test_a_region_with_a_row_of_its_own_comes_first() -> None:
    book = PriceBook([row(), row(region="eu-west-1", input="0.2")])
    assert book.price("x.model-v1:0", "eu-west-1").input == Decimal("0.2")
    assert book.price("x.model-v1:0", "us-east-1").input == Decimal("0.1")
    assert book.price("x.model-v1:0").input == Decimal("0.1")
    only = PriceBook([row(region="eu-west-1")])
    for region in ("", "us-east-1"):
        with pytest.raises(UnknownPrice):
            only.price("x.model-v1:0", region)


def test_govcloud_and_china_have_lists_of_their_own() -> None:
    book = PriceBook.default()
    titan = "amazon.titan-embed-text-v2:0"
    assert book.price(titan, "us-west-2").input == Decimal("0.02")
    assert book.price(titan, "us-gov-west-1").input == Decimal("0.11")
    for region in ("us-gov-west-1", "cn-north-1"):
        with pytest.raises(UnknownPrice, match=region):
            book.price("cohere.embed-english-v3", region)
    assert book.price("us-gov.anthropic.claude-sonnet-5", "us-gov-west-1").input == Decimal("2.4")


# -- bad rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"input": "-0.01"}, "input"),
        ({"output": "-1"}, "output"),
        ({"cache_read": "-1"}, "cache_read"),
        ({"tiers": {"flex": "-0.5"}}, r"tiers\.flex"),
        ({"long_context": {"above": 1, "input": "-1", "output": "1"}}, r"long_context\.input"),
        ({"long_context": {"above": -1, "input": "1", "output": "1"}}, "above"),
        ({"input": "NaN"}, "input"),
        ({"input": "Infinity"}, "input"),
        ({"input": "cheap"}, "input"),
        ({"output": None}, "output"),
        ({"input": None}, "input"),
        ({"kind": "embed", "input": None}, "input"),
        ({"kind": "rerank"}, "per_1000_units"),
        ({"kind": "paint"}, "kind"),
        ({"imput": "1"}, "imput"),
        ({"long_context": {"above": 1, "input": "1", "output": "1", "x": "1"}}, "x"),
        ({"source": ""}, "source"),
        ({"checked": "yesterday"}, "checked"),
        ({"checked": (datetime.now(UTC).date() + timedelta(days=400)).isoformat()}, "future"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_name(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidArgument, match=match) as caught:
        PriceBook.default().with_prices([row(model="good.model"), row(model="bad.model", **wrong)])
    assert "bad.model" in str(caught.value)


@pytest.mark.parametrize("missing", ["kind", "source", "checked", "model"])
def test_a_row_without_what_it_must_have(missing: str) -> None:
    given = row()
    del given[missing]
    with pytest.raises(InvalidArgument, match=missing):
        PriceBook([given])


def test_a_row_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"x\.model-v1:0"):
        PriceBook([row(), row()])
    with pytest.raises(InvalidArgument, match=r"x\.model-v1:0"):
        PriceBook.default().with_prices([row(), row()])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rows": 1}', '{"rows": [1]}'])
def test_a_file_that_is_no_price_file(text: str) -> None:
    with pytest.raises(InvalidArgument, match="price file"):
        PriceBook.from_json(text)


def test_rows_made_in_code_are_checked_too() -> None:
    common: dict[str, Any] = {"model": "m", "kind": "generate", "source": "s", "checked": date(2026, 1, 1)}
    with pytest.raises(InvalidArgument, match="output"):
        PriceRow(input=Decimal(1), **common)
    with pytest.raises(InvalidArgument, match="input"):
        PriceRow(input=0.1, output=Decimal(1), **common)  # type: ignore[arg-type]  # a float on purpose
    with pytest.raises(InvalidArgument, match="future"):
        PriceBook([PriceRow(input=Decimal(1), output=Decimal(1), **(common | {"checked": date(2999, 1, 1)}))])
    made = PriceRow(input=Decimal(1), output=Decimal(1), **common)
    assert pickle.loads(pickle.dumps(made)) == made  # our own bytes


# -- cost --------------------------------------------------------------------------------------------------------

rates = st.decimals(min_value=0, max_value=1000, places=6)
tokens = st.integers(0, 10**9)


@given(
    given=st.tuples(rates, rates, rates, rates, rates),
    used=st.tuples(tokens, tokens, tokens, tokens, tokens),
    factor=st.decimals(min_value=0, max_value=4, places=3),
    digits=st.integers(1, 30),
)
def test_cost_is_exact_whatever_the_callers_decimal_context(
    given: tuple[Decimal, ...], used: tuple[int, ...], factor: Decimal, digits: int
) -> None:
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    made = priced(tiers={"flex": factor}, **dict(zip(names, given, strict=True)))
    usage = Usage(**{f"{name}_tokens": count for name, count in zip(names, used, strict=True)})
    with localcontext(Context(prec=digits)):
        cost = made.cost(usage, tier="flex")
    exact = sum((Fraction(rate) * count for rate, count in zip(given, used, strict=True)), Fraction(0))
    assert isinstance(cost, Decimal)
    assert Fraction(cost) == exact * Fraction(factor) / MILLION


def test_each_kind_of_token_has_its_own_rate() -> None:
    found = PriceBook.default().price(HAIKU)
    for name, rate in (
        ("input_tokens", "1.1"),
        ("output_tokens", "5.5"),
        ("cache_read_tokens", "0.11"),
        ("cache_write_5m_tokens", "1.375"),
        ("cache_write_1h_tokens", "2.2"),
    ):
        assert found.cost(Usage(**{name: MILLION})) == Decimal(rate)


def test_tiers_only_where_they_are_listed() -> None:
    pro, usage = PriceBook.default().price("us.amazon.nova-pro-v1:0"), Usage(input_tokens=MILLION)
    assert [pro.cost(usage, tier=tier) for tier in ("", "default", "batch", "flex", "priority")] == [
        Decimal(text) for text in ("0.8", "0.8", "0.4", "0.4", "1.4")
    ]
    with pytest.raises(UnknownPrice, match="reserved"):
        pro.cost(usage, tier="reserved")
    with pytest.raises(UnknownPrice, match="flex"):
        PriceBook.default().price(HAIKU).cost(usage, tier="flex")


@pytest.mark.parametrize(
    "usage",
    [Usage(cache_read_tokens=1), Usage(cache_write_5m_tokens=1), Usage(cache_write_1h_tokens=1), Usage(units=1)],
)
def test_a_rate_that_is_not_known_is_not_zero(usage: Usage) -> None:
    with pytest.raises(UnknownPrice, match=r"x\.model-v1:0"):
        priced().cost(usage)
    with pytest.raises(UnknownPrice, match="output"):
        priced(kind="embed", output=None).cost(Usage(output_tokens=1))


def test_a_negative_usage_is_no_credit() -> None:
    with pytest.raises(InvalidArgument, match="-1"):
        priced().cost(Usage(input_tokens=-1))
    with pytest.raises(InvalidArgument, match="-1"):
        priced(kind="rerank", per_1000_units="1").cost(Usage(units=-1))


def test_a_long_request_is_dearer_as_a_whole() -> None:
    found = PriceBook.default().price("us.anthropic.claude-haiku-5-5")
    assert found.cost(Usage(input_tokens=100_000)) == Decimal("0.011")
    assert found.cost(Usage(input_tokens=100_001)) == Decimal("0.05500055")
    # Cached tokens count towards the length: 1 x 0.55 + 100,000 x 0.055 + 10 x 2.75
    long = Usage(input_tokens=1, cache_read_tokens=100_000, output_tokens=10)
    assert found.cost(long) == Decimal("0.00552805")
    assert found.cost(Usage(input_tokens=99_999, output_tokens=100_000)) < Decimal("0.07")


# -- what the table does not say ---------------------------------------------------------------------------------


def test_covering_changes_nothing_where_all_is_known() -> None:
    found = PriceBook.default().price(HAIKU)
    usage = Usage(
        input_tokens=1, output_tokens=1, cache_read_tokens=1, cache_write_5m_tokens=1, cache_write_1h_tokens=1
    )
    assert found.covering(usage, tier="batch") is found


@pytest.mark.parametrize(
    ("name", "cost"), [("cache_read", "0.1"), ("cache_write_5m", "0.125"), ("cache_write_1h", "0.2")]
)
def test_covering_charges_the_dearest_known_factor_and_says_so(name: str, cost: str) -> None:
    usage = Usage(**{f"{name}_tokens": MILLION})
    covered = priced().covering(usage)
    assert covered.cost(usage) == Decimal(cost)
    assert name in covered.reference
    assert covered.reference.startswith("a price page @ 2026-11-01 (")


def test_covering_a_long_request() -> None:
    made = priced(long_context={"above": 10, "input": "1", "output": "2"})
    usage = Usage(input_tokens=10, cache_read_tokens=MILLION)
    assert made.covering(usage).cost(usage) == Decimal("1.00001")
    assert made.covering(usage).long_context == LongContext(
        above=10, input=Decimal(1), output=Decimal(2), cache_read=Decimal(1)
    )


def test_covering_says_all_it_takes() -> None:
    usage = Usage(cache_read_tokens=MILLION, cache_write_5m_tokens=MILLION)
    covered = priced().covering(usage, tier="priority")
    assert covered.cost(usage, tier="priority") == Decimal("1.75") * Decimal("0.225")
    assert all(word in covered.reference for word in ("priority", "cache_read", "cache_write_5m"))


def test_a_row_is_what_the_ledger_wants() -> None:
    price: Price = PriceBook.default().price(MICRO)
    ledger = MemoryLedger()
    with metered(ledger, stage="generate", model=MICRO, price=price) as call:
        call.settle(Usage(input_tokens=1, output_tokens=1))
    assert ledger.calls[0].cost == Decimal("0.000000175")
    assert ledger.calls[0].price == price.reference
