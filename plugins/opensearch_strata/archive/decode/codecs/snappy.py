"""snappy in its two common outer forms: its own framing format and Hadoop's blocks. Pure.

Raw snappy, without either of them, has no mark and is not recognised.
"""

from __future__ import annotations

from collections.abc import Iterator

from opensearch_strata.archive.decode.byte_stream import Source, damaged

_IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
_COMPRESSED, _PLAIN, _RESERVED = 0x00, 0x01, 0x80  # chunk types; those from 02 to 7f cannot be read
_LONGEST_BLOCK = 2**24 - 1  # bytes; Hadoop's own are 256 KiB


def is_framed(head: bytes) -> bool:
    """Whether the framing format begins here (google/snappy, framing_format.txt)."""
    return head.startswith(_IDENTIFIER)


def is_hadoop(head: bytes) -> bool:
    """Whether a block of Hadoop's ``SnappyCodec`` begins here, by its lengths: decoded, packed, and decoded again.

    The first byte of a decoded length below 16 MiB is zero, and no text begins with a zero.
    """
    if len(head) < 12 or head[0]:
        return False
    decoded, packed = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    part = _varint(head[8:12])
    return 0 < part <= decoded and 0 < packed <= _packed(part)


def _packed(decoded: int) -> int:
    """The maximum length of so many bytes in raw snappy (google/snappy, MaxCompressedLength)."""
    return 32 + decoded + decoded // 6


def _varint(data: bytes) -> int:
    """The number at the start of raw snappy, 7 bits per byte, lowest first; 0 if it continues beyond the bytes."""
    number = 0
    for position, byte in enumerate(data):
        number |= (byte & 127) << 7 * position
        if byte < 128:
            return number
    return 0


def unframed(source: Source) -> Iterator[bytes]:
    """Yield the content of every chunk of the framing format, with its checksum verified.

    :raises Damaged: after everything before the damage was yielded
    """
    import cramjam

    while header := source.exactly(4):
        start, kind, size = source.at - len(header), header[0], int.from_bytes(header[1:], "little")
        if not any(header):
            return _padding("snappy", source)
        data = kind in (_COMPRESSED, _PLAIN)
        if (data and size > 4 + _packed(2**16)) or _PLAIN < kind < _RESERVED:
            raise damaged("snappy", "contains something other than a chunk", start)
        body = source.exactly(size)
        if len(header) < 4 or len(body) < size:
            known = data or len(header) < 4 or header == _IDENTIFIER[:4]  # else its size may be anything
            raise damaged("snappy", "ends in the middle of a chunk", source.at, at_end=known)
        if data:
            try:
                yield bytes(cramjam.snappy.decompress(_IDENTIFIER + header + body))
            except cramjam.DecompressionError as error:
                raise damaged("snappy", f"contains a damaged chunk ({error})", start) from error
    return None


def unblocked(source: Source) -> Iterator[bytes]:
    """Yield every part of Hadoop's blocks. A block is its decoded length followed by parts that add up to it, each
    preceded by its packed length; all lengths are 4 bytes, big-endian.

    :raises Damaged: after everything before the damage was yielded
    """
    left = 0
    while header := source.exactly(4):
        start, number = source.at - len(header), int.from_bytes(header, "big")
        if not any(header) and not left:
            return _padding("hadoop-snappy", source)
        if left:
            part = _part(source, header, start, left)
            left -= len(part)
            yield part
        elif number > _LONGEST_BLOCK:
            raise damaged("hadoop-snappy", "contains something other than a block", start)
        else:
            left = number
    if left:
        raise damaged("hadoop-snappy", "ends in the middle of a block", source.at, at_end=True)
    return None


def _part(source: Source, header: bytes, start: int, left: int) -> bytes:
    """Decode one packed part, which has at most ``left`` decoded bytes."""
    import cramjam

    size = int.from_bytes(header, "big")
    if len(header) == 4 and not 0 < size <= _packed(left):
        raise damaged("hadoop-snappy", "contains something other than a block", start)
    body = source.exactly(size) if len(header) == 4 else b""
    if len(body) < size or not body:
        raise damaged("hadoop-snappy", "ends in the middle of a block", source.at, at_end=True)
    if not 0 < _varint(body[:4]) <= left:
        raise damaged("hadoop-snappy", "contains something other than a block", start)
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise damaged("hadoop-snappy", f"contains a damaged block ({error})", start) from error


def _padding(layer: str, source: Source) -> None:
    if not source.ends_in_zeros():
        raise damaged(layer, "is followed by something else", source.at)
