"""Opens objects before they are needed, so that small ones do not wait for S3 one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")


def first_blocks(
    things: Iterable[Thing], blocks_of: Callable[[Thing], Iterator[bytes]], ahead: int = 3
) -> Iterator[tuple[Thing, Iterator[bytes]]]:
    """Yield each thing with its blocks, in order, while the first blocks of the next few are being fetched.

    If fetching a first block fails, the error is raised where the blocks are read, not here. The end of this waits for
    no block: S3 may keep a request hanging for minutes.

    :param ahead: how many things are open in addition to the one being read
    """
    waiting: deque[tuple[Thing, Iterator[bytes], Future[bytes]]] = deque()
    pool = ThreadPoolExecutor(ahead, thread_name_prefix="open")
    try:
        for thing in things:
            blocks = blocks_of(thing)
            waiting.append((thing, blocks, pool.submit(next, blocks, b"")))
            if len(waiting) > ahead:
                yield _opened(*waiting.popleft())
        while waiting:
            yield _opened(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _opened(thing: Thing, blocks: Iterator[bytes], first: Future[bytes]) -> tuple[Thing, Iterator[bytes]]:
    return thing, _continued(blocks, first)


def _continued(blocks: Iterator[bytes], first: Future[bytes]) -> Iterator[bytes]:
    if block := first.result():
        yield block
        yield from blocks
