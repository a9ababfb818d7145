"""The benchmark of logs: values are counted as hidden only where nothing of them is left."""

from __future__ import annotations

from benchmarks.observe import WAYS, Marked, by_kind, hidden_values, logged, presidio_texts, recall

from tests.data import dataset

TEXT = Marked("card 4111 1111 1111 1111 of jo@example.org", (("credit_card", 5, 24), ("email", 28, 42)))


def test_a_part_that_is_left_is_not_hidden() -> None:
    assert [*hidden_values(TEXT, "card <CREDIT_CARD> of <EMAIL>")] == [True, True]
    assert [*hidden_values(TEXT, TEXT.text)] == [False, False]
    assert [*hidden_values(TEXT, "card <CREDIT_CARD> 1111 of <EMAIL>")] == [False, True]
    assert recall([TEXT], ["card <CREDIT_CARD> 1111 of <EMAIL>"]) == {"values": 2, "recall": 0.5}


def test_marks_that_no_value_accounts_for_are_false() -> None:
    rows = {row["kind"]: row for row in by_kind([TEXT], ["card <CREDIT_CARD> of <EMAIL> <EMAIL> <PHONE>"])}
    assert rows["email"] == {"kind": "email", "values": 1, "recall": 1.0, "precision": 0.5}
    assert rows["phone"] == {"kind": "phone", "values": 0, "recall": None, "precision": 0.0}
    assert rows["credit_card"]["precision"] == 1.0


def test_presidios_values_are_hidden_in_every_way_of_logging() -> None:
    texts = [text for text in presidio_texts(dataset("pii_presidio").parent) if text.values]
    for name, way in WAYS.items():
        found = recall(texts, logged(texts, way))
        assert found["recall"] >= 0.98, name
        assert found["values"] == 141
