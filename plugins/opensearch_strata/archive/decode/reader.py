"""An object in S3 as events: layers off, format found, record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK, KEPT, Source
from opensearch_strata.archive.decode.formats import detected, firehose_errors, format_of, lines, strata, wrapped
from opensearch_strata.archive.decode.layers import LIMITS, Damaged, DecompressionLimits, decoded
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.parsers.parsed import Entries
from opensearch_strata.archive.store.manifest import Measure

_HEAD = 2**16


class Reading:
    """The events of one object, to be iterated once.

    What is wrong with the object's end never costs what is before it: everything complete is given, then one
    :class:`Broken`, and ``damage`` says what happened. ``left_unread`` is whether it was not the end of the object:
    something lies behind the damage. Of an archive of our own, and of content that is empty, ``measure`` is what a
    manifest tells about; of all else it is None.

    :param blocks: of the object as it lies in S3, of any size
    :param format: of this package or an installed one, or auto: the content decides
    :param begins: says of a line of plain text whether it begins an entry; without it, every line is one
    :param limits: of what it may unpack to
    :param unwrap: field of JSON objects, or the path to it, whose array holds the events; None: the objects are these
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        format: str = "auto",
        begins: Callable[[str], bool] | None = None,
        limits: DecompressionLimits = LIMITS,
        unwrap: str | None = None,
    ) -> None:
        self.layers: list[str] = []
        self.format = "" if format == "auto" else format
        self.damage: str | None = None
        self.left_unread = False
        self.measure: Measure | None = None
        self._notes: list[str] = []
        self._begins = begins
        self._unwrap = unwrap
        self._content = Source(decoded(blocks, limits, self.layers, self._notes))

    @property
    def notes(self) -> list[str]:
        """What is to be known of what was read, a sentence each: members of archives that were left out, lines that may
        have been entries of their own."""
        doubts = self._begins.doubts if isinstance(self._begins, Entries) else ""
        return [*self._notes, doubts] if doubts else self._notes

    def __iter__(self) -> Iterator[Event | Broken]:
        """Every event and every record that is none, in the order of the object.

        :raises TooLarge: the object unpacks to more than its limits allow
        """
        last = -1
        try:
            for item in self._items():
                last = item.record
                yield item
        except Damaged as damage:
            self.damage, self.left_unread = str(damage), not damage.at_end
            yield Broken(last + 1, f"The object ends too early: {damage}", damage.tail)

    def _items(self) -> Iterator[Event | Broken]:
        content = self._content
        mark = content.exactly(3) if content.head(3) == BYTE_ORDER_MARK else b""
        head = content.head(_HEAD)
        if not head:
            if content.damage:
                raise content.damage
            self.measure = Measure() if self.format in ("", "strata") else None
            return iter(())
        self.format = self.format or detected(head) or self._by_first_line(head)
        if not self.format:
            return self._unknown(head)
        if self.format == "lines" and self._begins:
            return lines.entries(content.rest(), self._begins)
        if self.format == "firehose_errors":
            return firehose_errors.events(content.rest(), self._begins)
        if self.format == "json" and self._unwrap:
            return wrapped.events(content.rest(), self._unwrap)
        if self.format == "strata":
            self.measure = Measure()
            self.measure.add(mark)
            return strata.events(self.measure.watched(content.rest()))
        return format_of(self.format).events(content.rest())

    def _by_first_line(self, head: bytes) -> str:
        """Statements may hold any bytes: what begins like an entry is text, if a parser knows entries."""
        first = head.lstrip().partition(b"\n")[0].removesuffix(b"\r")
        return "lines" if self._begins and self._begins(first.decode("utf-8", "replace")) else ""

    def _unknown(self, head: bytes) -> Iterator[Broken]:
        self.damage = "The content is of no known format, nor is it text."
        yield Broken(0, self.damage, head[:KEPT])
