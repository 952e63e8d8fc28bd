"""Lines of columns that blanks separate: which column has which field, and how its value is read.

Services add columns at the end of their lines, and older lines have fewer; both are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from opensearch_strata.archive.parsers.parsed import Unreadable, number_or_text
from opensearch_strata.errors.amounts import counted

NOTHING = "-"
"""Stands in a column that has no value; its field is left out."""

MOST_WORDS = 100
"""Words of a line; the longest that AWS documents have 34."""

_WORD = re.compile(r'"[^"]*"|[^ ]+')
_SHORT = 19  # digits; fewer fit into 64 bits
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_SHOWN = 40
_LATER = "further_fields"

Fields = dict[str, Any]
Reader = Callable[[Fields, str, str], None]
"""Adds what a column says to the fields, given the column's name and its value, which is not ``-``.

:raises ValueError: the value cannot be read
"""


class Column(NamedTuple):
    """A column of a line.

    :param name: of its field, or what the names of its fields begin with
    """

    name: str
    read: Reader


def text(fields: Fields, name: str, value: str) -> None:
    """A text as it is."""
    fields[name] = value


def whole(fields: Fields, name: str, value: str) -> None:
    """A whole number.

    :raises ValueError: it is not one
    """
    if not (value.isdecimal() and value.isascii() and len(value) < _SHORT) and not _WHOLE.fullmatch(value):
        raise ValueError
    fields[name] = int(value)


def decimal(fields: Fields, name: str, value: str) -> None:
    """A number that may have decimals.

    :raises ValueError: it is not one
    """
    if not _DECIMAL.fullmatch(value):
        raise ValueError
    fields[name] = float(value)


def address(fields: Fields, name: str, value: str) -> None:
    """``192.0.2.1:80`` or ``[2001:db8::1]:80`` as ``<name>_ip`` and ``<name>_port``.

    :raises ValueError: it has no port
    """
    ip, colon, port = value.rpartition(":")
    if not colon or not _WHOLE.fullmatch(port):
        raise ValueError
    fields[f"{name}_ip"] = ip.removeprefix("[").removesuffix("]")
    fields[f"{name}_port"] = int(port)


def request(fields: Fields, name: str, value: str) -> None:
    """A request line as ``<name>_verb``, ``<name>_url`` and ``<name>_proto``; whole as ``<name>`` if it has not three
    parts. It comes from the client, so it may be anything."""
    parts = value.split(" ", 3)
    if len(parts) == 3 and all(parts):
        for part, what in zip(parts, ("verb", "url", "proto"), strict=True):
            if part != NOTHING:
                fields[f"{name}_{what}"] = part
    elif value.strip(" -"):
        fields[name] = value


def several(separator: str) -> Reader:
    """Several values in one column, numbers as numbers.

    :param separator: what is between two of them
    """

    def read(fields: Fields, name: str, value: str) -> None:
        fields[name] = [number_or_text(part) for part in value.split(separator, MOST_WORDS)]

    return read


def read_columns(kind: str, columns: Sequence[Column], least: int, words: Sequence[str]) -> Fields:
    """The fields of a line; columns that this module does not know are kept as ``further_fields``.

    :param kind: what the line is, in sentences
    :param columns: in the order of the line
    :param least: number of words that the shortest such line has
    :param words: as :func:`words_of` returns them
    :raises Unreadable: there are too few words, or a value is not what its column holds
    """
    if len(words) < least:
        raise Unreadable(f"has {counted(len(words), 'value')} where {kind} has at least {least}")
    fields: Fields = {}
    for (name, read), word in zip(columns, words, strict=False):
        if word == NOTHING:
            continue
        if read is text:
            fields[name] = word
        else:
            try:
                read(fields, name, word)
            except ValueError:
                raise Unreadable(f"has {word[:_SHOWN]!r} as {name}, which {kind} cannot have") from None
    if len(words) > len(columns):
        fields[_LATER] = list(words[len(columns) :])
    return fields


def words_of(line: str) -> list[str]:
    """The words of a line, which blanks separate. A word in quotation marks may contain blanks, and marks that are not
    followed by a blank.

    :param line: of any length
    :raises Unreadable: a mark is not closed, or there are many more words than in any such line
    """
    found = _plainly_quoted(line)
    if found is None:
        found, _ = _words_one_by_one(line, 0, MOST_WORDS + 1)
    return _not_too_many(found)


def words_around(line: str, before: int) -> list[str]:
    """The words of a line in which a client's text is the last word in quotation marks. S3 and Classic Load Balancers
    do not escape it, so it ends at the last mark of the line, and nobody can add columns by writing marks.

    :param line: of any length
    :param before: the number of words before that text
    :raises Unreadable: a mark is not closed, or there are many more words than in any such line
    """
    end = line.rfind('"')
    usual = _plainly_quoted(line[: end + 1])
    if usual is not None and len(usual) == before + 1:
        return _not_too_many([*usual, *filter(None, line[end + 2 :].split(" ", MOST_WORDS))])
    found, at = _words_one_by_one(line, 0, before)
    if line[at : at + 1] == '"' and end > at:
        found.append(line[at + 1 : end])
        at = end + 1
    after, _ = _words_one_by_one(line, at, MOST_WORDS + 1)
    return _not_too_many(found + after)


def _plainly_quoted(line: str) -> list[str] | None:
    """The words of a line in which one blank is between two words, and marks are only around words; None of another."""
    found = _WORD.findall(line)
    if " ".join(found) != line:
        return None
    words, quoted = [], 0
    for word in found:
        if word[0] == '"':
            quoted += 2
            words.append(word[1:-1])
        else:
            words.append(word)
    return words if quoted == line.count('"') else None


def _not_too_many(words: list[str]) -> list[str]:
    if len(words) > MOST_WORDS:
        raise Unreadable(f"has more than {MOST_WORDS} values")
    return words


def _words_one_by_one(line: str, at: int, most: int) -> tuple[list[str], int]:
    """Up to ``most`` words from a position on, and the position after them."""
    words: list[str] = []
    length = len(line)
    while at < length and len(words) < most:
        if line[at] == '"':
            end = line.find('" ', at + 1)
            if end < 0:
                end = length - 1
                if end == at or line[end] != '"':
                    raise Unreadable("has a quotation mark that is not closed")
            words.append(line[at + 1 : end])
            at = end + 2
        else:
            end = line.find(" ", at)
            end = length if end < 0 else end
            if end > at:
                words.append(line[at:end])
            at = end + 1
    return words, at
