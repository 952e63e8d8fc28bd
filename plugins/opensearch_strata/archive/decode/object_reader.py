"""Reads an object in S3 as events: removes its layers, recognises its format, and goes through it record by record."""

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

    Damage never costs what comes before it: everything complete is yielded, then one :class:`Broken`, and ``damage``
    says what happened. ``left_unread`` is whether the damage was not the end of the object, so that something lies
    after it. For our own archives and for empty content, ``measure`` is what a manifest can be checked against; it is
    None for everything else.

    :param blocks: blocks of the object as it is stored in S3, of any size
    :param format: a format of this package or an installed one, or auto: the content decides
    :param begins: says whether a line of plain text begins an entry; without it, every line is one
    :param limits: the most that the object may unpack to
    :param unwrap: field of JSON objects, or the path to it, whose array holds the events; None: the objects are events
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
        """Sentences about what was read: members of archives that were left out, and lines that may be entries of their
        own."""
        doubts = self._begins.doubts if isinstance(self._begins, Entries) else ""
        return [*self._notes, doubts] if doubts else self._notes

    def __iter__(self) -> Iterator[Event | Broken]:
        """Yield every event and every broken record, in the order of the object.

        :raises TooLarge: the object unpacks to more than its limits allow
        """
        last = -1
        try:
            for item in self._items():
                last = item.record
                yield item
        except Damaged as damage:
            self.damage, self.left_unread = str(damage), not damage.at_end
            what = "ends too early" if damage.at_end else "is damaged"
            yield Broken(last + 1, f"The object {what}: {damage}", damage.tail)

    def _items(self) -> Iterator[Event | Broken]:
        content = self._content
        mark = content.exactly(3) if content.head(3) == BYTE_ORDER_MARK else b""
        head = content.head(_HEAD)
        if not head:
            if content.damage:
                raise content.damage
            self.measure = Measure() if self.format in ("", "strata") else None
            return iter(())
        self.format = self.format or self._seen(head) or self._by_first_line(head)
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

    def _seen(self, head: bytes) -> str | None:
        """The format of the content; what a dataset states of its JSON counts for CloudTrail's, too."""
        name = detected(head)
        return "json" if name == "cloudtrail" and self._unwrap else name

    def _by_first_line(self, head: bytes) -> str:
        """Statements may contain any bytes, so content that begins like an entry is text if a parser knows entries."""
        first = head.lstrip().partition(b"\n")[0].removesuffix(b"\r")
        return "lines" if self._begins and self._begins(first.decode("utf-8", "replace")) else ""

    def _unknown(self, head: bytes) -> Iterator[Broken]:
        self.damage = "The content has no known format and is not text."
        yield Broken(0, self.damage, head[:KEPT])
