"""Terms: what a word is found by, in each language and script, and that one analyzer serves mixed texts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragdiet.analysis import TERM_SPACE, Analyzer, analyzer, term_number
from ragdiet.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The wings, and swept wings", "wing swept wing"),
        ("well-known time\u2010sharing", "well known time share"),
        ("e-mail X-ray t-shirts", "email mail xray ray tshirt shirt"),
        ("in the U.S. at 9 a.m.", "us am"),
        ("C++, C# and C++17", "c++ c# c++17 c++"),
        ("a+b issue#12 i--", "issu 12"),
        ("ERR_CONN_RESET", "err_conn_reset err conn reset"),
        ("__init__ and _emphasis_", "init emphasi"),
        ("foo.bar()", "foo.bar foo bar"),
        ("maxRetries HTTPServer", "maxretri max retri httpserver http server"),
        ("McCarthy logN iPhone", "mccarthi logn iphon"),
        ("v2.3.1 2.3.1", "2.3.1 v2 2.3.1"),
        ("AB-1234 AB1234", "ab1234 ab 1234 ab1234"),
        ("2023-11-05", "20231105 2023 11 05"),
        ("1,200.50 1,200 3.14", "1200.50 1200 3.14"),
        ("11,12,13", "11 12 13"),
        ("jo@example.com", "jo@example.com example.com jo exampl com"),
        ("https://docs.python.org/3/re", "https docs.python.org doc python org re"),
        ("192.168.0.1", "192.168.0.1 192 168"),
        ("Ends.Begins", "ends.begins end begin"),
        ("aircraft's don't", "aircraft don"),
        ("ＡＢＣ－１２３ ﬁne x² ½", "abc123 abc 123 fine x2"),
        ("exam\u00adple", "exampl"),
        ("résumé cafe\u0301 Müller Straße Łódź", "resum cafe muller strass lodz"),
    ],
)
def test_english(text: str, terms: str) -> None:
    assert analyzer().terms(text) == terms.split()


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("german", "Straße", "STRASSE"),
        ("german", "Häuser", "Haus"),
        ("german", "1.200,50", "1200,50"),
        ("french", "développement", "developpement"),
        ("french", "l'œuvre", "oeuvres"),
        ("french", "qu'il d'accord", "accord"),
        ("spanish", "naciones", "nacion"),
        ("portuguese", "ações", "acoes"),
        ("swedish", "idéer", "ideer"),
        ("turkish", "ISPARTA", "ısparta"),
        ("turkish", "İSTANBUL", "istanbul"),
        ("russian", "ёлка", "елка"),
        ("greek", "ΆΝΘΡΩΠΟΣ", "ανθρωπος"),
        ("arabic", "كِتَاب", "كتاب"),
        ("hindi", "किताबें", "किताब"),
        ("persian", "کتاب\u200cها", "کتابها"),
        ("english", "\uc11c\uc6b8", unicodedata.normalize("NFD", "서울")),
    ],
)
def test_the_same_word(language: str, one: str, other: str) -> None:
    assert analyzer(language).terms(one) == analyzer(language).terms(other) != []


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("swedish", "får", "far"),
        ("spanish", "año", "ano"),
        ("russian", "йод", "иод"),
        ("turkish", "sık", "sik"),
        ("english", "3.10", "3.1"),
    ],
)
def test_not_the_same_word(language: str, one: str, other: str) -> None:
    assert analyzer(language).terms(one) != analyzer(language).terms(other)


@pytest.mark.parametrize("language", ["english", "german", "turkish"])
def test_scripts_without_spaces_are_bigrams_in_any_collection(language: str) -> None:
    terms = analyzer(language).terms
    assert terms("東京都へ行く。") == ["東京", "京都", "都へ", "へ行", "行く"]
    assert terms("데이터베이스") == ["데이", "이터", "터베", "베이", "이스"]
    assert terms("Python3入門 と 車") == [*terms("Python3"), "入門", "と", "車"]
    assert set(terms("中央値")) <= set(terms("データの中央値を求める"))
    assert set(terms("ราคา")) <= set(terms("ราคาสินค้า"))
    assert terms("ﾃﾞｰﾀ") == terms("データ")


def test_every_language_of_the_stemmer_has_an_analyzer() -> None:
    import Stemmer

    versions = set()
    for name in Stemmer.algorithms():
        made = Analyzer(name)
        assert made.terms("Database 2023-11-05 東京")[-5:] == ["20231105", "2023", "11", "05", "東京"]
        versions.add(made.version)
    assert len(versions) == len(Stemmer.algorithms())
    with pytest.raises(InvalidArgument, match="the languages are: arabic"):
        Analyzer("klingon")


_SIGNS = st.text(st.sampled_from("aBé東タ7 .,-_@+#'ß\u0301\u00ad२ि"), max_size=30)


@example("\u0300\u0300", "english")
@given(st.text(max_size=60) | _SIGNS, st.sampled_from(["english", "german", "turkish", "hindi"]))
def test_terms_and_numbers_of_any_text(text: str, language: str) -> None:
    made = analyzer(language)
    terms = made.terms(text)
    assert all(terms)
    assert made.numbers(text) == [term_number(term) for term in terms]
    assert all(1 <= number <= TERM_SPACE for number in made.numbers(text))
    assert Analyzer(language).terms(text) == terms
    assert made.terms(f"{text}\n{text}") == 2 * terms


@given(st.text(st.sampled_from("abcXYZ"), min_size=1, max_size=8))
def test_the_short_way_of_plain_words_leads_to_the_same_terms(word: str) -> None:
    # "é" takes the long way, and its word stands apart.
    assert analyzer().terms(f"{word}\u00ad") == analyzer().terms(word)


def test_sequence_keeps_all_that_stands_there() -> None:
    assert analyzer().sequence("To be, or chapter 5 of e-mails") == "to be or chapter 5 of e mail".split()
    assert analyzer().sequence("東京 Tower") == ["東", "京", "tower"]
