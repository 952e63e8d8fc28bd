"""Formats in other distributions, found by entry point; a fault in their code costs at most one object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.definition.extensions import Extension, extension, extensions
from opensearch_strata.errors import DefinitionError, StrataError


class InstalledFormat:
    """A format in another distribution.

    :raises DefinitionError: it cannot be imported, or lacks a function
    """

    def __init__(self, found: Extension) -> None:
        self._told = found.told
        self._module = found.loaded(("matches", "events"))

    def matches(self, head: bytes) -> bool:
        """Whether the content is of this format.

        :param head: its first bytes, up to 64 KiB
        :raises DefinitionError: its code fails
        """
        try:
            return bool(self._module.matches(head))
        except Exception as error:
            raise DefinitionError(
                f"The format of an object cannot be determined: matches of {self._told} raises {error!r}. Fix or "
                f"uninstall the distribution, or name another format as intake.format."
            ) from error

    def events(self, blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
        """Yield its events, as long as they are valid events.

        :param blocks: blocks of the content, of any size
        :raises Damaged: if the blocks raise it, or if the format's code fails
        """
        source = _Watched(blocks)
        last = 0
        try:
            for item in self._module.events(iter(source)):
                if problem := _problem(item, last):
                    raise Damaged(f"T{self._told[1:]} yielded {problem}; everything before that was read.")
                last = item.record
                yield item
        except StrataError:
            raise
        except Exception as error:
            if error is source.failure:
                raise
            raise Damaged(f"T{self._told[1:]} raises {error!r}; everything before that was read.") from error


class _Watched:
    """Blocks, and a failure while they were read, which is not the fault of the format that reads them."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except BaseException as error:
            self.failure = error
            raise


def _problem(item: object, last: int) -> str:
    """What is wrong with an item that a format yielded; empty if nothing is."""
    if not isinstance(item, Event | Broken):
        return f"a {type(item).__name__} where an Event or Broken is expected"
    if type(item.record) is not int or item.record < last:
        return f"record {item.record!r} after record {last}, but record numbers must never decrease"
    if not isinstance(item.raw, bytes):
        return f"record {item.record} with a raw that is not bytes"
    if isinstance(item, Event) and not isinstance(item.message, str | dict):
        return f"record {item.record} with a message that is neither text nor fields"
    if isinstance(item, Event) and item.time is not None and type(item.time) is not int:
        return f"record {item.record} with a time that is not epoch milliseconds"
    return ""


@cache
def installed_format(name: str) -> InstalledFormat:
    """Return an installed format.

    :param name: name of its entry point
    :raises DefinitionError: it is not installed, or it cannot be used
    """
    return InstalledFormat(extension("format", name))


def installed_formats() -> Mapping[str, InstalledFormat]:
    """All installed formats, in the order of their names.

    :raises DefinitionError: one of them cannot be used
    """
    return {name: installed_format(name) for name in extensions("format")}
