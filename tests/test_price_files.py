"""Price files as people get them wrong, prices that change, and prices of one's own."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ragdiet.account import PriceBook, PriceRow, TierRates
from ragdiet.account.price_file import add_rows, parse_rows
from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.testing.bedrock.bill import Charge, Rates
from ragdiet.types import Usage

MODEL = "x.model-v1:0"
MILLION = 1_000_000


def row(**given: Any) -> dict[str, Any]:
    common = {"model": MODEL, "kind": "generate", "input": "1", "output": "2", "source": "a page"}
    return common | {"checked": "2026-11-01"} | given


def file_of(*rows: dict[str, Any]) -> str:
    return json.dumps({"unit": "USD per million tokens", "rows": list(rows)})


# -- bad files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "UTF-8"),
        (file_of(row())[:-9].encode(), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "must hold"),
        (json.dumps({"rows": [row()]}).encode(), "no unit"),
        (json.dumps({"unit": "USD per 1000 tokens", "rows": [row()]}).encode(), "USD per 1000 tokens"),
        (json.dumps({"unit": ["USD"], "rows": [row()]}).encode(), "unit"),
        (file_of(row(input="-1")).encode(), r"x\.model-v1:0.*input"),
        (file_of(row()).replace('"1"', "NaN").encode(), "NaN"),
        (file_of(row()).replace('"1"', "-Infinity").encode(), "Infinity"),
        (file_of(row(input="NaN")).encode(), r"x\.model-v1:0.*input"),
        (file_of(row(input="1e7")).encode(), r"x\.model-v1:0.*input.*1000000"),
        (file_of(row(input="1e999999")).encode(), r"x\.model-v1:0.*input"),
        (file_of(row(input="1e-31")).encode(), r"x\.model-v1:0.*input.*30 decimals"),
        (file_of(row()).replace('"1"', "9" * 5000).encode(), "not JSON"),
        (file_of(row(input=[1])).encode(), r"x\.model-v1:0.*input"),
        (file_of(row(input=True)).encode(), r"x\.model-v1:0.*input"),
        (file_of(row(model=7)).encode(), "model"),
        (file_of(row(tiers=["flex"])).encode(), r"x\.model-v1:0.*tiers"),
        (file_of(row(tiers={"flex": {"input": "1"}})).encode(), r"x\.model-v1:0.*tiers\.flex.*output"),
        (file_of(row(checked=20261101)).encode(), r"x\.model-v1:0.*checked"),
        (file_of(row(kind="database")).encode(), r"x\.model-v1:0.*acu_hour"),
        (file_of(row(rates={"acu_hour": "1"})).encode(), r"x\.model-v1:0.*database"),
        (file_of(row(), row(input="3")).encode(), r"x\.model-v1:0.*two"),
        (file_of(row()).replace('"input": "1"', '"input": "1", "input": "3"').encode(), r"'input'.*x\.model-v1:0"),
        (file_of(row(checked="2999-01-01")).encode(), r"x\.model-v1:0.*future"),
    ],
)
def test_a_file_that_cannot_be_believed(content: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=match):
        PriceBook.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InvalidArgument, match="cannot be read"):
            PriceBook.load(path)


def test_digits_that_a_float_would_lose(tmp_path: Path) -> None:
    rate = "0.1234567890123456789012345"
    path = tmp_path / "prices.json"
    path.write_text(file_of(row()).replace('"1"', rate))
    found = PriceBook.load(path).price(MODEL)
    assert found.input == Decimal(rate)
    assert found.cost(Usage(input_tokens=10**15)) == Decimal(rate) * 10**9


def test_a_mark_of_byte_order_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(file_of(row()), encoding="utf-8-sig")
    assert PriceBook.load(path).price(MODEL).input == 1


# -- adding to a file --------------------------------------------------------------------------------------------


def price(day: str, rate: str = "1", **given: Any) -> PriceRow:
    return parse_rows(file_of(row(checked=day, input=rate, **given)))[0]


def test_rows_are_added_and_none_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "prices.json"
    add_rows(path, [price("2026-10-01")])
    path.write_text(path.read_text().replace('"unit"', '"note": "ours", "unit"'))
    add_rows(path, [price("2026-11-01", "0.5", tiers={"flex": {"input": "0.3", "output": "1"}})])
    assert json.loads(path.read_text())["note"] == "ours"
    assert [one.input for one in PriceBook.load(path).rows if one.model == MODEL] == [1, Decimal("0.5")]
    assert PriceBook.load(path).price(MODEL).tiers == {"flex": TierRates(input=Decimal("0.3"), output=Decimal(1))}
    before = path.read_bytes()
    read_meanwhile = tmp_path / "read"
    os.link(path, read_meanwhile)
    add_rows(path, [price("2026-11-02")])
    assert read_meanwhile.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    before = path.read_bytes()
    with pytest.raises(InvalidArgument, match="past rows are never changed"):
        add_rows(path, [price("2026-11-01", "9")])
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.json"
    add_rows(path, [price("2026-10-01")])
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidArgument, match="left as it was: No space left"):
        add_rows(path, [price("2026-11-01")])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_not_replaced_by_one_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    add_rows(path, [price("2026-10-01")])
    path.chmod(0o600)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add_rows(link, [price("2026-11-01")])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(parse_rows(path.read_text())) == 2


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match="left as it was"):
        add_rows(tmp_path / "file" / "prices.json", [price("2026-11-01")])


# -- prices that change ------------------------------------------------------------------------------------------


def test_the_newest_row_holds_and_a_past_day_keeps_its_own() -> None:
    book = PriceBook([row(checked="2026-11-01", input="3"), row(checked="2026-09-01"), row(region="eu-west-1")])
    assert book.price(MODEL).input == 3
    assert book.price(MODEL, on=date(2026, 10, 31)).input == 1
    assert book.price(MODEL, on=date(2026, 11, 1)).input == 3
    with pytest.raises(UnknownPrice, match=r"2026-08-31.*2026-09-01"):
        book.price(MODEL, on=date(2026, 8, 31))
    assert [one.checked.month for one in book.rows] == [9, 11, 11]
    assert len(book.newest) == 2


def test_tomorrow_is_believed_and_the_day_after_is_not() -> None:
    today = datetime.now(UTC).date()
    assert PriceBook([row(checked=today + timedelta(days=1))]).price(MODEL)
    with pytest.raises(InvalidArgument, match="future"):
        PriceBook([row(checked=max(today, date(2026, 11, 30)) + timedelta(days=2))])


# -- prices of one's own -----------------------------------------------------------------------------------------


def test_ones_own_row_comes_before_a_newer_one_from_its_day_on() -> None:
    book = PriceBook([row(checked="2026-09-01"), row(checked="2026-11-01", input="3")])
    own = book.with_prices([row(checked="2026-10-01", input="0.8", source="our agreement")])
    assert own.price(MODEL).input == Decimal("0.8")
    assert own.price(MODEL, on=date(2026, 9, 30)).input == 1
    assert [f"{one.input}" for one in own.rows] == ["1", "0.8"]
    assert book.price(MODEL).input == 3


def test_a_discount_is_of_every_rate_and_says_so() -> None:
    long_context = {"above": 10, "input": "2", "output": "4", "cache_read": "1"}
    tiers = {"flex": "0.5", "batch": "0.5"}
    book = PriceBook(
        [
            row(cache_read="0.1", long_context=long_context, tiers=tiers),
            row(model="x.tiered", tiers={"flex": {"input": "0.3", "output": "1"}}),
            row(model="x.rerank", kind="rerank", per_1000_units="2", input=None, output=None),
            row(model="y.other"),
        ]
    )
    less = book.discounted(
        Decimal("0.85"), which=lambda one: one.model.startswith("x."), source="agreement 7", checked=date(2026, 11, 2)
    )
    for name in (MODEL, "x.tiered", "x.rerank", "y.other"):
        for usage, tier in (
            (Usage(input_tokens=10, output_tokens=3), ""),
            (Usage(input_tokens=7, output_tokens=MILLION), "flex"),
            (Usage(input_tokens=MILLION, output_tokens=MILLION), ""),
            (Usage(units=5), ""),
        ):
            try:
                before = book.price(name).cost(usage, tier=tier)
            except UnknownPrice:
                continue
            factor = Decimal(1) if name == "y.other" else Decimal("0.85")
            assert less.price(name).cost(usage, tier=tier) == before * factor
    assert less.price(MODEL).reference == "agreement 7: x0.85 of a page @ 2026-11-02"
    assert less.price(MODEL, on=date(2026, 11, 1)).input == 1


@pytest.mark.parametrize("factor", [0.85, Decimal("1.1"), Decimal(-1), Decimal("NaN")])
def test_a_discount_that_is_none(factor: Any) -> None:
    with pytest.raises(InvalidArgument, match="factor"):
        PriceBook.default().discounted(factor, which=lambda _: True, source="s", checked=date(2026, 11, 2))


def test_a_discount_of_nothing_is_a_mistake() -> None:
    with pytest.raises(InvalidArgument, match="no row"):
        PriceBook.default().discounted(
            Decimal("0.9"), which=lambda one: one.model == "Claude", source="s", checked=date(2026, 11, 2)
        )


# -- tiers with rates of their own -------------------------------------------------------------------------------


def test_a_tier_that_is_no_one_factor() -> None:
    large = PriceBook.default().price("mistral.mistral-large-3-675b-instruct")
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION)
    assert large.cost(usage, tier="priority") == Decimal("0.88") + Decimal("2.63")
    assert large.cost(usage, tier="batch") == Decimal(1)
    cached = Usage(cache_read_tokens=MILLION)
    with pytest.raises(UnknownPrice, match="cache_read"):
        large.cost(cached, tier="priority")
    assert Charge(input_tokens=10, output_tokens=3, tier="priority").cost(Rates.like(large)) == large.cost(
        Usage(input_tokens=10, output_tokens=3), tier="priority"
    )
    assert large.covering(cached, tier="priority").cost(cached, tier="priority") == Decimal("0.88")


def test_a_long_request_in_a_tier_with_rates_of_its_own_cannot_be_told() -> None:
    given = {
        "long_context": {"above": 1, "input": "1", "output": "1"},
        "tiers": {"flex": {"input": "1", "output": "1"}},
    }
    with pytest.raises(InvalidArgument, match="factors"):
        PriceBook([row(**given)])


# -- a database --------------------------------------------------------------------------------------------------


def test_aurora_is_known_where_it_was_read() -> None:
    book = PriceBook.default()
    standard, optimized = (book.price(f"aurora/{name}", "us-east-1") for name in ("standard", "io-optimized"))
    assert standard.rates == {"acu_hour": Decimal("0.12"), "gb_month": Decimal("0.10"), "million_io": Decimal("0.20")}
    assert optimized.rates["million_io"] == 0
    with pytest.raises(UnknownPrice):
        book.price("aurora/standard", "eu-west-1")
    with pytest.raises(UnknownPrice):
        standard.cost(Usage(input_tokens=1))
