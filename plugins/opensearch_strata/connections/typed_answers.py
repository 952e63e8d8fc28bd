"""Answers that are decoded in another way than usual, for the requests of one block.

opensearch-py turns every answer into dictionaries. Where an answer is large, it is decoded into what is needed of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Decode = Callable[[str], Any]
"""Decodes the body of an answer; None: it is decoded as usual."""

ANY_BYTES = "surrogateescape"
"""How bytes that are not UTF-8 are kept in the text of an answer, so that they can be got back."""

_WANTED: ContextVar[Decode | None] = ContextVar("decodes answers", default=None)


def decoded(text: str) -> Any:
    """An answer as the present block wants it; None: as usual. Called by the client's serializer.

    :param text: the body of an answer, as the client decoded it
    """
    decode = _WANTED.get()
    return None if decode is None else decode(text)


@contextmanager
def answers_by(decode: Decode) -> Iterator[None]:
    """Decode the answers to the requests that this thread sends within the block.

    :param decode: gets the body of each answer
    """
    token = _WANTED.set(decode)
    try:
        yield
    finally:
        _WANTED.reset(token)
