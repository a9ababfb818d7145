from __future__ import annotations

import doctest
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragdiet.quality.encoding as module
from ragdiet.errors import BadEncoding
from ragdiet.quality.encoding import broken_share, check_encoding, repair_document, repaired
from ragdiet.types import Document
from tests.test_quality_language import TEXTS

# Sentences with the letters and signs that mis-decoding hits, as they are right.
RIGHT = [
    "The café’s naïve façade – “très chic” – cost £5 or €6 … and 20 °C.",
    "L’été dernier, où étais-tu ? « À bientôt », dit-elle à Noël. Ça coûte 12 €.",
    "Größe, Straße, Übermut – „Gänsefüßchen“ und ›einfache‹, 100 %.",
    "¿Dónde está el niño? ¡Mañana! La cigüeña, 25 °C, 3.º piso.",
    "Não há ações à venda; é só amanhã. VOCÊ É MÃE À NOITE.",
    "Zażółć gęślą jaźń. „Cytat” – ŁÓDŹ",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Árvíztűrő tükörfúrógép",
    "Știință și învățământ, Țară „Ăă Ââ Îî”",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İĞÜŞÖÇ",
    "Tôi không biết tiếng Việt; ĐƯỜNG PHỐ HÀ NỘI, ĐÃ À Ê",
    "Kæmi ný öxi hér ykist þjófum nú bæði víl og ádrepa",
    "Blåbærgrød på en ø. ÆØÅ",
    "Съешь же ещё этих мягких французских булок — «да». ВГРС",
    "Їжак з'їв ґанок – «так».",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. «Ναι» ΒΓΞΟ",
    "نص حكيم له سر قاطع وذو شأن عظيم، أليس كذلك؟",
    "דג סקרן שט בים מאוכזב ולפתע מצא לו חברה",
    "ऋषियों को सताने वाले दुष्ट राक्षसों",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "天地玄黄，宇宙洪荒。“引用”——好",
    "いろはにほへと、「引用」…※①②",
    "다람쥐 헌 쳇바퀴에 타고파",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), ½ × ² ³ µm ±5 ≈ √2 °",
    "│ ┌─┐ █ ░ ▒ ♠ ☃ 😀 “ok”",
    *(text for texts in TEXTS.values() for text in texts),
]


def misread(text: str, charset: str = "windows-1252") -> str:
    """``text`` written as UTF-8 and read as ``charset``; the bytes that charset lacks, as Latin-1."""
    return "".join(bytes([b]).decode(charset, "ignore") or chr(b) for b in text.encode())


@pytest.mark.parametrize("text", RIGHT)
def test_right_text_in_any_language_is_unchanged(text: str) -> None:
    assert repaired(text) == (text, False)


@settings(deadline=None)  # the first call imports ftfy
@given(st.lists(st.sampled_from([piece for text in RIGHT for piece in text.split(" ")]), max_size=40))
def test_their_words_in_any_order_are_unchanged(words: list[str]) -> None:
    text = " ".join(words)
    assert repaired(text) == (text, False)


@settings(deadline=None)  # the first call imports ftfy
@given(st.text(alphabet=st.characters(max_codepoint=0x7E)))
def test_ascii_is_unchanged(text: str) -> None:
    assert repaired(text) == (text, False)


@pytest.mark.parametrize("text", RIGHT[:16])
@pytest.mark.parametrize("charset", ["windows-1252", "latin-1"])
def test_misread_text_is_as_it_was(text: str, charset: str) -> None:
    assert repaired(misread(text, charset)) == (text, True)


def test_twice_misread_text_is_as_it_was() -> None:
    text = "The café’s naïve façade"
    assert repaired(misread(misread(text))) == (text, True)


def test_only_the_encoding_is_repaired() -> None:
    text = "&amp; ﬁne “quotes” ＦＵＬＬ\r\nco-\noperate e\u0301 \x1b[1m"
    assert repaired(text) == (text, False)
    assert repaired(f"CafÃ© {text}") == (f"Café {text}", True)


