"""XLSX, CSV and TSV: rows that read on their own, and when the first row is a header."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from ragdiet.errors import BadEncoding, EmptyDocument
from ragdiet.load import Loaded, parse
from ragdiet.load.cell import Format, shown
from ragdiet.load.rows import lines
from tests.office import saved, sheet, xlsx_file


def book(*rows: tuple[object, ...]) -> Workbook:
    made = Workbook()
    made.active.title = "Sheet"
    for row in rows:
        made.active.append(row)
    return made


def body(made: Workbook) -> list[str]:
    """The lines below the sheet's name."""
    return parse(saved(made), "a.xlsx").text.split("\n")[2:]


def csv(text: str, name: str = "a.csv") -> list[str]:
    return parse(text.encode(), name).text.split("\n")


# --- workbooks


def test_a_row_names_its_columns() -> None:
    assert parse(saved(xlsx_file()), "a.xlsx") == Loaded(
        text=(
            "Staff\n\n"
            "Name: Ada | Joined: 2020-01-05 | Salary: 3100.5 | Share: 0.25\n"
            "Name: Grace | Joined: 2021-02-28 | Salary: 2900 | Share: 0.5\n"
            "Name: Linus | Salary: 1000"
        ),
        title=None,
        meta={"format": "xlsx", "headings": [[0, 1, "Staff"]]},
    )


def test_sheets_are_headings_without_hidden_and_empty_ones() -> None:
    made = xlsx_file()
    for name, state in [("Hidden", "hidden"), ("Very", "veryHidden"), ("Empty", "visible"), ("Last", "visible")]:
        added = made.create_sheet(name)
        added.sheet_state = state
        if name != "Empty":
            added["B2"] = f"in {name}"
    made.properties.title = "The staff"
    result = parse(saved(made), "a.xlsm")
    last = result.text.index("Last")
    assert result.text.endswith("Salary: 1000\n\nLast\n\nin Last")
    assert result.meta["headings"] == [[0, 1, "Staff"], [last, 1, "Last"]]
    assert result.title == "The staff"


def test_titles_above_the_header_and_tables_below_one_another() -> None:
    rows = [
        ("Staff of 2024",),
        (),
        ("Name", "Salary"),
        ("Ada", 100),
        (),
        ("Grace", 200),
        (),
        (),
        ("City", "People", "Area"),
        ("Rome", 2_800_000, 1285),
        (),
        ("Note", "to", "all", "of you"),
    ]
    assert body(book(*rows)) == [
        "Staff of 2024",
        "",
        "Name: Ada | Salary: 100",
        "",
        "Name: Grace | Salary: 200",
        "",
        "City: Rome | People: 2800000 | Area: 1285",
        "",
        "Note | to | all | of you",
    ]


def test_numbers_dates_and_times_as_a_person_reads_them() -> None:
    made = book(
        (datetime.date(2024, 2, 29), datetime.datetime.fromisoformat("2024-02-29 08:05"), datetime.time(23, 15)),
        (datetime.timedelta(hours=30, minutes=5), True, 0.1 + 0.2),
        (1.0, -3.0000000004, 123456789012),
        (0.075, 2.5, 1e-9),
    )
    for place, code in {"A4": "0.0%", "B4": '#,##0.00" €"'}.items():
        made.active[place].number_format = code
    assert body(made) == [
        "2024-02-29 | 2024-02-29 08:05 | 23:15",
        "30:05 | TRUE | 0.3",
        "1 | -3 | 123456789012",
        "7.5% | 2.50 | 1e-09",
    ]


@pytest.mark.parametrize(
    ("serial", "style", "text"),
    [
        ("1", Format("date"), "1900-01-01"),
        ("59", Format("date"), "1900-02-28"),
        ("61", Format("date"), "1900-03-01"),
        ("45292.999999", Format("datetime"), "2024-01-02"),
        ("-1", Format("date"), "-1"),
        ("1e300", Format("date"), "1e+300"),
        ("nan", Format(), ""),
        ("1e400", Format("percent"), ""),
    ],
)
def test_serial_dates_at_their_ends(serial: str, style: Format, text: str) -> None:
    assert shown(serial, style) == text


def test_dates_that_count_from_1904() -> None:
    made = Workbook()
    made.epoch = CALENDAR_MAC_1904
    made.active.append([datetime.date(2024, 2, 29)])
    assert body(made) == ["2024-02-29"]


def test_formulas_show_their_saved_value_and_errors_nothing() -> None:
    data = sheet(
        '<row><c t="str"><f>A1</f><v>a  word</v></c><c t="e"><f>1/0</f><v>#DIV/0!</v></c>'
        "<c><f>1+1</f><v>2</v></c></row>"
    )
    assert parse(data, "a.xlsx").text == "Staff\n\na word | 2"


