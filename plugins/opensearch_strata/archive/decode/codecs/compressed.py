"""gzip, zstd and bzip2; each member gets its own decompressor. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.decode.byte_stream import Source
from opensearch_strata.archive.decode.codecs.members import Decompressor, Pushed, members

if TYPE_CHECKING:
    from zstandard import ZstdDecompressionObj

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte from 50 to 5f
_BZIP2 = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")  # a block of data, or the end of an empty file
_ZSTD_WINDOW = 2**27  # bytes, the most that `zstd -d` accepts without --long

# Header fields that isal reads correctly wherever a header is cut in two: none, or one of extra, name, comment.
# It mistakes two of them, or a header's checksum, for data (isal 1.9.1).
_READ_BY_ISAL = {0, 4, 8, 16}
_TEXT = 1


def is_gzip(head: bytes) -> bool:
    """Whether gzip begins here (RFC 1952).

    :param head: the first bytes, two or more unless there are fewer
    """
    return head.startswith(GZIP)


def is_zstd(head: bytes) -> bool:
    """Whether a zstd frame or a skippable one begins here (RFC 8878)."""
    return head.startswith(ZSTD) or (head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F)


def is_bzip2(head: bytes) -> bool:
    """Whether a bzip2 stream begins here; its first three letters alone could be text."""
    return head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in _BZIP2


def gunzipped(source: Source) -> Iterator[bytes]:
    """Yield the content of every member of a gzip file."""
    igzip_lib = _isal()
    if igzip_lib is None:
        return members(source, "gzip", lambda head: _plain_gzip() if is_gzip(head) else None, (zlib.error,))

    def starts(head: bytes) -> Decompressor | None:
        if not is_gzip(head):
            return None
        if len(head) < 4 or head[3] & ~_TEXT not in _READ_BY_ISAL:
            return _plain_gzip()
        made: Decompressor = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
        return made

    return members(source, "gzip", starts, (igzip_lib.IsalError, zlib.error))


@cache
def _isal() -> Any:
    """The library, or None in AWS Lambda, which has only the standard library; asked once, as looking takes a while."""
    try:
        from isal import igzip_lib
    except ImportError:
        return None
    return igzip_lib


def _plain_gzip() -> Decompressor:
    return Pushed(zlib.decompressobj(31))


def unzstandard(source: Source) -> Iterator[bytes]:
    """Yield the content of every frame of a zstd file."""
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)

    def starts(head: bytes) -> Decompressor | None:
        return _Frame(context.decompressobj()) if is_zstd(head) else None

    return members(source, "zstd", starts, (zstandard.ZstdError,))


def bunzipped(source: Source) -> Iterator[bytes]:
    """Yield the content of every stream of a bzip2 file."""
    import bz2

    def starts(head: bytes) -> Decompressor | None:
        return bz2.BZ2Decompressor() if is_bzip2(head) else None

    return members(source, "bzip2", starts, (OSError, ValueError))


class _Frame:
    """A zstd frame. zstandard's own object has no limit on its output, so it is given little input at a time."""

    _INPUT = 512  # bytes; a block takes at least 4 of them and holds at most 128 KiB

    def __init__(self, frame: ZstdDecompressionObj) -> None:
        self._frame = frame
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._waiting

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        waiting = self._waiting + data
        pieces, at, size = [], 0, 0
        while at < len(waiting) and not self._frame.eof and size < max_length:
            piece = self._frame.decompress(waiting[at : at + self._INPUT])
            pieces.append(piece)
            at, size = at + self._INPUT, size + len(piece)
        self._waiting = waiting[at:]
        return b"".join(pieces)
