r"""JSON that OpenSearch takes and others refuse: halves of surrogate pairs, comments, ``NaN``. Pure.

OpenSearch keeps a ``_source`` as it was sent, and its parser is lenient
(https://github.com/opensearch-project/OpenSearch, ``JsonXContent``). Such a document makes the whole answer that it is
in unreadable to a strict parser. It is cut out here by its tokens, which needs no opinion about its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_COMMENT = rb"/\*.*?\*/|//[^\n]*"
_TOKEN = re.compile(_TEXT + rb"|" + _COMMENT + rb"|[{}\[\]:,]", re.DOTALL)
_PART = re.compile(rb"(?P<text>" + _TEXT + rb")|(?P<comment>" + _COMMENT + rb")|(?P<word>[^\s{}\[\]:,\"]+)", re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_ANY = msgspec.json.Decoder(msgspec.Raw)


class Cut(NamedTuple):
    """An answer and the sources that were cut out of it.

    :param answer: the answer, with the place of each source in the list in its stead
    :param sources: in the order of the answer
    """

    answer: bytes
    sources: list[bytes]


def cut_sources(answer: bytes, depth: int) -> Cut:
    """Cut each ``_source`` out of an answer of OpenSearch.

    :param answer: JSON but for the sources in it
    :param depth: how many brackets are open where ``_source`` is a key
    """
    kept, sources, done = list[bytes](), list[bytes](), 0
    for start, end in _sources(answer, depth):
        kept += [answer[done:start], b"%d" % len(sources)]
        sources.append(answer[start:end])
        done = end
    return Cut(b"".join([*kept, answer[done:]]), sources)


def _sources(answer: bytes, depth: int) -> Iterator[tuple[int, int]]:
    """Where each source begins and ends."""
    opened, before, start = 0, b"", -1
    for found in _TOKEN.finditer(answer):
        token = found.group()
        if opened == depth:
            if start >= 0 and token in (b",", b"}"):
                yield start, found.start()
                start = -1
            elif start < 0 and token == b":" and before == b'"_source"':
                start = found.end()
        if token in (b"{", b"["):
            opened += 1
        elif token in (b"}", b"]"):
            opened -= 1
        before = token


def is_strict(text: bytes) -> bool:
    """Whether a text is JSON to everybody.

    :param text: one value
    """
    try:
        _ANY.decode(text)
        text.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def strict_form(text: bytes) -> bytes:
    """The nearest JSON that everybody reads, on one line: what is wrong in it is replaced as Unicode does it.

    :param text: one value that is not strict
    :returns: ``null`` if there is none
    """
    changed = _PART.sub(_strict_part, text.decode("utf-8", "replace").encode()).replace(b"\n", b" ").strip()
    return changed if is_strict(changed) else b"null"


def _strict_part(found: re.Match[bytes]) -> bytes:
    part = found.group()
    if found["comment"]:
        return b" "
    if found["text"]:
        return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape.group(), part)
    return part if is_strict(part) else b"null"
