from __future__ import annotations

import inspect
import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.sentences import MAX_SENTENCE, split_sentences

TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=" \n\t.!?。\"')([]#-*|`~>1aA\r\u2028\u3000", max_size=300),
    st.lists(
        st.sampled_from(
            [
                "Dr. Lee",
                "ran.",
                "He",
                "e.g. x",
                "...",
                "\n",
                "\n\n",
                "- a b",
                "# Top",
                "```",
                "| a | b |",
                "5.",
                "好。",
                " ",
            ]
        )
    ).map(" ".join),
)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def assert_is_split(text: str) -> None:
    position = 0
    for start, end in split_sentences(text):
        assert position <= start < end <= len(text)
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        assert end - start <= MAX_SENTENCE
        position = end
    assert text[position:].strip() == ""


@given(TEXTS)
def test_spans_are_ordered_stripped_and_lose_nothing(text: str) -> None:
    assert_is_split(text)


@given(st.text(alphabet="ab. \n", min_size=1, max_size=40), st.integers(30, 300))
def test_long_texts_lose_nothing_either(piece: str, times: int) -> None:
    assert_is_split(piece * times)


@given(
    st.lists(st.sampled_from(["The dog barked at noon.", "Was it wet?", "Nobody knew!", "We left 3.5 hours later."]))
)
def test_plain_sentences_come_back_one_by_one(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@given(st.integers(20, 100))
def test_wrapping_a_paragraph_moves_no_border(width: int) -> None:
    text = (
        "Mr. Ode, who came from the U.S. in 1990, wrote to J. R. Vane about it. Nothing followed. The letters, "
        "kept in No. 5 of the series (see p. 12), were sold for approx. 3.5 million! Did anybody ask why? No."
    )
    wrapped = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    assert [sentence.replace("\n", " ") for sentence in sentences(wrapped)] == sentences(text)
    assert len(sentences(text)) == 5


@pytest.mark.parametrize(
    "marked",
    [
        "Dr. Lee met Mrs. Ray at St. Mary's.|They talked.",
        "Use a solvent, e.g. Acetone or i.e. Propanone.|Then wait.",
        "Gen. Lee and Rev. Ray met Col. Kay.|They left.",
        "The U.S. Senate met at 5 p.m. on Monday.|It voted.",
        "He lives in the U.S.|He likes it.",
        "See No. 5, Fig. 3 and p. 12.|Then stop.",
        "On Jan. 5 it rose by 3.5 percent.|On Feb. 6 it fell.",
        "J. R. Smith wrote it.|A. Jones did not.",
        "Smith et al. (2020) found it.|Others did not.",
        "Acme Inc. and Bolt Ltd. merged.|The price rose.",
        "She works for Acme Inc.|The office is new.",
        "Wait... what was that?|I heard it...|Then it went.",
        '"Stop!" she cried.|"Why?" he asked.|He stopped.',
        'He said "no."|She left.',
        "(It was late.)|They slept.",
        "It rained (see ch. 4).|It stopped.",
        "So it was.[12]|Later studies agree.[3][4]|The end.",
        "It is **over.**|Go home.",
        "Was it in 1999?|2000 came next.",
        "It ended in 1999.|2000 came next.",
        "Version 2.0 of lib.py is on example.com now.|Get it.",
        "Yahoo! is a name.|Is it?",
        "Take vitamin C.|It helps.",
        # all lower case: capitals cannot tell, so every stop ends but an abbreviation's
        "the wing stalls .|the flow is laminar .|see fig. 3 and approx. ten others.|it ends.",
        "really?|yes!|it does.|fine.",
        "Really? yes! it does.|Fine.",
        # German, French, Spanish, Italian
        "Am 3. Oktober 1990 war es so weit.|Im 19. Jahrhundert gab es z.B. Dampf, d.h. Kohle.|Vgl. Nr. 5.",
        "M. Dupont est là.|Il dort à 12.5 degrés.|Mme. Roux aussi.",
        "¿Dónde está el Sr. Gómez?|¡No lo sé!|La Sra. Ruiz llegó.",
        "Il dott. Rossi arriva.|Lei parte.",
        # abbreviations in pieces, elisions, guillemets with their spaces
        "Das gilt z. B. für Hunde, d. h. alle.|Siehe Abs. 2 u. a. dort.|Es kostet 5 Mio. Euro.|„Komm!“, rief er.|Gut.",
        "Il dit : « Oui. »|Il part.|Est-ce vrai ?|Voir l'art. 12.|Cela coûte 3,50 €, p. ex. ici.|« Non ! »|Fin.",
        "Er kam.|»Ja« sagte er.",
        "EE. UU. ganó.|¿Vive en la Avda. Mayor?|¡Sí!|Llegó a las 10.30.|Ver pág. 5.",
        "Il sig. Rossi è qui.|L'avv. Bianchi no.|Vedi pag. 3 e art. 5.|Costa 3.500 euro.",
        "O Sr. Silva chegou.|A Dra. Costa também.|Ver pág. 12 e n.º 3.|Custa R$ 3.500,50.|Fim.",
        "Dhr. Jansen kwam.|Mevr. De Vries ook.|Dat is bijv. goed, d.w.z. prima.|Zie blz. 3.|Einde.",
        "Это дом, т. е. здание.|Он жил на ул. Ленина в г. Москве.|В 1990 г. он уехал.|В 1991 г.",
        "Проф. И. И. Иванов ушёл.|Он был стар.",
        "Цена 3,5 тыс. руб. за штуку.|См. рис. 3.|Конец.",
        "Prof. Kowalski przyszedł.|To jest np. kot, tzn. zwierzę.|Mieszka na ul. Długiej.|Zob. str. 5.|Koniec.",
        "Např. pes, tj. zvíře.|Ing. Novák přišel.|Dne 3. října odešel.|Konec.",
        "Det gäller t.ex. hundar.|Bl.a. katter, dvs. djur.|Dr. Ek kom.|Slut.",
        "Den 3. oktober kom hun.|Det er f.eks. en hund.",
        "Dr. Yılmaz geldi.|Bu, vb. şeyler var.|Prof. Dr. Ak gitti.|Son.",
        "Είναι π.χ. σκύλος.|Ο κ. Νίκος ήρθε.|Τέλος.",
        "У 1990 р. він поїхав.|Вул. Шевченка, буд. 5.|Кінець.",
        "안녕하세요.|정말입니까?|네!|값은 3.5원입니다.",
        "See https://example.com/a.b?c=d.|Version 2.0.1 is out.|J. R. R. Tolkien wrote it.|Prices rose... slowly.",
        "قال د. أحمد ذلك.|انتهى.",
        "डॉ. शर्मा आए।|क्या यह सच है?|हाँ।",
        "នេះជាផ្ទះ។|វាធំ។",
        # no space after the stop, or other stops
        "今日は晴れ。|明日は雨？|たぶん！",
        "「何？」と彼は言った。|誰も知らない。",
        "他说：“你好。”|然后走了！",
        "円周率は３．１４です。|終わり。",
        "यह पहला है।|यह दूसरा है।",
        "هل هذا صحيح؟|نعم.",
        "Это дом.|Он стоит.",
    ],
)
def test_prose(marked: str) -> None:
    parts = marked.split("|")
    separator = "" if "。" in marked else " "
    assert sentences(separator.join(parts)) == parts


def test_markdown_lines_are_units() -> None:
    text = textwrap.dedent("""\
        # Leaving. Notice
        Some prose that wraps
        over lines. And more
        - first item. Second sentence
        - second item
          goes on
        1. one
        2. two
        After the list.

        | Name | Days |
        |---|---|
        | Dr. No. Who | 5 |
        ```python
        x = 1. # Not prose
        # a comment. Still code

        y = 2
        ```
        Title
        =====
        Key: value
        Other: more
        > quoted text
        """)
    assert sentences(text) == [
        "# Leaving. Notice",
        "Some prose that wraps\nover lines.",
        "And more",
        "- first item.",
        "Second sentence",
        "- second item\n  goes on",
        "1. one",
        "2. two",
        "After the list.",
        "| Name | Days |",
        "|---|---|",
        "| Dr. No. Who | 5 |",
        "```python",
        "x = 1. # Not prose",
        "# a comment. Still code",
        "y = 2",
        "```",
        "Title",
        "=====",
        "Key: value",
        "Other: more",
        "> quoted text",
    ]


def test_a_wrapped_line_that_begins_with_a_number_is_not_an_item() -> None:
    text = "She reached the age of\n45. That was long ago, said\nJ. Doe."
    assert sentences(text) == ["She reached the age of\n45.", "That was long ago, said\nJ. Doe."]


def test_an_item_may_wrap_to_the_margin() -> None:
    item = "1. The licence is given to whoever holds a copy of this work and\nAgrees to its terms."
    assert sentences(f"{item}\n2. Short\nAnother line.") == [item, "2. Short", "Another line."]


@pytest.mark.parametrize("line_break", ["\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_every_kind_of_line_break_parts_units(line_break: str) -> None:
    lines = [
        "# Head",
        "One line",
        "goes on. Then stops.",
        "- item",
        "| a | b |",
        "",
        "5. five",
        "```",
        "x. Y",
        "```",
        "End.",
    ]
    expected = sentences("\n".join(lines))
    assert [sentence.replace(line_break, "\n") for sentence in sentences(line_break.join(lines))] == expected
    assert expected[:4] == ["# Head", "One line\ngoes on.", "Then stops.", "- item"]


def test_white_space_around_a_sentence_counts_nowhere() -> None:
    sentence = "Long " + "word " * (MAX_SENTENCE // 5 - 2) + "ends."
    assert sentences(f"\n      {sentence}   \n") == [sentence]
    assert sentences(f"One.   \n      {sentence}") == ["One.", sentence]
    assert sentences("            XIV. The end") == ["XIV. The end"]


@pytest.mark.parametrize("before", ["approx", "messrs", "xxiii", "e.g", "Inc"])
def test_a_long_abbreviation_before_a_capital(before: str) -> None:
    assert sentences(f"{before}. Acme") == [f"{before}. Acme"]


def test_a_fence_closes_with_at_least_as_many_marks() -> None:
    text = "````\nA. B\n```\nC. D\n`````\nE is. F is."
    assert sentences(text) == ["````", "A. B", "```", "C. D", "`````", "E is.", "F is."]
    assert sentences("~~~\nA is. B is.\n\nC is. D is.") == ["~~~", "A is. B is.", "C is. D is."]


def test_code_without_fences_goes_line_by_line() -> None:
    source = "def area(r):\n    x = r * r\n    return pi(x)\n"
    assert sentences(source) == ["def area(r):", "x = r * r", "return pi(x)"]


def test_the_standard_library_loses_nothing() -> None:
    for module in (textwrap, inspect, time):
        text = inspect.getsource(module) if module is not time else str(module.__doc__)
        assert_is_split(text)


def test_rows_of_values_stand_for_themselves() -> None:
    assert sentences("name,born\nAda,1815\nGrace,1906") == ["name,born", "Ada,1815", "Grace,1906"]
    prose = "We met Ada, Grace\nand Alan, who came\nlate, as ever."
    assert sentences(prose) == [prose]


def test_thai_is_cut_at_its_spaces() -> None:
    parts = sentences("ประโยคภาษาไทยไม่มีจุด " * 100)
    assert all(len(part) <= MAX_SENTENCE and part.startswith("ประโยค") and part.endswith("จุด") for part in parts)


def test_what_has_no_stop_is_cut_at_spaces() -> None:
    parts = sentences("word " * 1_000)
    assert all(set(part.split(" ")) == {"word"} for part in parts)
    assert min(map(len, parts[:-1])) > MAX_SENTENCE - 10
    assert [len(part) for part in sentences("x" * 2_500)] == [1_000, 1_000, 500]


@pytest.mark.parametrize(
    "pattern", ["x", ".", "a ", ".)", "a.b", '."', "!?", ">", "`", "- ", "|", "1.", "[1]", "J. ", "e.g. ", "\n", " "]
)
def test_time_is_linear(pattern: str) -> None:
    """Four times the text takes about four times as long, and never the sixteen of a quadratic scan."""

    def seconds(size: int) -> float:
        text = "Go " + pattern * (size // len(pattern))  # a line without a word is never searched for stops
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            split_sentences(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(200_000) < 9 * seconds(50_000) + 0.05
