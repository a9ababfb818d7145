"""One client for all calls: its circuit breaker, its limiter, deadlines and rows, over HTTP to the stand-in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ragdiet.account import MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, BreakerPolicy, Quota, RetryPolicy
from ragdiet.errors import CircuitOpen, ModelError, ModelInputError, ModelTimeout, ModelUnavailable, Throttled
from ragdiet.generate import ConverseGenerator
from ragdiet.observe import ending, ends_at, seconds_left
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.types import Context, Prompt
from tests.stand_in import its_environment

REGION = "us-east-1"
LITE = "us.amazon.nova-lite-v1:0"
PRO = "us.amazon.nova-pro-v1:0"
SOURCES = "[1] Handbook\nThe notice period is three months."
PROMPT = Prompt(
    system="Cite.",
    question="How long is the notice period?",
    context=Context(text=SOURCES, tokens=9, tokens_before=9, kept=(), dropped=()),
)
ONCE = RetryPolicy(attempts=1)
DOWN = Fault(code="ServiceUnavailableException")


@pytest.fixture(scope="module")
def listening() -> Iterator[BedrockServer]:
    with BedrockServer(region=REGION) as server, its_environment(server):
        yield server


@pytest.fixture
def server(listening: BedrockServer) -> BedrockServer:
    listening.reset()
    return listening


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def client(**given: Any) -> BedrockClient:
    made = BedrockClient(REGION, **({"retry": ONCE, "read_timeout": 5.0} | given))
    made.service("bedrock-runtime")  # which takes a good part of a second, and is no part of what is timed here
    return made


def generator(made: BedrockClient, ledger: MemoryLedger, model: str = LITE) -> ConverseGenerator:
    return ConverseGenerator(model, region=REGION, ledger=ledger, prices=PriceBook.default(), client=made)


def test_a_failing_model_is_left_alone_and_tried_again(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(breaker=BreakerPolicy(in_a_row=3, lasting=0.0, rest=0.3, trials=1))
    lite, pro = generator(made, ledger), generator(made, ledger, PRO)
    server.script(DOWN, DOWN, DOWN, model=LITE)
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            lite.generate(PROMPT)
    for _ in range(5):
        with pytest.raises(CircuitOpen, match="ServiceUnavailableException") as caught:
            lite.generate(PROMPT)
    assert (caught.value.retryable, caught.value.may_be_billed, caught.value.category) == (False, False, "inference")
    assert pro.generate(PROMPT).text  # each model has a circuit of its own
    assert len(server.calls) == len(ledger.calls) == 4  # a call that was not made has no row
    time.sleep(0.35)
    assert lite.generate(PROMPT).text
    assert made.breaker(LITE).state == "closed"
    made.close()


def test_a_trial_that_fails_keeps_the_circuit_open(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(breaker=BreakerPolicy(in_a_row=1, lasting=0.0, rest=0.1, trials=1))
    lite = generator(made, ledger)
    server.script(DOWN, DOWN)
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            lite.generate(PROMPT)
        with pytest.raises(CircuitOpen):
            lite.generate(PROMPT)
        time.sleep(0.15)
    with pytest.raises(CircuitOpen):  # the second rest is twice as long
        lite.generate(PROMPT)
    assert len(server.calls) == 2
    made.close()


def test_retries_end_when_the_circuit_opens(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(
        retry=RetryPolicy(attempts=9, base_delay=0.001, max_delay=0.001),
        breaker=BreakerPolicy(in_a_row=3, lasting=0.0, rest=60),
    )
    server.always(DOWN)
    with pytest.raises(CircuitOpen):
        generator(made, ledger).generate(PROMPT)
    assert len(server.calls) == len(ledger.calls) == 3
    made.close()


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ThrottlingException"])
def test_faults_that_are_not_the_services_open_nothing(code: str, server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(breaker=BreakerPolicy(in_a_row=1, lasting=0.0))
    server.script(Fault(code=code))
    with pytest.raises(ModelError):
        generator(made, ledger).generate(PROMPT)
    assert made.breaker(LITE).state == "closed"
    made.close()


def test_calls_wait_for_their_turn_or_say_that_it_comes_too_late(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(quotas={LITE: Quota(requests=2)})
    lite = generator(made, ledger)
    lite.generate(PROMPT)
    lite.generate(PROMPT)
    with ending(time.monotonic() + 5), pytest.raises(Throttled, match="its quota is in use") as caught:
        lite.generate(PROMPT)
    assert (caught.value.code, caught.value.retryable) == ("NoTurn", False)
    assert len(server.calls) == len(ledger.calls) == 2
    assert generator(made, ledger, PRO).generate(PROMPT).text
    made.close()


def test_tokens_that_a_reply_did_not_use_are_given_back(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(quotas={LITE: Quota(tokens=1_000)})
    lite = generator(made, ledger)
    for _ in range(4):  # each may use 300 and more, and uses some 30
        with ending(time.monotonic() + 5):
            lite.generate(PROMPT)
    assert len(server.calls) == 4
    made.close()


def test_throttles_teach_all_threads(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(retry=RetryPolicy(attempts=4, base_delay=0.001, max_delay=0.002))
    lite = generator(made, ledger)
    server.script(*[Fault(code="ThrottlingException")] * 3)
    assert lite.generate(PROMPT).text
    rate = made.limiter(LITE).rate()
    assert rate is not None
    assert rate < 5
    assert [row.status for row in ledger.calls] == ["failed"] * 3 + ["done"]
    made.close()


@pytest.mark.parametrize("fault", [Fault(delay=3.0), Fault(stall=3.0)])
def test_a_try_ends_with_the_ask_that_it_is_for(fault: Fault, server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(retry=RetryPolicy(), breaker=BreakerPolicy(in_a_row=1, lasting=0.0))
    server.script(fault)
    began = time.monotonic()
    with ending(began + 0.3), pytest.raises(ModelTimeout) as caught:
        generator(made, ledger).generate(PROMPT)
    assert 0.2 < time.monotonic() - began < 1
    assert caught.value.may_be_billed
    assert [row.status for row in ledger.calls] == ["unknown"]
    assert ledger.calls[0].cost >= server.bill.rows[0].charge.input_tokens * Decimal("0.06") / 1_000_000
    assert made.breaker(LITE).state == "closed"  # a short deadline says nothing of the service
    made.close()


def test_without_a_deadline_the_clients_own_timeout_holds(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(read_timeout=0.3)
    server.script(Fault(delay=3.0))
    began = time.monotonic()
    with ending(began + 60), pytest.raises(ModelTimeout):
        generator(made, ledger).generate(PROMPT)
    assert time.monotonic() - began < 1
    made.close()


def test_after_the_deadline_nothing_is_sent(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client()
    with ending(time.monotonic() - 1), pytest.raises(ModelTimeout, match="longer deadline") as caught:
        generator(made, ledger).generate(PROMPT)
    assert (caught.value.code, caught.value.may_be_billed) == ("OutOfTime", False)
    assert server.calls == ledger.calls == ()
    made.close()


def test_no_retry_begins_after_the_deadline_of_the_ask(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(retry=RetryPolicy(attempts=50, base_delay=0.1, max_delay=0.1), breaker=BreakerPolicy(in_a_row=99))
    server.always(DOWN)
    began = time.monotonic()
    with ending(began + 0.4), pytest.raises((ModelUnavailable, ModelTimeout)):
        generator(made, ledger).generate(PROMPT)
    assert time.monotonic() - began < 1
    assert 2 < len(server.calls) < 50
    made.close()


def test_deadlines_within_deadlines() -> None:
    assert (ends_at(), seconds_left()) == (None, None)
    now = time.monotonic()
    with ending(now + 50):
        with ending(now + 90):
            assert ends_at() == now + 50
        with ending(now - 1):
            assert seconds_left() == 0
        with ending(None):
            assert ends_at() == now + 50
    assert ends_at() is None


def test_any_operation_with_its_errors_mapped(server: BedrockServer) -> None:
    made = client()
    arn = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/{LITE}"
    found = made.call("bedrock", "get_inference_profile", {"inferenceProfileIdentifier": arn}, model=LITE)
    assert found["type"] == "SYSTEM_DEFINED"
    server.script(Fault(reset=True))
    with pytest.raises(ModelError):
        made.call("bedrock", "get_inference_profile", {"inferenceProfileIdentifier": arn}, model=LITE)
    with pytest.raises(ModelInputError, match="inferenceProfileIdentifier"):
        made.call("bedrock", "get_inference_profile", {}, model=LITE)
    with pytest.raises(AttributeError, match="no_such_operation"):
        made.call("bedrock", "no_such_operation", {}, model=LITE)
    made.close()


def test_the_pool_is_as_large_as_the_threads_that_call(server: BedrockServer, ledger: MemoryLedger) -> None:
    made = client(max_connections=12)
    lite = generator(made, ledger)
    server.always(Fault(delay=0.05))
    threads = [threading.Thread(target=lite.generate, args=(PROMPT,)) for _ in range(12)]
    for _ in range(2):
        threads = [threading.Thread(target=lite.generate, args=(PROMPT,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.most_at_once >= 6
    pools = made.service("bedrock-runtime")._endpoint.http_session._manager.pools
    (pool,) = (pools[key] for key in pools.keys())  # noqa: SIM118  # no mapping
    assert pool.num_connections <= 12  # opened in all: the second round used those of the first
    assert {row.status for row in ledger.calls} == {"done"}
    made.close()
