"""DOCX and PPTX, made by python-docx and python-pptx, some with XML those do not write."""

from __future__ import annotations

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pptx.util import Inches

from ragdiet.errors import EmptyDocument
from ragdiet.load import Loaded, parse
from tests.office import docx_file, pptx_file, saved, unzipped, zipped


def word(document: object) -> Loaded:
    return parse(saved(document), "file.docx")


def slides(presentation: object) -> Loaded:
    return parse(saved(presentation), "file.pptx")


def added(document: docx.document.Document, xml: str) -> None:
    """Put an element before the section's properties, at the end of the body."""
    document.element.body.insert(-1, parse_xml(xml.replace("<w:", "<w:", 1).replace(">", f" {nsdecls('w')}>", 1)))


# --- Word


def test_a_document_reads_in_its_order() -> None:
    result = word(docx_file())
    assert result.text == (
        "Handbook\n\nLeaving\n\nThe notice period is three months.\n\n- badge\n- laptop\n\n"
        "Grade | Weeks\nA | 12\n\nReturning\n\nCall us."
    )
    assert result.title == "Handbook"
    assert result.meta["format"] == "docx"
    assert [
        (result.text[offset:].split("\n")[0], level, title) for offset, level, title in result.meta["headings"]
    ] == [
        ("Leaving", 1, "Leaving"),
        ("Returning", 2, "Returning"),
    ]


def test_the_title_of_the_properties_comes_first() -> None:
    document = docx_file()
    document.core_properties.title = "Staff\nhandbook"
    assert word(document).title == "Staff handbook"


def test_a_heading_by_the_outline_level_of_a_style_or_of_the_paragraph() -> None:
    document = docx.Document()
    localised = document.styles.add_style("Überschrift", WD_STYLE_TYPE.PARAGRAPH)
    localised.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))
    based = document.styles.add_style("Meine Überschrift", WD_STYLE_TYPE.PARAGRAPH)
    based.base_style = localised
    document.add_paragraph("Kündigung", style=based)
    plain = document.add_paragraph("Fristen")
    plain._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="2"/>'))
    body = document.add_paragraph("Drei Monate", style=based)
    body._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="9"/>'))
    assert [heading[1:] for heading in word(document).meta["headings"]] == [[2, "Kündigung"], [3, "Fristen"]]


def test_tracked_changes_read_as_accepted() -> None:
    document = docx.Document()
    added(
        document,
        "<w:p><w:r><w:t>Notice is </w:t></w:r><w:del><w:r><w:delText>two</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>three</w:t></w:r></w:ins><w:moveFrom><w:r><w:t> gone</w:t></w:r></w:moveFrom>"
        "<w:r><w:t xml:space='preserve'> months.</w:t></w:r></w:p>",
    )
    assert word(document).text == "Notice is three months."


def test_content_controls_links_breaks_and_hidden_text() -> None:
    document = docx.Document()
    added(
        document,
        "<w:sdt><w:sdtPr><w:alias w:val='NOT SHOWN'/></w:sdtPr><w:sdtContent><w:p><w:hyperlink><w:r>"
        "<w:t>Write to us</w:t></w:r></w:hyperlink><w:r><w:br/><w:t>or</w:t><w:tab/><w:t>call</w:t></w:r>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>HIDDEN</w:t></w:r></w:p></w:sdtContent></w:sdt>",
    )
    assert word(document).text == "Write to us\nor call"


def test_a_table_of_contents_is_left_out() -> None:
    document = docx_file()
    style = document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    document.paragraphs[1].insert_paragraph_before("Leaving\t7", style=style)
    assert word(document).text == word(docx_file()).text


def test_headers_and_footers_of_pages_are_left_out() -> None:
    document = docx_file()
    document.sections[0].header.paragraphs[0].text = "CONFIDENTIAL"
    document.sections[0].footer.paragraphs[0].text = "PAGE"
    assert word(document).text == word(docx_file()).text


