"""Converts text in UTF-16 or UTF-32, as Windows tools write it, to UTF-8. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from opensearch_strata.archive.decode.byte_stream import Source, damaged

_MARKS = (
    ("utf-32", codecs.BOM_UTF32_LE),
    ("utf-32", codecs.BOM_UTF32_BE),
    ("utf-16", codecs.BOM_UTF16_LE),
    ("utf-16", codecs.BOM_UTF16_BE),
)
_PLAIN = rb"[\t\n\r\x20-\x7e]"
# Without a mark: ASCII with a zero after or before each character.
_UNMARKED = (
    ("utf-16-le", re.compile(rb"(?:" + _PLAIN + rb"\0){8}")),
    ("utf-16-be", re.compile(rb"(?:\0" + _PLAIN + rb"){8}")),
)


def charset_of(head: bytes) -> str | None:
    """Python's name for the charset of text that begins with these bytes, None if it does not have wide characters.

    :param head: the first 16 bytes, or all if there are fewer
    """
    marked = (name for name, mark in _MARKS if head.startswith(mark))
    unmarked = (name for name, pattern in _UNMARKED if pattern.match(head))
    return next(marked, None) or next(unmarked, None)


def narrowed(source: Source, charset: str) -> Iterator[bytes]:
    """Yield the text in UTF-8; anything that is not a character becomes U+FFFD.

    :raises Damaged: it ends within a character
    """
    decoder = codecs.getincrementaldecoder(charset)("replace")
    while block := source.take(2**18):
        yield decoder.decode(block).encode("utf-8", "replace")
    pending, _ = decoder.getstate()
    if pending:
        raise damaged(charset, "ends in the middle of a character", source.at, at_end=True)
