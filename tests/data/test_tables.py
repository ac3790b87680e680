"""One reader of the tables that people bring: what is certain is read and said, what is not is refused in one line."""

from __future__ import annotations

import contextlib
import datetime
import io
import time
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magsig_tf.data.tables import read_table
from magsig_tf.errors import DataError, MagsigError, UsageError
from tests.time_limits import slower

COLUMNS = {"path": ("file",), "label": (), "case": (), "slide": ()}
HEADER = "path,label,case\n"
ROWS = HEADER + "a.png,benign,Größe 1\nb.png,malignant,Élan-2\n"
RECORDS = [
    {"path": "a.png", "label": "benign", "case": "Größe 1"},
    {"path": "b.png", "label": "malignant", "case": "Élan-2"},
]


def table(tmp_path, content: str | bytes, name: str = "list.csv", **chosen):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, COLUMNS, required=("path", "label", "case"), **chosen)


def refused(tmp_path, content: str | bytes, *words: str, kind: type[MagsigError] = DataError, **chosen) -> None:
    with pytest.raises(kind) as caught:
        table(tmp_path, content, **chosen)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def workbook(fill) -> bytes:
    """Return the bytes of a workbook whose first sheet holds two good rows, after `fill` has changed it."""
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in (["path", "label", "case"], ["a.png", 0, 7], ["b.png", 1, "008"]):
        book.active.append(row)
    fill(book)
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"), ("cp1252", "Windows-1252 (such as 'Größe')"), ("latin-1", "Windows-1252"),
    ],
)  # fmt: skip
def test_an_encoding_that_is_certain_is_read_and_said(tmp_path, encoding, said):
    read = table(tmp_path, ROWS.encode(encoding))
    assert read.frame.to_dict("records") == RECORDS
    assert bool(read.notes) == bool(said)
    assert said in "".join(read.notes)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Иванов", "cp1251"), ("Παπάς", "cp1253"), ("病例", "gbk"), ("症例", "shift_jis"), ("환자", "euc_kr"),
        ("Łódź-Żak", "cp1250"), ("Größe", "mac_roman"), ("Größe", "cp850"), ("Işık", "cp1254"), ("שלום", "cp1255"),
    ],
)  # fmt: skip
def test_other_code_pages_are_refused_with_the_line(tmp_path, name, encoding):
    refused(tmp_path, (HEADER + f"a,0,x\nb,1,{name}\n").encode(encoding), "line 3", "Save it as UTF-8")


@pytest.mark.parametrize(("separator", "said"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("declared", ["", "sep={}\n", '"sep={}"\n'])
def test_separators_and_line_ends(tmp_path, separator, said, end, declared):
    text = (declared.format(separator) + ROWS.replace(",", separator)).replace("\n", end)
    read = table(tmp_path, text)
    assert read.frame.to_dict("records") == RECORDS
    assert f"list.csv was read with {said}" in read.notes
    assert read.where(1) == f"line {3 + bool(declared)}"


def test_the_separator_is_the_one_that_gives_the_known_names(tmp_path):
    assert table(tmp_path, HEADER.strip() + ",a|b\na,0,p,1|2\n").frame["a|b"].tolist() == ["1|2"]
    assert table(tmp_path, 'path;label;case;"x, y, z, u"\na;0,5;p;1\n').frame["label"].tolist() == ["0,5"]
    refused(tmp_path, "here|there,and\n1|2,3\n", "commas and vertical bars", "Save it with commas")


def test_headers_are_found_whatever_their_capitals_and_blanks(tmp_path):
    read = table(tmp_path, "\ufeff File ,LABEL,\u200bCase\xa0,note\na,0,p,n\n")
    assert list(read.frame) == ["path", "label", "case", "note"]
    assert "column File as path, column LABEL as label" in read.notes[0]


def test_what_has_no_content_is_passed_over_and_counted(tmp_path):
    read = table(tmp_path, "\n,,,,\npath,label,case,,\n,,,,\na, 0 ,p,,\n\n , ,,,\nb,1,q,,\n")
    assert read.frame.to_dict("list") == {"path": ["a", "b"], "label": ["0", "1"], "case": ["p", "q"]}
    assert read.lines == (5, 8)
    assert read.notes == ("list.csv: passed over 3 rows without content and 2 columns without content",)
    numbered = table(tmp_path, ",path,label,case\n0,a,0,p\n1,b,1,q\n")
    assert list(numbered.frame) == ["path", "label", "case"]
    assert "the numbers of the rows" in numbered.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("nothing in it",)),
        ("\n,,\n", ("nothing in it",)),
        (HEADER + "a,0\n", ("found 2 in line 2", "quotes")),
        (HEADER + "a,0,p\n\nb,1,q,r\n", ("found 4 in line 4",)),
        (HEADER + 'a,0,p\n"b,1,q\n', ("begins in line 3", "Close the quote")),
        (HEADER + 'a,0,"p"q\n', ("begins in line 2",)),
        (HEADER + "a,0,p\nb,1,\0\n", ("a NUL in line 3",)),
        (HEADER.strip() + ",\na,0,p,odd\n", ("a name for column 4", "'odd' (line 2)")),
        ("path,Path,label,case\n", ("'path' and 'Path'", "--columns path=path")),
        ("path,x,x,label,case\n", ("'x' twice",)),
        ("path,Diagnosis,Patient\n", ("no label and no case", "--columns label=THEIRS,case=THEIRS")),
        ("path label case\n", ("Separate the fields",)),
        (HEADER + "a,0,1.23457E+15\n", ("rounded number", "as case in line 2")),
        (HEADER + "a,0,#REF!\n", ("error #REF!",)),
        (HEADER + "a,0,M\ufffdller\n", ("a letter that was lost",)),
        ("<html><table>", ("web page",)),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", (".xls", "Save it as CSV")),
        (b"\x1f\x8b\x08\0", ("gzip",)),
        (b"\xff\xfeabc", ("the mark of UTF-16",)),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(tmp_path, text, words):
    refused(tmp_path, text, *words)


def test_columns_are_named_by_the_user(tmp_path):
    text = "file,Diagnosis,Patient,label\na,benign,p,old\n"
    read = table(tmp_path, text, chosen={"label": "diagnosis", "case": "Patient", "slide": "Patient"})
    assert read.frame.to_dict("records") == [
        {"path": "a", "label": "benign", "case": "p", "slide": "p", "csv_label": "old"}
    ]
    assert "column Diagnosis as label, column Patient as case" in read.notes[0]
    refused(tmp_path, text, "'Patients'", "Did you mean 'Patient'", chosen={"case": "Patients"}, kind=UsageError)
    refused(tmp_path, text, "'cases'", "Did you mean 'case'", chosen={"cases": "Patient"}, kind=UsageError)


def test_a_workbook_gives_values_as_they_were_entered(tmp_path):
    def fill(book):
        book.active["C2"].number_format = "0000"
        book.active.append([None, " ", None])
        book.active.append(["c.png", 1.0, 2.5, "kept", datetime.date(2020, 2, 1)])
        book.active["D1"], book.active["E1"] = "note", "day"
        book.create_sheet("empty")

    read = table(tmp_path, workbook(fill), "list.xlsx")
    assert read.frame["case"].tolist() == ["0007", "008", "2.5"]
    assert read.frame["label"].tolist() == ["0", "1", "1"]
    assert read.frame["note"].tolist() == ["", "", "kept"]
    assert read.frame["day"].tolist()[2].startswith("2020-02-01")
    assert read.where(2) == "row 5"
    assert "sheet 'Sheet'" in read.notes[0]


def _two_sheets(book):
    book.create_sheet("more")["B3"] = 1


def _cell(value, place="C3"):
    def fill(book):
        book.active[place] = value

    return fill


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (_two_sheets, ("'Sheet', 'more'", "--sheet")),
        (_cell("=A1&A2"), ("formula", "C3", "save it")),
        (_cell(datetime.date(2014, 3, 1)), ("the date or time 2014-03-01", "row 3", "as text")),
        (_cell(12345678901234567), ("keeps 15 digits",)),
        (_cell("far", "G900"), ("'far' in column 7 of row 900",)),
    ],
)
def test_what_a_workbook_does_not_say_for_certain_is_refused(tmp_path, fill, words):
    # under another name too: what a file is, its first bytes say
    refused(tmp_path, workbook(fill), *words, name="list.csv")


