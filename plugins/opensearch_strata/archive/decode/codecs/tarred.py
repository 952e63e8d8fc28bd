"""tar files: members one after the other, as they come; nothing of them is kept. Pure.

POSIX pax, ustar, GNU's and the old form (IEEE Std 1003.1, pax, "ustar Interchange Format"; tar.5 of libarchive).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator

from opensearch_strata.archive.decode.byte_stream import Source, damaged

BLOCK = 512  # bytes; all that a tar file consists of
_PIECE = 2**18
_LONGEST_HEADER = 2**20  # bytes of a member's extended header
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_NO_CONTENT = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    b"D": "the list of a folder",
    b"V": "a label",
}
"""What holds no content by itself: nothing is lost with it. Types that nobody knows are files, by POSIX."""
_SIZE = re.compile(rb"(?:\A|\n)\d{1,9} size=(\d{1,20})\n")
_PAX_NAME = re.compile(rb"(?:\A|\n)\d{1,9} path=([^\n]{0,4096})\n")
_SPARSE = re.compile(rb"(?:\A|\n)\d{1,9} GNU\.sparse\.")


def is_tar(head: bytes) -> bool:
    """Whether the header of a member begins here: its checksum holds.

    :param head: 512 bytes, fewer for what is shorter
    """
    return len(head) >= BLOCK and head[0] != 0 and _header(head) is not None


def untarred(source: Source, skip: Callable[[str], None]) -> Iterator[Iterator[bytes]]:
    """The content of each member that is a file.

    :param skip: is told of each member that is none, but for directories: a sentence
    :raises Damaged: after everything before was given; also where a sparse file, of which only parts are stored, was
        left out
    """
    sparse: list[str] = []
    extended = b""
    while any(head := source.exactly(BLOCK)):
        start = source.at - len(head)
        if len(head) < BLOCK:
            raise damaged("tar", "ends in the middle of a header", source.at, at_end=True)
        header = _header(head)
        if header is None:
            raise damaged("tar", "holds something else than a member", start)
        if header.type in (*_LONG_NAMES, *_PAX):
            if header.size > _LONGEST_HEADER:
                raise damaged("tar", "holds a header that is longer than a MiB", start)
            extended = (extended + _extended(header, b"".join(_content(source, header.size))))[-_LONGEST_HEADER:]
            continue
        name, size = _name_and_size(header, extended)
        is_sparse = header.type == tarfile.GNUTYPE_SPARSE or _SPARSE.search(extended) is not None
        extended = b""
        if is_sparse:
            sparse.append(name)
            _pass_sparse_map(source, header, head)
            _pass(source, size)
        elif kind := _NO_CONTENT.get(header.type):
            skip(f"The member {name!r} of the tar file is {kind} and was left out.")
            _pass(source, size if header.type == b"D" else 0)
        elif header.type == tarfile.DIRTYPE or (header.type == tarfile.AREGTYPE and name.endswith("/")):
            _pass(source, size)
        else:
            content = _content(source, size)
            yield content
            for _ in content:  # what was not asked for
                pass
    if not source.ends_in_zeros():
        raise damaged("tar", "is followed by something else", source.at)
    if sparse:
        raise damaged("tar", f"holds sparse files, which are not read: {', '.join(map(repr, sparse[:5]))}", source.at)
    if not head:
        raise damaged("tar", "ends without the zeros that end it", source.at, at_end=True)


def _extended(header: tarfile.TarInfo, content: bytes) -> bytes:
    """What is known of the next member, as pax writes it."""
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return b"\n0 path=" + content.rstrip(b"\0") + b"\n"
    return b"" if header.type == tarfile.GNUTYPE_LONGLINK else content


def _header(head: bytes) -> tarfile.TarInfo | None:
    try:
        return tarfile.TarInfo.frombuf(head[:BLOCK], "utf-8", "replace")
    except (tarfile.HeaderError, ValueError):
        return None


def _name_and_size(header: tarfile.TarInfo, extended: bytes) -> tuple[str, int]:
    """Name and stored bytes of a member; an extended header before it knows better."""
    size, name = _SIZE.findall(extended), _PAX_NAME.findall(extended)
    shown = name[-1].decode("utf-8", "replace") if name else header.name
    return shown, int(size[-1]) if size else max(header.size, 0)


def _content(source: Source, size: int) -> Iterator[bytes]:
    """So many bytes, and their padding.

    :raises Damaged: there are fewer
    """
    left = size
    while left:
        block = source.take(min(left, _PIECE))
        if not block:
            raise damaged("tar", "ends in the middle of a member", source.at, at_end=True)
        left -= len(block)
        yield block
    padding = -size % BLOCK
    if len(source.exactly(padding)) < padding:
        raise damaged("tar", "ends in the middle of a member", source.at, at_end=True)


def _pass(source: Source, size: int) -> None:
    for _ in _content(source, size):
        pass


def _pass_sparse_map(source: Source, header: tarfile.TarInfo, head: bytes) -> None:
    """Pass the further blocks of GNU's old map of a sparse file, each of which says whether another follows."""
    goes_on = header.type == tarfile.GNUTYPE_SPARSE and head[482] != 0
    while goes_on:
        block = source.exactly(BLOCK)
        goes_on = len(block) == BLOCK and block[504] != 0
