"""Compression taken off by magic bytes, whatever the object's name or metadata say, up to three times. Pure.

gzip, zip, zstd, bzip2 and snappy, in any order; what bears no mark of theirs is the content. Memory stays within a
few MiB: an object streams through, but for zip files, whose directory is at their end (a temporary file then).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from opensearch_strata.archive.codecs.compressed import (
    bunzipped,
    gunzipped,
    is_bzip2,
    is_gzip,
    is_zstd,
    unzstandard,
)
from opensearch_strata.archive.codecs.snappy import is_framed, is_hadoop, unblocked, unframed
from opensearch_strata.archive.codecs.zipped import is_zip, unzipped
from opensearch_strata.archive.source import Damaged, Source
from opensearch_strata.errors import StrataError

__all__ = ["LIMITS", "Damaged", "Limits", "TooLarge", "decoded", "layer_of"]

_MARK = 16  # bytes that tell every layer


class TooLarge(StrataError):  # noqa: N818 - reads as what happened
    """An object unpacks to more than its limits allow; it may be a decompression bomb."""


class Limits(NamedTuple):
    """What an object may unpack to.

    :param ratio: bytes out of any layer for each byte of the object
    :param free: bytes up to which the ratio does not matter
    :param bytes: bytes out of any layer
    :param depth: layers
    """

    ratio: int = 1000
    free: int = 2**27
    bytes: int = 2**36
    depth: int = 3


LIMITS = Limits()
"""gzip reaches 1032 at the most, log files 5 to 50; an object of Firehose holds 128 MiB at the most."""

_LAYERS: dict[str, tuple[Callable[[bytes], bool], Callable[[Source], Iterator[bytes]]]] = {
    "gzip": (is_gzip, gunzipped),
    "zstd": (is_zstd, unzstandard),
    "bzip2": (is_bzip2, bunzipped),
    "snappy": (is_framed, unframed),
    "hadoop-snappy": (is_hadoop, unblocked),
}


def decoded(blocks: Iterable[bytes], limits: Limits = LIMITS, names: list[str] | None = None) -> Iterator[bytes]:
    """The content of an object in blocks; nothing for an empty object.

    Files of a zip come one behind the other, each begins a line, and each may be packed in its own way.

    :param blocks: of the object, of any size
    :param names: gets the layers that were taken off, outermost first
    :raises Damaged: a layer is damaged, cut off or followed by something else; everything before was given
    :raises TooLarge: it is beyond the limits
    """
    return _Unpacking(limits, [] if names is None else names).content(blocks)


def layer_of(head: bytes) -> str | None:
    """The layer that begins with these bytes, None for content.

    :param head: 16 bytes, fewer for what is shorter
    """
    if is_zip(head):
        return "zip"
    return next((name for name, (matches, _) in _LAYERS.items() if matches(head)), None)


class _Unpacking:
    """One object on its way through its layers."""

    def __init__(self, limits: Limits, names: list[str]) -> None:
        self._limits = limits
        self._names = names
        self._read = 0
        self._given: Counter[int] = Counter()  # by depth; the files of a zip together

    def content(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return self._without_layers(Source(self._counted(blocks)), 0)

    def _counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._read += len(block)
            yield block

    def _without_layers(self, source: Source, depth: int) -> Iterator[bytes]:
        name = layer_of(source.head(_MARK))
        if name is None:
            yield from source.rest()
            return
        if depth == self._limits.depth:
            raise TooLarge(f"It is packed more than {depth} times ({', '.join(self._names)}, then {name} once more).")
        if len(self._names) == depth:
            self._names.append(name)
        if name == "zip":
            content = self._files(unzipped(source), depth)
        else:
            unpack = _LAYERS[name][1]
            content = self._without_layers(Source(self._limited(unpack(source), name, depth)), depth + 1)
        yield from _with_cause(source, content)

    def _files(self, files: Iterator[Iterator[bytes]], depth: int) -> Iterator[bytes]:
        begins_line = True
        for file in files:
            unpacked = Source(self._limited(file, "zip", depth))
            if not begins_line and unpacked.head(1):
                yield b"\n"
            try:
                for block in self._without_layers(unpacked, depth + 1):
                    begins_line = block.endswith(b"\n")
                    yield block
            except Damaged as damage:
                damage.at_end = damage.at_end and next(files, None) is None
                raise

    def _limited(self, blocks: Iterator[bytes], name: str, depth: int) -> Iterator[bytes]:
        """Blocks out of a layer, as many as are allowed."""
        ratio, free, most, _ = self._limits
        for block in blocks:
            self._given[depth] += len(block)
            given = self._given[depth]
            if given > most:
                raise TooLarge(f"Its {name} layer holds more than {most:,} bytes.")
            if given > max(free, ratio * self._read):
                raise TooLarge(
                    f"Its {name} layer holds more than {ratio} bytes for each of the {self._read:,} bytes "
                    f"of the object that were read."
                )
            yield block


def _with_cause(source: Source, content: Iterator[bytes]) -> Iterator[bytes]:
    """The content, and behind it what is wrong; damage of the layer outside is the cause of damage inside."""
    try:
        yield from content
    except Damaged as inner:
        if source.damage:
            source.damage.at_end = source.damage.at_end and inner.at_end
        raise source.damage or inner from None
    if source.damage:
        raise source.damage