def test_merged_cells() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=3)
    for number, text in enumerate(["North", "Q1", "5", "", "Q2", "7", "Total", "", "12"]):
        table.cell(number // 3, number % 3).text = text
    table.cell(0, 0).merge(table.cell(1, 0)).text = "North"
    table.cell(2, 0).merge(table.cell(2, 1)).text = "Total"
    assert word(document).text == "North | Q1 | 5\nNorth | Q2 | 7\nTotal | | 12"


def test_a_table_of_one_cell_is_a_frame_round_its_paragraphs() -> None:
    document = docx.Document()
    cell = document.add_table(rows=1, cols=1).cell(0, 0)
    cell.text = "Mind the gap."
    cell.add_paragraph("Really.")
    assert word(document).text == "Mind the gap.\n\nReally."


def test_lists_of_levels_and_paragraphs_of_a_cell() -> None:
    document = docx.Document()
    for level, text in enumerate(["birds", "ducks", "mallards"]):
        paragraph = document.add_paragraph(text, style="List Bullet")
        numbering = f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>'
        paragraph._p.get_or_add_pPr().append(parse_xml(numbering))
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text = "one"
    table.cell(0, 0).add_paragraph("two", style="List Bullet")
    table.cell(0, 1).text = "three"
    assert word(document).text == "- birds\n  - ducks\n    - mallards\n\none; two | three"


def test_a_footnote_follows_its_paragraph() -> None:
    document = docx_file()
    paragraph = document.paragraphs[2]._p
    paragraph.append(parse_xml(f'<w:r {nsdecls("w")}><w:footnoteReference w:id="2"/></w:r>'))
    parts: dict[str, str | bytes] = dict(unzipped(saved(document)))
    notes = f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:t>Six for managers.</w:t></w:r></w:p>'
    parts["word/footnotes.xml"] = f"{notes}</w:footnote></w:footnotes>"
    relations = unzipped(saved(document))["word/_rels/document.xml.rels"].decode()
    relation = (
        '<Relationship Id="rId99" Target="footnotes.xml" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    parts["word/_rels/document.xml.rels"] = relations.replace("</Relationships>", relation)
    text = parse(zipped(parts), "file.docx").text
    assert "three months.\n\nSix for managers.\n\n- badge" in text


def test_a_document_without_text() -> None:
    with pytest.raises(EmptyDocument, match="holds no text"):
        word(docx.Document())


# --- PowerPoint


def test_slides_are_pages_under_their_titles() -> None:
    result = slides(pptx_file())
    assert result.text == (
        "Water birds\n\n- Ducks\n- Geese\n\nMention the swans.\n\nCounts\n\nBird | Number\nDuck | 12\n\nCounted in May."
    )
    second = result.text.index("Counts")
    assert result.meta == {
        "format": "pptx",
        "headings": [[0, 1, "Water birds"], [second, 1, "Counts"]],
        "pages": [0, second],
    }
    assert result.title == "Water birds"


def test_a_hidden_slide_is_an_empty_page() -> None:
    presentation = pptx_file()
    presentation.slides[0].element.set("show", "0")
    result = slides(presentation)
    assert result.text.startswith("Counts")
    assert result.meta["pages"] == [0, 0]


def test_what_stands_in_groups_and_side_by_side_is_read_in_order() -> None:
    presentation = pptx_file()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    for left, top, text in [(5, 3.02, "right"), (1, 3.1, "left"), (1, 1, "top")]:
        box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1))
        box.text_frame.text = text
    group = slide.shapes.add_group_shape()
    for top, text in [(6, "group's second"), (5, "group's first")]:
        group.shapes.add_textbox(Inches(1), Inches(top), Inches(2), Inches(1)).text_frame.text = text
    assert slides(presentation).text.endswith("top\n\nleft\n\nright\n\ngroup's first\n\ngroup's second")


@pytest.mark.parametrize(
    ("title", "expected"), [("Birds of 2024", "Birds of 2024"), ("PowerPoint Presentation", "Water birds")]
)
def test_the_title_of_a_presentation(title: str, expected: str) -> None:
    presentation = pptx_file()
    presentation.core_properties.title = title
    assert slides(presentation).title == expected


def test_slides_without_text() -> None:
    presentation = pptx_file()
    for slide in presentation.slides:
        for shape in list(slide.shapes):
            shape._element.getparent().remove(shape._element)
        slide.notes_slide.notes_text_frame.text = ""
    with pytest.raises(EmptyDocument, match="slides hold no text"):
        slides(presentation)