def test_lines_that_are_right_stay_beside_lines_that_are_not() -> None:
    assert repaired("Größe\nGrÃ¶ÃŸe\nΝαι\n") == ("Größe\nGröße\nΝαι\n", True)


def test_headings_and_pages_point_at_the_same_lines() -> None:
    lines = ["# CafÃ© â€“ naÃ¯ve", "Tres bien.", "## Ã‰tÃ©", "It costs â‚¬6.", "## Plain", "End."]
    text = "\n".join(lines)
    starts = [text.index(line) for line in lines]
    headings = [[starts[0], 1, "CafÃ© â€“ naÃ¯ve"], [starts[2], 2, "Ã‰tÃ©"], (starts[4], 2, "Plain")]
    meta = {"headings": headings, "pages": [0, starts[3], starts[5]], "format": "markdown", "own": [1, "Ã©"]}
    document = repair_document(Document("a", text, title="CafÃ©", meta=meta))
    assert document.text == "# Café – naïve\nTres bien.\n## Été\nIt costs €6.\n## Plain\nEnd."
    assert document.title == "Café"
    found = [
        (document.text[offset:].split("\n")[0].lstrip("# "), title) for offset, _, title in document.meta["headings"]
    ]
    assert found == [("Café – naïve",) * 2, ("Été",) * 2, ("Plain",) * 2]
    assert [document.text[page:].split("\n")[0] for page in document.meta["pages"]] == [
        "# Café – naïve", "It costs €6.", "End.",
    ]  # fmt: skip
    assert document.meta["own"] == [1, "Ã©"]


def test_an_offset_within_a_repaired_line_keeps_its_word() -> None:
    text = "naÃ¯ve CafÃ©: â‚¬6 each\n"
    document = repair_document(Document("a", text, meta={"pages": [text.index("each"), text.index("Caf")]}))
    assert [document.text[page:].split()[0] for page in document.meta["pages"]] == ["each", "Café:"]


@settings(deadline=None)  # the first call imports ftfy
@given(st.lists(st.sampled_from(["CafÃ© ", "Café ", "x", "\n", "â‚¬", "\x85", "Ã\x85", "😀"])).map("".join), st.data())
def test_an_offset_keeps_its_line(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    document = repair_document(Document("a", text, meta={"pages": [offset]}))
    [moved] = document.meta["pages"]
    assert 0 <= moved <= len(document.text)
    assert document.text.count("\n", 0, moved) == text.count("\n", 0, offset)
    if text[:offset].endswith("\n"):
        assert document.text[:moved].endswith("\n")


def test_a_right_document_is_the_same_object() -> None:
    document = Document("a", "Größe", title="Été", meta={"headings": [[0, 1, "Größe"]], "pages": "none"})
    assert repair_document(document) is document


def test_lost_characters_are_counted() -> None:
    assert broken_share("") == 0
    assert broken_share("Größe\t😀\x85\x1b[0m\n") == 0
    assert broken_share("Gr\ufffd\ufffde") == 0.4
    assert broken_share("a\x01b\x9f") == 0.5


def test_a_text_that_lost_its_umlauts_is_refused_and_one_lost_letter_is_not() -> None:
    text = " ".join(TEXTS["de"])
    check_encoding(text)
    check_encoding(text + "\ufffd")
    with pytest.raises(BadEncoding, match=r"1\.\d%.*right charset"):
        check_encoding("".join("\ufffd" if letter in "äöüÄÖÜß" else letter for letter in text))


def test_a_pdf_without_a_character_map_is_refused_and_icons_are_not() -> None:
    check_encoding("\ue001 Home \ue002 Products \ue003 Contact: write to us at any time")
    with pytest.raises(BadEncoding, match="ocrmypdf"):
        check_encoding("".join(chr(0xF000 + ord(letter)) for letter in "no map for any of this"))


@pytest.mark.parametrize("unit", ["Ã", "Ã©", "â€", "é ", "Â ", "\x85", "Ã©\n"])
def test_time_is_linear_in_hostile_text(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    repair_document(Document("a", text))
    assert time.process_time() - began < 5


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0