def test_rows_and_cells_without_references_follow_one_another() -> None:
    row = "<row><c><v>1</v></c><c/><c><v>2</v></c></row>"
    assert parse(sheet(f'{row * 2}<row r="4"><c r="C4"><v>3</v></c><c><v>4</v></c></row>{row}'), "a.xlsx").text == (
        "Staff\n\n1 | 2\n1 | 2\n\n3 | 4\n1 | 2"
    )
    tall = parse(sheet("<row><c><v>1</v></c><c><v>2</v></c></row>" * 20_000), "a.xlsx").text
    assert tall.count("1 | 2") == 20_000


def test_rich_text_is_read_without_its_pronunciation() -> None:
    strings = "<si><r><t>wa</t></r><r><t>ter</t></r><rPh><t>WOHTER</t></rPh></si>"
    assert parse(sheet('<row><c t="s"><v>0</v></c></row>', strings), "a.xlsx").text == "Staff\n\nwater"


def test_a_merged_cell_is_in_each_of_its_rows() -> None:
    made = book(("Region", "Quarter", "Sum"), ("North", "Q1", 5), (None, "Q2", 7), ("South", "Q1", 6))
    made.active.merge_cells("A2:A3")
    assert body(made) == [
        "Region: North | Quarter: Q1 | Sum: 5",
        "Region: North | Quarter: Q2 | Sum: 7",
        "Region: South | Quarter: Q1 | Sum: 6",
    ]


def test_a_workbook_without_cells() -> None:
    with pytest.raises(EmptyDocument, match="visible sheets hold nothing"):
        parse(saved(Workbook()), "a.xlsx")


# --- CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "name,price,note\nAda,1.50,x\nGrace,2.50,y\n".replace(",", delimiter)
    assert csv(text) == ["name: Ada | price: 1.50 | note: x", "name: Grace | price: 2.50 | note: y"]
    assert csv(text.replace("1.50", "1,50"), "a.tsv" if delimiter == "\t" else "a.csv")[1].startswith(
        "name: Grace"
    ) or (delimiter == ",")


def test_a_delimiter_that_is_named() -> None:
    assert csv("sep=;\na,a;b,b\nc,c;4,5\n") == ["a,a: c,c | b,b: 4,5"]


def test_quoted_delimiters_newlines_and_quotes_stay_in_their_field() -> None:
    assert csv('\ufeffname,note\r\nAda,"first\r\n\r\nsecond, ""third"""\r\n') == [
        'name: Ada | note: first second, "third"'
    ]


def test_rows_that_are_too_long_or_too_short() -> None:
    assert csv("name,age\nAda,36,more\nGrace\n,9\n") == ["name: Ada | age: 36 | more", "name: Grace", "age: 9"]


@pytest.mark.parametrize(
    ("text", "has_header"),
    [
        ("name,city\nAda,Rome\nGrace,Oslo\n", True),
        (",2019,2020\nNorth,5,6\nSouth,7,8\n", True),
        ("Ada,1815\nGrace,1906\n", False),
        ("1,2\n3,4\n", False),
        ("a,b\na,c\n", False),  # a label that comes again
        ("name,name\nAda,Grace\n", False),
        ("word\nother\nthird\n", False),  # one column
        ("Ada wrote this.,Grace wrote that.\nx,y\n", False),
        ("name,city\n", False),  # nothing below it
        ("2024-01-01,paid\n2024-01-02,open\n", False),
        ("ada@example.org,Rome\ngrace@example.org,Oslo\n", False),
    ],
)
def test_what_is_taken_for_a_header(text: str, has_header: bool) -> None:
    assert (": " in csv(text)[0]) is has_header


def test_words_alone_in_a_sheet_need_three_columns_for_a_header() -> None:
    assert body(book(("Name", "ACME"), ("City", "Rome"), ("Field", "trade"))) == [
        "Name | ACME",
        "City | Rome",
        "Field | trade",
    ]
    assert body(book(("Name", "City", "Field"), ("Ada", "Rome", "x"), ("Bo", "Oslo", "y")))[0].startswith("Name: Ada")


def test_mixed_encodings_are_refused() -> None:
    with pytest.raises(BadEncoding, match="not valid utf-8 at byte"):
        parse("name,city\nAda,Köln\n".encode() + "Bo,Köln\n".encode("cp1252"), "a.csv")


def test_a_file_of_delimiters_alone() -> None:
    assert csv(",,\n,,\n") == [""]


@given(
    st.lists(
        st.dictionaries(st.integers(0, 5), st.text("abX19 ", min_size=1, max_size=5).filter(str.strip), max_size=5).map(
            lambda row: dict(sorted(row.items()))
        ),
        max_size=70,
    ),
    st.booleans(),
)
def test_no_cell_is_lost(rows: list[dict[int, str]], first_is_header: bool) -> None:
    written = list(lines(rows, first_is_header=first_is_header))
    assert len(written) <= len(rows)
    text = "\n".join(written)
    for row in rows:
        for cell in row.values():
            assert cell in text
