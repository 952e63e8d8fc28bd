"""Answers that are decoded in another way than usual, for the requests of one block.

opensearch-py turns every answer into dictionaries. Where an answer is large, it is decoded into what is needed of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Decode = Callable[[bytes], Any]
"""Decodes the body of an answer; None: it is decoded as usual."""

_WANTED: ContextVar[Decode | None] = ContextVar("decodes answers", default=None)


def is_wanted() -> bool:
    """Whether the present block decodes answers. Called by the client's connection."""
    return _WANTED.get() is not None


def decoded(body: bytes) -> Any:
    """An answer as the present block wants it; None: as usual. Called by the client's serializer.

    :param body: of an answer
    """
    decode = _WANTED.get()
    return None if decode is None else decode(body)


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
