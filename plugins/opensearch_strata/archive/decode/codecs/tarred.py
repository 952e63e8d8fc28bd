"""tar files: members one after another, as they come; nothing of them is kept. Pure.

POSIX pax, ustar, GNU's form and the old one (IEEE Std 1003.1, pax, "ustar Interchange Format"; tar.5 of libarchive).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator

from opensearch_strata.archive.decode.byte_stream import Source, damaged

BLOCK = 512  # bytes; a tar file consists of blocks of this size
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
    b"D": "a directory listing",
    b"V": "a label",
}
"""Members without content of their own, so nothing is lost with them. By POSIX, unknown types are files."""
_SIZE = re.compile(rb"(?:\A|\n)\d{1,9} size=(\d{1,20})\n")
_PAX_NAME = re.compile(rb"(?:\A|\n)\d{1,9} path=([^\n]{0,4096})\n")
_SPARSE = re.compile(rb"(?:\A|\n)\d{1,9} GNU\.sparse\.")


def is_tar(head: bytes) -> bool:
    """Whether the header of a member begins here, which is so if its checksum is correct.

    :param head: the first 512 bytes, or all if there are fewer
    """
    return len(head) >= BLOCK and head[0] != 0 and _header(head) is not None


def untarred(source: Source, skip: Callable[[str], None]) -> Iterator[Iterator[bytes]]:
    """Yield the content of each member that is a file.

    :param skip: called with a sentence for each member that is not a file, except for directories
    :raises Damaged: after everything before the damage was yielded; also if a sparse file, of which only parts are
        stored, was left out
    """
    sparse: list[str] = []
    extended = b""
    while any(head := source.exactly(BLOCK)):
        start = source.at - len(head)
        if len(head) < BLOCK:
            raise damaged("tar", "ends in the middle of a header", source.at, at_end=True)
        header = _header(head)
        if header is None:
            raise damaged("tar", "contains something other than a member", start)
        if header.type in (*_LONG_NAMES, *_PAX):
            if header.size > _LONGEST_HEADER:
                raise damaged("tar", "contains a header longer than 1 MiB", start)
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
            for _ in content:  # whatever was not consumed
                pass
    if not source.ends_in_zeros():
        raise damaged("tar", "is followed by something else", source.at)
    if sparse:
        names = ", ".join(map(repr, sparse[:5]))
        raise damaged("tar", f"contains sparse files, which are not read: {names}", source.at)
    if not head:
        raise damaged("tar", "ends without its final zeros", source.at, at_end=True)


def _extended(header: tarfile.TarInfo, content: bytes) -> bytes:
    """What an extended header says about the next member, in the form of pax."""
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return b"\n0 path=" + content.rstrip(b"\0") + b"\n"
    return b"" if header.type == tarfile.GNUTYPE_LONGLINK else content


def _header(head: bytes) -> tarfile.TarInfo | None:
    try:
        return tarfile.TarInfo.frombuf(head[:BLOCK], "utf-8", "replace")
    except (tarfile.HeaderError, ValueError):
        return None


def _name_and_size(header: tarfile.TarInfo, extended: bytes) -> tuple[str, int]:
    """A member's name and stored size in bytes; an extended header before it takes precedence."""
    size, name = _SIZE.findall(extended), _PAX_NAME.findall(extended)
    shown = name[-1].decode("utf-8", "replace") if name else header.name
    return shown, int(size[-1]) if size else max(header.size, 0)


def _content(source: Source, size: int) -> Iterator[bytes]:
    """Yield ``size`` bytes, and take their padding.

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
    """Skip the further blocks of a sparse file's map in GNU's old form; each says whether another one follows."""
    goes_on = header.type == tarfile.GNUTYPE_SPARSE and head[482] != 0
    while goes_on:
        block = source.exactly(BLOCK)
        goes_on = len(block) == BLOCK and block[504] != 0
