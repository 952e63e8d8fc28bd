"""Text in UTF-16 or UTF-32, as tools of Windows write it, to UTF-8. Pure."""

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
# Without a mark: ASCII, with a zero behind or before each character.
_UNMARKED = (
    ("utf-16-le", re.compile(rb"(?:" + _PLAIN + rb"\0){8}")),
    ("utf-16-be", re.compile(rb"(?:\0" + _PLAIN + rb"){8}")),
)


def charset_of(head: bytes) -> str | None:
    """Python's name of the charset of text that begins with these bytes, None if it is none of wide characters.

    :param head: 16 bytes, fewer for what is shorter
    """
    marked = (name for name, mark in _MARKS if head.startswith(mark))
    unmarked = (name for name, pattern in _UNMARKED if pattern.match(head))
    return next(marked, None) or next(unmarked, None)


def narrowed(source: Source, charset: str) -> Iterator[bytes]:
    """The text in UTF-8; what is no character becomes U+FFFD.

    :raises Damaged: it ends within a character
    """
    decoder = codecs.getincrementaldecoder(charset)("replace")
    while block := source.take(2**18):
        yield decoder.decode(block).encode("utf-8", "replace")
    pending, _ = decoder.getstate()
    if pending:
        raise damaged(charset, "ends in the middle of a character", source.at, at_end=True)
