"""Models by ARN, and what an account's settings can be wrong in: each a typed error or a step of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ragdiet.account import MemoryLedger, PriceBook, PriceRow
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.errors import (
    AccessDenied,
    BadReply,
    InvalidArgument,
    ModelInputError,
    ModelUnavailable,
    RagdietError,
    UnknownPrice,
)
from ragdiet.generate import ConverseGenerator
from ragdiet.testing.bedrock import KEYS, BedrockServer, Fault, Keys
from ragdiet.types import Context, Prompt
from tests.stand_in import its_environment

REGION, ACCOUNT = "us-east-1", "123456789012"
LITE, BARE = "us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
APPLICATION = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:application-inference-profile/"
PROMPT = Prompt(
    system="Cite.",
    question="How long is the notice period?",
    context=Context(
        text="[1] Handbook\nThe notice period is three months.", tokens=9, tokens_before=9, kept=(), dropped=()
    ),
)
FAST = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01)


@pytest.fixture(scope="module")
def listening() -> Iterator[BedrockServer]:
    profiles = {"ofus": LITE, "ofone": BARE, "ofhaiku": HAIKU, "ofglobal": "global.amazon.nova-2-lite-v1:0"}
    denied = ("us.amazon.nova-pro-v1:0",)
    with (
        BedrockServer(region=REGION, profiles=profiles, denied=denied) as server,
        its_environment(server),
    ):
        yield server


@pytest.fixture
def server(listening: BedrockServer) -> BedrockServer:
    listening.reset()
    return listening


@pytest.fixture
def client(server: BedrockServer) -> Iterator[BedrockClient]:
    made = BedrockClient(REGION, retry=FAST)
    yield made
    made.close()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def generator(model: str, client: BedrockClient, ledger: MemoryLedger, **given: Any) -> ConverseGenerator:
    prices = given.pop("prices", PriceBook.default())
    return ConverseGenerator(model, region=client.region, ledger=ledger, prices=prices, client=client, **given)


def row(model: str, **given: Any) -> PriceRow:
    return PriceRow(
        model=model,
        kind="generate",
        input=Decimal(given.pop("input", "7")),
        output=Decimal(9),
        source="contract",
        checked=date(2026, 11, 1),
        **given,
    )


@pytest.mark.parametrize(("profile", "priced"), [("ofus", LITE), ("ofone", BARE), ("ofhaiku", HAIKU)])
def test_an_application_profile_is_priced_as_the_model_behind_it(
    profile: str, priced: str, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    made = generator(APPLICATION + profile, client, ledger)
    found = made.generate(PROMPT)
    assert "three months" in found.text
    assert (found.model, found.served) == (APPLICATION + profile, priced)
    assert found.cost == PriceBook.default().price(priced).cost(found.usage) > 0
    (written,) = ledger.calls
    assert (written.model, written.served) == (APPLICATION + profile, priced)
    assert [call.operation for call in server.calls] == ["GetInferenceProfile", "Converse"]
    assert server.calls[1].model == APPLICATION + profile


def test_a_profile_is_looked_up_once(server: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    server.script(Fault(code="ThrottlingException"))  # it is asked for again, as a model is
    for _ in range(3):
        generator(APPLICATION + "ofus", client, ledger)
    assert [call.status for call in server.calls] == [429, 200]


@pytest.mark.parametrize(
    ("arn", "priced"),
    [
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{LITE}", LITE),
        (f"arn:aws:bedrock:{REGION}::foundation-model/{BARE}", BARE),
    ],
)
def test_arns_that_hold_the_id_need_no_request(
    arn: str, priced: str, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    made = generator(arn, client, ledger)
    assert server.calls == ()
    assert made.generate(PROMPT).cost == PriceBook.default().price(priced).cost(ledger.calls[0].usage)


def test_a_row_for_the_arn_itself_comes_first(
    server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    prices = PriceBook.default().with_prices([row(APPLICATION + "ofus")])
    found = generator(APPLICATION + "ofus", client, ledger, prices=prices).generate(PROMPT)
    assert [call.operation for call in server.calls] == ["Converse"]
    assert found.cost == row("x").cost(found.usage)


@pytest.mark.parametrize(
    ("regions", "prefix"),
    [
        (("us-east-1", "us-west-2"), "us."),
        (("eu-west-1", "eu-north-1"), "eu."),
        (("ap-northeast-1", "ap-northeast-3"), "jp."),
        (("ap-southeast-2", "ap-southeast-4"), "au."),
        (("ap-south-1", "ap-northeast-1"), "apac."),
        (("us-gov-east-1", "us-gov-west-1"), "us-gov."),
        (("us-east-1", "eu-west-1"), "global."),
        (("us-east-1",), ""),
    ],
)
def test_the_regions_of_a_profile_tell_its_geography(
    regions: tuple[str, ...], prefix: str, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    models = [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/my.model-v1"} for region in regions]
    server.script(Fault(edit=lambda reply: {**reply, "models": models}))
    geographies = ("", "us.", "eu.", "jp.", "au.", "apac.", "us-gov.", "global.")
    prices = PriceBook([row(f"{name}my.model-v1", input=str(n + 1)) for n, name in enumerate(geographies)])
    made = generator(APPLICATION + "ofus", client, ledger, prices=prices)
    assert made.generate(PROMPT).served == f"{prefix}my.model-v1"


def test_a_narrow_geography_without_a_row_is_priced_as_the_wider(
    server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    models = [{"modelArn": f"arn:aws:bedrock:ap-northeast-{n}::foundation-model/my.model-v1"} for n in (1, 3)]
    server.script(Fault(edit=lambda reply: {**reply, "models": models}))
    made = generator(APPLICATION + "ofus", client, ledger, prices=PriceBook([row("apac.my.model-v1")]))
    assert made.generate(PROMPT).served == "apac.my.model-v1"


def test_a_profile_without_a_price_says_what_is_behind_it(server: BedrockServer, client: BedrockClient) -> None:
    with pytest.raises(UnknownPrice, match=r"ofus stands for us\.amazon\.nova-lite-v1:0 or global"):
        generator(APPLICATION + "ofus", client, MemoryLedger(), prices=PriceBook([row("other")]))
    models = [{"modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{name}"} for name in ("one", "two")]
    other = BedrockClient(REGION, retry=FAST)
    server.script(Fault(edit=lambda reply: {**reply, "models": models}))
    with pytest.raises(UnknownPrice, match="several models, one, two"):
        generator(APPLICATION + "ofus", other, MemoryLedger())
    other.close()


@pytest.mark.parametrize(
    ("arn", "kind", "match"),
    [
        (APPLICATION.replace(ACCOUNT, "999999999999") + "ofus", AccessDenied, "account 999999999999"),
        (APPLICATION + "nosuch", ModelInputError, "cannot be read"),
        (APPLICATION.replace(REGION, "eu-west-1") + "ofus", InvalidArgument, "of the region eu-west-1"),
        ("arn:aws:bedrock:nonsense", InvalidArgument, "no ARN of a model"),
        ("arn:aws:s3:::bucket/key", InvalidArgument, "no ARN of a model"),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/abc", UnknownPrice, "provisioned-model"),
    ],
)
def test_an_arn_that_cannot_be_used_is_told_at_once(
    arn: str, kind: type[RagdietError], match: str, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    with pytest.raises(kind, match=match):
        generator(arn, client, ledger)
    assert all(call.operation == "GetInferenceProfile" for call in server.calls)
    assert ledger.calls == ()


@pytest.mark.parametrize("models", [None, [], [{}], [{"modelArn": "x"}]])
def test_a_profile_that_names_no_model_is_a_bad_reply(
    models: Any, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    server.script(Fault(edit=lambda reply: {**reply, "models": models}))
    with pytest.raises(BadReply, match="names no models"):
        generator(APPLICATION + "ofus", client, ledger)


# -- what an account's settings can be wrong in ----------------------------------------------------------------------


def test_a_model_without_access(client: BedrockClient, ledger: MemoryLedger) -> None:
    with pytest.raises(AccessDenied, match="request access to the model") as caught:
        generator("us.amazon.nova-pro-v1:0", client, ledger).generate(PROMPT)
    assert caught.value.category == "setup"
    assert [(written.status, written.cost) for written in ledger.calls] == [("failed", 0)]


def test_expired_credentials(server: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    server.script(Fault(status=403, code="ExpiredTokenException", message="The security token is expired"))
    with pytest.raises(AccessDenied, match="renew them"):
        generator(LITE, client, ledger).generate(PROMPT)


@pytest.mark.parametrize(
    "keys", [Keys(access_key="AKIDOTHER", secret_key=KEYS.secret_key), Keys(access_key=KEYS.access_key, secret_key="x")]
)
def test_wrong_credentials(
    keys: Keys, server: BedrockServer, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    made = BedrockClient(REGION, retry=FAST)
    with pytest.raises(AccessDenied):
        generator(LITE, made, ledger).generate(PROMPT)
    made.close()
    assert [(written.status, written.cost) for written in ledger.calls] == [("failed", 0)]


def test_credentials_that_their_process_does_not_give(
    server: BedrockServer, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile broken]\ncredential_process = /bin/false\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "broken")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    made = BedrockClient(REGION, retry=FAST)
    with pytest.raises(AccessDenied, match="profile or a role"):
        generator(LITE, made, ledger).generate(PROMPT)
    made.close()
    assert server.calls == ()


def test_a_profile_is_not_looked_up_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, server: BedrockServer
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", "http://127.0.0.1:1")
    made = BedrockClient(REGION, retry=FAST)
    with pytest.raises(ModelUnavailable):
        generator(APPLICATION + "ofus", made, MemoryLedger())
    made.close()
