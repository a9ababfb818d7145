"""Money into tokens of context: never over what is left, and no less than it buys."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ragdiet.account import affordable, affordable_tokens
from ragdiet.errors import BudgetTooSmall
from ragdiet.types import Context

PER_TOKEN = Decimal("0.000001")


def context(tokens: int) -> Context:
    return Context(text="x", tokens=tokens, tokens_before=900, kept=(), dropped=())


def test_tokens_follow_the_money_that_is_left() -> None:
    whole, bare = Decimal("0.0015"), Decimal("0.0010")
    assert affordable_tokens(tokens=500, whole=whole, bare=bare, left=Decimal("0.0014999")) == 499
    assert affordable_tokens(tokens=500, whole=whole, bare=bare, left=Decimal("0.001001")) == 1
    assert affordable_tokens(tokens=500, whole=whole, bare=bare, left=bare) == 0
    assert affordable_tokens(tokens=500, whole=whole, bare=bare, left=Decimal(0)) == 0


def test_no_token_is_lost_to_a_division_that_does_not_come_out_even() -> None:
    assert affordable_tokens(tokens=328, whole=328 * PER_TOKEN, bare=Decimal(0), left=5 * PER_TOKEN) == 5


def test_a_price_that_does_not_depend_on_the_context_cannot_be_lowered() -> None:
    price = Decimal("0.002")
    assert affordable_tokens(tokens=500, whole=price, bare=price, left=Decimal("0.001")) == 0


@given(
    st.integers(0, 900),
    st.integers(1, 60),
    st.integers(0, 1_500),
    st.integers(0, 400),
    st.sampled_from((0, 300)),
)
def test_what_comes_out_is_affordable_and_as_large_as_it_can_be(
    tokens: int, smallest: int, left: int, bare: int, dear_above: int
) -> None:
    """Also where tokens over a limit make the whole prompt dearer, as some models' long contexts do."""

    def worst(one: Context) -> Decimal:
        factor = 2 if dear_above and one.tokens > dear_above else 1
        return (bare + one.tokens) * factor * PER_TOKEN

    def diet(budget: int) -> Context:
        if budget < smallest:
            raise BudgetTooSmall("too small", budget=budget, smallest=smallest)
        return context(min(budget, tokens))

    given_one = context(tokens)
    money = left * PER_TOKEN
    found = affordable(given_one, money, worst=worst, diet=diet)
    if worst(found) > money:
        assert found is given_one
        assert left <= bare + smallest or dear_above
    elif worst(given_one) <= money:
        assert found is given_one
    elif not dear_above:
        assert found.tokens == left - bare


def test_a_diet_that_does_not_obey_is_not_asked_for_ever() -> None:
    whole = context(500)
    found = affordable(whole, Decimal(0), worst=lambda one: Decimal(one.tokens + 1), diet=lambda _: whole)
    assert found is whole
    found = affordable(whole, Decimal(9), worst=lambda one: Decimal(one.tokens + 1), diet=lambda _: context(600))
    assert found is whole
