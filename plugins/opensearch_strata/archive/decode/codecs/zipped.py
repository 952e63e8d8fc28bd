"""zip files: members one after another, as the directory at the end lists them. Pure except for a temporary file."""

from __future__ import annotations

import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from opensearch_strata.archive.decode.byte_stream import Source, TooLarge, damaged
from opensearch_strata.archive.decode.codecs.members import Pushed
from opensearch_strata.errors import TransientError
from opensearch_strata.errors.amounts import size as shown_size

_IN_MEMORY = 2**22  # bytes of a zip file that need no temporary file
_BLOCK = 2**18
_HEADER = 30  # bytes of a member's header, without its name and extra fields
_DEFLATED = 8
_DIRECTORY = b"PK\x01\x02"
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16
# A name that is not UTF-8 is a ValueError, an unknown method a RuntimeError. An empty name has no last letter.
_ERRORS = (
    *(zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError, zlib.error, lzma.LZMAError),
    *(LookupError, ArithmeticError, struct.error),
)


def is_zip(head: bytes) -> bool:
    """Whether a zip file begins here (PKWARE APPNOTE 4.3): with a member, or with the end record of an empty file."""
    return head.startswith((b"PK\x03\x04", _END))


def unzipped(source: Source, most: int) -> Iterator[Iterator[bytes]]:
    """Yield the content of each member that is not a directory. A file without its end yields what its members hold up
    to that point.

    :param most: maximum number of bytes of the file, which is stored on disk until all of it has been read
    :raises Damaged: after everything before the damage was yielded
    :raises TooLarge: it is longer than that; nothing was yielded
    :raises TransientError: the disk has no room for it
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        size = _spooled(source, spool, most)
        try:
            archive = zipfile.ZipFile(spool)
        except _ERRORS as error:
            spool.seek(0)
            yield from _without_directory(spool)
            raise damaged("zip", f"has no directory ({error})", source.at, at_end=not spool.read(1)) from error
        infos = archive.infolist()
        if all(info.header_offset for info in infos) and infos:
            raise damaged("zip", "begins with members that its directory does not list", 0)
        for info in infos:
            if not (info.filename and info.is_dir()):
                yield _member(archive, info)
        _demand_end(spool, size)


def _spooled(source: Source, spool: IO[bytes], most: int) -> int:
    """Write the file to disk; return its size without padding, so that its end is where it is looked for.

    :raises TooLarge: it is longer than ``most`` bytes
    :raises TransientError: there is no room for it
    """
    end = 0
    while block := source.take(_BLOCK):
        if source.at > most:
            raise TooLarge(
                f"Its zip layer is longer than {shown_size(most)}; a zip file is read from its end and is stored on "
                f"disk until then. Compress its members individually, for example with gzip, which can be streamed."
            )
        try:
            spool.write(block)
        except OSError as error:
            raise TransientError(
                f"A zip file cannot be stored in {tempfile.gettempdir()} while it is read ({error.strerror}). Make "
                f"room there, or name another folder in TMPDIR."
            ) from error
        if other := block.rstrip(b"\0"):
            end = source.at - len(block) + len(other)
    size = min(end + _END_SIZE, source.at)
    spool.truncate(size)
    spool.seek(0)
    return size


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as member:
            while block := member.read(_BLOCK):
                yield block
    except _ERRORS as error:
        raise damaged("zip", f"contains a damaged member ({error})", info.header_offset) from error


def _demand_end(spool: IO[bytes], size: int) -> None:
    """Refuse anything after the end of the directory except zeros.

    :raises Damaged: something else follows
    """
    begin = max(size - _LONGEST_COMMENT - _END_SIZE, 0)
    spool.seek(begin)
    tail = spool.read()
    at = tail.rfind(_END)
    end = at + _END_SIZE + int.from_bytes(tail[at + 20 : at + 22], "little")
    if tail[end:].strip(b"\0"):
        raise damaged("zip", "is followed by something else", begin + end)


def _without_directory(spool: IO[bytes]) -> Iterator[Iterator[bytes]]:
    """Yield the deflated members at the start of a file that lacks its end, each by its own header (APPNOTE 4.3.7).

    If nothing but a directory was left, the file is at its end afterwards.
    """
    while len(header := spool.read(_HEADER)) == _HEADER and header.startswith(b"PK\x03\x04"):
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        if int.from_bytes(header[8:10], "little") != _DEFLATED or header[6] & 1:  # stored, or encrypted
            return
        spool.seek(names, 1)
        yield _inflated(spool)
        behind = spool.read(24)  # a data descriptor in any of its four lengths
        at = behind.find(b"PK\x03\x04")
        if at < 0:
            if _DIRECTORY in behind:
                spool.seek(0, 2)
            return
        spool.seek(at - len(behind), 1)


def _inflated(spool: IO[bytes]) -> Iterator[bytes]:
    """Yield what can be decompressed of a member; afterwards, the file is positioned after it.

    :raises Damaged: it cannot be decompressed
    """
    start = spool.tell()
    inflater = Pushed(zlib.decompressobj(-15))
    while not inflater.eof:
        data = spool.read(_BLOCK) if inflater.needs_input else b""
        if not data and inflater.needs_input:
            return
        try:
            yield inflater.decompress(data, _BLOCK)
        except zlib.error as error:
            raise damaged("zip", f"contains a damaged member ({error})", start) from error
    spool.seek(-len(inflater.unused_data), 1)
