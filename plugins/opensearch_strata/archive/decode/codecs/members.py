"""Compression formats that consist of consecutive members: gzip, zstd, bzip2. Pure.

A member is read in pieces of about its own length, because a decompressor hands back what follows the member's end: if
one block held 8,000 members, whole blocks would otherwise be copied 8,000 times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, Source, damaged

_SMALLEST, _LARGEST = 512, 2**16  # bytes of input per call
_OUTPUT = 2**18  # bytes of output per call, so that a bomb stays small
_HELD = 2**20  # bytes held back until the checksum of their member is known


class Decompressor(Protocol):
    """The interface of the standard library's ``bz2.BZ2Decompressor``, and of isal's."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


Starts = Callable[[bytes], Decompressor | None]
"""Returns a new decompressor for the member that begins with these bytes (16, fewer at the end); None if none does."""


def members(source: Source, layer: str, starts: Starts, errors: tuple[type[Exception], ...]) -> Iterator[bytes]:
    """Yield the content of all members. Zeros after a member are padding.

    A damaged member of up to 1 MiB yields nothing, because it is not known what in it is wrong; a longer one yields
    what could be decompressed. A member that is cut off yields what is present. One with a byte order mark was a
    separate file, so it begins a line.

    :raises Damaged: after everything before the damage was yielded
    """
    reader = _Reader(source, layer, errors)
    first = source.head(16)
    while (decompressor := starts(source.head(16))) is not None:
        yield from reader.read(decompressor)
        if source.ends_in_zeros():
            yield from reader.verified()
            return
    yield from reader.verified()
    if first.startswith(source.head(16)):  # too short to be sure, but the next member would begin like this
        raise damaged(layer, "ends in the middle of a member", source.at, at_end=True)
    raise damaged(layer, "is followed by something else", source.at)


class _Reader:
    """Reads members, and gathers the content of those whose checksum is correct into blocks."""

    def __init__(self, source: Source, layer: str, errors: tuple[type[Exception], ...]) -> None:
        self._source = source
        self._layer = layer
        self._errors = errors
        self._verified: list[bytes] = []
        self._members = 0
        self._size = 0
        self._step = _LARGEST

    def verified(self) -> Iterator[bytes]:
        """Yield what was gathered as one block."""
        if self._verified:
            yield b"".join(self._verified)
            self._verified, self._size = [], 0

    def read(self, decompressor: Decompressor) -> Iterator[bytes]:
        """Read one member; yields blocks when enough is gathered, or if the member is long."""
        start, held, size = self._source.at, list[bytes](), 0
        may_be_a_file = self._members > 0
        self._members += 1
        while not decompressor.eof:
            data = self._source.take(self._step) if decompressor.needs_input else b""
            if not data and decompressor.needs_input:
                yield from self.verified()
                yield from held
                raise damaged(self._layer, "ends in the middle of a member", self._source.at, at_end=True)
            try:
                held.append(decompressor.decompress(data, _OUTPUT))
            except self._errors as error:
                yield from self.verified()
                yield from held if size < 0 else ()
                raise damaged(self._layer, f"contains a damaged member ({error})", start) from error
            size += len(held[-1])
            if may_be_a_file and size >= len(BYTE_ORDER_MARK):  # the first pieces may be empty
                may_be_a_file = False
                if b"".join(held).startswith(BYTE_ORDER_MARK):
                    held.insert(0, b"\n")
            if size < 0 or size > _HELD:
                yield from self.verified()
                yield from held
                held, size = [], _GIVEN
            self._step = min(2 * self._step, _LARGEST)
        self._source.back(len(decompressor.unused_data))
        self._step = min(max(self._source.at - start, _SMALLEST), _LARGEST)
        yield from self._gather(held)

    def _gather(self, held: list[bytes]) -> Iterator[bytes]:
        self._verified += held
        self._size += sum(map(len, held))
        if self._size > _HELD:
            yield from self.verified()


_GIVEN = -(2**62)
"""Size of a long member, part of which was yielded before its checksum was known."""


class Pushed:
    """Adapts a decompressor with the interface of zlib to that of bz2.

    :param decompressor: has ``unconsumed_tail``, like ``zlib.decompressobj``
    """

    def __init__(self, decompressor: _Zlib) -> None:
        self._decompressor = decompressor

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def needs_input(self) -> bool:
        return not self._decompressor.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._decompressor.decompress(self._decompressor.unconsumed_tail + data, max(max_length, 0))


class _Zlib(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...
