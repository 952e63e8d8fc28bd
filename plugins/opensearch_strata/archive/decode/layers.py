"""Removes compression by magic bytes, whatever the object's name or metadata say, up to three times. Pure.

gzip, zip, tar, zstd, bzip2 and snappy, in any order; anything without one of their marks is the content, and is turned
into UTF-8 if it is in wider characters. Memory stays within a few MiB: objects are streamed. Only zip files, whose
directory is at their end, go through a temporary file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from opensearch_strata.archive.decode.byte_stream import Damaged, Source, TooLarge
from opensearch_strata.archive.decode.codecs.compressed import (
    bunzipped,
    gunzipped,
    is_bzip2,
    is_gzip,
    is_zstd,
    unzstandard,
)
from opensearch_strata.archive.decode.codecs.snappy import is_framed, is_hadoop, unblocked, unframed
from opensearch_strata.archive.decode.codecs.tarred import is_tar, untarred
from opensearch_strata.archive.decode.codecs.wide import charset_of, narrowed
from opensearch_strata.archive.decode.codecs.zipped import is_zip, unzipped
from opensearch_strata.errors.amounts import counted, size

__all__ = ["LIMITS", "Damaged", "DecompressionLimits", "TooLarge", "decoded", "layer_of"]

_MARK = 512  # bytes that identify every layer; tar needs the whole header of a member
_APPLE_DOUBLE = b"\0\x05\x16\x07"  # begins what macOS adds for each file in a zip or tar: attributes, no content
_MOST_NOTES = 10


class DecompressionLimits(NamedTuple):
    """The most that an object may unpack to.

    :param ratio: bytes from any layer for each byte of the object
    :param free: bytes up to which the ratio does not matter
    :param bytes: bytes from any layer
    :param depth: number of layers
    :param spool: bytes of a zip file, which is stored on disk while it is read
    """

    ratio: int = 1000
    free: int = 2**27
    bytes: int = 2**36
    depth: int = 3
    spool: int = 2**32


LIMITS = DecompressionLimits()
"""gzip reaches a ratio of at most 1032, log files 5 to 50; an object of Firehose holds at most 128 MiB."""

_LAYERS: dict[str, tuple[Callable[[bytes], bool], Callable[[Source], Iterator[bytes]]]] = {
    "gzip": (is_gzip, gunzipped),
    "zstd": (is_zstd, unzstandard),
    "bzip2": (is_bzip2, bunzipped),
    "snappy": (is_framed, unframed),
    "hadoop-snappy": (is_hadoop, unblocked),
}


def decoded(
    blocks: Iterable[bytes],
    limits: DecompressionLimits = LIMITS,
    names: list[str] | None = None,
    notes: list[str] | None = None,
) -> Iterator[bytes]:
    """Yield the content of an object in blocks; nothing for an empty object.

    The files of a zip or tar follow one another. Each begins a line, and each may be compressed in its own way.

    :param blocks: blocks of the object, of any size
    :param names: receives the layers that were removed, outermost first
    :param notes: receives a sentence for each member of an archive that was left out because it has no content
    :raises Damaged: a layer is damaged, cut off or followed by something else; everything before that was yielded
    :raises TooLarge: the object exceeds the limits
    """
    return _Unpacking(limits, [] if names is None else names, [] if notes is None else notes).content(blocks)


def layer_of(head: bytes) -> str | None:
    """The layer that begins with these bytes, None for content.

    :param head: the first 512 bytes, or all if there are fewer
    """
    if is_zip(head):
        return "zip"
    found = next((name for name, (matches, _) in _LAYERS.items() if matches(head)), None)
    return found or ("tar" if is_tar(head) else None)


class _Unpacking:
    """Removes the layers of one object."""

    def __init__(self, limits: DecompressionLimits, names: list[str], notes: list[str]) -> None:
        self._limits = limits
        self._names = names
        self._notes = notes
        self._read = 0
        self._given: Counter[int] = Counter()  # bytes by depth; the files of an archive count together

    def content(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return self._without_layers(Source(self._counted(blocks)), 0)

    def _counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._read += len(block)
            yield block

    def _without_layers(self, source: Source, depth: int) -> Iterator[bytes]:
        name = layer_of(source.head(_MARK))
        if name is None:
            yield from self._in_utf8(source)
            return
        if depth == self._limits.depth:
            raise TooLarge(
                f"It is packed in more than {counted(depth, 'layer')} ({', '.join(self._names)}, then {name})."
            )
        if len(self._names) == depth:
            self._names.append(name)
        if name == "zip":
            content = self._files(unzipped(source, self._limits.spool), name, depth)
        elif name == "tar":
            content = self._files(untarred(source, self._note), name, depth)
        else:
            unpack = _LAYERS[name][1]
            content = self._without_layers(Source(self._limited(unpack(source), name, depth)), depth + 1)
        yield from _with_cause(source, content)

    def _in_utf8(self, source: Source) -> Iterator[bytes]:
        charset = charset_of(source.head(16))
        if charset is None:
            yield from source.rest()
            return
        if charset not in self._names:
            self._names.append(charset)
        yield from _with_cause(source, narrowed(source, charset))

    def _note(self, sentence: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.append(sentence)

    def _files(self, files: Iterator[Iterator[bytes]], layer: str, depth: int) -> Iterator[bytes]:
        """Yield the content of an archive's members. In a tar file, damage in one also costs those after it; the
        directory of a zip file says where the next one begins."""
        begins_line = True
        first: Damaged | None = None
        while (file := _next_of(files, first)) is not None:
            if first:
                first.at_end = False
            unpacked = Source(self._limited(file, layer, depth))
            if unpacked.head(4) == _APPLE_DOUBLE:
                self._note(f"A member of the {layer} file holds macOS attributes and was left out.")
                continue
            if not begins_line and unpacked.head(1):
                yield b"\n"
            try:
                for block in self._without_layers(unpacked, depth + 1):
                    begins_line = block.endswith(b"\n")
                    yield block
            except Damaged as damage:
                if layer != "zip":
                    damage.at_end = damage.at_end and next(files, None) is None
                    raise
                first = first or damage
        if first:
            raise first

    def _limited(self, blocks: Iterator[bytes], name: str, depth: int) -> Iterator[bytes]:
        """Yield the blocks from a layer, as far as the limits allow."""
        ratio, free, most, *_ = self._limits
        for block in blocks:
            self._given[depth] += len(block)
            given = self._given[depth]
            if given > most:
                raise TooLarge(f"Its {name} layer holds more than {size(most)}.")
            if given > max(free, ratio * self._read):
                raise TooLarge(
                    f"Its {name} layer holds more than {counted(ratio, 'byte')} for each byte of the object "
                    f"({size(self._read)} were read)."
                )
            yield block


def _next_of(files: Iterator[Iterator[bytes]], damage: Damaged | None) -> Iterator[bytes] | None:
    """The next member. If an earlier one was damaged, that is the cause of anything that is wrong after it."""
    try:
        return next(files, None)
    except Damaged:
        if damage:
            return None
        raise


def _with_cause(source: Source, content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content, then raise its damage; damage in the outer layer is the cause of damage in the inner one."""
    try:
        yield from content
    except Damaged as inner:
        if source.damage:
            source.damage.at_end = source.damage.at_end and inner.at_end
        raise source.damage or inner from None
    if source.damage:
        raise source.damage
