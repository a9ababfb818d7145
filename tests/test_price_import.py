"""Prices out of the AWS Price List and out of litellm's table, and the commands that show and keep them."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragdiet.account import LongContext, PriceBook, TierRates
from ragdiet.account.price_file import parse_rows
from ragdiet.account.price_import import Imported, aws_prices, differences, litellm_prices
from ragdiet.cli import main
from ragdiet.errors import InvalidArgument

DAY = date(2026, 11, 30)
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
MICRO = "amazon.nova-micro-v1:0"


def line(usage_type: str, usd: str, unit: str = "1K tokens", **more: Any) -> dict[str, Any]:
    """One price of an offer file. ``more`` are a description, or attributes of the product."""
    return {"usagetype": usage_type, "usd": usd, "unit": unit, "regionCode": "us-east-1", "description": ""} | more


def offer(path: Path, *lines: dict[str, Any], code: str = "AmazonBedrock") -> Path:
    """A file in the form of ``.../offers/v1.0/aws/AmazonBedrock/current/us-east-1/index.json``."""
    products, terms = {}, {}
    for number, one in enumerate(lines):
        sku = f"SKU{number}"
        price = {
            "unit": one.pop("unit"),
            "description": one.pop("description"),
            "pricePerUnit": {"USD": one.pop("usd")},
        }
        products[sku] = {"sku": sku, "productFamily": "Amazon Bedrock", "attributes": {"servicecode": code, **one}}
        terms[sku] = {
            f"{sku}.JRTCKXETXF": {
                "effectiveDate": "2026-11-01T00:00:00Z",
                "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": {"beginRange": "0", "endRange": "Inf", **price}},
            }
        }
    content = {
        "formatVersion": "v1.0",
        "offerCode": code,
        "publicationDate": "2026-11-27T18:09:44Z",
        "products": products,
        "terms": {"OnDemand": terms},
    }
    path.write_text(json.dumps(content))
    return path


def imported(path: Path) -> Imported:
    return aws_prices(path, book=PriceBook.default(), checked=DAY)


def rates_of(found: Imported, model: str, region: str = "us-east-1") -> Any:
    (row,) = [row for row in found.rows if (row.model, row.region) == (model, region)]
    return row


# -- the AWS Price List ------------------------------------------------------------------------------------------


def test_an_amazon_model_with_its_profile_and_tiers(tmp_path: Path) -> None:
    found = imported(
        offer(
            tmp_path / "offer.json",
            line("USE1-NovaMicro-input-tokens", "0.0000350000"),
            line("USE1-NovaMicro-output-tokens", "0.0001400000"),
            line("USE1-NovaMicro-cache-read-input-token-count", "0.0000087500"),
            line("USE1-NovaMicro-input-tokens-batch", "0.0000175000"),
            line("USE1-NovaMicro-output-tokens-batch", "0.0000700000"),
            line("USE1-NovaMicro-input-tokens-flex", "0.018", "1M tokens"),
            line("USE1-NovaMicro-output-tokens-flex", "0.08", "1M tokens"),
            line("USE1-NovaMicro-input-tokens-custom-model", "0.9"),
            line("USE1-NovaMicro-ProvisionedThroughput-NoCommit-ModelUnits", "8.3", "hour"),
            line("USE1-NovaCanvas-T2I-1024-Standard", "0.04", "image"),
        )
    )
    assert {row.model for row in found.rows} == {MICRO, f"us.{MICRO}"}
    row = rates_of(found, f"us.{MICRO}")
    assert (row.kind, row.input, row.output, row.cache_read) == (
        "generate",
        Decimal("0.035"),
        Decimal("0.14"),
        Decimal("0.00875"),
    )
    assert row.tiers == {"batch": Decimal("0.5"), "flex": TierRates(input=Decimal("0.018"), output=Decimal("0.08"))}
    assert row.reference == "AWS Price List AmazonBedrock of 2026-11-27 @ 2026-11-30"
    assert found.covers == {"us-east-1"}


@pytest.mark.parametrize(
    ("meters", "unit", "description"),
    [
        (
            "InputTokenCount OutputTokenCount CacheReadInputTokenCount CacheWriteInputTokenCount "
            "CacheWrite1hInputTokenCount",
            "Units",
            "AWS Marketplace software usage|us-east-1|Million Tokens Regional CRIS",
        ),
        (
            "input_tokens_standard output_tokens_standard cache_read_tokens_standard cache_write_tokens_standard "
            "cache_write_tokens_1h_standard",
            "1M tokens",
            "",
        ),
    ],
)
def test_claude_in_both_spellings_is_its_profiles_only(
    meters: str, unit: str, description: str, tmp_path: Path
) -> None:
    service = {"servicename": "Claude Haiku 4.5 (Amazon Bedrock Edition)", "description": description}
    prices = ("1.1", "5.5", "0.11", "1.375", "2.2")
    lines = [
        line(f"USE1-MP:USE1_{meter}-Units", usd, unit, **service)
        for meter, usd in zip(meters.split(), prices, strict=True)
    ]
    glob = [
        line(f"USE1-MP:USE1_{way}TokenCount_Global-Units", usd, "1M tokens", **service)
        for way, usd in (("Input", "1"), ("Output", "5"))
    ]
    batch = line("USE1-MP:USE1_InputTokenCount_Global_Batch-Units", "0.5", "1M tokens", **service)
    found = imported(offer(tmp_path / "offer.json", *lines, *glob, batch, code="AmazonBedrockFoundationModels"))
    assert {row.model for row in found.rows} == {f"us.{HAIKU}", f"global.{HAIKU}"}
    row = rates_of(found, f"us.{HAIKU}")
    assert (
        tuple(f"{rate}" for rate in (row.input, row.output, row.cache_read, row.cache_write_5m, row.cache_write_1h))
        == prices
    )
    assert rates_of(found, f"global.{HAIKU}").tiers == {"batch": Decimal("0.5")}
    assert differences(PriceBook.default(), found) == ()


def test_long_requests_begin_where_the_book_says(tmp_path: Path) -> None:
    service = {"servicename": "Claude Haiku 5.5 (Amazon Bedrock Edition)"}
    found = imported(
        offer(
            tmp_path / "offer.json",
            *(
                line(f"EUW1-MP:EUW1_{meter}-Units", usd, "1M tokens", regionCode="eu-west-1", **service)
                for meter, usd in (
                    ("input_tokens_standard", "0.11"),
                    ("output_tokens_standard", "0.55"),
                    ("input_tokens_long_ctx_standard", "0.6"),
                    ("output_tokens_long_ctx_standard", "3"),
                )
            ),
            code="AmazonBedrockFoundationModels",
        )
    )
    row = rates_of(found, "eu.anthropic.claude-haiku-5-5", "eu-west-1")
    assert row.long_context == LongContext(above=100_000, input=Decimal("0.6"), output=Decimal(3))


def test_embeddings_rerank_and_guardrails(tmp_path: Path) -> None:
    found = imported(
        offer(
            tmp_path / "offer.json",
            line("USE1-TitanEmbeddingV2-Text-input-tokens", "0.00002"),
            line(
                "USE1-Guardrail-ContentPolicyUnitsConsumed", "0.15", "TextUnit", description="$0.15 per 1K text units"
            ),
            line("USE1-Guardrail-TopicPolicyUnitsConsumed", "0.00015", "TextUnit", description="$ per TextUnit"),
            line("USE1-MP:USE1_search_units-Units", "2", "1K queries", servicename="Cohere Rerank v3.5"),
        )
    )
    assert rates_of(found, "amazon.titan-embed-text-v2:0").input == Decimal("0.02")
    for model, rate in (
        ("guardrail/contentPolicyUnits", "0.15"),
        ("guardrail/topicPolicyUnits", "0.15"),
        ("cohere.rerank-v3-5:0", "2"),
    ):
        assert rates_of(found, model).per_1000_units == Decimal(rate)
    assert differences(PriceBook.default(), found) == ()


def test_what_is_not_sure_gives_no_row_and_is_said(tmp_path: Path) -> None:
    micro = [line("USE1-NovaMicro-input-tokens", "0.000035"), line("USE1-NovaMicro-output-tokens", "0.00014")]
    found = imported(
        offer(
            tmp_path / "offer.json",
            *micro,
            line("USE1-NovaZeta-input-tokens", "1"),
            line("USE1-openai.gpt-oss-20b-mantle-input-tokens-standard", "1"),
            line("USE1-NovaPro-input-tokens", "0.0008"),
            line("USE1-NovaLite-input-tokens", "0.00006"),
            line("USE1-NovaLite-output-tokens", "0.00024"),
            line("USE1-NovaLite-output-tokens", "0.00025"),
            line("USE1-MP:USE1_InputTokenCount-Units", "1", "Units", servicename="Claude Sonnet 5"),
        )
    )
    assert {row.model for row in found.rows} == {MICRO, f"us.{MICRO}"}
    said = " ".join(f"{name}: {reason}" for name, reason in found.skipped.items())
    for part in (
        "NovaZeta: a name that stands for no model",
        "openai.gpt-oss-20b-mantle: of the mantle endpoint",
        "amazon.nova-pro-v1:0 in us-east-1: only some",
        "amazon.nova-lite-v1:0 in us-east-1: two prices",
        "Claude Sonnet 5: priced per 'Units'",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"unit": ""}, "SKU0.*no unit"),
        ({"usd": "-1"}, "SKU0.*-1"),
        ({"usd": "NaN"}, "SKU0.*NaN"),
        ({"usd": "cheap"}, "SKU0.*cheap"),
        ({"usagetype": 7}, "SKU0 has the usage type 7"),
        ({"unit": 7}, "SKU0.*no unit"),
        ({"usagetype": "USE1-NovaZeta-input-tokens"}, "no price of a model"),
    ],
)
def test_a_bad_line_is_named(change: dict[str, Any], match: str, tmp_path: Path) -> None:
    path = offer(tmp_path / "offer.json", {**line("USE1-NovaMicro-input-tokens", "0.000035"), **change})
    with pytest.raises(InvalidArgument, match=match):
        imported(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not JSON"),
        ("[]", "offerCode"),
        ('{"offerCode": "AmazonEC2"}', "AmazonEC2"),
        ('{"offerCode": "AmazonBedrock"}', "form of an AWS offer file"),
        ('{"offerCode": "AmazonBedrock", "products": {}, "terms": {"OnDemand": {}}}', "no price"),
    ],
)
def test_a_file_that_is_no_offer(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "offer.json"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=match):
        imported(path)


def aurora(usage_type: str, usd: str, unit: str, engine: str = "Any", place: str = "EU-") -> dict[str, Any]:
    return line(f"{place}Aurora:{usage_type}", usd, unit, databaseEngine=engine, regionCode="eu-west-1")


def test_aurora_of_a_region(tmp_path: Path) -> None:
    found = imported(
        offer(
            tmp_path / "offer.json",
            aurora("ServerlessV2Usage", "0.14", "ACU-Hr", "Aurora PostgreSQL"),
            aurora("ServerlessV2Usage", "0.9", "ACU-Hr", "Aurora MySQL"),
            aurora("StorageUsage", "0.11", "GB-Mo", "Aurora PostgreSQL"),
            aurora("StorageUsage", "0.9", "GB-Mo"),
            aurora("StorageIOUsage", "0.00000022", "IOs"),
            aurora("ServerlessV2IOOptimizedUsage", "0.19", "ACU-Hr", "Aurora PostgreSQL"),
            aurora("IO-OptimizedStorageUsage", "0.248", "GB-Mo"),
            aurora("IO-OptimizedStorageUsage-LimitlessPreview", "0", "GB-Mo"),
            code="AmazonRDS",
        )
    )
    assert {row.model: {name: f"{rate:f}" for name, rate in row.rates.items()} for row in found.rows} == {
        "aurora/standard": {"acu_hour": "0.14", "gb_month": "0.11", "million_io": "0.22"},
        "aurora/io-optimized": {"acu_hour": "0.19", "gb_month": "0.248", "million_io": "0"},
    }
    assert [one.change for one in differences(PriceBook.default(), found)] == ["new", "new"]


def test_aurora_without_all_of_its_rates(tmp_path: Path) -> None:
    for lines in (
        [aurora("ServerlessV2Usage", "0.14", "ACU-Hr"), aurora("StorageUsage", "0.11", "GB-Mo")],
        [aurora("ServerlessV2IOOptimizedUsage", "0.14", "Hrs"), aurora("IO-OptimizedStorageUsage", "0.11", "GB-Mo")],
    ):
        with pytest.raises(InvalidArgument, match="no whole price of Aurora"):
            imported(offer(tmp_path / "offer.json", *lines, code="AmazonRDS"))


# -- litellm's table ---------------------------------------------------------------------------------------------


def entry(**given: Any) -> dict[str, Any]:
    costs = {"input_cost_per_token": 3.5e-08, "output_cost_per_token": 1.4e-07}
    return {"litellm_provider": "bedrock_converse", "mode": "chat", **costs} | given


def wheel(path: Path, table: Any) -> Path:
    with zipfile.ZipFile(path / "litellm-9.8.7-py3-none-any.whl", "w") as file:
        file.writestr("litellm/model_prices_and_context_window_backup.json", json.dumps(table))
    return path / "litellm-9.8.7-py3-none-any.whl"


def test_the_table_within_a_wheel(tmp_path: Path) -> None:
    table = {
        "x.one-v1:0": entry(
            cache_creation_input_token_cost_above_1hr=7e-08,
            input_cost_per_token_batches=1.75e-08,
            output_cost_per_token_batches=7e-08,
            input_cost_per_token_flex=1.8e-08,
            output_cost_per_token_flex=7e-08,
            input_cost_per_token_above_200k_tokens=7e-08,
            output_cost_per_token_above_200k_tokens=2.8e-07,
        ),
        "bedrock/eu-west-1/x.one-v1:0": entry(input_cost_per_token_flex=1.8e-08, output_cost_per_token_flex=7e-08),
        "x.embed": entry(mode="embedding", output_cost_per_token=0),
        "x.rerank": entry(mode="rerank", input_cost_per_query=0.001),
        "bedrock/guardrails": entry(mode="guardrail", guardrail_cost_per_unit={"topicPolicyUnits": 0.00015}),
        "x.bare": entry(),
        "us.x.bare": entry(input_cost_per_token=4e-08),
        "global.x.bare": entry(),
        "bedrock/*/1-month-commitment/x.one-v1:0": entry(),
        "bedrock/invoke/x.one-v1:0": entry(),
        "bedrock_mantle/x.one": entry(litellm_provider="bedrock_mantle"),
        "x.picture": entry(mode="image_generation"),
        "x.seconds": entry(input_cost_per_token=0),
        "gpt-5": entry(litellm_provider="openai"),
    }
    found = litellm_prices(wheel(tmp_path, table), checked=DAY)
    rows = {(row.model, row.region): row for row in found.rows}
    assert set(rows) == {
        ("x.one-v1:0", ""),
        ("x.one-v1:0", "eu-west-1"),
        ("x.embed", ""),
        ("x.rerank", ""),
        ("guardrail/topicPolicyUnits", ""),
        ("us.x.bare", ""),
        ("global.x.bare", ""),
    }
    one = rows["x.one-v1:0", ""]
    assert (one.input, one.output, one.cache_write_1h) == (Decimal("0.035"), Decimal("0.14"), Decimal("0.07"))
    assert one.tiers == {"batch": Decimal("0.5")}
    assert one.long_context == LongContext(above=200_000, input=Decimal("0.07"), output=Decimal("0.28"))
    assert rows["x.one-v1:0", "eu-west-1"].tiers == {"flex": TierRates(input=Decimal("0.018"), output=Decimal("0.07"))}
    assert rows["x.rerank", ""].per_1000_units == 1
    assert rows["guardrail/topicPolicyUnits", ""].per_1000_units == Decimal("0.15")
    assert rows["x.embed", ""].output is None
    assert one.reference == "litellm 9.8.7 price table @ 2026-11-30"
    assert "gpt-5" not in found.skipped
    assert len(found.skipped) == 6


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ([], "no table"),
        ({}, "no price"),
        ({"x.one": entry(input_cost_per_token=-1e-08)}, r"'x\.one'.*input"),
        ({"x.one": entry(input_cost_per_token="free")}, r"'x\.one'.*free"),
    ],
)
def test_a_table_that_cannot_be_believed(table: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=match):
        litellm_prices(wheel(tmp_path, table), checked=DAY)


def test_a_wheel_that_is_none(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"x.one": entry()})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidArgument, match="no wheel"):
        litellm_prices(path, checked=DAY)


# -- differences -------------------------------------------------------------------------------------------------


def book_of(*rows: tuple[str, str, str]) -> PriceBook:
    common = {"kind": "generate", "output": "2", "cache_read": "0.1", "checked": "2026-11-01"}
    return PriceBook([{"model": name, "input": rate, "source": source, **common} for name, rate, source in rows])


def test_what_is_new_changed_gone_or_ones_own(tmp_path: Path) -> None:
    book = book_of(
        ("x.same", "1", "litellm 1 price table"),
        ("x.dearer", "1", "litellm 1 price table"),
        ("x.gone", "1", "litellm 1 price table"),
        ("x.own", "1", "agreement 7"),
        ("x.better", "1", "AWS Price List AmazonBedrock of 2026-11-01"),
    )
    table = {f"x.{name}": entry(input_cost_per_token=1e-06, output_cost_per_token=2e-06) for name in ("same", "new")}
    table |= {
        f"x.{name}": entry(input_cost_per_token=3e-06, output_cost_per_token=2e-06)
        for name in ("dearer", "own", "better")
    }
    found = differences(book, litellm_prices(wheel(tmp_path, table), checked=DAY))
    assert [(one.change, one.model) for one in found] == [
        ("changed", "x.dearer"),
        ("gone", "x.gone"),
        ("kept", "x.better"),
        ("kept", "x.own"),
        ("new", "x.new"),
    ]


def test_a_changed_row_keeps_only_what_surely_still_holds(tmp_path: Path) -> None:
    book = book_of(*((name, "1", "litellm 1 price table") for name in ("x.dearer", "x.tier", "x.place")))
    same = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
    tier = {"input_cost_per_token_flex": 5e-07, "output_cost_per_token_flex": 1e-06}
    table = {
        "x.dearer": entry(input_cost_per_token=3e-06, output_cost_per_token=2e-06),
        "x.tier": entry(**same, **tier),
        "x.place": entry(**same),
        "bedrock/eu-west-1/x.place": entry(**same, **tier),
    }
    dearer, place, tiered = differences(book, litellm_prices(wheel(tmp_path, table), checked=DAY))
    assert (dearer.model, place.region, tiered.model) == ("x.dearer", "eu-west-1", "x.tier")
    assert dearer.rates == (("input", "1", "3"), ("cache_read", "0.1", "-"))
    assert place.after is not None
    assert place.after.cache_read is None
    assert tiered.after is not None
    assert tiered.after.cache_read == Decimal("0.1")
    assert tiered.after.reference == (
        "litellm 9.8.7 price table @ 2026-11-30 (what it lacks: litellm 1 price table @ 2026-11-01)"
    )


# -- the command line --------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in ("prices", *arguments)], env={"RAGDIET_PRICES": ""})


def test_refresh_shows_and_writes_only_when_told(tmp_path: Path) -> None:
    lines = (line("USE1-NovaMicro-input-tokens", "0.00004"), line("USE1-NovaMicro-output-tokens", "0.00014"))
    path, own = offer(tmp_path / "offer.json", *lines), tmp_path / "own.json"
    shown = run("refresh", "--aws", path)
    assert shown.exit_code == 0
    assert f"changed {MICRO} in us-east-1: input 0.035 -> 0.04, cache_read 0.00875 -> -" in shown.stdout
    assert "0 the same, 0 new, 2 changed" in shown.stderr
    assert not own.exists()
    written = run("refresh", "--aws", path, "--checked", "2026-11-29", "--write", own)
    assert f"2 rows were added to {own}" in written.stderr
    assert {row.model for row in parse_rows(own.read_text())} == {MICRO, f"us.{MICRO}"}
    before = own.read_bytes()
    again = run("refresh", "--aws", path, "--write", own)
    assert "2 the same, 0 new, 0 changed" in again.stderr
    assert own.read_bytes() == before
    dearer = offer(tmp_path / "dearer.json", line("USE1-NovaMicro-input-tokens", "0.00005"), lines_output())
    assert "changed" in run("refresh", "--aws", dearer, "--write", own).stdout
    assert [f"{row.input}" for row in PriceBook.load(own).rows if row.region == "us-east-1" and row.model == MICRO] == [
        "0.04",
        "0.05",
    ]


def lines_output() -> dict[str, Any]:
    return line("USE1-NovaMicro-output-tokens", "0.00014")


def test_refresh_must_know_where_to_write(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"x.one": entry()})
    refused = run("refresh", "--litellm", path, "--write")
    assert refused.exit_code == 2
    assert "--write FILE" in refused.stderr
    own = tmp_path / "own.json"
    arguments = ["--prices", str(own), "prices", "refresh", "--litellm", str(path), "--write", "--skipped"]
    written = CliRunner().invoke(main, arguments)
    assert written.exit_code == 0, written.output
    assert "x.one" in own.read_text()


def test_refresh_without_litellm_says_how_to_get_it() -> None:
    refused = run("refresh")
    assert refused.exit_code == 1
    assert "pip download --no-deps litellm" in refused.stderr


def test_show_and_list() -> None:
    shown = run("show", "amazon.titan-embed-text-v2:0", "--region", "us-gov-east-1")
    assert "litellm 1.110.2 price table @ 2026-11-30" in shown.stdout
    assert "before: input 0.2 (litellm 1.106.2 price table @ 2026-11-23)" in shown.stdout
    past = run("show", "amazon.titan-embed-text-v2:0", "--region", "us-gov-east-1", "--on", "2026-11-25")
    assert "0.2\n" in past.stdout
    assert run("show", "nova-micro").exit_code == 1
    assert run("show", MICRO, "--on", "soon").exit_code == 2
    listed = run("list", "--kind", "rerank").stdout.splitlines()
    assert [one.split()[0] for one in listed] == ["model", "amazon.rerank-v1:0", "cohere.rerank-v3-5:0"]
    assert len(run("list", "--with", "nova-micro").stdout.splitlines()) > 4


def test_ones_own_file_is_of_every_command(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    row = {"model": MICRO, "kind": "generate", "input": "0.03", "output": "0.1", "source": "agreement 7"}
    own.write_text(json.dumps({"unit": "USD per million tokens", "rows": [{**row, "checked": "2026-11-01"}]}))
    shown = CliRunner().invoke(main, ["prices", "show", MICRO], env={**os.environ, "RAGDIET_PRICES": str(own)})
    assert "agreement 7 @ 2026-11-01" in shown.stdout
    own.write_text("{")
    for command in (["prices", "list"], ["--path", str(tmp_path / "store"), "costs"]):
        broken = CliRunner().invoke(main, ["--prices", str(own), *command])
        assert broken.exit_code == 1
        assert "InvalidArgument" in broken.stderr
