"""Text tables as programs write them: which encoding, which separator, and what each line holds; never a guess.

What is certain is read and said; what could be read in two ways is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from magsig_tf.data.identity import plain_name
from magsig_tf.errors import DataError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8", "UTF-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le", "UTF-32"),
    (b"\x00\x00\xfe\xff", "utf-32-be", "UTF-32"),
    (b"\xff\xfe", "utf-16-le", "UTF-16"),
    (b"\xfe\xff", "utf-16-be", "UTF-16"),
)
_SAVE_AS_UTF8 = "Save it as UTF-8 (in Excel: 'CSV UTF-8')"
_SEP_LINE = re.compile(r'"?sep=(?P<separator>[,;|\t])"?[ ,;|\t]*(\r\n|\n|\r|$)', re.IGNORECASE)

# Western European letters and signs of Windows-1252. Left out are those that other code pages have in the same place
# and that Western text seldom needs: Central European and Icelandic letters (0x8A, 0x9A, 0xD0, 0xDE, 0xFE, ...).
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿ"
_SIGNS = "€…‘’“”•–—™\xa0¡£§©ª«®°±²³´µ·º»¼½¾¿×÷"
_WORD = re.compile(f"[A-Za-z{_LETTERS}]+")
_SIGN_IN_WORD = re.compile(
    f"[a-z{_LETTERS}][{_SIGNS.replace('’', '').replace('–', '').replace('—', '')}][a-z{_LETTERS}]"
)


@dataclass
class Cells:
    """The cells of a table, its header among them, before anybody asks what they mean.

    Args:
        rows: The rows with content, each as long as the first; blanks around a cell are gone.
        lines: Number of the line (of a workbook: the row) at which each row begins.
        place: What `lines` count: "line" or "row".
        notes: What was assumed while reading, as parts of a sentence.
        blank_rows: How many rows without any content were passed over.
        doubtful: Cells whose text a spreadsheet made, such as a date, by (row, column): what it is.
    """

    rows: list[list[str]]
    lines: list[int]
    place: str = "line"
    notes: list[str] = field(default_factory=list)
    blank_rows: int = 0
    doubtful: dict[tuple[int, int], str] = field(default_factory=dict)


def read_text_table(name: str, content: bytes, known: Collection[str]) -> Cells:
    """Read a table of text.

    Args:
        name: Name of the file, for messages.
        content: Its bytes.
        known: Column names that may be expected, as `folded` writes them; where a header could be split in two ways,
            the one that gives more of these is meant.

    Raises:
        DataError: an encoding, separator or row that cannot be told for certain; a NUL; a quote that is not closed.
    """
    text, notes = _decoded(name, content)
    if "\0" in text:
        line = 1 + len(re.findall(r"\r\n|\n|\r", text[: text.index("\0")]))
        raise DataError(f"Expected a table of text in {name}", f"found a NUL in line {line}", _SAVE_AS_UTF8)
    declared = _SEP_LINE.match(text)
    if declared is not None:
        text = text[declared.end() :]
    separator = _separator(name, text, known) if declared is None else declared["separator"]
    if declared is not None or separator != ",":
        notes.append(f"with {SEPARATORS[separator]}")
    return _split(name, text, separator, 1 if declared is None or not declared[2] else 2, notes)


def folded(header: str) -> str:
    """Return a column's name as names are compared: without case, outer blanks and invisible characters."""
    return re.sub(r"[ _-]+", "_", plain_name(header)).casefold()


def _decoded(name: str, content: bytes) -> tuple[str, list[str]]:
    for mark, encoding, shown in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding), [] if shown == "UTF-8" else [f"as {shown}"]
            except UnicodeDecodeError as error:
                found = f"found the mark of {shown} in front and bytes that are none ({error.reason})"
                raise DataError(f"Expected a table of text in {name}", found, _SAVE_AS_UTF8) from error
    if b"\0" in content:
        fitting = [text for order in ("utf-16-le", "utf-16-be") if (text := _utf16(content, order)) is not None]
        if len(fitting) == 1:
            return fitting[0], ["as UTF-16"]
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as error:
        line = 1 + len(re.findall(rb"\r\n|\n|\r", content[: error.start]))
        text = content.decode("cp1252", "replace")
        if odd := _not_western(text):
            found = f"found that line {line} is not, and that it reads as {odd} in Windows-1252"
            raise DataError(f"Expected a CSV file in UTF-8: {name}", found, _SAVE_AS_UTF8) from error
        word = next(word[0] for word in re.finditer(r"[^\t\r\n ,;|\"]+", text) if not word[0].isascii())
        return text, [f"as Windows-1252 (such as {word[:40]!r})"]


def _utf16(content: bytes, encoding: str) -> str | None:
    """Return the text where a header in ASCII proves that byte order, else None."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    return text if header and "\0" not in text and sum(map(str.isascii, header)) * 2 > len(header) else None


def _not_western(text: str) -> str:
    """Return the first piece of a text that tells against Windows-1252, "" where nothing does."""
    for found in re.finditer(f"[^\\x00-\\x7f{_LETTERS}{_SIGNS}]", text):
        return repr(text[max(0, found.start() - 3) : found.end() + 3])
    if found_sign := _SIGN_IN_WORD.search(text):
        return repr(found_sign[0])
    for word in _WORD.findall(text):
        # a word of another script has hardly a letter that ASCII has
        other = sum(not letter.isascii() for letter in word)
        if other and (other == len(word) > 1 or (len(word) > 3 and other * 2 > len(word))):
            return repr(word[:40])
    return ""


def _separator(name: str, text: str, known: Collection[str]) -> str:
    headers = {}
    for separator in SEPARATORS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
            header = next((fields for fields in reader if any(map(str.strip, fields))), [])
        except csv.Error:
            continue
        if len(header) > 1:
            headers[separator] = header
    if len(headers) < 2:
        return next(iter(headers), ",")
    hits = {separator: sum(folded(each) in known for each in header) for separator, header in headers.items()}
    best = [separator for separator in hits if hits[separator] == max(hits.values())]
    if len(best) == 1:
        return best[0]
    found = f"found {' and '.join(SEPARATORS[each] for each in best)} in the header"
    raise DataError(f"Expected one separator in {name}", found, "Save it with commas, and quote fields that hold one")


def _split(name: str, text: str, separator: str, first_line: int, notes: list[str]) -> Cells:
    cells = Cells([], [], notes=notes)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = first_line
    try:
        for fields in reader:
            fields = [each.strip() for each in fields]
            if not any(fields):
                cells.blank_rows += bool(fields)
            else:
                width = len(cells.rows[0]) if cells.rows else len(fields)
                if len(fields) != width:
                    if len(fields) < width or any(fields[width:]):
                        kinds = SEPARATORS[separator]
                        expected = f"Expected as many fields in every row of {name} as in its header, {width}"
                        remedy = f"Correct that line; a field that holds {kinds} or line breaks is written in quotes"
                        raise DataError(expected, f"found {len(fields)} in line {line}", remedy)
                    del fields[width:]
                cells.rows.append(fields)
                cells.lines.append(line)
            line = first_line + reader.line_num
    except csv.Error as error:
        found = f"found in the row that begins in line {line}: {error}"
        remedy = "Close the quote there; a quote inside a quoted field is written twice"
        raise DataError(f"Expected fields that are quoted whole or not at all in {name}", found, remedy) from error
    return cells
