"""HTML as a reader sees it."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.errors import BadEncoding, BrokenFile, EmptyDocument
from ragdiet.load import Loaded, parse


def page(html: str) -> Loaded:
    return parse(html.encode(), "page.html")


def text(body: str) -> str:
    return page(f"<!DOCTYPE html><html><body>{body}</body></html>").text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>One\n  two</p><p>three</p>", "One two\n\nthree"),
        ("a<br>b<br><br>c<hr>d", "a\nb\n\nc\n\nd"),
        ("<p>plain<b>bold</b> <i> spaced </i>, <a href=x>link</a>.</p>", "plainbold spaced , link."),
        ("<div><div>one</div>two<section>three</section></div>", "one\n\ntwo\n\nthree"),
        ("caf&eacute; &lt;b&gt; &#8220;x&#8221; a&nbsp;b", "café <b> “x” a b"),
        ("soft&shy;hyphen zero&#8203;width&#xFEFF;", "softhyphen zerowidth"),
        ("e&#769;t&eacute;", "été"),
        ("a&#0;b&#xD800;c&#7;d", "a\ufffdb\ufffdcd"),
        ("<p>x<!-- comment --><![CDATA[data]]>y</p>", "xy"),
        ("<blockquote><p>one<p>two</blockquote>", "one\n\ntwo"),
    ],
)
def test_blocks_and_words(body: str, expected: str) -> None:
    assert text(body) == expected


@pytest.mark.parametrize(
    "dropped",
    [
        "<script>no()</script>",
        "<style>no{}</style>",
        "<nav>no</nav>",
        "<header><h1>no</h1></header>",
        "<footer>no</footer>",
        "<aside>no</aside>",
        "<noscript>no</noscript>",
        "<template><p>no</p></template>",
        "<svg><title>no</title><text>no</text></svg>",
        "<form><select><option>no</select><button>no</button><textarea>no</textarea></form>",
        "<p hidden>no</p>",
        "<p style='color:red; DISPLAY : none'>no</p>",
        "<p style='visibility:hidden'>no</p>",
        "<span aria-hidden=true>no</span>",
        "<div role=navigation>no</div>",
        "<div class='big navheader'>no</div>",
        "<div class=toc>no</div>",
        "<dialog>no</dialog>",
        "<iframe>no</iframe>",
        "<p>yes<a class=headerlink href=#x>no</a></p>",
    ],
)
def test_what_is_not_read_is_dropped(dropped: str) -> None:
    assert "no" not in text(f"<p>before</p>{dropped}<p>after</p>")
    assert text(f"<p>before</p>{dropped}<p>after</p>").startswith("before")


def test_the_header_of_an_article_is_part_of_it() -> None:
    loaded = page(
        "<header>Site</header><article><header><h1>Title</h1></header><p>Text</p><footer>By me</footer></article>"
    )
    assert loaded.text == "Title\n\nText\n\nBy me"


def test_headings_are_found_where_their_words_are() -> None:
    loaded = page("<h1>The <em>first</em></h1><p>x</p><h2></h2><div><h3> Second\n one</h3>y</div><h6>Last</h6>")
    assert loaded.text == "The first\n\nx\n\nSecond one\n\ny\n\nLast"
    assert loaded.meta == {"format": "html", "headings": [[0, 1, "The first"], [14, 3, "Second one"], [29, 6, "Last"]]}


def test_the_heading_of_a_note_begins_no_section() -> None:
    loaded = page("<h2>Section</h2><div class='note'><h3>Note</h3><p>Mind this.</p></div>")
    assert loaded.text == "Section\n\nNote\n\nMind this."
    assert loaded.meta["headings"] == [[0, 2, "Section"]]


def test_lists() -> None:
    body = """<p>Before</p><ul><li>one</li><li><p>two</p><p>more</p>
        <ol start="3"><li>inner</li><li>next<ul><li>deep</li></ul></li></ol></li><li></li></ul><p>After</p>"""
    assert text(body) == "Before\n\n- one\n- two\nmore\n  3. inner\n  4. next\n    - deep\n\nAfter"


def test_a_term_stays_with_its_definition() -> None:
    assert text("<dl><dt>A</dt><dd><p>is one.</p><p>More.</p></dd><dt>B</dt><dd>is two.</dd></dl>") == (
        "A\nis one.\n\nMore.\n\nB\nis two."
    )


def test_preformatted_text_keeps_its_spaces_and_lines() -> None:
    assert text("<p>See</p><pre>\nif x:\n\n    <b>y</b>()\n\n</pre><p>there</p>") == "See\n\nif x:\n\n    y()\n\nthere"
    assert text("<pre>a<br>b&nbsp;c</pre>") == "a\nb c"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "<table><caption>Ducks</caption><thead><tr><th>Name<th>Mass</thead><tr><td><p>Teal</p><td>0.3\n kg</table>",
            "Ducks\n\nName | Mass\nTeal | 0.3 kg",
        ),
        ("<table><tr><td>a<td><td>c<tr><td>d<td><td></table>x", "a | | c\nd\n\nx"),
        ("<table><tr><td rowspan=2>a<td>b<tr><td>c<tr><td>d<td>e</table>", "a | b\na | c\nd | e"),
        ("<table><tr><td>a<td rowspan=3>b<tr><td>c<tr><td>d</table>", "a | b\nc | b\nd | b"),
        ("<table><tr><td colspan=2>a<td>b<tr><td>c<td>d<td>e</table>", "a | | b\nc | d | e"),
        (f"<table><tr><td rowspan=2>{'long ' * 30}<td>b<tr><td>c</table>", f"{'long ' * 30}| b\n| c"),
        ("<table><tr><td><ul><li>x<li>y</ul><td>a<br>b<td><pre>c\n d</pre></table>", "x; y | a b | c d"),
        ("<table><tr><td>one<tr><td><p>two<p>more</table>", "one\n\ntwo\nmore"),
        ("<table><tr><td><h2>Menu</h2><td><p>one<p>two</table>", "Menu\n\none\n\ntwo"),
        ("<table><tr><td>a<table><tr><td>b<td>c</table><td>d</table>", "a\n\nb | c\n\nd"),
        ("<table><td>a<td>b</table>", "a | b"),
        ("<td>loose</td><tr><li>ends</table></ul></pre></h1>", "loose\n- ends"),
    ],
)
def test_tables(body: str, expected: str) -> None:
    assert text(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("10<sup>6</sup> and m<sup>-2</sup>", "10^6 and m^-2"),
        ("2<sup>31</sup>-1, H<sub>2</sub>O", "2^31-1, H2O"),
        ("the 1<sup>st</sup> of May", "the 1st of May"),
        ("true.<sup class='noprint reference'>[1]</sup>", "true."),
        ("a <sup>2</sup>", "a 2"),
    ],
)
def test_raised_numbers_are_no_digits_of_what_they_follow(body: str, expected: str) -> None:
    assert text(body) == expected


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<head><title> The\n page </title></head><h1>Heading</h1>", "The page"),
        ("<h2>Second</h2><h1>Heading</h1>", "Heading"),
        ("<title> </title><h1>Heading</h1>", "Heading"),
        ("<h2>Second</h2>", None),
    ],
)
def test_the_title(html: str, title: str | None) -> None:
    assert page(html).title == title


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ('<meta charset="iso-8859-2">', "iso-8859-2"),
        ("<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'>", "cp1251"),
        ('<?xml version="1.0" encoding="koi8-r"?>', "koi8-r"),
        ("<meta charset=shift_jis>", "shift_jis"),
        ("<meta charset=iso-2022-jp>", "iso-2022-jp"),
        ("<meta charset=ISO-8859-1>", "cp1252"),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=nonsense>", "utf-8"),
        ("", "utf-8"),
    ],
)
def test_declared_encodings(declaration: str, encoding: str) -> None:
    words = {"cp1252": "“café”", "iso-8859-2": "žluťoučký", "cp1251": "ёж", "koi8-r": "ёж"}.get(encoding, "日本語")
    assert parse(f"{declaration}<p>{words}</p>".encode(encoding), "a.html").text == words


def test_a_declaration_that_lies_is_bad_encoding() -> None:
    with pytest.raises(BadEncoding, match="shift_jis"):
        parse(b"<meta charset=shift_jis><p>\xff\xff\xff</p>", "a.html")


@pytest.mark.parametrize(
    "html", ["<p> \n&nbsp;</p>", "<html><script>draw()</script></html>", " ", "<!-- x -->", "<title>T</title>"]
)
def test_a_page_without_text_is_an_empty_document(html: str) -> None:
    with pytest.raises(EmptyDocument, match="save it from a browser"):
        page(html)


@pytest.mark.parametrize(
    "html",
    ["just words", "page.html", "http://example.org/x", "a & b < c", '<?xml version="1.0"?><feed><a>x</a></feed>'],
)
def test_what_is_hardly_html_is_read_without_a_warning(html: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert page(html).text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<div>" * 100_000 + "deep" + "</div>" * 100_000, "deep"),
        ("<b>" * 50_000 + "deep", "deep"),
        ("x<sup>" + "<i>" * 50_000 + "deep", "xdeep"),
        ("<table><tr><td>" * 20_000 + "deep", "deep"),
        ("<ul><li>" * 3_000 + "deep", f"{'  ' * 10}- deep"),
        ("<table><tr>" + "<td>x" * 20_000, " | ".join("x" * 20_000)),
        ("<table><tr><td rowspan=9999 colspan=9999>a<td>b</table>", f"a {'| ' * 999}| b"),
    ],
)
def test_hostile_pages_end(html: str, expected: str) -> None:
    assert page(html).text == expected


def test_a_page_too_large_for_memory_is_refused() -> None:
    with pytest.raises(BrokenFile, match="33 MiB of HTML"):
        parse(b"<p>" * (11 * 2**20), "a.html")


TAGS = st.sampled_from(
    [
        f"<{slash}{name}>"
        for slash in ("", "/")
        for name in "p div h1 h2 ul ol li table tr td th pre b sup br dl dt dd".split()
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(TAGS, st.sampled_from(["word", " two\nwords ", "7", "&nbsp;", "&#0;"]))))
def test_pages_of_any_tags_are_read_whole(parts: list[str]) -> None:
    html = "".join([*parts, "end"])
    loaded = page(html)
    assert loaded == page(html)
    assert loaded.text == loaded.text.strip("\n").rstrip()
    assert "\n\n\n" not in loaded.text or "<pre>" in parts
    for word in ("word", "two", "end"):
        assert loaded.text.count(word) >= sum(word in part for part in [*parts, "end"]) - parts.count(
            " two\nwords "
        ) * (word == "word")
    for offset, _, title in loaded.meta["headings"]:
        assert loaded.text[offset:].split()[: len(title.split())] == title.split()
