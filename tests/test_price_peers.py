"""The packaged prices against those of other people, with the reason for each difference."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from benchmarks import money_prices

from ragdiet.account import PriceBook


@pytest.fixture(scope="module")
def lines() -> list[money_prices.Line]:
    return money_prices.against_genai()


def test_each_disagreement_with_genai_prices_has_its_reason(lines: list[money_prices.Line]) -> None:
    assert money_prices.unexplained(lines) == []
    assert sum(line.status == "same" for line in lines) > 150


def test_no_reason_outlives_its_disagreement(lines: list[money_prices.Line]) -> None:
    assert money_prices.idle("genai-prices", lines) == []
    rest = [line for line in lines if not line.id.startswith("eu.meta.")]
    assert money_prices.idle("genai-prices", rest) == ["eu.meta.llama3-2-*: it prices the eu. profile as the us. one"]


def test_a_wrong_row_has_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    micro = PriceBook.default().price("us.amazon.nova-micro-v1:0")
    wrong = PriceBook.default().with_prices([{**_row(micro.model), "input": "0.36"}])
    monkeypatch.setattr(PriceBook, "default", lambda: wrong)
    (found,) = money_prices.unexplained(money_prices.against_genai())
    assert (found.id, found.status) == (micro.model, "different")
    assert found.differs == {"input": ("0.36", "0.035")}


def _row(model: str) -> dict[str, str]:
    rates = {"input": "0.035", "output": "0.14", "cache_read": "0.00875"}
    return {"model": model, "kind": "generate", "source": "a slip", "checked": "2026-11-30", **rates}


def test_the_table_with_litellm(tmp_path: Path) -> None:
    """litellm itself is not installed: a wheel of its form stands in, with an entry right, one wrong, one of no use."""
    entries: dict[str, dict[str, object]] = {
        "us.amazon.nova-micro-v1:0": {
            "input_cost_per_token": 3.5e-08,
            "output_cost_per_token": 1.4e-07,
            "cache_read_input_token_cost": 8.75e-09,
            "input_cost_per_token_batches": 1.75e-08,
            "output_cost_per_token_batches": 7e-08,
        },
        "us.amazon.nova-lite-v1:0": {"input_cost_per_token": 7e-08, "output_cost_per_token": 2.4e-07},
        "bedrock_mantle/openai.gpt-oss-20b": {"input_cost_per_token": 7e-08, "output_cost_per_token": 3e-07},
        "gpt-5": {"litellm_provider": "openai", "input_cost_per_token": 1},
    }
    table = {name: {"litellm_provider": "bedrock", "mode": "chat", **entry} for name, entry in entries.items()}
    wheel = tmp_path / "litellm-9.8.7-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("litellm/model_prices_and_context_window_backup.json", json.dumps(table))
    found = money_prices.prices(wheel)
    assert found["summary"]["litellm"] == {
        "version": "9.8.7",
        "same": 1,
        "different": 1,
        "missing here": 1,
        "missing there": len(PriceBook.default().newest) - 2,
        "without a reason": len(PriceBook.default().newest) - 3,
    }
    (different,) = [line for line in found["lines"]["litellm"] if line["status"] == "different"]
    assert different["differs"] == {"input": ("0.06", "0.07"), "cache_read": ("0.015", "-")}
    assert json.loads(json.dumps(found))["summary"]["genai-prices"]["without a reason"] == 0