def test_a_sheet_is_chosen(tmp_path):
    assert table(tmp_path, workbook(_two_sheets), sheet="Sheet").frame["path"].tolist() == ["a.png", "b.png"]
    refused(tmp_path, workbook(_two_sheets), "Did you mean 'Sheet'", sheet="Shet", kind=UsageError)
    refused(tmp_path, ROWS, "Leave out --sheet", sheet="Sheet", kind=UsageError)


def _changed(content: bytes, name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, data if part == name else old.read(part))
    return stream.getvalue()


def test_a_workbook_that_would_grow_without_end_is_refused_at_once(tmp_path, monkeypatch):
    plain, sheet = workbook(lambda book: None), "xl/worksheets/sheet1.xml"
    space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    far = (
        b'<worksheet xmlns="'
        + space
        + b'"><sheetData><row r="9"><c r="A9"><v>1</v></c></row><row r="999999999"/></sheetData></worksheet>'
    )
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
    began = time.process_time()
    with monkeypatch.context() as small:
        small.setattr("magsig_tf.data.workbooks.LARGEST_UNPACKED", 2**20)
        refused(tmp_path, _changed(plain, sheet, bytes(2**22)), "at most 1 MiB", "4 MiB")
    with monkeypatch.context() as small:
        small.setattr("magsig_tf.data.workbooks.MOST_CELLS", 1000)
        refused(tmp_path, _changed(plain, sheet, far), "at most 1,000 cells")
    refused(tmp_path, _changed(plain, sheet, laughs), "document type")
    assert time.process_time() - began < 5 * slower()


def test_a_zip_that_is_no_workbook_and_a_damaged_one_are_refused(tmp_path):
    plain = workbook(lambda book: None)
    refused(tmp_path, _changed(plain, "[Content_Types].xml", b""), "Excel workbook")
    refused(tmp_path, plain[: len(plain) // 2], "damaged")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("content.xml", "")
    refused(tmp_path, stream.getvalue(), "OpenDocument")


def test_without_openpyxl_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    content = workbook(lambda book: None)
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    refused(tmp_path, content, "pip install 'magsig[excel]'")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: (HEADER + text).encode())))
def test_fuzz_any_bytes_are_a_table_or_a_refusal(tmp_path, content):
    with contextlib.suppress(DataError):
        read = table(tmp_path, content)
        assert len(read.lines) == len(read.frame)


def test_a_long_list_is_read_quickly(tmp_path):
    rows = "".join(f"study/case{number // 40}/tile{number}.png,0,p{number // 40}\n" for number in range(50_000))
    began = time.process_time()
    assert len(table(tmp_path, HEADER + rows).frame) == 50_000
    assert time.process_time() - began < 5 * slower()
